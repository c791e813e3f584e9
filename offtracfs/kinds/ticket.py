"""``ticket/{id}.json``: ``[id, created, changed, props]``, props as Trac's ``ticket.get`` returned them."""

from __future__ import annotations

import re
from typing import Any

from offtracfs.errors import TrackerError
from offtracfs.kinds.kind import Kind, Rows, Table, is_scalar
from offtracfs.kinds.values import custom, text
from offtracfs.names import MAX_NUMBER
from offtracfs.records import SECOND, check_times, microseconds

_TEXTS = (
    "component", "severity", "priority", "owner", "reporter", "cc", "version", "milestone", "status",
    "resolution", "summary", "keywords",
)  # fmt: skip
OWN = frozenset({"type", "time", "changetime", "description", "_ts", "comment", *_TEXTS})
"""The keys of props that are Trac's own fields; all others are custom fields."""

SHORT = (
    "component", "keywords", "milestone", "owner", "priority", "reporter", "resolution", "severity", "status",
    "type", "version",
)  # fmt: skip
"""Trac's own fields by whose values tickets are found: each ticket has a row for each, which may hold ""."""

CLOSED = "closed"  # the status of a ticket that needs no more work

_STAMP = re.compile("[0-9]{1,18}")


def check_ticket(number: int, value: Any) -> list[Any]:
    """`value` if it is ticket `number`'s record. Raises TrackerError saying what is wrong with it."""
    match value:
        case [int(found), str(created), str(changed), dict(props)]:
            pass
        case _:
            raise TrackerError(f"Ticket {number} does not have the shape [id, created, changed, props].")
    if found != number:
        raise TrackerError(f"Asked for ticket {number}, the tracker answered with ticket {found}.")
    if found > MAX_NUMBER:
        raise TrackerError(f"Ticket {number} has a number of more than 18 digits, which none can have here.")
    check_times(f"Ticket {number}", [created, changed])
    if wrong := [name for name, item in props.items() if not is_scalar(item)]:
        raise TrackerError(f"Ticket {number} has a value that is no text in its field {wrong[0]!r}.")
    return value  # type: ignore[no-any-return]  # the match has shown that it is a list


def _rows(number: int, record: Any) -> Rows:
    _, created, changed, props = record
    changetime = microseconds(changed)
    stamp = props.get(
        "_ts", ""
    )  # the changetime in microseconds, also where the protocol cuts times to seconds
    if isinstance(stamp, str) and _STAMP.fullmatch(stamp) and int(stamp) // SECOND == changetime // SECOND:
        changetime = int(stamp)
    values = {name: text(props.get(name)) for name in ("type", *_TEXTS)}
    kind, *texts = values.values()
    found: Rows = [("ticket", (number, kind, microseconds(created), changetime, *texts))]
    if description := text(props.get("description")):
        found.append(("description", (number, description)))
    found += [("ticket_value", (number, name, values[name] or "")) for name in SHORT]
    return found + [
        ("ticket_custom", (number, name, custom(props[name]))) for name in sorted(props.keys() - OWN)
    ]


_TICKET = Table(
    "ticket",
    {"id": int, "type": str, "time": int, "changetime": int, **dict.fromkeys(_TEXTS, str)},
    view=("id", "type", "time", "changetime", *_TEXTS[:-1], "description", "keywords"),
    apart={"description": "description"},
)
_DESCRIPTION = Table("description", {"ticket": int, "description": str}, view=())
_CUSTOM = Table("ticket_custom", {"ticket": int, "name": str, "value": str}, found_by=("name", "value"))
_VALUE = Table(
    "ticket_value", {"ticket": int, "field": str, "value": str}, found_by=("field", "value"), ours=True
)

KIND = Kind(
    "ticket/{number}.json",
    check_ticket,
    in_git="ticket/{trees}/{number}.json",
    companion=("changelog/{number}.json", "it has no change log"),
    tables=(_TICKET, _DESCRIPTION, _CUSTOM, _VALUE),
    rows=_rows,
    history=True,
)
