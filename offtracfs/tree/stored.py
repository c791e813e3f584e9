"""The files that git has, without its small directories by number (`offtracfs.kinds.git_path`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from offtracfs.kinds import TOPS
from offtracfs.names import split
from offtracfs.tree.kind import Kind, Sources
from offtracfs.tree.nodes import FIRST_POSITION, Directory, DirectoryEntry, File, Listing, Node

FIRST_FILE = 1 << 20  # in a listing, files have positions from here on, and directories smaller ones
MAX_REMEMBERED = 256  # pairs (path, horizon) for which the names of the directories are kept


class Stored(Kind):
    """What git holds. It is the last in the table: it serves every directory that no other kind serves."""

    def __init__(self, sources: Sources) -> None:
        super().__init__(sources)
        self._directory_names = lru_cache(MAX_REMEMBERED)(self._directories)

    def _directories(self, path: str, horizon: int) -> Sequence[str]:
        found = self._reader.directories(path, horizon)
        return found if path else sorted({*TOPS, *found})

    def serves(self, directory: Directory) -> bool:
        """Any directory."""
        return True

    def lookup(self, listing: Listing, name: str) -> Node | None:
        """A file version, or a directory that has files."""
        directory, horizon = listing.directory, listing.horizon
        if found := self._reader.find(directory.path, name, horizon):
            return File(found.inode, found.size, found.mtime)
        return directory.child(name) if name in self._directory_names(directory.path, horizon) else None

    def entries(self, listing: Listing, after: int) -> Iterator[DirectoryEntry]:
        """Directories by name, then files as they first appeared.

        A file's position is its path's number in the index: it stays the same when others come and go.
        """
        directory, horizon = listing.directory, listing.horizon
        for position, name in enumerate(self._directory_names(directory.path, horizon), FIRST_POSITION):
            if position > after:
                yield DirectoryEntry(position, name, directory.child(name))
        files = self._reader.entries(directory.path, horizon, max(after - FIRST_FILE, 0))
        for position, name, inode, size, mtime in files:
            yield DirectoryEntry(FIRST_FILE + position, name, File(inode, size, mtime))

    def directory_count(self, listing: Listing) -> int:
        """How many directories are in it."""
        return len(self._directory_names(listing.directory.path, listing.horizon))

    def changed_names(self, after: int, horizon: int) -> Iterator[tuple[str, str]]:
        """The files that came, changed or went, and the directories that came or went with them.

        A directory that stays is not given. If the kernel had to forget its name, it would forget all names
        in it, too, and ask for each again.
        """
        directories: set[str] = set()
        for directory, name in self._reader.changed_names(after, horizon):
            yield directory, name
            while directory and directory not in directories:
                directories.add(directory)
                directory, _ = split(directory)
        for path in directories:
            above, name = split(path)
            before, now = self._directory_names(above, after), self._directory_names(above, horizon)
            if (name in before) != (name in now):
                yield above, name
