"""What the name of a report's column says about how it is shown.

The rules are Trac's (its page TracReports; ``trac/ticket/report.py`` of 1.2 to 1.6, where they are the same).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from offtracfs import text
from offtracfs.kinds.fields import PEOPLE
from offtracfs.reports.formats import Column, Kind, Row

GROUP, COLOR = "__group__", "__color__"
STYLES = ("__bgcolor__", "__class__", COLOR, "__fgcolor__", "__grouplink__", "__style__")
"""Columns that say how a row looks in Trac's pages. They are not written in any format."""

LOOKS = ("__bgcolor__", "__fgcolor__", "__style__")
"""Those of them that a page here knows as well, beside the group's and the colour's."""

KINDS: Mapping[str, Kind] = {
    "changetime": "datetime",
    "created": "datetime",
    "date": "date",
    "datetime": "datetime",
    "modified": "datetime",
    "time": "time",
}


def heads(names: Sequence[str], labels: Mapping[str, str]) -> list[Column]:
    """The columns that are shown of those that a report has; `labels` are those of the ticket's fields."""
    found = []
    line = 0
    for name in names:
        bare = name.strip("_")
        before, after = name.startswith("_"), name.endswith("_")
        unseen = name[:2] == name[-2:] == "__"
        if before and after and not unseen:
            line += 1  # a line of its own
        if name not in STYLES:
            label, kind = labels.get(name) or bare.capitalize(), KINDS.get(bare, "text")
            found.append(Column(name, label, kind, hidden=unseen or (before and not after), line=line))
        if after and not unseen:
            line += 1
    return found


def rows(names: Sequence[str], found: Iterable[Sequence[Any]]) -> Iterator[Row]:
    """The rows that a report has found, with a cell for each of `heads`."""
    places = {name: place for place, name in enumerate(names)}
    group, color = places.get(GROUP), places.get(COLOR)
    shown = [place for place, name in enumerate(names) if name not in STYLES]
    looks = [(name, places[name]) for name in LOOKS if name in places]
    lists = [index for index, place in enumerate(shown) if names[place].strip("_") in PEOPLE]
    for row in found:
        cells = [row[place] for place in shown]
        for index in lists:
            cells[index] = shown_people(cells[index])
        yield Row(
            cells,
            None if group is None else _group(row[group]),
            "" if color is None else str(row[color]),
            {name: str(row[place]) for name, place in looks if row[place]},
        )


@lru_cache(10_000, typed=True)  # the same few people stand in very many rows
def shown_people(value: Any) -> Any:
    """A list of people as Trac shows it."""
    if not isinstance(value, str):
        return value
    return ", ".join(text.people(value))


def _group(value: Any) -> str:
    return "" if value is None else str(value)
