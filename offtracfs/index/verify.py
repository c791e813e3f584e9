"""Does the index say what git says? Each row is compared with the one that a rebuild would write.

Both sides are streams, so memory does not grow with history: revisions and file versions are compared in the
order in which they are written, Trac's tables record by record. It takes about as long as a rebuild.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import chain
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from offtracfs.errors import DatabaseDamaged
from offtracfs.index.queries import Revision
from offtracfs.index.schema import FIRST_INODE, TRAC, part, path, revision, version
from offtracfs.index.steps import BlobVersion, readable, steps
from offtracfs.index.textparts import SIZE, PastLabels, Sizes, measured, unreadable
from offtracfs.index.validity import STATEMENTS, changed_records, new_rows, no_rows
from offtracfs.kinds import Row
from offtracfs.progress import Progress, silent
from offtracfs.store import Commit, Store


class _VersionRow(NamedTuple):
    """A row of the index's table `version`, with its path."""

    inode: int
    path: str
    blob: bytes | None
    size: int
    mtime: int


def first_difference(
    connection: Connection, store: Store, head: Revision | None, progress: Progress = silent
) -> str | None:
    """Where the index first differs from git up to `head`, the newest revision; None where it does not.

    It completes "The index is not what git says, …". Raises DatabaseDamaged where git cannot be read, and
    SQLAlchemy's errors.
    """
    # In one transaction: a sync that commits meanwhile changes nothing of what is seen here, and each of its
    # transactions leaves all tables at one revision.
    connection.exec_driver_sql("BEGIN")
    return _in_history(connection, store, head, progress) or _in_tables(connection, store, progress)


def _in_history(
    connection: Connection, store: Store, head: Revision | None, progress: Progress
) -> str | None:
    with closing(_expected(store)) as expected:
        for found in _found(connection, head.number if head else 0):
            wanted = next(expected, None)
            if wanted != found and not _same_but_unreadable(store, wanted, found):
                return f"from {_described(found)} on"
            if isinstance(found, Revision) and head:
                progress("index", found.number, head.number)
    return None


def _expected(store: Store) -> Generator[_VersionRow | Revision, None, None]:
    """What a rebuild would write, in its order."""
    number, inode, commit = 0, FIRST_INODE - 1, None
    for item in chain(store.log(None), [None]):
        if isinstance(item, Commit) or item is None:
            if commit:
                number += 1
                yield Revision(number, commit.id, commit.author, commit.authored, commit.committed, inode)
            commit = item
        elif commit:
            inode += 1
            yield _VersionRow(inode, item.path, item.blob, _size(store, item.blob), commit.authored)


def _size(store: Store, blob: bytes | None) -> int:
    """Bytes in a blob; 0 where there is none, or where that cannot be told."""
    try:
        return store.size(blob) if blob else 0
    except DatabaseDamaged:
        return 0


def _same_but_unreadable(
    store: Store, wanted: _VersionRow | Revision | None, found: _VersionRow | Revision
) -> bool:
    """Whether only the size differs, and only because the blob is damaged: `check` reports that by itself."""
    match wanted, found:
        case _VersionRow(blob=bytes(blob)), _VersionRow() if wanted._replace(size=found.size) == found:
            return not store.readable(blob)
    return False


def _found(connection: Connection, newest: int) -> Iterator[_VersionRow | Revision]:
    """The rows of the index in the order in which they were written, up to a revision."""
    columns = version.c.inode, path.c.directory, path.c.name, version.c.blob, version.c.size, version.c.mtime
    versions = iter(connection.execute(select(*columns).join_from(version, path).order_by(version.c.inode)))
    row = next(versions, None)
    statement = select(revision).where(revision.c.number <= newest).order_by(revision.c.number)
    for stands in connection.execute(statement):
        while row and row.inode <= stands.horizon:
            file = f"{row.directory}/{row.name}" if row.directory else row.name
            yield _VersionRow(row.inode, file, row.blob, row.size, row.mtime)
            row = next(versions, None)
        yield Revision(*stands)


def _described(found: _VersionRow | Revision) -> str:
    if isinstance(found, Revision):
        return f"revision {found.number} ({found.commit.hex()[:10]})"
    return f"{found.path} (version {found.inode})"


def _in_tables(connection: Connection, store: Store, progress: Progress) -> str | None:
    """Where Trac's tables or the texts' sizes first differ from what `derive` would write into empty ones."""
    labels = PastLabels(connection, store)
    seen: Counter[str] = Counter()  # rows, by table
    sqlite = connection.connection.cursor()  # SQLAlchemy's care for each query would be most of the time
    for file, record, versions in changed_records(connection, 0, progress):
        damaged: list[BlobVersion] = []
        sizes: Sizes = []
        read = measured(record, steps(record, readable(store, versions, damaged)), labels, sizes)
        expected: dict[str, set[Row]] = {name: set() for name in no_rows(record)}
        # Intervals end while later versions are read: all versions come before any comparison.
        for new in list(new_rows(read, no_rows(record))):
            expected[new.table].add((*new.row, new.interval.since, new.interval.until))
        for name, wanted in expected.items():
            found = sqlite.execute(STATEMENTS[name].ever, (record.key,)).fetchall()
            seen[name] += len(found)
            # What a damaged object held is unknown, and it is named elsewhere: the index may well be right.
            if not damaged and (len(found) != len(wanted) or set(found) != wanted):
                return f"in its table {TRAC[name].name} at the rows of {file}"
        seen[part.name] += len(sizes) + len(unreadable(record, damaged))
        for inode, size in sizes:
            if not labels.damaged and sqlite.execute(SIZE, (inode,)).fetchone() != (size,):
                return f"in its table {part.name} at a version of {file}"
    # Up to here, each record has exactly its own rows. If a table has more, they belong to no record.
    for name, table in (TRAC | {part.name: part}).items():
        if seen[name] != connection.execute(select(func.count()).select_from(table)).scalar_one():
            return f"in its table {table.name}, which has rows of no record"
    return None
