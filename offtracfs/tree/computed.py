"""Directories whose entries take time to compute: in a worker thread, before the tree is asked for them."""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from threading import Lock
from time import monotonic
from typing import NamedTuple, Protocol

from offtracfs.index import Revision
from offtracfs.reports.outputs import ReportFile
from offtracfs.tree.kind import Kind, Sources
from offtracfs.tree.nodes import FIRST_POSITION, UNKNOWN, Directory, DirectoryEntry, Listed, Listing, Node

MAX_ENTRIES = 100_000  # that a kind keeps, of all its directories together; each takes some 400 bytes

Stopped = Callable[[], bool]
"""Whether nobody waits any more for what a worker thread computes: long work asks now and then."""


class Contents(Protocol):
    """What a computed directory shows at a revision; it never changes."""

    @property
    def names(self) -> Sequence[str]:
        """What is listed, in order."""

    def node(self, directory: Directory, name: str) -> Listed | None:
        """What has that name in the directory, listed or not; None where nothing has."""


class Subdirectories:
    """The contents of a directory that lists directories."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = [*names]
        self._known = frozenset(self.names)

    def node(self, directory: Directory, name: str) -> Listed | None:
        """A directory that is listed."""
        return directory.child(name) if name in self._known else None


@dataclass(frozen=True, slots=True)
class Work:
    """What must be done before the tree can answer for a computed directory; equal where `key` is.

    `run` is called in a worker thread, with the numbers of the tickets that `report` gives, if there is one.
    It raises OfftracfsError where it cannot be done.
    """

    key: Hashable
    run: Callable[[Sequence[int], Stopped], None] = field(compare=False)
    report: ReportFile | None = None


class Computed(Kind):
    """A kind of directory whose contents a worker thread computes, once for each revision.

    The tree can answer for such a directory when there is no `work` to do for it. The names in it are not
    among the `changed_names`: the kernel keeps them only for a moment, unless they cannot change any more.
    """

    max_age = inf
    """Seconds after which a directory that is opened is computed anew."""

    def __init__(self, sources: Sources) -> None:
        super().__init__(sources)
        self._cache = _Cache()

    @abstractmethod
    def contents(
        self, path: str, revision: Revision, numbers: Sequence[int], stopped: Stopped
    ) -> Contents | None:
        """The contents of the directory at a path; None where there is no such directory.

        `numbers` are those of the tickets that its `report` gives. A worker thread calls this: it may use
        `self.database`, but not its store nor the reader, which belong to another thread. Raises
        OfftracfsError where the contents cannot be told.
        """

    def report(self, path: str, revision: Revision) -> ReportFile | None:
        """The report that must run first; None where none must."""
        return None

    def work(self, listing: Listing) -> Work | None:
        """What must be done before `lookup` and `entries` can answer for a directory; None if nothing."""
        path, revision = listing.directory.path, listing.revision
        if revision is None or self._cache.get(path, revision, self.max_age):
            return None

        def run(numbers: Sequence[int], stopped: Stopped) -> None:
            self._cache.keep(path, revision, self.contents(path, revision, numbers, stopped))

        return Work((path, revision.commit), run, self.report(path, revision))

    def _known(self, listing: Listing) -> Contents | None:
        """The contents that work has brought; None where it found that there is no such directory."""
        kept = listing.revision and self._cache.get(listing.directory.path, listing.revision)
        return kept.contents if kept else None

    def lookup(self, listing: Listing, name: str) -> Node | None:
        """A link or a directory."""
        found = self._known(listing)
        return found.node(listing.directory, name) if found else None

    def entries(self, listing: Listing, after: int) -> Iterator[DirectoryEntry]:
        """What is listed, in order; a position is a place in that order."""
        if found := self._known(listing):
            for place in range(max(after + 1 - FIRST_POSITION, 0), len(found.names)):
                name = found.names[place]
                if (node := found.node(listing.directory, name)) is not None:
                    yield DirectoryEntry(FIRST_POSITION + place, name, node)

    def directory_count(self, listing: Listing) -> int:
        """Unknown, or it would have to be computed for whoever only asks for the attributes."""
        return UNKNOWN

    def may_appear(self, directory: Directory, name: str) -> bool:
        """Any name."""
        return self.serves(directory)


class _Kept(NamedTuple):
    contents: Contents | None
    made: float  # seconds by the monotonic clock

    @property
    def size(self) -> int:
        return 1 + (len(self.contents.names) if self.contents else 0)


class _Cache:
    """Contents by path and revision; those used longest ago make room. Several threads may use it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, bytes], _Kept] = OrderedDict()  # the one used last is last
        self._size = 0  # entries

    def get(self, path: str, revision: Revision, max_age: float = inf) -> _Kept | None:
        key = path, revision.commit
        with self._lock:
            found = self._kept.get(key)
            if found is None or monotonic() - found.made > max_age:
                return None
            self._kept.move_to_end(key)
            return found

    def keep(self, path: str, revision: Revision, contents: Contents | None) -> None:
        key, made = (path, revision.commit), _Kept(contents, monotonic())
        with self._lock:
            if before := self._kept.pop(key, None):
                self._size -= before.size
            self._kept[key] = made
            self._size += made.size
            while self._size > MAX_ENTRIES and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self._size -= oldest.size
