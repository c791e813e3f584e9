"""Connections to a TeamTrack's database: those that can only read, and those that write, where wanted.

The vendor advises against writing to the database behind the server's back. So a connection reads only, and
the database system sees to that, unless the address ends in ``?write=1``. Reads never use a connection that
could write. SQLite and PostgreSQL are tested. SQL Server and Oracle are here because SQLAlchemy speaks to
them, and were never tried.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from offtracfs.errors import (
    NotATeamTrack,
    OfftracfsError,
    TeamTrackError,
    TSAPIError,
    TSAPILoginRefused,
    TSAPIUnreachable,
)
from offtracfs.text import quoted

TIMEOUT = 30  # seconds that a lock, or a server, may keep us waiting
PACKAGES = {
    "sqlite": "",
    "postgresql": "offtracfs[postgresql]",
    "postgresql+psycopg": "offtracfs[postgresql]",
    "mssql+pyodbc": "pyodbc",
    "oracle+oracledb": "oracledb",
}
"""The schemes of addresses → what pip installs for them."""

SECRETS = ("password", "pwd", "sslpassword")  # options that may hold one, too


@dataclass(frozen=True, slots=True)
class Engines:
    """One database. `schema` is None where it is the database's own default."""

    place: str  # as it is named in messages
    schema: str | None
    secrets: tuple[str, ...]
    _reader: Engine
    _writer: Engine | None

    @property
    def writable(self) -> bool:
        """Whether the address says so."""
        return self._writer is not None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that cannot write. Raises TSAPIError."""
        with self._failing(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction, which an exception undoes. Raises TSAPIError, and TeamTrackError without write=1."""
        if self._writer is None:
            raise TeamTrackError(
                "This TeamTrack's database is only read: an address that ends in ?write=1 would write."
            )
        with self._failing(), self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """End the connections."""
        for engine in (self._reader, self._writer):
            if engine:
                engine.dispose()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except OfftracfsError:
            raise
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise self._error(error) from None
        except (OverflowError, ValueError, TypeError) as error:  # a number too large, or a date that is none
            what = f"has, or was given, a value that cannot be used: {self._said(error)}"
            raise TSAPIError(f"{self.place} {what}.") from None

    def _said(self, error: BaseException) -> str:
        """What a driver said: one line without a password in it."""
        said = str(getattr(error, "orig", None) or error)
        for secret in self.secrets:
            said = said.replace(secret, "***")
        return quoted(said).rstrip(".")

    def _error(self, error: Exception) -> TSAPIError:
        said, orig = self._said(error), getattr(error, "orig", None)
        state = str(getattr(orig, "sqlstate", None) or "")
        if isinstance(error, DBAPIError):
            words = ("password", "authentication", "pg_hba", "role ", "login failed", "ora-01017")
            if state.startswith("28") or (not state and any(word in said.lower() for word in words)):
                return TSAPILoginRefused(f"{self.place} refuses the login: {said}.")
            if "not a database" in said or ("does not exist" in said and not state):
                return NotATeamTrack(f"{self.place} is not there, or no database: {said}.")
            operational = type(orig).__name__ == "OperationalError" and "Could not decode" not in said
            unreachable = error.connection_invalidated or operational
            if unreachable and (not state or state[:2] in ("08", "53", "55", "57")):
                return TSAPIUnreachable(f"{self.place} does not answer: {said}.")
        return TSAPIError(f"{self.place} cannot do that: {said}.")


def opened(address: str, userid: str, password: str) -> Engines:
    """The database at an address. Nothing is asked of it yet.

    `userid` and `password` are who logs in to it, where its address names nobody else; SQLite knows no users.
    Options after a ``?``: ``write=1``; ``schema``; and for PostgreSQL, SQL Server and Oracle whatever the
    driver knows. Raises TeamTrackError; NotATeamTrack where there is no such file.
    """
    url, options = _parsed(address)
    write = options.pop("write", "0")
    if write not in ("0", "1"):
        raise TeamTrackError("write in an address is 0 or 1.")
    schema = options.pop("schema", None)
    if url.drivername == "sqlite":
        if options or url.host or url.username or schema or not url.database:
            raise TeamTrackError(
                "A SQLite database is sqlite:// and a path: three slashes, or four for an absolute one."
            )
        return _sqlite(Path(unquote(url.database)), write == "1")
    if userid and url.password is None and url.username in (None, userid):
        url = url.set(username=userid, password=password or None)
    url = url.set(query=options)
    secrets = [url.password, password, *(options.get(name) for name in SECRETS)]
    place = f"The database {url.database!r} at {url.host or 'this machine'}"
    more: dict[str, Any] = {"pool_pre_ping": True}
    readonly: dict[str, Any] = {}
    if url.drivername.startswith("postgresql"):
        url = url.set(drivername="postgresql+psycopg")
        more["connect_args"] = {"connect_timeout": TIMEOUT, "application_name": "offtracfs"}
        # What several SELECTs of one transaction say is true of one moment.
        one_state = {"isolation_level": "REPEATABLE READ"}
        readonly = {"execution_options": {"postgresql_readonly": True, **one_state}}
    try:
        reader = create_engine(url, **more, **readonly)
        writer = create_engine(url, **more) if write == "1" else None
    except ImportError:
        package = PACKAGES[url.drivername]
        raise TeamTrackError(f"A Python package is missing: pip install '{package}'.") from None
    except (ArgumentError, TypeError):  # they may quote the address
        raise TeamTrackError("That address of a database is not understood.") from None
    if writer and url.drivername.startswith("postgresql"):
        event.listen(
            writer,
            "begin",
            lambda connection: connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{TIMEOUT}s'"),
        )
    return Engines(place, schema, tuple(str(secret) for secret in secrets if secret), reader, writer)


def _parsed(address: str) -> tuple[URL, dict[str, str]]:
    """An address and its options. Messages never repeat it: there may be a password in it."""
    try:
        url = make_url(address)
    except (ArgumentError, ValueError, NoSuchModuleError):
        raise TeamTrackError("That is not the address of a database.") from None
    if url.drivername not in PACKAGES:
        raise TeamTrackError(
            f"A TeamTrack's database is one of {', '.join(f'{name}://' for name in PACKAGES)}."
        )
    options = dict(url.query)
    if not all(isinstance(value, str) for value in options.values()):
        raise TeamTrackError("An option in an address of a database is there twice.")
    return url, {name: str(value) for name, value in options.items()}


def _sqlite(file: Path, write: bool) -> Engines:
    if not file.is_file():
        raise NotATeamTrack(f"{file}: there is no such file.")

    def engine(mode: str, begin: str) -> Engine:
        uri = f"{file.absolute().as_uri()}?mode={mode}"

        def connected() -> sqlite3.Connection:
            # No transactions by Python: those below begin with the lock that they need.
            return sqlite3.connect(
                uri, uri=True, timeout=TIMEOUT, isolation_level=None, check_same_thread=False
            )

        made = create_engine("sqlite://", creator=connected, poolclass=QueuePool)
        event.listen(made, "begin", lambda connection: connection.exec_driver_sql(begin))
        return made

    return Engines(
        str(file), None, (), engine("ro", "BEGIN"), engine("rw", "BEGIN IMMEDIATE") if write else None
    )
