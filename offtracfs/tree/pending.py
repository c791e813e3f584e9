"""What was changed and is not in the tracker yet: ``pending/``, in a mount that can be written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from time import monotonic

from offtracfs.index import Revision
from offtracfs.kinds import TICKETS
from offtracfs.tree.computed import Computed, Stopped
from offtracfs.tree.kind import Sources
from offtracfs.tree.nodes import ROOT, Contents, Directory, Kept, Link, Listing, Node
from offtracfs.tree.texts import TEXTS

PENDING = ROOT.child("pending")


class Drafted:
    """A link for each ticket (``42``, ``new-NAME``), to its text; one to its record can be entered, too."""

    size = 0  # it is kept for as long as the directory is open

    def __init__(self, tickets: Iterable[str], mtime: int) -> None:
        self._tickets = sorted(tickets)
        self._mtime = mtime

    def node(self, directory: Directory, name: str) -> Link | None:
        """The link of that name."""
        ticket, _, form = name.rpartition(".")
        top = {"txt": TEXTS, "json": TICKETS}.get(form)
        return Link(f"../{top}/{name}", self._mtime) if top and ticket in self._tickets else None

    def listed(self, directory: Directory, first: int) -> Iterator[tuple[str, Link]]:
        """The links to the texts."""
        for ticket in self._tickets[first:]:
            yield f"{ticket}.txt", Link(f"../{TEXTS}/{ticket}.txt", self._mtime)


class Pending(Computed):
    """The directory ``pending``, in the present alone.

    It takes no time to compute, so it is made whenever it is opened or looked into, and by no worker thread.
    """

    max_age = 1.0  # seconds: the names in it are not told to the kernel, which keeps them for a moment

    def __init__(self, sources: Sources, tickets: Callable[[], Iterable[str]]) -> None:
        super().__init__(sources)
        self._tickets = tickets

    def serves(self, directory: Directory) -> bool:
        """``pending``."""
        return directory == PENDING

    def contents(
        self, path: str, revision: Revision, numbers: Sequence[int] = (), stopped: Stopped | None = None
    ) -> Contents:
        """The links that there are now."""
        return Drafted(self._tickets(), revision.committed)

    def opened(self, listing: Listing) -> Listing:
        """The listing with these links."""
        directory, revision, _ = listing
        contents = self.contents(directory.path, revision) if revision else None
        return Listing(directory, revision, Kept(contents, monotonic()))

    def unlisted(self, listing: Listing, name: str) -> Node | None:
        """The directory, in the root of the present."""
        return PENDING if listing.directory == ROOT and name == PENDING.path else None
