"""The records of a tracker as they stood at a revision: the one place where a record is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from offtracfs import records
from offtracfs.index import Reader, Revision
from offtracfs.kinds import DB_PATH
from offtracfs.names import number_of, split


class Snapshot:
    """The records at `revision`. Before the first sync has ended that is None, and there are no records.

    `blob` gives the contents of a git object by its id (20 bytes). Methods raise DatabaseDamaged where the
    index or git cannot be read.
    """

    def __init__(self, blob: Callable[[bytes], bytes], reader: Reader, revision: Revision | None) -> None:
        self.revision = revision
        self._blob = blob
        self._reader = reader
        self._horizon = revision.horizon if revision else 0

    @property
    def empty(self) -> bool:
        """Whether nothing has been synced yet."""
        return self.revision is None

    @property
    def commit(self) -> bytes | None:
        """The id of the revision's commit, None where there is none."""
        return self.revision.commit if self.revision else None

    @property
    def committed(self) -> int:
        """When the revision was committed, in seconds since 1970 UTC; 0 where there is none."""
        return self.revision.committed if self.revision else 0

    @property
    def settled(self) -> int:
        """The moment before which no commit is added any more, in seconds since 1970 UTC.

        0 where ``db.json`` does not say, since an earlier version of this program wrote it.
        """
        try:
            return int(records.microseconds(self.load(DB_PATH)["settled"]) // records.SECOND)
        except (KeyError, TypeError, ValueError):
            return 0

    @property
    def recent(self) -> str:
        """Up to when the tracker is known (ISO), "" where ``db.json`` does not say."""
        try:
            return str(self.load(DB_PATH)["recent"])
        except (KeyError, TypeError):
            return ""

    def has(self, path: str) -> bool:
        """Whether there is such a record."""
        return self._reader.find(*split(path), self._horizon) is not None

    def get(self, path: str) -> bytes | None:
        """A record's bytes, None where there is none."""
        blob = self._reader.blob_before(path, self._horizon + 1)
        return self._blob(blob) if blob else None

    def load(self, path: str) -> Any:
        """A record, None where there is none."""
        data = self.get(path)
        return None if data is None else records.load(data)

    def paths(self, directory: str) -> Iterator[str]:
        """Paths of the files in a directory ("" for the top), and in all directories below it."""
        prefix = f"{directory}/" if directory else ""
        for entry in self._reader.entries(directory, self._horizon):
            yield prefix + entry.name
        for name in self._reader.directories(directory, self._horizon):
            yield from self.paths(prefix + name)

    def tickets(self) -> Iterator[int]:
        """The numbers of all tickets."""
        found = (number_of(entry.name) for entry in self._reader.entries("ticket", self._horizon))
        return (number for number in found if number is not None)
