"""The versions of a record, each read once; and of a change log that grows only what is new."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from offtracfs.errors import DatabaseDamaged
from offtracfs.kinds import RecordId, Rows
from offtracfs.store import Store


class BlobVersion(NamedTuple):
    """A version of a file: its inode, the revision that brought it, its blob's id (20 bytes).

    The id is None where the file is gone.
    """

    inode: int
    revision: int
    blob: bytes | None


class DataVersion(NamedTuple):
    """The same, with the blob's contents in place of its id."""

    inode: int
    revision: int
    data: bytes | None


class Step(NamedTuple):
    """A version of a record, read.

    `value` is the record, and `rows` are those that it has; or both only of what it adds to the end of the
    version before, where it is `appended`. `value` is None where there is no record, or no JSON in it.
    """

    version: DataVersion
    value: Any
    rows: Rows
    appended: bool


def steps(record: RecordId, versions: Iterable[DataVersion]) -> Iterator[Step]:
    """A record's versions, each read once.

    A record that does not have the shape of its kind has no rows, so that a sync goes on whatever a tracker
    sends.
    """
    kind, key = record
    before: bytes | None = None  # the version before this one
    for version in versions:
        data = version.data
        added = kind.appended(before, data) if kind.appended and before and data else None
        value, rows = kind.read(key, added) if added else (None, None)
        appended = rows is not None
        if not appended:
            value, rows = kind.read(key, data) if data else (None, None)
        before = data if value else None
        yield Step(version, value, rows or [], appended)


def readable(
    store: Store, versions: Iterable[BlobVersion], damaged: list[BlobVersion]
) -> Iterator[DataVersion]:
    """The versions that git can read. One that it cannot read is left out, since it is not a deletion.

    Those are added to `damaged`.
    """
    for version in versions:
        inode, revision, blob = version
        try:
            data = store.blob(blob) if blob else None
        except DatabaseDamaged:
            damaged.append(version)
            continue
        yield DataVersion(inode, revision, data)
