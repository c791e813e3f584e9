"""Opening an index file for reading, also where nothing can be written."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from offtracfs.errors import DatabaseDamaged
from offtracfs.index.build import BUSY
from offtracfs.index.schema import VERSION

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


def connected(file: Path, how: str) -> sqlite3.Connection:
    """A connection to an index of this version. Raises DatabaseDamaged where it is of another one."""
    made = sqlite3.connect(
        f"file:{quote(os.fsencode(file))}?{how}", timeout=BUSY / 1000, uri=True, check_same_thread=False
    )
    try:
        made.execute("PRAGMA query_only=ON")
        if made.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            raise DatabaseDamaged("The index is of another version: `offtracfs sync` builds it anew.")
    except BaseException:
        made.close()
        raise
    return made
