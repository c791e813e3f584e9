"""The tracker's own reports: which there are."""

from __future__ import annotations

from offtracfs.kinds import report_path
from offtracfs.names import number_of
from offtracfs.reports.report import Report, of_record
from offtracfs.web.page import Asked, Data, Page


def view(asked: Asked) -> Data:
    """The reports by number."""
    entries = asked.reader.entries("report", asked.revision.horizon)
    numbers = sorted(number for entry in entries if (number := number_of(entry.name)) is not None)
    found = [one for number in numbers if (one := report(asked, number))]
    return {
        "reports": [
            {"number": one.number, "title": one.title, "description": one.description, "query": one.is_query}
            for one in found
        ]
    }


def report(asked: Asked, number: int) -> Report | None:
    """A report as it stood; None where there was none of that number."""
    record = asked.snapshot.load(report_path(number))
    return None if record is None else of_record(number, record)


PAGE = Page("reports", "/report", view, "The tracker's own reports.", label="Reports")
