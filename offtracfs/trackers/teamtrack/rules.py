"""What the rows of a TeamTrack's change logs mean."""

from __future__ import annotations

from typing import Any

from offtracfs.trackers.changelog import Change, LogRules, summary
from offtracfs.trackers.teamtrack.fields import TRANSITION, UPDATE


class TeamTrackRules(LogRules):
    """As of any tracker; a row ``transition`` names the transition that a change was, and is no field's.

    A row ``update`` is all that there is of a change that changed no field.
    """

    times = frozenset({"time", "changetime"})

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
