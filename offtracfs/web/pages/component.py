"""A component: who owns it, and its tickets."""

from __future__ import annotations

from offtracfs.index import counts
from offtracfs.web.page import Asked, Data, Page
from offtracfs.web.values import PARAMETERS, value_data


def view(asked: Asked, name: str) -> Data:
    """A component as it stood. Raises Missing."""
    found = counts.records(asked.reader, "component", "owner, description", asked.revision, name)
    owner, description = found[0] if found else ("", "")
    shown = value_data(asked, "component", name, "milestone", known=bool(found))
    return shown | {"owner": owner or "", "description": description or ""}


PAGE = Page(
    "component", "/component/<named:name>", view, "A component with its tickets.", parameters=PARAMETERS
)
