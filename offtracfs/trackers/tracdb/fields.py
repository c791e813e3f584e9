"""Definitions and values of fields, as the RPC plugin would give them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, func, literal, select

from offtracfs.kinds import field_path
from offtracfs.kinds.fields import FIRST, LAST, LISTED
from offtracfs.trackers.tracdb import tables
from offtracfs.trackers.tracdb.ini import Ini, custom_field
from offtracfs.trackers.tracdb.tables import Clock, text

FAR = 2**63  # later than every time

NO_CUSTOM = {"", "_ts", "time", "changetime", *tables.STORED}
"""Names that no custom field can have beside the rest of a ticket's record."""

Definitions = list[dict[str, Any]]
"""Of fields, as in ``fields.json``."""

Values = dict[str, dict[str, Any]]
"""By field, the record of each value, in Trac's order."""


def values(connection: Connection, clock: Clock, statuses: list[str]) -> Values:
    """The values of every field that lists them."""
    read: dict[str, Callable[[], Iterator[tuple[str, Any]]]] = {
        "status": lambda: ((name, "0") for name in statuses),
        "milestone": lambda: _milestones(connection, clock),
        "component": lambda: _components(connection),
        "version": lambda: _versions(connection, clock),
    }
    return {name: dict(read[name]() if name in read else _enum(connection, name)) for name in LISTED}


def statuses_in_use(connection: Connection) -> list[str]:
    """The statuses that some ticket has."""
    return sorted(filter(None, map(text, connection.scalars(select(tables.ticket.c.status).distinct()))))


def custom_in_use(connection: Connection) -> list[dict[str, Any]]:
    """Definitions of the custom fields that some ticket has a value of, for want of better ones."""
    custom = tables.custom.c
    names = set(map(text, connection.scalars(select(custom.name).where(custom.value != "").distinct())))
    return [custom_field(name, "text", {}) | {"format": "plain"} for name in sorted(names - NO_CUSTOM)]


def undeclared_in_use(connection: Connection, declared: Definitions) -> Definitions:
    """Definitions, all of type text, of the other fields that some ticket has a value of.

    Trac's own fields come without options, since the tracker lists none.
    """
    known = {field["name"] for field in declared}
    ticket = tables.ticket.c
    hidden = [name for name in LISTED if name not in known]
    largest = connection.execute(select(literal(1), *(func.max(ticket[name]) for name in hidden))).one()
    own = [_field(name, "text") for name, value in zip(hidden, largest[1:], strict=True) if value]
    return own + [field for field in custom_in_use(connection) if field["name"] not in known]


def definitions(listed: Values, ini: Ini, custom: Definitions) -> Definitions:
    """What ``ticket.getTicketFields`` says."""
    may_be_empty = ini.may_be_empty()
    found: Definitions = [*map(dict, FIRST)]
    for name in LISTED:
        if options := list(listed[name]):
            kind = "radio" if name in ("status", "resolution") else "select"
            field = _field(name, kind) | {"options": options}
            field["value"] = ini.default(name) if name != "status" else ""
            found.append(field | {"optional": True} if kind == "radio" or name in may_be_empty else field)
    found += map(dict, LAST)
    taken = {field["name"] for field in found}
    return found + [field for field in custom if field["name"] not in taken]


def _field(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "type": kind, "label": name.capitalize()}


def value_records(listed: Values) -> dict[str, Any]:
    """``field/*/*.json``: a record for each value, by path."""
    return {
        field_path(field, name): record for field, named in listed.items() for name, record in named.items()
    }


def _enum(connection: Connection, field: str) -> Iterator[tuple[str, Any]]:
    enum = tables.enum.c
    kind = "ticket_type" if field == "type" else field
    rows = connection.execute(select(enum.name, enum.value).where(enum.type == kind).order_by(enum.name))
    for name, value in sorted(rows, key=lambda row: _number(text(row.value))):
        yield text(name), text(value)


def _number(value: str) -> int:
    """The number that a text begins with, as SQL's CAST reads it."""
    match = re.match(r"\s*[+-]?[0-9]+", value)
    return int(match[0]) if match else 0


def _components(connection: Connection) -> Iterator[tuple[str, Any]]:
    component = tables.component.c
    query = select(component.name, component.owner, component.description).order_by(component.name)
    for name, owner, description in connection.execute(query):
        yield text(name), {"name": text(name), "owner": text(owner), "description": text(description)}


def _milestones(connection: Connection, clock: Clock) -> Iterator[tuple[str, Any]]:
    milestone = tables.milestone.c
    query = select(milestone.name, milestone.due, milestone.completed, milestone.description)
    rows = sorted(
        connection.execute(query),
        key=lambda row: (row.completed or FAR, row.due or FAR, _natural(text(row.name))),
    )
    for name, due, completed, description in rows:
        record = {"due": _time(clock, due), "completed": _time(clock, completed)}
        yield text(name), record | {"name": text(name), "description": text(description)}


def _versions(connection: Connection, clock: Clock) -> Iterator[tuple[str, Any]]:
    version = tables.version.c
    rows = connection.execute(select(version.name, version.time, version.description))
    newest_first = sorted(rows, key=lambda row: (row.time or FAR, _natural(text(row.name))), reverse=True)
    for name, time, description in newest_first:
        record = {"time": _time(clock, time), "description": text(description)}
        yield text(name), record | {"name": text(name)}


def _time(clock: Clock, value: Any) -> str | int:
    return clock.iso(value) if value else 0


def _natural(name: str) -> list[str | int]:
    """A key that sorts "1.10" after "1.9": texts and numbers in turn."""
    pieces: list[str | int] = list(re.split(r"(\d+)", name))
    pieces[1::2] = map(int, pieces[1::2])
    return pieces
