"""The database of a TeamTrack, to read cases from: ``teamtrack+sqlite:///…``, ``teamtrack+postgresql://…``.

The addresses are those of `offtracfs.teamtrack`, but for the beginning. A database is only ever read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trio
from sqlalchemy import Connection, Select, func, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from offtracfs.errors import TSAPIError, UsageError
from offtracfs.teamtrack.engines import SECRETS, Engines, opened
from offtracfs.teamtrack.schema import Schema, column, records
from offtracfs.teamtrack.server import Server
from offtracfs.teamtrack.sql import Database
from offtracfs.trackers import Metadata, Missing, Ticket, believed
from offtracfs.trackers.credentials import Credentials
from offtracfs.trackers.registry import TrackerKind
from offtracfs.trackers.teamtrack.cases import ACTION, CHANGE, tickets
from offtracfs.trackers.teamtrack.client import TeamTrack
from offtracfs.trackers.teamtrack.fields import Site
from offtracfs.trackers.teamtrack.metadata import TABLES, Rows, metadata_of, site_of

PREFIX = "teamtrack+"
OF_HISTORY = ("ID", "TABLEID", "CASEID")
HISTORY = {"TS_CHANGEACTIONS": ACTION, "TS_CHANGES": CHANGE}
NOT_AN_ADDRESS = "That is not the address of a TeamTrack's database."


class DatabaseSource:
    """A database; `Source` describes its methods."""

    user = None
    requests = 0

    def __init__(self, engines: Engines) -> None:
        self.problems: list[str] = []
        self._engines = engines
        self._schema = Schema(engines)
        self._table = Server(Database(engines, "")).case_table_id()
        self._ahead = timedelta()  # the server's clock, less ours
        column(self._schema.table(self._table), "LASTMODIFIEDDATE")  # without which nothing is found
        self._logged = self._history_is_readable()

    def _history_is_readable(self) -> bool:
        for name, columns in HISTORY.items():
            try:
                table = self._schema.system(name)
                for field in (*OF_HISTORY, *columns):
                    column(table, field)
            except TSAPIError as error:
                self.problems.append(
                    f"The history of cases cannot be read, so the past begins with the first sync: {error}"
                )
                return False
        return True

    def now(self) -> datetime:
        """The clock (UTC) of a PostgreSQL server as of the last question, else of this machine."""
        return datetime.now(UTC) + self._ahead

    def ids(self, since: int | None) -> list[int]:
        """One query."""
        table = self._schema.table(self._table)
        query = select(column(table, "ID"))
        if since is not None:
            query = query.where(column(table, "LASTMODIFIEDDATE") >= since)
        with self._engines.reading() as connection:
            self._look_at_the_clock(connection)
            return list(connection.scalars(query))

    def _look_at_the_clock(self, connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            now = connection.execute(select(func.clock_timestamp())).scalar_one()
            self._ahead = believed(now.astimezone(UTC)) - datetime.now(UTC)

    def site(self) -> Site:
        """A query for each of seven tables, all as they stood at one moment."""
        return self._described(self._rows())

    def metadata(self) -> Metadata:
        """As `site`."""
        rows = self._rows()
        return metadata_of(self._described(rows), rows, self._table)

    def _described(self, rows: Rows) -> Site:
        return site_of(rows, self._table, self._schema.fields(self._table), logged=self._logged)

    def _rows(self) -> Rows:
        tables = {name: self._schema.system(f"TS_{name}") for name in TABLES}
        with self._engines.reading() as connection:
            return {name: records(connection, select(table)) for name, table in tables.items()}

    def cases(self, site: Site, numbers: Sequence[int]) -> list[Ticket | Missing]:
        """Three queries, in one transaction: a case and its history never tell different stories."""
        table = self._schema.table(self._table)
        queries = [select(table).where(column(table, "ID").in_(numbers))]
        if self._logged:
            queries += [self._history(name, numbers) for name in HISTORY]
        with self._engines.reading() as connection:
            found = records(connection, queries[0])
            history = [connection.execute(query).all() for query in queries[1:]]
        return list(tickets(site, numbers, found, *history))

    def _history(self, name: str, numbers: Sequence[int]) -> Select[Any]:
        table = self._schema.system(name)
        order, of, case = (column(table, field) for field in OF_HISTORY)
        query = select(*(column(table, field) for field in HISTORY[name]))
        return query.where(of == self._table, case.in_(numbers)).order_by(order)

    def close(self) -> None:
        """End the connections."""
        self._engines.close()


def checked_url(url: str) -> str:
    """An address as it is kept; that of a SQLite database has four slashes, as its path is absolute.

    Raises UsageError where it is none, holds a password, or would write.
    """
    parts = _parsed(url)
    if parts.password is not None or not parts.query.keys().isdisjoint(SECRETS):
        # The address is not repeated: there is a password in it.
        raise UsageError("The address holds a password: leave it out, and use $OFFTRACFS_PASSWORD or netrc.")
    if "write" in parts.query:
        raise UsageError("A tracker's database is only read: leave out the write in its address.")
    if not parts.database:
        raise UsageError("The address names no database.")
    if not parts.drivername.startswith("sqlite"):
        return url
    if parts.host or parts.username or parts.query:
        raise UsageError("A TeamTrack's SQLite database is teamtrack+sqlite:// and an absolute path.")
    return f"{PREFIX}sqlite:////{parts.database.lstrip('/')}"


def _parsed(url: str) -> URL:
    try:
        return make_url(url.removeprefix(PREFIX))
    except (ArgumentError, ValueError):
        raise UsageError(NOT_AN_ADDRESS) from None


async def connect(
    url: str, credentials: Credentials | None = None, _directory: Path | None = None
) -> TeamTrack:
    """The TeamTrack whose database is at `url`. Raises UsageError, TrackerError."""
    address = checked_url(url).removeprefix(PREFIX)
    user, password = (credentials.user, credentials.password or "") if credentials else ("", "")
    return TeamTrack(await trio.to_thread.run_sync(_opened, address, user, password, abandon_on_cancel=True))


def _opened(address: str, user: str, password: str) -> DatabaseSource:
    engines = opened(address, user, password)
    try:
        return DatabaseSource(engines)
    except BaseException:
        engines.close()
        raise


SQLITE = TrackerKind(checked_url, connect)
SERVER = TrackerKind(checked_url, connect, takes_credentials=True)
