"""What was computed of directories, kept for those who look at them next."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from time import monotonic

from offtracfs.index import Revision
from offtracfs.tree.nodes import Contents, Kept

MAX_BYTES = 64 << 20  # of all that is kept; half a million links to tickets
OVERHEAD = 600  # bytes of a directory besides its contents: its key, with a path of 100 bytes, and its places


class Cache:
    """Contents by path and revision; those used longest ago make room. Several threads may use it.

    What makes room is lost to those who open the directory next. Whoever has opened it keeps it
    (`Listing.kept`), or two large directories that are read side by side would throw out each other.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, bytes], Kept] = OrderedDict()  # the one used last is last
        self.size = 0  # bytes

    def get(self, path: str, revision: Revision) -> Kept | None:
        """What is kept of a directory; None where nothing is."""
        key = path, revision.commit
        with self._lock:
            if found := self._kept.get(key):
                self._kept.move_to_end(key)
            return found

    def keep(self, path: str, revision: Revision, contents: Contents | None) -> None:
        """Keep contents that were computed now. These stay, even where they alone are too large."""
        key, made = (path, revision.commit), Kept(contents, monotonic())
        with self._lock:
            if before := self._kept.pop(key, None):
                self.size -= _size(before)
            self._kept[key] = made
            self.size += _size(made)
            while self.size > MAX_BYTES and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self.size -= _size(oldest)


def _size(kept: Kept) -> int:
    return OVERHEAD + (kept.contents.size if kept.contents else 0)
