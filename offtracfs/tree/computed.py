"""Directories whose entries take time to compute: in a worker thread, before the tree is asked for them."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from time import monotonic

from offtracfs.index import Revision
from offtracfs.reports.outputs import ReportFile
from offtracfs.tree.kind import Kind
from offtracfs.tree.nodes import (
    FIRST_POSITION,
    UNKNOWN,
    Contents,
    Directory,
    DirectoryEntry,
    Listed,
    Listing,
    Node,
)

Stopped = Callable[[], bool]
"""Whether nobody waits any more for what a worker thread computes: long work asks now and then."""


class Subdirectories:
    """The contents of a directory that lists directories."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = [*names]
        self._known = frozenset(self._names)
        self.size = sum(map(sys.getsizeof, (self._names, self._known, *self._names)))

    def node(self, directory: Directory, name: str) -> Listed | None:
        """A directory that is listed."""
        return directory.child(name) if name in self._known else None

    def listed(self, directory: Directory, first: int) -> Iterator[tuple[str, Listed]]:
        """All directories."""
        return ((name, directory.child(name)) for name in islice(self._names, first, None))


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

    def opened(self, listing: Listing) -> Listing:
        """The listing with what is kept of its directory, so that nobody takes that away from it."""
        return listing._replace(
            kept=listing.revision and self._cache.get(listing.directory.path, listing.revision)
        )

    def work(self, listing: Listing) -> Work | None:
        """What must be done before it is worthwhile to open a directory; None if it is `opened` already."""
        path, revision, kept = listing.directory.path, listing.revision, listing.kept
        if revision is None or (kept and monotonic() - kept.made <= self.max_age):
            return None

        def run(numbers: Sequence[int], stopped: Stopped) -> None:
            self._cache.keep(path, revision, self.contents(path, revision, numbers, stopped))

        return Work((path, revision.commit), run, self.report(path, revision))

    def lookup(self, listing: Listing, name: str) -> Node | None:
        """A link or a directory."""
        found = listing.kept and listing.kept.contents
        return found.node(listing.directory, name) if found else None

    def entries(self, listing: Listing, after: int) -> Iterator[DirectoryEntry]:
        """What is listed, in order; a position is a place in that order."""
        if found := listing.kept and listing.kept.contents:
            first = max(after + 1, FIRST_POSITION)
            listed = found.listed(listing.directory, first - FIRST_POSITION)
            for position, (name, node) in enumerate(listed, first):
                yield DirectoryEntry(position, name, node)

    def directory_count(self, listing: Listing) -> int:
        """Unknown, or it would have to be computed for whoever only asks for the attributes."""
        return UNKNOWN

    def may_appear(self, directory: Directory, name: str) -> bool:
        """Any name."""
        return self.serves(directory)
