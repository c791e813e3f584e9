"""Connections to a Trac's database that never keep a live Trac waiting.

A reader that holds a half-read SQLite cursor makes a live Trac fail with "database is locked" after ten
seconds (seen). So SQLite is copied first, some pages at a time, by its own backup; all is read from the
copy. PostgreSQL gives every reader a state of its own: a transaction that only reads.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Protocol

import trio
from sqlalchemy import Connection, create_engine, func, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from offtracfs.errors import (
    LoginRefused,
    NotATracker,
    PermissionMissing,
    TrackerError,
    Unreachable,
    UsageError,
)
from offtracfs.text import quoted
from offtracfs.trackers import believed

# Pages that one step of the backup copies: some 4 MB in 10 ms. A writer has to wait for that long. After each
# restart of the backup it is 4 times as many.
PAGES = 1000
MIN_AGE = 2  # seconds; two changes that are closer may leave a file with one time of change
MAX_PAGES = 256_000  # 1 GB in some 2 seconds; a Trac gives up after 10
# Seconds between two tries of a step; SQLite's own pauses grow longer than those of a busy writer.
POLL = 0.001
TIMEOUT = 30.0  # seconds that SQLite may be locked, or a server may take to answer
WHERE_FROM = "Its password may stand in ~/.pgpass or $OFFTRACFS_PASSWORD."
NO_DRIVER = "PostgreSQL needs the Python package psycopg: pip install 'offtracfs[postgresql]'."


class Source(Protocol):
    """Where to read from. Every method may raise TrackerError, and block."""

    def now(self) -> datetime:
        """The clock (UTC) that the times in the database come from."""
        ...

    def refresh(self) -> None:
        """Make sure that what is read next is the present state of the database."""
        ...

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection on which nothing changes while the context lasts."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


class _Restarted(Exception):
    """The backup had to begin again, as somebody wrote to the database."""


class SqliteSource:
    """A copy of a SQLite database, in a file in `directory` that has no name and ends with this process."""

    def __init__(self, file: Path, directory: Path | None) -> None:
        self._file = file
        self._stamp: object = None
        self._copy = sqlite3.connect("", check_same_thread=False)
        if directory:
            quoted_name = str(directory).replace("'", "''")
            self._copy.execute(f"PRAGMA temp_store_directory = '{quoted_name}'")
        # What is no UTF-8 is kept as lone surrogates, as elsewhere in Python.
        self._copy.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
        self._engine = create_engine("sqlite://", creator=lambda: self._copy, poolclass=StaticPool)

    def now(self) -> datetime:
        """The clock of this machine (UTC)."""
        return datetime.now(UTC)

    def refresh(self) -> None:
        """Copy the database, if it has changed since the last copy. Raises TrackerError, trio.Cancelled."""
        stamp = [_stamp(self._file.with_name(self._file.name + end)) for end in ("", "-wal")]
        if stamp == self._stamp:
            return
        self._stamp = None
        with self._failing(), closing(self._live()) as live:
            pages = PAGES
            while True:
                try:
                    live.backup(self._copy, pages=pages, progress=_progress(), sleep=POLL)
                except _Restarted:
                    if pages >= MAX_PAGES:
                        raise sqlite3.OperationalError("it is written to without a pause") from None
                    pages *= 4
                else:
                    break
        self._stamp = stamp

    def _live(self) -> sqlite3.Connection:
        uri = f"{self._file.absolute().as_uri()}?mode=ro"
        return sqlite3.connect(uri, uri=True, timeout=0)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """The copy. Raises TrackerError."""
        with self._failing(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, DBAPIError) as error:
            raise _sqlite_error(self._file, error) from None

    def close(self) -> None:
        """Let the copy go."""
        self._engine.dispose()
        self._copy.close()


def _stamp(file: Path) -> object:
    """A value that differs after the file has changed. Just after a change it differs from everything."""
    try:
        status = file.stat()
    except OSError:
        return None
    recent = time.time_ns() - status.st_mtime_ns < MIN_AGE * 1_000_000_000
    return object() if recent else (status.st_ino, status.st_size, status.st_mtime_ns)


def _progress() -> Callable[[int, int, int], None]:
    """A function for `backup` that ends it by an exception: cancelled, restarted, or locked for too long."""
    least, moved = sys.maxsize, time.monotonic()

    def progress(status: int, remaining: int, _total: int) -> None:
        nonlocal least, moved
        trio.from_thread.check_cancelled()
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            if time.monotonic() - moved > TIMEOUT:
                raise sqlite3.OperationalError("database is locked")
        elif remaining >= least:
            raise _Restarted
        else:
            least, moved = remaining, time.monotonic()

    return progress


def _sqlite_error(file: Path, error: Exception) -> TrackerError:
    """A sentence about what went wrong with a file."""
    said = str(getattr(error, "orig", error))
    try:
        with file.open("rb"):
            pass
    except FileNotFoundError:
        return NotATracker(f"{file}: there is no such file.")
    except PermissionError:
        return PermissionMissing(f"{file} is not for you to read: run this as a user who may.")
    except OSError as problem:
        return NotATracker(f"{file} cannot be read: {problem.strerror}.")
    if "not a database" in said:
        return NotATracker(f"{file} is not a SQLite database.")
    if "no such table" in said or "no such column" in said:
        return NotATracker(f"{file} is a database, but not a Trac's: {quoted(said)}.")
    if "unable to open" in said:
        return PermissionMissing(
            f"{file} cannot be opened: SQLite needs to write beside it, in its directory."
        )
    return Unreachable(f"{file} cannot be copied: {quoted(said)}.")


class PostgresSource:
    """A schema of a PostgreSQL database; a transaction for each `reading`."""

    def __init__(self, server: URL, schema: str) -> None:
        self._server = server
        self._schema = schema
        self._ahead = timedelta()  # the server's clock, less ours
        try:
            self._engine = create_engine(
                server,
                pool_pre_ping=True,
                isolation_level="REPEATABLE READ",
                connect_args={"connect_timeout": int(TIMEOUT), "application_name": "offtracfs"},
            )
        except ImportError:
            raise UsageError(NO_DRIVER) from None

    def now(self) -> datetime:
        """The server's clock (UTC)."""
        return datetime.now(UTC) + self._ahead

    def refresh(self) -> None:
        """Nothing to do: a new transaction sees the present state."""

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction, which sees one state and can change nothing. Raises TrackerError."""
        try:
            with self._engine.connect().execution_options(postgresql_readonly=True) as connection:
                path = func.set_config("search_path", func.quote_ident(self._schema), False)
                now = connection.execute(select(func.clock_timestamp(), path)).scalar_one()
                self._ahead = believed(now.astimezone(UTC)) - datetime.now(UTC)
                yield connection
        except DBAPIError as error:
            raise self._error(error) from None

    def _error(self, error: DBAPIError) -> TrackerError:
        said = quoted(str(error.orig))
        place = f"The database {self._server.database!r} at {self._server.host or 'this machine'}"
        state = getattr(error.orig, "sqlstate", None)
        if "password" in said or "authentication" in said or "pg_hba" in said or "role" in said:
            remedy = "" if self._server.password else f" {WHERE_FROM}"
            return LoginRefused(f"{place} refuses the login: {said.rstrip('.')}.{remedy}")
        if state == "42501":
            return PermissionMissing(f"{place} does not let us read it: {said}")
        if state in ("42P01", "42703"):
            return NotATracker(f"{place} shows us no Trac in its schema {self._schema!r}: {said}")
        if "does not exist" in said:
            return NotATracker(f"{place} is not there: {said}")
        return Unreachable(f"{place} cannot be reached: {said}")

    def close(self) -> None:
        """End the connections."""
        self._engine.dispose()
