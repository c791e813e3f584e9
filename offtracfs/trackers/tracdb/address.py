"""Addresses of Trac databases: ``trac+sqlite:///srv/trac/db/trac.db``, ``trac+postgresql://bob@host/trac``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from offtracfs.errors import UsageError

SCHEMES = ("trac+sqlite:", "trac+postgresql:")
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
        options = {name: value for name, value in parts.query.items() if isinstance(value, str)}
    except (ArgumentError, ValueError):
        raise UsageError("That is not the address of a Trac's database.") from None
    if parts.password is not None or any(name in options for name in SECRETS):
        # The address is not repeated: there is a password in it.
        raise UsageError("The address holds a password: leave it out, and use pgpass or $OFFTRACFS_PASSWORD.")
    ini, schema = options.pop("trac_ini", ""), options.pop("schema", "public")
    named = Path(ini) if ini else None
    if named and not named.is_absolute():
        raise UsageError("trac_ini must be an absolute path.")
    if parts.drivername == "trac+postgresql":
        if not parts.database:
            raise UsageError("The address names no database: trac+postgresql://USER@HOST/DATABASE.")
        return Address(None, parts.set(drivername="postgresql+psycopg", query=options), schema, named)
    path = unquote(parts.database or "").lstrip("/")
    if parts.drivername != "trac+sqlite" or parts.host or parts.username or options or not path:
        raise UsageError("A Trac's SQLite database is trac+sqlite:// and an absolute path: three slashes.")
    file = Path("/", path)
    return Address(file, parts, "", named or file.parent.parent / "conf" / "trac.ini")
