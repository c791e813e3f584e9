"""What the rows of a TeamTrack's change logs mean."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from offtracfs.records import Row, microseconds
from offtracfs.trackers.changelog import Change, LogRules, summary
from offtracfs.trackers.teamtrack.fields import TRANSITION, UPDATE


class TeamTrackRules(LogRules):
    """As of any tracker; a row ``transition`` names the transition that a change was, and is no field's.

    A row ``update`` begins a change that changed no field, or that came in the second of the one before it.
    """

    times = frozenset({"time", "changetime"})

    def changes(self, rows: list[Row]) -> list[Change]:
        """A change for each action; those by one user in one second are told apart by their first rows."""
        parts: list[dict[int, Row]] = []
        before: tuple[str, str | None] | None = None
        for place, row in enumerate(rows):
            fields = {other.field for other in parts[-1].values()} if parts else ()
            if (row.time, row.author) != before or row.field in (TRANSITION, UPDATE) or row.field in fields:
                parts.append({})
            parts[-1][place] = row
            before = row.time, row.author
        return sorted(map(_change, parts), key=attrgetter("moment"))

    def describe(self, change: Change) -> tuple[str, str]:
        """The transition's name, the fields that it changed; no change has a comment."""
        name = next((row.new or "" for row in change.rows.values() if row.field == TRANSITION), "")
        rows = [row for row in change.rows.values() if row.field not in (TRANSITION, UPDATE)]
        rows.sort(key=lambda row: row.field != "status")
        what = ", ".join(map(summary, rows))
        return (f"{name} ({what})" if name and what else name or what or "updated"), ""

    def stamp(self, props: dict[str, Any], time: str, final: list[Any]) -> None:
        """Set ``changetime``."""
        props["changetime"] = time


def _change(rows: Mapping[int, Row]) -> Change:
    first = next(iter(rows.values()))
    values = {row.field: (row.old, row.new) for row in rows.values()}
    return Change(microseconds(first.time), first.author or "", first.time, rows, values)
