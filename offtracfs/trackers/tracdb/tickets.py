"""Tickets with their change logs, many at a time, as the RPC plugin would give them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Text, cast, literal, null, select, union

from offtracfs.errors import TrackerError
from offtracfs.kinds import check_changelog, check_ticket
from offtracfs.kinds.fields import default
from offtracfs.records import from_microseconds, iso
from offtracfs.trackers import Missing, Ticket
from offtracfs.trackers.tracdb import tables
from offtracfs.trackers.tracdb.fields import NO_CUSTOM, Definitions
from offtracfs.trackers.tracdb.tables import Clock, text


def batch(
    connection: Connection, clock: Clock, definitions: Definitions, numbers: Sequence[int]
) -> list[Ticket | Missing]:
    """Each of `numbers` once, in three queries."""
    ticket, custom = tables.ticket, tables.custom
    rows = connection.execute(select(ticket).where(ticket.c.id.in_(numbers))).mappings()
    found = {row["id"]: row for row in rows}
    stored: dict[int, dict[str, Any]] = defaultdict(dict)
    for number, name, value in connection.execute(select(custom).where(custom.c.ticket.in_(numbers))):
        stored[number][text(name)] = value
    logs = _logs(connection, numbers)
    return [
        _ticket(clock, definitions, number, found[number], stored[number], logs.get(number, []))
        if number in found
        else Missing(number, f"Ticket {number} does not exist.", gone=True)
        for number in numbers
    ]


def _logs(connection: Connection, numbers: Sequence[int]) -> dict[int, list[tuple[Any, ...]]]:
    """The rows of the change logs by ticket, in Trac's order; rows that tie there by their values."""
    change, attachment = tables.change.c, tables.attachment.c
    changes = select(
        cast(change.ticket, Text).label("id"),
        change.time,
        change.author,
        change.field,
        change.oldvalue,
        change.newvalue,
        literal(1).label("permanent"),
    ).where(change.ticket.in_(numbers))
    attached = [
        select(
            attachment.id, attachment.time, attachment.author, cast(literal(name), Text), cast(null(), Text),
            value, literal(0),
        ).where(attachment.type == "ticket", attachment.id.in_([str(number) for number in numbers]))
        for name, value in (("attachment", attachment.filename), ("comment", attachment.description))
    ]  # fmt: skip
    rows = union(changes, *attached)
    order = ("id", "time", "permanent", "author", "field", "oldvalue", "newvalue")
    ordered = rows.order_by(*(rows.selected_columns[name] for name in order))
    return {
        int(number): list(log)
        for number, log in groupby(map(tuple, connection.execute(ordered)), itemgetter(0))
    }


def _ticket(
    clock: Clock,
    definitions: Definitions,
    number: int,
    row: Any,
    stored: dict[str, Any],
    log: list[tuple[Any, ...]],
) -> Ticket | Missing:
    try:
        times = {field["name"] for field in definitions if field["type"] == "time"}
        changes = [_change(clock, times, row) for row in log]
        props = _props(clock, definitions, row, stored)
        props = _undeclared(row, stored, {field for _, _, field, *_ in changes}) | props
        record = [number, clock.iso(row["time"]), clock.iso(row["changetime"]), props]
        return Ticket(number, check_ticket(number, record), check_changelog(number, changes))
    except TrackerError as error:
        return Missing(number, str(error))
    except (ValueError, OverflowError):
        return Missing(number, f"Ticket {number} has a time that cannot be read.")


def _props(clock: Clock, definitions: Definitions, row: Any, stored: dict[str, Any]) -> dict[str, str]:
    props = {"_ts": str(clock.microseconds(row["changetime"]))}
    for field in definitions:
        name, time = field["name"], field["type"] == "time"
        if not field.get("custom"):
            props[name] = clock.iso(row[name]) if time else text(row[name])
        elif name in stored:
            props[name] = _time(stored[name]) if time else text(stored[name])
        elif unset := default(field):
            # A date is in the zone of Trac's machine, which should be ours.
            props[name] = _date(unset, None) if time else unset
    return props


def _undeclared(row: Any, stored: dict[str, Any], logged: set[str]) -> dict[str, str]:
    """The values that no definition need know of, and those that a ticket once had, for its past.

    The RPC plugin leaves out a custom field that nothing declares, and a field of Trac's own whose list of
    options is empty; reports, which are SQL, show them.
    """
    own = ((name, row[name]) for name in tables.STORED)
    custom = ((name, value) for name, value in stored.items() if name not in NO_CUSTOM)
    return {name: text(value) for name, value in (*own, *custom) if value or name in logged}


def _change(clock: Clock, times: set[str], row: tuple[Any, ...]) -> list[Any]:
    _, time, author, field, old, new, permanent = row
    was, now = (_time(item) if field in times else text(item) for item in (old, new))
    return [clock.iso(time), text(author), text(field), was, now, permanent]


def _time(value: Any) -> str:
    """A custom field's time: microseconds, or a text of the time before the field was one."""
    said = text(value).strip()
    try:
        return iso(from_microseconds(int(said)))
    except ValueError:
        return _date(said, UTC)


def _date(said: str, zone: tzinfo | None) -> str:
    """A date as records have it; "" where it is in no ISO form, as "now", which would never be the same."""
    try:
        date = datetime.fromisoformat(said)
    except ValueError:
        return ""
    return iso(date if date.tzinfo else date.replace(tzinfo=zone))
