"""Opening an index file for reading, also where nothing can be written; what SQLite's errors mean."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from offtracfs.errors import DatabaseBusy, DatabaseDamaged, DatabaseError, DatabaseTooNew, DiskFull

LINK = "index.db"  # to the file in use
VERSION = 5  # of `offtracfs.index.schema`: SQLite's user_version; an index of an older one is built anew
BUSY = 10_000  # milliseconds to wait for another process that writes
TOO_NEW = (
    "The index was made by a later version of offtracfs: use that one, or `offtracfs index rebuild` for this."
)
OUTDATED = "The index is of an earlier version of offtracfs: `offtracfs index upgrade` builds it anew."
UNWRITABLE = (
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
)


DAMAGE = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT)


def code_of(error: Exception) -> int:
    """What kind of error of SQLite's it is: the primary result code."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def translate(error: Exception) -> DatabaseError:
    """What an error of SQLite's, or SQLAlchemy's that holds one, means to a user."""
    error = getattr(error, "orig", error)
    code = code_of(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseBusy("The index is locked by another program: try again when it has ended.")
    if code == sqlite3.SQLITE_FULL:
        return DiskFull("The disk is full: the index could not be written.")
    if code in DAMAGE:
        return DatabaseDamaged(f"The index cannot be used ({error}): `offtracfs sync` builds it anew.")
    return DatabaseError(f"The index cannot be read ({error}): is the disk full, or not yours to write?")


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
