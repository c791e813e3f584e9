"""What was changed and is not in the tracker yet: ``pending/``, in a mount that can be written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import monotonic

from offtracfs.index import Revision
from offtracfs.tree.computed import Computed, Stopped, Work
from offtracfs.tree.kind import Sources
from offtracfs.tree.nodes import ROOT, Contents, Directory, Kept, Link, Listing, Node

PENDING = ROOT.child("pending")


class Links:
    """A link for each file that somebody has saved; `paths` are theirs in the mount."""

    def __init__(self, paths: Iterable[str], mtime: int) -> None:
        self._links = {path.rpartition("/")[2]: Link(f"../{path}", mtime) for path in sorted(paths)}
        self.names = [*self._links]
        self.size = 0  # they are kept for as long as the directory is open

    def node(self, directory: Directory, name: str) -> Link | None:
        """The link of that name."""
        return self._links.get(name)


class Pending(Computed):
    """The directory ``pending``, in the present alone. It is made anew whenever it is opened or looked into.

    There is nothing to compute, so no thread ever works for it.
    """

    max_age = 0  # its names are not told to the kernel

    def __init__(self, sources: Sources, paths: Callable[[], Iterable[str]]) -> None:
        super().__init__(sources)
        self._paths = paths

    def serves(self, directory: Directory) -> bool:
        """``pending``."""
        return directory == PENDING

    def contents(self, path: str, revision: Revision, numbers: object, stopped: Stopped) -> Contents | None:
        """Not called."""
        raise NotImplementedError

    def opened(self, listing: Listing) -> Listing:
        """The listing with the links that there are now."""
        mtime = listing.revision.committed if listing.revision else 0
        return listing._replace(kept=Kept(Links(self._paths(), mtime), monotonic()))

    def work(self, listing: Listing) -> Work | None:
        """None."""
        return None

    def unlisted(self, listing: Listing, name: str) -> Node | None:
        """The directory, in the root of the present."""
        return PENDING if listing.directory == ROOT and name == PENDING.path else None
