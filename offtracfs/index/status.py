"""The status of an index file of any version: its size, its newest revision, its rows."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from offtracfs.index.opening import LINK, VERSION, opened, translate, version_of
from offtracfs.index.queries import HEAD, Revision
from offtracfs.index.schema import metadata
from offtracfs.store import BRANCH, Store
from offtracfs.store.git import git


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """What `inspect` found."""

    file: str
    size: int  # bytes, those of its journal too
    version: int  # of its schema
    program: int  # the version that this program makes
    revision: int  # the newest that readers see; 0 for none
    commit: str  # of that revision, hex digits; "" for none
    committed: int  # seconds since 1970 UTC; 0 for none
    behind: int | None  # commits that git has more; None where the branch does not have that commit
    rows: dict[str, int]  # by table


def inspect(directory: Path, store: Store) -> IndexStatus:
    """The status of the index in a directory, of whatever version it is.

    Raises DatabaseDamaged where there is none, DatabaseError.
    """
    found = opened(directory, of_any_version=True)
    file = (directory / LINK).resolve()
    size = sum(part.stat().st_size for part in directory.glob(f"{file.name}*"))
    try:
        with closing(found.connection) as connection:
            version = version_of(connection)
            there = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema")]
            tables = sorted(metadata.tables.keys() & set(there))
            rows = {name: _count(connection, name) for name in tables}
            head = connection.execute(HEAD).fetchone() if rows.get("published") else None
    except sqlite3.Error as error:
        raise translate(error) from error
    revision = Revision(*head) if head else None
    return IndexStatus(
        str(file),
        size,
        version,
        VERSION,
        revision.number if revision else 0,
        revision.commit.hex() if revision else "",
        revision.committed if revision else 0,
        _behind(store, revision),
        rows,
    )


def _count(connection: sqlite3.Connection, table: str) -> int:
    count: int
    (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
    return count


def _behind(store: Store, revision: Revision | None) -> int | None:
    if store.head() is None:
        return None if revision else 0
    if revision and not store.follows(revision.commit):
        return None
    new = f"{revision.commit.hex()}..{BRANCH}" if revision else BRANCH
    return int(git(store.path, "rev-list", "--count", new))
