"""Directory entries ready for the kernel, made once for each directory and revision.

The kernel keeps names, but no listings: each time a directory is listed, it asks for all entries again. What
a listing holds never changes (see `offtracfs.tree.Listing`), so it is kept here, in pages of 1,000 entries.
So a large directory does not hold up other requests while its entries are made, and memory stays bounded.

The entries of a computed directory are not kept here, since `offtracfs.tree.cache` has what they are made
from. Each answer gets a small page, so that others get theirs after a millisecond.

Nothing here can be out of date, since a page belongs to a revision. Pages of a revision that no directory
shows any more only take room, and `drop_outdated` lets go of them when there is a new revision. A directory
that is still being read at the old one keeps the page that it is at, and gets the next ones made anew.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import islice

import pyfuse3

from offtracfs.tree import Directory, File, Link, Listing, Tree

PAGE = 1_000  # entries; making so many takes some milliseconds, in which nobody else is answered
COMPUTED_PAGE = 150  # of a computed directory, whose pages are not kept: as many as one answer has
MAX_BYTES = 48 << 20  # of all pages; an entry takes about 300
OVERHEAD = 860  # bytes that a page takes besides its columns: its object, key and revision, places in tables

Prepared = pyfuse3.EntryAttributes | Directory | Link
"""A file's attributes are ready.

A directory or link gets its inode number with each answer (`InodeTable`).
"""


class Page:
    """Some entries of a listing behind position `after`; `ended` says that they are the last.

    They are in columns, because a tuple for each entry would take a third more memory.
    """

    __slots__ = ("after", "ended", "names", "positions", "prepared", "size")

    def __init__(
        self,
        tree: Tree,
        listing: Listing,
        after: int,
        prepare: Callable[[File], pyfuse3.EntryAttributes],
        most: int,
    ) -> None:
        self.after = after
        entries = list(islice(tree.entries(listing, after), most))
        self.positions = array("q", [position for position, _, _ in entries])
        self.names = [name.encode() for _, name, _ in entries]
        self.prepared: list[Prepared] = [
            prepare(node) if isinstance(node, File) else node for _, _, node in entries
        ]
        self.ended = len(self.names) < most
        columns = (self.positions, self.names, self.prepared)
        self.size = OVERHEAD + sum(map(sys.getsizeof, (*columns, *self.names, *self.prepared)))

    def covers(self, position: int) -> bool:
        """Whether what follows behind a position is in this page."""
        return self.after <= position and (self.ended or position < self.positions[-1])

    def behind(self, position: int) -> Iterable[tuple[int, bytes, Prepared]]:
        """Position, name and node of the entries behind a position, without going through the others."""
        first = bisect_right(self.positions, position)
        return zip(self.positions[first:], self.names[first:], self.prepared[first:], strict=True)


class Pages:
    """The pages of all directories; those used longest ago make room for others."""

    def __init__(self, tree: Tree, prepare: Callable[[File], pyfuse3.EntryAttributes]) -> None:
        self._tree = tree
        self._prepare = prepare
        self._pages: OrderedDict[tuple[Listing, int], Page] = OrderedDict()  # the one used last is last
        self.size = 0  # bytes

    def __len__(self) -> int:
        return len(self._pages)

    def page(self, listing: Listing, after: int) -> Page:
        """The entries of a listing behind a position, up to `PAGE` of them. Raises as `Tree.entries` does."""
        if self._tree.is_computed(listing.directory):  # what is computed is kept elsewhere
            return Page(self._tree, listing, after, self._prepare, COMPUTED_PAGE)
        key = listing, after
        if key in self._pages:
            self._pages.move_to_end(key)
            return self._pages[key]
        page = Page(self._tree, listing, after, self._prepare, PAGE)
        if self._tree.is_current(listing):  # a page of an old revision is of no use to other readers
            self._pages[key] = page
            self.size += page.size
            while self.size > MAX_BYTES:
                _, oldest = self._pages.popitem(last=False)
                self.size -= oldest.size
        return page

    def drop_outdated(self) -> None:
        """Let go of the pages that no directory shows any more."""
        current = {listing: self._tree.is_current(listing) for listing, _ in self._pages}
        for listing, after in list(self._pages):
            if not current[listing]:
                self.size -= self._pages.pop((listing, after)).size
