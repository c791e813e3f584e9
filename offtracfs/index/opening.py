"""Opening an index file for reading, also where nothing can be written."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from offtracfs.errors import DatabaseDamaged, DatabaseTooNew
from offtracfs.index.build import BUSY, TOO_NEW
from offtracfs.index.schema import VERSION

OUTDATED = "The index is of an earlier version of offtracfs: `offtracfs index upgrade` builds it anew."
UNWRITABLE = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
)


def code_of(error: sqlite3.Error) -> int:
    """What kind of error it is: the primary result code."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def state_of(file: Path) -> tuple[int, int, int]:
    """What shows that somebody has written: bytes in the journal; bytes and nanoseconds of the file."""
    journal, _ = _size_and_time(file.with_name(file.name + "-wal"))
    return journal, *_size_and_time(file)


def _size_and_time(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def opened(file: Path, how: str) -> sqlite3.Connection:
    """A connection to an index of any version, for reading. Raises sqlite3.Error."""
    made = sqlite3.connect(
        f"file:{quote(os.fsencode(file))}?{how}", timeout=BUSY / 1000, uri=True, check_same_thread=False
    )
    try:
        made.execute("PRAGMA query_only=ON")
    except BaseException:
        made.close()
        raise
    return made


def connected(file: Path, how: str) -> sqlite3.Connection:
    """A connection to an index of this version. Raises DatabaseDamaged, or DatabaseTooNew for a later one."""
    made = opened(file, how)
    try:
        found = version_of(made)
        if found > VERSION:
            raise DatabaseTooNew(TOO_NEW)
        if found < VERSION:
            raise DatabaseDamaged(
                OUTDATED if found else "The index is empty: `offtracfs sync` builds it anew."
            )
    except BaseException:
        made.close()
        raise
    return made


def version_of(connection: sqlite3.Connection) -> int:
    """The version of an index's schema, 0 where it has none yet."""
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return found
