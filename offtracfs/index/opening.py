"""Opens a derived file for reading, also on a read-only file system; and says what SQLite's errors mean."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
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

VERSION = 7  # of `offtracfs.index.schema`: SQLite's user_version; an index of an older one is built anew
CONTENT = "f3f69fbeb629ee2741290e1f3c68f0bd74df7849ae1f37775f0d0e4a45582d9e"
"""Digest of the rows that an index of this version has for some sample records.

A test compares it: a change that alters these rows needs a new VERSION.
"""

BUSY_TIMEOUT = 10_000  # milliseconds to wait for another process that writes


@dataclass(frozen=True, slots=True)
class Derived:
    """A kind of SQLite file that is made from what git has, and can be made again.

    In the database's directory, `link` names the file in use. `version` is that of its schema, as SQLite's
    user_version; `what` is how messages call it.
    """

    stem: str
    version: int
    what: str

    @property
    def link(self) -> str:
        """The name under which it is opened: of a link, so that a new file can take the old one's place."""
        return f"{self.stem}.db"

    @property
    def too_new(self) -> str:
        """What is said where a later version of this program made it."""
        remedy = "use that one, or `offtracfs index rebuild` for this"
        return f"The {self.what} was made by a later version of offtracfs: {remedy}."

    @property
    def too_old(self) -> str:
        """What is said where an earlier version of this program made it."""
        remedy = "`offtracfs index upgrade` builds it anew"
        return f"The {self.what} is of an earlier version of offtracfs: {remedy}."


INDEX = Derived("index", VERSION, "index")
LINK = INDEX.link
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


def translate(error: Exception, what: str = INDEX.what) -> DatabaseError:
    """What an error of SQLite's, or SQLAlchemy's that holds one, means to a user.

    `what` is how the message calls the file.
    """
    error = getattr(error, "orig", error)
    code = code_of(error)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseBusy(f"The {what} is locked by another program: try again when it has ended.")
    if code == sqlite3.SQLITE_FULL:
        return DiskFull(f"The disk is full: the {what} could not be written.")
    if code in DAMAGE:
        return DatabaseDamaged(f"The {what} cannot be used ({error}): `offtracfs sync` builds it anew.")
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


def opened(
    directory: Path, how: str = "mode=rw", *, kind: Derived = INDEX, of_any_version: bool = False
) -> Opened:
    """The file of that kind that is in use in a directory, for reading.

    Raises DatabaseDamaged where there is none, DatabaseTooOld, DatabaseTooNew, DatabaseError.
    """
    link = directory / kind.link
    version = None if of_any_version else kind
    file = link.resolve()
    try:
        try:
            return _opened(file, how, version)
        except sqlite3.OperationalError:
            other = link.resolve()
            if other == file:
                raise
            return _opened(other, how, version)  # a rebuild has just moved the link
    except sqlite3.Error as error:
        if not link.is_file():
            raise DatabaseDamaged(f"There is no {kind.what}: `offtracfs sync` builds it.") from error
        raise translate(error, kind.what) from error


def _opened(file: Path, how: str, kind: Derived | None) -> Opened:
    state = file_state(file)
    try:
        return Opened(_connected(file, how, kind), None)
    except sqlite3.OperationalError as error:
        # In WAL mode SQLite writes a file even to read (-shm), which fails on a full or read-only disk. While
        # the journal is empty, the file can be opened as one that nobody writes (immutable) instead.
        if code_of(error) not in UNWRITABLE or state.journal:
            raise
        return Opened(_connected(file, "mode=ro&immutable=1", kind), state)


def _connected(file: Path, how: str, kind: Derived | None) -> sqlite3.Connection:
    address = f"file:{quote(os.fsencode(file))}?{how}"
    made = sqlite3.connect(address, timeout=BUSY_TIMEOUT / 1000, uri=True, check_same_thread=False)
    try:
        made.execute("PRAGMA query_only=ON")
        found = version_of(made)  # the first read: what cannot be opened fails here
        if kind:
            _check_version(found, kind)
    except BaseException:
        made.close()
        raise
    return made


def _check_version(found: int, kind: Derived) -> None:
    if found > kind.version:
        raise DatabaseTooNew(kind.too_new)
    if found == 0:
        raise DatabaseDamaged(f"The {kind.what} is empty: `offtracfs sync` builds it anew.")
    if found < kind.version:
        raise DatabaseTooOld(kind.too_old)


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
