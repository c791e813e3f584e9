"""What reports give, as files beside them: ``report/1.txt`` for people and ``report/1.csv`` for programs."""

from __future__ import annotations

from offtracfs.kinds import report_path
from offtracfs.names import result_of, split
from offtracfs.reports.outputs import ReportFile
from offtracfs.tree.kind import Kind
from offtracfs.tree.nodes import Directory, Listing, Node

REPORTS = "report"


class ReportFiles(Kind):
    """They are not listed: else `grep -r` and `cp -r` would run every report."""

    def unlisted(self, listing: Listing, name: str) -> Node | None:
        """What a report that is there gives at the revision's commit."""
        if listing.revision is None or listing.directory.path != REPORTS or not (found := result_of(name)):
            return None
        report, suffix = found
        if self._reader.find(*split(report_path(report)), listing.horizon) is None:
            return None
        return ReportFile(listing.revision.commit, report, suffix, listing.revision.committed)

    def may_appear(self, directory: Directory, name: str) -> bool:
        """What a new report gives."""
        return directory.path == REPORTS and result_of(name) is not None
