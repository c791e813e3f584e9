"""The records of a tracker as they stood at a revision: the one place where a record is read."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from offtracfs import records
from offtracfs.index import Reader, Revision
from offtracfs.kinds import DB_PATH
from offtracfs.names import number_of, split
from offtracfs.store import git

if TYPE_CHECKING:
    from offtracfs.database.database import Database
    from offtracfs.store import Store


class Snapshot:
    """The records at `revision`. Before the first sync has ended that is None, and there are no records.

    Where `few` of them are wanted, each is read by a git process, which takes 3 ms; else by libgit2, which
    takes 50 ms to load. Its methods raise DatabaseDamaged where the index or git cannot be read.
    """

    def __init__(
        self, database: Database, reader: Reader, revision: Revision | None, *, few: bool = False
    ) -> None:
        self.revision = revision
        self._database = database
        self._reader = reader
        self._horizon = revision.horizon if revision else 0
        self._blob = partial(git.blob, database.path / "git") if few else database.store.blob

    @property
    def store(self) -> Store:
        """The git repository that the records are in."""
        return self._database.store

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
        """Up to when the tracker is known (ISO), "" where it is not."""
        known = self.load(DB_PATH)
        return str(known["recent"]) if known else ""

    def has(self, path: str) -> bool:
        """Whether there is such a record."""
        return self._reader.find(*split(path), self._horizon) is not None

    def get(self, path: str) -> bytes | None:
        """A record's bytes, None where there is none."""
        entry = self._reader.find(*split(path), self._horizon)
        version = self._reader.version(entry.inode) if entry else None
        return self._blob(version.blob) if version and version.blob else None

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
