"""The status of a database: all that can be told without writing to it, or waiting for another process."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from offtracfs import index
from offtracfs.database import Database, State
from offtracfs.drafts.rows import FILE
from offtracfs.drafts.store import DraftStore
from offtracfs.errors import DatabaseError
from offtracfs.mount import mountpoints


@dataclass(frozen=True, slots=True)
class Contents:
    """What readers see; the time of the newest revision in seconds since 1970 UTC."""

    tickets: int
    revisions: int
    newest: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """What a sync has fetched that is not in git yet: so many tickets, of so many that are to come."""

    tickets: int
    total: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """What was saved and is not in the tracker: of so many tickets, and how many saves were refused."""

    tickets: int
    refused: int


@dataclass(frozen=True, slots=True)
class Status:
    """A database, looked at. Sizes are bytes on disk."""

    directory: str
    url: str
    user: str
    contents: Contents | None  # None before the first sync has ended, or where the index cannot be read
    trouble: str  # why the index cannot be read, "" where it can
    arrived: Arrived | None  # None where nothing waits for the end of a sync
    waiting: Waiting | None  # None where nothing was ever saved, or where drafts.db cannot be read
    sync: State
    fetcher: str  # the process that asks the tracker, which holds the fetch lock, "" for none
    writer: str  # the process that holds the writer's lock, "" for none
    mounts: list[mountpoints.Mount]
    disk: dict[str, int]


def look(database: Database) -> Status:
    """The database as it is at this moment."""
    contents, trouble = None, ""
    try:
        contents = _contents(database.path)
    except DatabaseError as error:
        if database.store.head():
            trouble = str(error)
    return Status(
        str(database.path),
        database.settings.url,
        database.user(),
        contents,
        trouble,
        arrived(database),
        waiting(database.path),
        database.state(),
        database.fetcher(),
        database.writer(),
        mountpoints.mounts(database.path),
        {
            "git": _size(_below(database.path / "git")),
            "index": _size(database.path.glob("index*")),
            "search": _size(database.path.glob("search*")),
            "spool": _size(database.path.glob("spool*")),
            "drafts": _size(database.path.glob("drafts*")),
        },
    )


def arrived(database: Database) -> Arrived | None:
    """What has arrived for a sync that is at work or was interrupted; None for nothing.

    A look at the spool (`offtracfs.sync.spool`) that hinders no writer: SQLite's journal lets both go on.
    """
    spool = quote(os.fsencode(database.path / "spool.db"))
    try:
        with closing(sqlite3.connect(f"file:{spool}?mode=ro", timeout=0, uri=True)) as found:
            rows = found.execute("SELECT (SELECT count(*) FROM item), total FROM sync").fetchall()
    except sqlite3.Error:  # none, another version's, or damaged: the next sync sees to it
        return None
    return Arrived(*rows[0]) if rows else None


def waiting(directory: Path) -> Waiting | None:
    """What waits to be pushed; None where nothing was ever saved, or where drafts.db cannot be read."""
    if not (directory / FILE).exists():
        return None
    try:
        with closing(DraftStore(directory, read_only=True)) as drafts:
            standing = [draft for draft in drafts.standing() if draft.state != "sent"]
            return Waiting(len(standing), len(drafts.refused_last()))
    except DatabaseError:  # `check` says what is wrong
        return None


def _contents(directory: Path) -> Contents | None:
    with closing(index.Reader(directory)) as reader:
        head = reader.head()
        if head is None:
            return None
        return Contents(sum(1 for _ in reader.entries("ticket", head.horizon)), head.number, head.committed)


def _below(directory: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(directory):  # ignores a directory that is deleted meanwhile
        yield from (Path(folder, name) for name in names)


def _size(files: Iterable[Path]) -> int:
    total = 0
    for file in files:
        with suppress(FileNotFoundError):  # a sync is at work
            total += file.lstat().st_blocks * 512
    return total
