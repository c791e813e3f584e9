"""A Trac's own database, SQLite or PostgreSQL, read without a plugin or a web server.

`connect` looks whether it is one; what it gives back is a `Tracker` whose records are those that the RPC
plugin would give.

    address  ``trac+sqlite:///…`` and ``trac+postgresql://…`` taken apart and checked
    environment   an environment's folder → the address of its database
    source   connections that never keep a live Trac waiting
    tables   Trac's tables, as far as they are read, and the unit of its times
    ini      what only ``conf/trac.ini`` knows
    fields   definitions and values of fields
    tickets  tickets with their change logs
    reports, queries   reports, and saved queries as Trac would redirect to them
    client   `TracDatabase`, which puts them together
"""

from offtracfs.trackers.registry import TrackerKind
from offtracfs.trackers.tracdb.address import checked_url
from offtracfs.trackers.tracdb.client import TracDatabase, connect
from offtracfs.trackers.tracdb.environment import address, address_of_path, ticket_pages

__all__ = ["PATH", "POSTGRESQL", "SQLITE", "TracDatabase", "checked_url", "connect"]

PATH = TrackerKind(address_of_path, connect)
SQLITE = TrackerKind(address, connect, ticket_pages=ticket_pages)
POSTGRESQL = TrackerKind(address, connect, takes_credentials=True, ticket_pages=ticket_pages)
