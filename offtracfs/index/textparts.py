"""How large each version's part of a ticket's text is: measured where the version is read anyway."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import lru_cache

from sqlalchemy import Connection, bindparam, insert, select
from sqlalchemy.dialects import sqlite

from offtracfs import records
from offtracfs.errors import DatabaseDamaged
from offtracfs.index.schema import part, path, version
from offtracfs.index.steps import BlobVersion, Step
from offtracfs.kinds import FIELDS_PATH, RecordId
from offtracfs.names import split
from offtracfs.store import Store
from offtracfs.texts import SIZES, Labels

MAX_LABELS = 16  # kept in memory: versions of fields.json
UNKNOWN = 1  # byte of a version that cannot be read: of an empty file the kernel would not even ask for more

_DIALECT = sqlite.dialect(paramstyle="qmark")
ADD = str(insert(part).compile(dialect=_DIALECT, column_keys=["inode", "size"]))
SIZE = str(select(part.c.size).where(part.c.inode == bindparam("of")).compile(dialect=_DIALECT))

Sizes = list[tuple[int, int]]
"""Inodes of versions, and the bytes in their parts: rows of the table."""


class PastLabels:
    """The labels of fields that hold for a version: those of the newest ``fields.json`` that is older.

    `damaged` says that some of them could not be read, and were taken to be those of every Trac.
    """

    def __init__(self, connection: Connection, store: Store) -> None:
        directory, name = split(FIELDS_PATH)
        found = connection.execute(
            select(version.c.inode, version.c.blob)
            .join_from(version, path)
            .where(path.c.directory == directory, path.c.name == name)
            .order_by(version.c.inode)
        ).all()
        self._inodes = [inode for inode, _ in found]
        self._blobs = [None, *(blob for _, blob in found)]
        self._store = store
        self.damaged = False
        self._labels = lru_cache(MAX_LABELS)(self._read)

    def at(self, inode: int) -> Labels:
        """The labels for the version with an inode."""
        return self._labels(self._blobs[bisect_left(self._inodes, inode)])

    def _read(self, blob: bytes | None) -> Labels:
        try:
            return Labels(records.load(self._store.blob(blob)) if blob else None)
        except DatabaseDamaged:
            self.damaged = True
            return Labels()


def measured(record: RecordId, steps: Iterable[Step], labels: PastLabels, sizes: Sizes) -> Iterator[Step]:
    """The same steps; `sizes` gets what the versions have in their parts, if such records have any."""
    kind, key = record
    if kind.directory not in SIZES or not isinstance(key, int):
        yield from steps
        return
    size = SIZES[kind.directory](key)
    for step in steps:
        inode, _, data = step.version
        if data is not None:
            sizes.append((inode, size.of(step.value, labels.at(inode), appended=step.appended)))
        yield step


def unreadable(record: RecordId, damaged: Iterable[BlobVersion]) -> Sizes:
    """What stands for the sizes of versions that git cannot read."""
    return [(found.inode, UNKNOWN) for found in damaged] if record.kind.directory in SIZES else []
