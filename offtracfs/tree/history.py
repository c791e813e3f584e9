"""The past of one file: ``ticket/42.json@/`` holds every version that ``ticket/42.json`` had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from itertools import islice

from offtracfs.kinds import HISTORIES
from offtracfs.names import split, version_name
from offtracfs.tree.kind import Kind, Sources
from offtracfs.tree.nodes import FIRST_POSITION, Directory, DirectoryEntry, File, Listing, Node

MAX_REMEMBERED = 8  # files for which the names of their versions are kept


def history_of(directory: Directory) -> str:
    """The path of the file whose versions this directory shows; "" for other directories."""
    top = directory.path.partition("/")[0]
    return directory.path[:-1] if top in HISTORIES and directory.path.endswith("@") else ""


class History(Kind):
    """Every version that a file had up to a revision, oldest first; the name says its moment and author."""

    def __init__(self, sources: Sources) -> None:
        super().__init__(sources)
        # A version's name may depend on those before it. So all are named at once, and not again for each
        # lookup in a directory with thousands of them.
        self._versions = lru_cache(MAX_REMEMBERED)(self._named)

    def _named(self, path: str, horizon: int) -> Mapping[str, File]:
        found: dict[str, File] = {}
        turns: Counter[tuple[int, str]] = Counter()
        for inode, size, mtime, author in self._reader.past(*split(path), horizon):
            moment = datetime.fromtimestamp(mtime, self._zone)
            name = ""
            while not name or name in found:
                turns[mtime, author] += 1
                name = version_name(moment, author, turns[mtime, author])
            found[name] = File(inode, size, mtime)
        return found

    def _of(self, listing: Listing) -> Mapping[str, File]:
        return self._versions(history_of(listing.directory), listing.horizon)

    def serves(self, directory: Directory) -> bool:
        """The past of any file that may have one."""
        return bool(history_of(directory))

    def lookup(self, listing: Listing, name: str) -> Node | None:
        """A version by its name."""
        return self._of(listing).get(name)

    def entries(self, listing: Listing, after: int) -> Iterator[DirectoryEntry]:
        """The versions, by number. Versions are never removed, so each keeps its position."""
        first = max(after + 1 - FIRST_POSITION, 0)
        for position, (name, file) in enumerate(
            islice(self._of(listing).items(), first, None), FIRST_POSITION + first
        ):
            yield DirectoryEntry(position, name, file)

    def unlisted(self, listing: Listing, name: str) -> Node | None:
        """The directory ``42.json@`` beside ``42.json``; also where ``42.json`` itself has been deleted."""
        child = listing.directory.child(name)
        if (
            listing.directory.path in HISTORIES
            and history_of(child)
            and self._versions(child.path[:-1], listing.horizon)
        ):
            return child
        return None

    def may_appear(self, directory: Directory, name: str) -> bool:
        """A version, or the past of a new ticket."""
        return self.serves(directory) or (directory.path in HISTORIES and name.endswith("@"))
