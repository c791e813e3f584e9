"""``changelog/{id}.json``: a ticket's rows ``[isotime, author, field, oldvalue, newvalue, permanent]``."""

from __future__ import annotations

from typing import Any

from offtracfs.errors import TrackerError
from offtracfs.kinds.kind import ODD, Kind, Rows, Table
from offtracfs.kinds.ticket import OWN
from offtracfs.kinds.values import custom, said, text
from offtracfs.records import check_times, microseconds

_END = b"\n]\n"  # of a change log that is not empty


def check_changelog(number: int, value: Any) -> list[list[Any]]:
    """`value` if it is ticket `number`'s change log. Raises TrackerError saying what is wrong with it."""
    if not isinstance(value, list):
        raise TrackerError(f"The change log of ticket {number} is not a list.")
    for row in value:
        match row:
            case [str(), str() | None, str(), str() | None, str() | None, int()]:
                pass
            case _:
                shape = "[time, author, field, old, new, permanent]"
                raise TrackerError(f"The change log of ticket {number} has a row that is not {shape}.")
    check_times(f"The change log of ticket {number}", (time for time, *_ in value))
    return value


def _rows(number: int, log: Any) -> Rows:
    if not isinstance(log, list):
        raise TypeError
    found: Rows = []
    for row in log:
        try:
            time, author, field, old, new, permanent = row
            if permanent:  # the others are attachments, which Trac has in a table of their own
                values = _values(field, old, new)
                found.append(("ticket_change", (number, microseconds(time), said(author), field, *values)))
        except ODD:
            continue
    return found


def _values(field: str, old: Any, new: Any) -> tuple[str | None, str | None]:
    """A change's values: of comments as they came, of Trac's own fields, of custom fields."""
    if field == "comment" or field.startswith("_comment"):
        return said(old), said(new)
    convert = text if field in OWN else custom
    return convert(old), convert(new)


def _appended(before: bytes, after: bytes) -> bytes | None:
    """What a change log has more than before, as a log of its own; None where it did not just grow.

    Reading all of a log each time it grows would cost the square of its length. `before` must have had
    some row: only then does it end with a line of its own.
    """
    kept = len(before) - len(_END)
    if not before.endswith(_END) or not after.startswith(before[:kept] + b","):
        return None
    return b"[" + after[kept + 1 :]


_TABLE = Table(
    "ticket_change",
    {"ticket": int, "time": int, "author": str, "field": str, "oldvalue": str, "newvalue": str},
)

KIND = Kind(
    "changelog/{number}.json",
    check_changelog,
    in_git="ticket/{trees}/{number}.changelog.json",
    companion=("ticket/{number}.json", "there is no such ticket"),
    tables=(_TABLE,),
    rows=_rows,
    appended=_appended,
    history=True,
)
