"""Trac's tables as far as they are read, and the unit of the times in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Integer, Text, column, table

from offtracfs.records import SECOND, from_microseconds, iso, microseconds

OLDEST, NEWEST = 21, 45  # database versions: Trac 0.11, and 1.4 to 1.6
MICROSECONDS = 25  # the database version from which times are no longer in seconds (0.12's own upgrade)

STORED = ["type", "component", "severity", "priority", "owner", "reporter", "cc", "version", "milestone"]
STORED += ["status", "resolution", "summary", "description", "keywords"]
"""The texts in the table of tickets."""


def _texts(*names: str) -> list[Any]:
    return [column(name, Text) for name in names]


def _times(*names: str) -> list[Any]:
    return [column(name, BigInteger) for name in names]


system = table("system", *_texts("name", "value"))
ticket = table("ticket", column("id", Integer), *_times("time", "changetime"), *_texts(*STORED))
change = table(
    "ticket_change",
    column("ticket", Integer),
    *_times("time"),
    *_texts("author", "field", "oldvalue", "newvalue"),
)
custom = table("ticket_custom", column("ticket", Integer), *_texts("name", "value"))
attachment = table("attachment", *_texts("type", "id", "filename", "description", "author"), *_times("time"))
enum = table("enum", *_texts("type", "name", "value"))
component = table("component", *_texts("name", "owner", "description"))
milestone = table("milestone", *_texts("name", "description"), *_times("due", "completed"))
version = table("version", *_texts("name", "description"), *_times("time"))
report = table("report", column("id", Integer), *_texts("title", "query", "description"))


class Clock:
    """Between a database's times and moments; an unset time is 1970, as Trac has it."""

    def __init__(self, schema: int) -> None:
        self.schema = schema
        self.unit = 1 if schema >= MICROSECONDS else SECOND  # microseconds

    def microseconds(self, value: Any) -> int:
        """Microseconds since 1970. Raises ValueError where it is no number."""
        return int(value or 0) * self.unit

    def iso(self, value: Any) -> str:
        """ISO text as in records. Raises ValueError, OverflowError."""
        return iso(from_microseconds(self.microseconds(value)))

    def stored(self, moment: datetime) -> int:
        """The first time in the database's unit that is not before `moment`."""
        return -(-microseconds(iso(moment)) // self.unit)


def text(value: Any) -> str:
    """A text as RPC gives it: unset is empty."""
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value or "")
