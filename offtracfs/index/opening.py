"""Opens an index for reading, also on a read-only file system; and says what SQLite's errors mean."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from offtracfs.errors import (
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseError,
    DatabaseTooNew,
    DatabaseTooOld,
    DiskFull,
)

LINK = "index.db"  # to the file in use
VERSION = 6  # of `offtracfs.index.schema`: SQLite's user_version; an index of an older one is built anew
CONTENT = "d337f4246fb4b363a610a0f0a5a6539b7e5ded216aef343322e382f5632ce995"
"""Digest of the rows that an index of this version has for some sample records.

A test compares it: a change that alters these rows needs a new VERSION.
"""

BUSY_TIMEOUT = 10_000  # milliseconds to wait for another process that writes
TOO_NEW = (
    "The index was made by a later version of offtracfs: use that one, or `offtracfs index rebuild` for this."
)
EMPTY = "The index is empty: `offtracfs sync` builds it anew."
TOO_OLD = "The index is of an earlier version of offtracfs: `offtracfs index upgrade` builds it anew."
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
    return DatabaseError(f"SQLite cannot go on ({error}): is the disk full, or not yours to write?")


class FileState(NamedTuple):
    """Shows whether a file was written: its journal's size, its own size, and its time of change."""

    journal: int
    size: int
    modified: int  # nanoseconds since 1970 UTC


class Opened(NamedTuple):
    """A connection to an index. `frozen` is None, or the file's state where it had to be opened as immutable.

    SQLite does not notice writes to a file that it has opened so: the caller must compare the state.
    """

    connection: sqlite3.Connection
    frozen: FileState | None


def opened(directory: Path, how: str = "mode=rw", *, of_any_version: bool = False) -> Opened:
    """The index in use in a directory, for reading.

    Raises DatabaseDamaged where there is none, DatabaseTooOld, DatabaseTooNew, DatabaseError.
    """
    link = directory / LINK
    file = link.resolve()
    try:
        try:
            return _opened(file, how, of_any_version)
        except sqlite3.OperationalError:
            other = link.resolve()
            if other == file:
                raise
            return _opened(other, how, of_any_version)  # a rebuild has just moved the link
    except sqlite3.Error as error:
        if not link.is_file():
            raise DatabaseDamaged("There is no index: `offtracfs sync` builds it.") from error
        raise translate(error) from error


def _opened(file: Path, how: str, of_any_version: bool) -> Opened:
    state = file_state(file)
    try:
        return Opened(_connected(file, how, of_any_version), None)
    except sqlite3.OperationalError as error:
        # In WAL mode SQLite writes a file even to read (-shm), which fails on a full or read-only disk. While
        # the journal is empty, the file can be opened as one that nobody writes (immutable) instead.
        if code_of(error) not in UNWRITABLE or state.journal:
            raise
        return Opened(_connected(file, "mode=ro&immutable=1", of_any_version), state)


def _connected(file: Path, how: str, of_any_version: bool) -> sqlite3.Connection:
    address = f"file:{quote(os.fsencode(file))}?{how}"
    made = sqlite3.connect(address, timeout=BUSY_TIMEOUT / 1000, uri=True, check_same_thread=False)
    try:
        made.execute("PRAGMA query_only=ON")
        found = version_of(made)
        if found > VERSION and not of_any_version:
            raise DatabaseTooNew(TOO_NEW)
        if found < VERSION and not of_any_version:
            raise DatabaseTooOld(TOO_OLD) if found else DatabaseDamaged(EMPTY)
    except BaseException:
        made.close()
        raise
    return made


def file_state(file: Path) -> FileState:
    """The state of an index file as it is now; zeros where it is gone."""
    journal, _ = _size_and_time(file.with_name(file.name + "-wal"))
    return FileState(journal, *_size_and_time(file))


def _size_and_time(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def version_of(connection: sqlite3.Connection) -> int:
    """The version of an index's schema, 0 where it has none yet."""
    version: int
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return version
