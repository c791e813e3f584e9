"""What differs between two revisions, in numbers, and which tickets do; none of them is read.

Where few tickets may differ, only their rows are looked at. Else the values of one field are, or the rows of
one table: between any two revisions of a tracker with 100,000 tickets, each question takes some tenths of a
second.
"""

from __future__ import annotations

import json
from typing import Any

from offtracfs.index.queries import Reader, Revision
from offtracfs.kinds import LOGS, TICKETS
from offtracfs.kinds.ticket import CLOSED

TOUCHED = """
    WITH touched(number) AS MATERIALIZED (
        SELECT DISTINCT CAST(path.name AS INTEGER) FROM path WHERE path.id IN (
            SELECT version.path FROM version WHERE version.inode > :low AND version.inode <= :high
        ) AND +path.directory IN (:tickets, :logs)
    )
    SELECT count(*), 1 FROM touched UNION ALL
    SELECT * FROM (SELECT number, 0 FROM touched WHERE number > :behind ORDER BY number LIMIT :limit)
"""  # what stands before ".json" in the name of a ticket; "+": SQLite shall begin with the versions
RECORDS = """
    SELECT path.directory, path.name FROM path WHERE path.directory NOT IN (:tickets, :logs) AND EXISTS (
        SELECT 1 FROM version
        WHERE version.path = path.id AND version.inode > :low AND version.inode <= :high
    )
"""
_PAIRS = """
    SELECT v.ticket AS ticket,
        max(CASE WHEN v.since <= :old AND v.until > :old THEN v.value END) AS before,
        max(CASE WHEN v.since <= :new AND v.until > :new THEN v.value END) AS after
    FROM offtracfs_ticket_value AS v
    WHERE {only} AND v.field = :field AND NOT (v.since <= :low AND v.until > :high)
        AND ((v.since <= :old AND v.until > :old) OR (v.since <= :new AND v.until > :new))
    GROUP BY v.ticket
"""
FATES = {
    "new": "before IS NULL",
    "deleted": "after IS NULL",
    "closed": "before IS NOT NULL AND before <> :closed AND after = :closed",
    "reopened": "before = :closed AND after IS NOT NULL AND after <> :closed",
}
"""What may become of a ticket between two revisions, if one looks at these alone; and which tickets do."""

_SUMS = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in FATES.values())
FATE_COUNTS = f"SELECT {_SUMS} FROM ({_PAIRS})"  # noqa: S608  # no value in it, here and below
MOVED = f"SELECT ticket FROM ({_PAIRS}) WHERE {{condition}} ORDER BY ticket"  # noqa: S608
FIELDS = """
    SELECT v.field, count(*) FROM offtracfs_ticket_value AS v
    JOIN offtracfs_ticket_value AS other ON other.ticket = v.ticket AND other.field = v.field
        AND other.since <= :high AND other.until > :high
    WHERE {only} AND v.since <= :low AND v.until > :low AND v.until <= :high AND v.value <> other.value
    GROUP BY v.field
"""
COMMENTS = """
    SELECT count(*) FILTER (WHERE v.since > :low AND v.since <= :high AND v.until > :high)
        - count(*) FILTER (WHERE v.since <= :low AND v.until > :low AND v.until <= :high AND EXISTS (
            SELECT 1 FROM offtracfs_ticket_change AS edited
            WHERE edited.ticket = v.ticket AND edited.until > :high AND edited.since <= :high
                AND edited.time = v.time AND edited.author = v.author AND edited.field = 'comment'
        ))
    FROM offtracfs_ticket_change AS v WHERE {only} AND v.field = 'comment' AND v.newvalue <> ''
"""  # an edited comment is another row, and no new comment
ONLY = "v.ticket IN (SELECT value FROM json_each(:numbers))"


class Span:
    """The tickets and records that may differ from one revision to another, which may be the earlier one.

    These are all of which, or of whose logs, there are versions between. `touched` is how many tickets;
    `numbers` are those of the first ones above `behind`, at most `limit`, in order.
    """

    def __init__(
        self, reader: Reader, old: Revision, new: Revision, behind: int = 0, limit: int = 1_000
    ) -> None:
        self.old, self.new = old, new
        self._reader = reader
        low, high = sorted((old.horizon, new.horizon))
        self._files = {"low": low, "high": high, "tickets": TICKETS, "logs": LOGS}
        (self.touched, _), *rows = reader.select(TOUCHED, **self._files, behind=behind, limit=limit)
        self.numbers = [number for number, _ in rows]

    def _ask(self, statement: str, condition: str = "", field: str = "") -> list[Any]:
        only = ONLY if len(self.numbers) == self.touched else "1"
        low, high = sorted((self.old.number, self.new.number))
        return self._reader.select(
            statement.format(only=only, condition=condition),
            numbers=json.dumps(self.numbers),
            old=self.old.number,
            new=self.new.number,
            low=low,
            high=high,
            field=field,
            closed=CLOSED,
        )

    def records(self) -> list[str]:
        """The paths of the records that are no tickets and may differ, in order."""
        rows = self._reader.select(RECORDS, **self._files)
        return sorted(f"{directory}/{name}" if directory else name for directory, name in rows)

    def fates(self) -> dict[str, int]:
        """How many tickets have which of `FATES`."""
        return dict(zip(FATES, self._ask(FATE_COUNTS, field="status")[0], strict=True))

    def with_fate(self, fate: str) -> list[int]:
        """The tickets with one of `FATES`, in order."""
        return [number for (number,) in self._ask(MOVED, FATES[fate], "status")]

    def fields(self) -> dict[str, int]:
        """Of how many tickets, there at both revisions, each field of `SHORT` has two different values."""
        return dict(self._ask(FIELDS))

    def with_field(self, field: str) -> list[int]:
        """The tickets, there at both revisions, with two different values in a field of `SHORT`, in order."""
        return [number for (number,) in self._ask(MOVED, "before <> after", field)]

    def comments(self) -> int:
        """How many comments came and are still there; none on the way back."""
        return int(self._ask(COMMENTS)[0][0]) if self.old < self.new else 0
