"""What a sync has fetched and not yet brought into git: kept on disk, so that an interrupted sync goes on.

It also puts the tickets' versions into time order, on disk rather than in memory. Only the holder of the
fetch lock opens it; it can be deleted at any time at the cost of fetching again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DatabaseError as SQLError
from sqlalchemy.pool import QueuePool

from offtracfs.errors import DatabaseDamaged
from offtracfs.index.build import engine
from offtracfs.index.opening import translate

ROWS = 500  # rows read or written at once
NOTICED = 1 << 62  # the moment of a version that only the present state shows

_metadata = MetaData()

_look = Table(
    "look",
    _metadata,
    Column("begun", Text, nullable=False),  # ISO, by the tracker's clock: what is here is no older
    Column("total", Integer, nullable=False),  # tickets that are to come, with those that are here
)

_ticket = Table(
    "ticket",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("created", Integer, nullable=False),  # microseconds since 1970 UTC
    Column("changed", Integer, nullable=False),  # the same
    Column("record", LargeBinary, nullable=False),  # canonical bytes
    Column("changelog", LargeBinary, nullable=False),  # canonical bytes
)

_version = Table(
    "version",
    _metadata,
    Column("moment", Integer, primary_key=True),  # microseconds since 1970 UTC
    Column("number", Integer, primary_key=True),
    Column("sequence", Integer, primary_key=True),  # of the ticket's versions
    Column("author", LargeBinary, nullable=False),  # UTF-8, as are all names that SQLite might refuse as text
    Column("message", LargeBinary, nullable=False),
    Column("record", LargeBinary, nullable=False),  # blob id, 20 bytes
    Column("changelog", LargeBinary, nullable=False),  # blob id, 20 bytes
    sqlite_with_rowid=False,
)


# Compiled once: SQLAlchemy's care for each row would cost more than SQLite's.
_ADD_VERSION = str(insert(_version).compile(dialect=sqlite.dialect(paramstyle="qmark")))


class Fetched(NamedTuple):
    """A ticket in the spool; moments in microseconds since 1970 UTC, records as canonical bytes."""

    number: int
    created: int
    changed: int
    record: bytes
    changelog: bytes


class Ordered(NamedTuple):
    """One version of a ticket, with the ids of its blobs."""

    moment: int  # microseconds since 1970 UTC, or NOTICED
    number: int
    sequence: int
    author: bytes
    message: bytes
    record: bytes
    changelog: bytes


class Spool:
    """The spool of a database, opened; every change is on disk when its method returns.

    Raises DiskFull, DatabaseBusy, DatabaseDamaged, DatabaseError.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._open()
        except DatabaseDamaged:
            self.clear()  # of no use: what was in it is fetched again

    def _open(self) -> None:
        self._engine = engine(self._file, QueuePool)  # opening and closing would cost more than writing
        try:
            with self._engine.begin() as connection:
                _metadata.create_all(connection)
                for table in _metadata.sorted_tables:
                    connection.execute(select(table).limit(1)).all()
        except SQLError as error:
            self.close()
            raise translate(error) from error

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLError as error:
            translated = translate(error)
            if isinstance(translated, DatabaseDamaged):
                self.clear()
                translated = DatabaseDamaged(f"What was fetched cannot be read ({error.orig}): sync again.")
            raise translated from error

    def close(self) -> None:
        """Give the connections back; the next use opens new ones."""
        self._engine.dispose()

    def clear(self) -> None:
        """Forget everything."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)
        self._open()

    @property
    def begun(self) -> str | None:
        """When the sync began that this spool belongs to (ISO, by the tracker's clock); None in a new one."""
        with self._transaction() as connection:
            found: str | None = connection.execute(select(_look.c.begun)).scalar()
            return found

    def begin(self, moment: str, total: int) -> None:
        """A sync of so many tickets begins, or goes on."""
        with self._transaction() as connection:
            connection.execute(delete(_look))
            connection.execute(insert(_look), {"begun": moment, "total": total})

    def add(self, tickets: list[Fetched]) -> None:
        """Keep some tickets, in place of what was known of the same."""
        if not tickets:
            return
        with self._transaction() as connection:
            statement = sqlite.insert(_ticket)
            fresh = {name: statement.excluded[name] for name in Fetched._fields[1:]}
            connection.execute(
                statement.on_conflict_do_update(index_elements=["number"], set_=fresh),
                [ticket._asdict() for ticket in tickets],
            )

    def numbers(self) -> set[int]:
        """The tickets that are here."""
        with self._transaction() as connection:
            return set(connection.execute(select(_ticket.c.number)).scalars())

    def count(self) -> int:
        """The number of tickets that are here."""
        with self._transaction() as connection:
            return int(connection.execute(select(func.count()).select_from(_ticket)).scalar_one())

    def tickets(self) -> Iterator[Fetched]:
        """All tickets, by number."""
        after = -1
        while rows := self._page(select(_ticket).where(_ticket.c.number > after).order_by(_ticket.c.number)):
            yield from (Fetched(*row) for row in rows)
            after = rows[-1].number

    def _page(self, statement: Select[Any]) -> list[Any]:
        with self._transaction() as connection:
            return list(connection.execute(statement.limit(ROWS)))

    def first_created(self) -> int | None:
        """When the oldest ticket here was created, in microseconds since 1970 UTC."""
        with self._transaction() as connection:
            found: int | None = connection.execute(select(func.min(_ticket.c.created))).scalar()
            return found

    def last_changed(self, until: int) -> int | None:
        """The last time at which a ticket here was changed, not after `until`; microseconds as above."""
        with self._transaction() as connection:
            statement = select(func.max(_ticket.c.changed)).where(_ticket.c.changed <= until)
            found: int | None = connection.execute(statement).scalar()
            return found

    def order(self, versions: Iterator[Ordered]) -> int:
        """Take in these versions, in place of all that were here; their number."""
        count = 0
        with self._transaction() as connection:
            connection.execute(delete(_version))
            while rows := list(islice(versions, ROWS)):
                connection.exec_driver_sql(_ADD_VERSION, rows)
                count += len(rows)
        return count

    def ordered(self, *, noticed: bool = False) -> Iterator[Ordered]:
        """All versions in time order; at one moment by ticket, then in the ticket's own order.

        Those whose moment is not known are apart.
        """
        those = _version.c.moment == NOTICED if noticed else _version.c.moment < NOTICED
        with self._transaction() as connection:
            statement = select(_version).where(those).order_by(*_version.primary_key)
            for row in connection.execute(statement.execution_options(yield_per=ROWS)):
                yield Ordered(*row)

    def noticed(self) -> int:
        """The number of versions whose moment is not known."""
        with self._transaction() as connection:
            statement = select(func.count()).where(_version.c.moment == NOTICED)
            return int(connection.execute(statement).scalar_one())
