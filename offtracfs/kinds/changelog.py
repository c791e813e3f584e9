"""``changelog/{id}.json``: a ticket's rows ``[isotime, author, field, oldvalue, newvalue, permanent]``."""

from __future__ import annotations

from typing import Any

from offtracfs.errors import TrackerError
from offtracfs.kinds.kind import SHAPE_ERRORS, Kind, Rows, Table
from offtracfs.kinds.ticket import OWN
from offtracfs.kinds.values import custom, text, verbatim
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
                found.append(
                    ("ticket_change", (number, microseconds(time), verbatim(author), field, *values))
                )
        except SHAPE_ERRORS:
            continue
    return found


def _values(field: str, old: Any, new: Any) -> tuple[str | None, str | None]:
    """A change's old and new value, converted as Trac stores values of such a field."""
    if field == "comment" or field.startswith("_comment"):
        return verbatim(old), verbatim(new)
    convert = text if field in OWN else custom
    return convert(old), convert(new)


def _appended(before: bytes, after: bytes) -> bytes | None:
    """The rows that were added at a change log's end, as a log; None where anything else changed, too.

    If all of a log were read each time it grows, the work would grow with the square of its length. `before`
    must have at least one row: an empty log is ``[]`` on one line, and does not end as `_END` says.
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
