"""A milestone: how far it is, and its tickets."""

from __future__ import annotations

from offtracfs.index import counts
from offtracfs.web.page import Asked, Data, Page
from offtracfs.web.pages.roadmap import COLUMNS, dates
from offtracfs.web.values import PARAMETERS, value_data


def view(asked: Asked, name: str) -> Data:
    """A milestone as it stood. Raises Missing."""
    found = counts.records(asked.reader, "milestone", COLUMNS, asked.revision, name)
    shown = value_data(asked, "milestone", name, "component", known=bool(found))
    return shown | dates(asked, found[0] if found else None)


PAGE = Page(
    "milestone", "/milestone/<named:name>", view, "A milestone with its tickets.", parameters=PARAMETERS
)
