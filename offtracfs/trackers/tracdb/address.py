"""Addresses of Trac databases: ``trac+sqlite:///srv/trac/db/trac.db``, ``trac+postgresql://bob@host/trac``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from offtracfs.errors import UsageError
from offtracfs.trackers.tracdb.pages import OPTION, SQLITE, ini_of

NO_MYSQL = (
    "A Trac's database in MySQL cannot be read here. The Trac itself can, where it has the RPC plugin:"
    " `offtracfs init https://…`, its web address."
)
SECRETS = ("password", "sslpassword")  # what libpq would take from an address, too


@dataclass(frozen=True, slots=True)
class Address:
    """One database: a SQLite `file`, or a `schema` on a PostgreSQL `server`; and its Trac's `ini`."""

    file: Path | None
    server: URL
    schema: str
    ini: Path | None


def checked_url(url: str) -> str:
    """A Trac database's address. Raises UsageError where it is none, or holds a password."""
    parse(url)
    return url


def parse(url: str) -> Address:
    """The parts of an address. Raises UsageError.

    Options after a ``?``: ``trac_ini``, for both; ``schema``, and whatever libpq knows, for PostgreSQL.
    """
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        raise UsageError("That is not the address of a Trac's database.") from None
    if parts.drivername.startswith("trac+mysql"):
        raise UsageError(NO_MYSQL)
    options = dict(parts.query)
    if parts.password is not None or not options.keys().isdisjoint(SECRETS):
        # The address is not repeated: there is a password in it.
        raise UsageError("The address holds a password: leave it out, and use pgpass or $OFFTRACFS_PASSWORD.")
    ini = ini_of(url)
    options.pop(OPTION, None)
    if ini and not ini.is_absolute():
        raise UsageError("trac_ini must be an absolute path.")
    if parts.drivername == "trac+postgresql":
        return _postgresql(parts, str(options.pop("schema", "public")), options, ini)
    file = Path("/", unquote(parts.database or "").lstrip("/"))
    if parts.drivername != SQLITE or parts.host or parts.username or options or not parts.database:
        raise UsageError("A Trac's SQLite database is trac+sqlite:// and an absolute path: three slashes.")
    return Address(file, parts, "", ini)


def _postgresql(parts: URL, schema: str, options: Mapping[str, Any], ini: Path | None) -> Address:
    if not parts.database:
        raise UsageError("The address names no database: trac+postgresql://USER@HOST/DATABASE.")
    server = parts.set(drivername="postgresql+psycopg", query=options)
    return Address(None, server, schema, ini)
