"""A Trac's own database, SQLite or PostgreSQL, read without a plugin or a web server.

`connect` looks whether it is one; what it gives back is a `Tracker` whose records are those that the RPC
plugin would give.

    address  ``trac+sqlite:///…`` and ``trac+postgresql://…`` taken apart and checked
    pages    where it shows its tickets
    environment   an environment's folder → the address of its database
    source   connections that never keep a live Trac waiting
    tables   Trac's tables, as far as they are read, and the unit of its times
    ini      what only ``conf/trac.ini`` knows
    fields   definitions and values of fields
    tickets  tickets with their change logs
    reports, queries   reports, and saved queries as Trac would redirect to them
    client   `TracDatabase`, which puts them together
"""

from __future__ import annotations

from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any

from offtracfs.trackers.registry import TrackerKind
from offtracfs.trackers.tracdb.pages import ticket_pages

__all__ = ["PATH", "POSTGRESQL", "SQLITE", "checked_url", "connect"]


def _later(name: str) -> Callable[..., Any]:
    """A function of these modules, imported when it is called.

    SQLAlchemy takes 0.2 s to load, and `ticket_pages` needs none.
    """
    return lambda *arguments: resolve_name(f"{__name__}.{name}")(*arguments)


checked_url, connect = _later("address:checked_url"), _later("client:connect")
_address = _later("environment:address")

PATH = TrackerKind(_later("environment:address_of_path"), connect)
SQLITE = TrackerKind(_address, connect, ticket_pages=ticket_pages)
POSTGRESQL = TrackerKind(_address, connect, takes_credentials=True, ticket_pages=ticket_pages)
