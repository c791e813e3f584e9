"""A Trac's database as a `Tracker`."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

import trio
from sqlalchemy import Connection, select

from offtracfs.errors import NotATracker
from offtracfs.trackers import Metadata, Missing, Stored, Ticket, compared
from offtracfs.trackers.credentials import Credentials
from offtracfs.trackers.tracdb import fields, reports, tables
from offtracfs.trackers.tracdb.address import Address, parse
from offtracfs.trackers.tracdb.ini import Ini, read
from offtracfs.trackers.tracdb.source import PostgresSource, Source, SqliteSource
from offtracfs.trackers.tracdb.tables import NEWEST, OLDEST, Clock, text
from offtracfs.trackers.tracdb.tickets import batch
from offtracfs.trackers.tracrules import TracRules

TICKETS = 200  # read at once
_ID = re.compile("[0-9]{1,18}")  # attachments name their ticket by text; no more digits than names.MAX_NUMBER


@dataclass(frozen=True, slots=True)
class _Site:
    """What must be known to read anything else."""

    clock: Clock
    values: fields.Values
    definitions: fields.Definitions


class TracDatabase:
    """A Trac's own database. Made by `connect`; every method may raise TrackerError."""

    exact_text = True
    log_rules = TracRules()
    requests = 0  # over HTTP: none
    user = None  # a database's login is no user of the Trac

    def __init__(self, address: Address, source: Source) -> None:
        self.problems: list[str] = []
        self._ini = address.ini
        self._source = source

    def now(self) -> datetime:
        """The clock (UTC) of the PostgreSQL server, or for SQLite of this machine."""
        return self._source.now()

    async def refresh(self) -> None:
        """Make sure that what is read next is what stands now."""
        await trio.to_thread.run_sync(self._source.refresh)

    async def ids(self) -> list[int]:
        """The ids of all tickets, ascending."""
        await self.refresh()
        with self._source.reading() as connection:
            self._site(connection)  # what a sync needs is tried first
            return list(connection.scalars(select(tables.ticket.c.id).order_by(tables.ticket.c.id)))

    async def changed_since(self, moment: datetime) -> list[int]:
        """Ids of the tickets changed at or after `moment`."""
        await self.refresh()
        ticket = tables.ticket.c
        with self._source.reading() as connection:
            since = _clock(connection).stored(moment)
            return sorted(connection.scalars(select(ticket.id).where(ticket.changetime >= since)))

    async def attached_since(self, moment: datetime) -> list[int]:
        """Ids of the tickets that have an attachment from `moment` or later."""
        await trio.lowlevel.checkpoint()
        attachment = tables.attachment.c
        with self._source.reading() as connection:
            recent = attachment.time >= _clock(connection).stored(moment)
            query = select(attachment.id).where(attachment.type == "ticket", recent).distinct()
            return sorted(int(number) for number in connection.scalars(query) if _ID.fullmatch(number))

    @asynccontextmanager
    async def tickets(self, numbers: Collection[int]) -> AsyncIterator[AsyncIterator[Ticket | Missing]]:
        """Each of `numbers` once, all as they stood at one moment."""
        with self._source.reading() as connection:
            async with aclosing(_tickets(connection, self._site(connection), numbers)) as stream:
                yield stream

    async def metadata(self) -> Metadata:
        """Field definitions, the values of every field, and the reports."""
        await trio.lowlevel.checkpoint()
        with self._source.reading() as connection:
            site = self._site(connection)
            found = reports.reports(connection, {field["name"] for field in site.definitions})
            undeclared = fields.undeclared_in_use(connection, site.definitions)
        found |= fields.value_records(site.values) | {"fields.json": site.definitions + undeclared}
        return Metadata(found, {"report", *(f"field/{name}" for name in site.values)})

    async def outdated(self, stored: Stored) -> list[int]:
        """The tickets that are stored otherwise than they stand in the database."""
        return await compared(self, stored)

    async def aclose(self) -> None:
        """Give back the connection, and the copy."""
        self._source.close()

    def _site(self, connection: Connection) -> _Site:
        clock = _clock(connection)
        if self._ini and self._ini.exists():
            ini = read(self._ini)
            custom, statuses = ini.custom(clock.schema), ini.statuses(clock.schema)
        else:
            ini, custom, statuses = Ini({}), fields.custom_in_use(connection), []
            self._note(self._ini)
        listed = fields.values(connection, clock, statuses or fields.statuses_in_use(connection))
        return _Site(clock, listed, fields.definitions(listed, ini, custom))

    def _note(self, missing: Path | None) -> None:
        problem = (
            f"{missing or 'A trac.ini'} is not there to declare custom fields, defaults and statuses:"
            " those in use are taken. Add ?trac_ini=PATH to the url in config.toml if it is elsewhere."
        )
        if problem not in self.problems:
            self.problems.append(problem)


def _clock(connection: Connection) -> Clock:
    """The database's clock. Raises NotATracker where this cannot read it."""
    query = select(tables.system.c.value).where(tables.system.c.name == "database_version")
    version = text(connection.scalar(query))
    if not version.isascii() or not version.isdecimal():
        raise NotATracker("That database is not a Trac's: it has no database_version.")
    if int(version) < OLDEST:
        raise NotATracker(
            "That Trac's database is too old, from before 0.11: upgrade a copy of it with trac-admin."
        )
    if int(version) > NEWEST:
        raise NotATracker(f"That Trac's database is too new: version {version}, and {NEWEST} is known here.")
    return Clock(int(version))


async def _tickets(
    connection: Connection, site: _Site, numbers: Collection[int]
) -> AsyncGenerator[Ticket | Missing, None]:
    waiting = iter(numbers)
    while some := list(islice(waiting, TICKETS)):
        for found in batch(connection, site.clock, site.definitions, some):
            yield found
        await trio.lowlevel.checkpoint()


async def connect(
    url: str, credentials: Credentials | None = None, directory: Path | None = None
) -> TracDatabase:
    """The Trac whose database is at `url`; a copy of a SQLite database is kept in `directory`.

    Raises UsageError for an address that is none or holds a password, and TrackerError where there is no
    such database, it is not ours to read, it is not a Trac's, or no server answers.
    """
    address = parse(url)
    source: Source
    if address.file:
        source = SqliteSource(address.file, directory)
    else:
        server = address.server
        if credentials:
            server = server.set(username=credentials.user, password=credentials.password)
        source = PostgresSource(server, address.schema)
    tracker = TracDatabase(address, source)
    try:
        await tracker.refresh()
        with source.reading() as connection:
            _clock(connection)
    except BaseException:
        await tracker.aclose()
        raise
    return tracker
