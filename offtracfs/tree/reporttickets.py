"""The tickets of a report, as links: ``report/1/`` beside ``report/1.json``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from offtracfs.index import Revision
from offtracfs.kinds import report_path
from offtracfs.names import split
from offtracfs.reports import tickets
from offtracfs.reports.outputs import MAX_AGE, ReportFile
from offtracfs.reports.tickets import Ticket
from offtracfs.tree.computed import Stopped
from offtracfs.tree.nodes import Directory, Listing, Node
from offtracfs.tree.reportfiles import REPORTS
from offtracfs.tree.selections import Selections

_PATH = re.compile(rf"{REPORTS}/(0|[1-9][0-9]{{0,17}})", re.ASCII)


class ReportTickets(Selections):
    """The directories of reports, which run as for ``report/1.csv``, in a process of their own."""

    max_age = MAX_AGE

    def serves(self, directory: Directory) -> bool:
        """Each that has a report's number as its name."""
        return _PATH.fullmatch(directory.path) is not None

    def report(self, path: str, revision: Revision) -> ReportFile | None:
        """The report itself."""
        return ReportFile(revision.commit, _number(path), "csv", revision.committed)

    def tickets(
        self, path: str, revision: Revision, numbers: Sequence[int], stopped: Stopped
    ) -> Iterable[Ticket] | None:
        """Those that the report gives, and that there are."""
        return tickets.numbered(self.database, revision, numbers, stopped)

    def unlisted(self, listing: Listing, name: str) -> Node | None:
        """The directory of a report that is there, whether or not it lists tickets: nothing is run yet."""
        child = listing.directory.child(name)
        if listing.directory.path != REPORTS or not self.serves(child):
            return None
        found = self._reader.find(*split(report_path(_number(child.path))), listing.horizon)
        return child if found else None

    def may_appear(self, directory: Directory, name: str) -> bool:
        """Any ticket, and the directory of a new report."""
        return self.serves(directory) or (directory.path == REPORTS and self.serves(directory.child(name)))


def _number(path: str) -> int:
    return int(split(path)[1])
