"""What the rows of a change log did to their ticket: rules that hold for any kind of tracker.

A kind of tracker whose rows mean more has rules of its own, as Trac has in
`offtracfs.trackers.tracrules`; the line ``log_rules = …`` in a tracker's class says which are its.
`offtracfs.sync.replay` asks the rules and knows no tracker.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from offtracfs.records import Row, microseconds

MAX_SHOWN = 48  # characters of an old and a new value together, in a commit's subject

Values = Mapping[str, tuple[str | None, str | None]]
"""The old and the new value of each of some fields of a ticket."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a ticket: the rows that one author added at one time.

    `moment` is in microseconds since 1970 UTC. `changed` is the ticket's changetime after it, as ISO text;
    None where it did not set that. `rows` are its own rows, and `rewrites` are rows of earlier changes that
    it altered (an edit of a comment). Both map a row's index in the log to the row as it was after this
    change. `values` are the fields that it set.
    """

    moment: int
    author: str
    changed: str | None
    rows: Mapping[int, Row]
    values: Values
    rewrites: Mapping[int, Row] = field(default_factory=dict)


class LogRules:
    """The rules that hold for any tracker: a row says when, who, which field, from what, to what."""

    times: frozenset[str] = frozenset()
    """Fields that say when the ticket was created or changed. No row sets them, but `stamp` does."""

    def changes(self, rows: list[Row]) -> list[Change]:
        """The changes that the rows tell of, in order of time; at one moment in the order of the log."""
        found = []
        for part in grouped(enumerate(rows), _key, _split_at_repeated_field):
            time, author = _key(next(iter(part.values())))
            values = {row.field: (row.old, row.new) for row in part.values()}
            found.append(Change(microseconds(time), author, time, part, values))
        return sorted(found, key=lambda change: change.moment)

    def describe(self, change: Change) -> tuple[str, str]:
        """What a change did in a few words, and what its author had to say."""
        return ", ".join(summary(row) for row in change.rows.values()), ""

    def identity(self, row: Row) -> Hashable:
        """What stays the same in a row that is edited in place, such as a comment's in Trac's database.

        Two rows with one identity are one row, before and after. Times are cut to seconds, as some sources
        cut them.
        """
        return row.time[:19], row.field

    def unset(self, now: Any) -> Any:
        """What a record holds for a field that is not set; `now` is the field's present value."""
        return None if now is None else ""

    def stamp(self, props: dict[str, Any], time: str, final: list[Any]) -> None:
        """Set `times` in `props` for a changetime; `final` is the ticket's last record."""


def grouped(
    rows: Iterable[tuple[int, Row]],
    key: Callable[[Row], Hashable],
    split: Callable[[Mapping[int, Row]], list[dict[int, Row]]],
) -> list[dict[int, Row]]:
    """The rows in groups of one key, in the log's order; a group maps a row's index in the log to the row.

    Where a field comes twice in a group, `split` makes groups of one change each.
    """
    groups: dict[Hashable, dict[int, Row]] = defaultdict(dict)
    for place, row in rows:
        groups[key(row)][place] = row
    found: list[dict[int, Row]] = []
    for group in groups.values():
        several = len(group) > 1 and len({row.field for row in group.values()}) < len(group)
        found += split(group) if several else [group]
    return sorted(found, key=lambda part: next(iter(part)))


def _key(row: Row) -> tuple[str, str]:
    return row.time, row.author or ""


def _split_at_repeated_field(group: Mapping[int, Row]) -> list[dict[int, Row]]:
    """One change sets a field once: where a field comes again, another change begins."""
    parts: list[dict[int, Row]] = [{}]
    for place, row in group.items():
        if any(row.field == other.field for other in parts[-1].values()):
            parts.append({})
        parts[-1][place] = row
    return parts


def summary(row: Row) -> str:
    """What a row did to its field, in a few words."""
    if not row.new:
        return f"{row.field} cleared"
    if "\n" in row.new or len(row.new) + len(row.old or "") > MAX_SHOWN:
        return f"{row.field} changed"
    return f"{row.field}: {row.old} → {row.new}" if row.old else f"{row.field}: {row.new}"
