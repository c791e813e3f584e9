"""The base class of the kinds of directory: what `offtracfs.tree.tree` asks each kind in its table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from offtracfs.database import Database
from offtracfs.index import Reader
from offtracfs.tree.nodes import Directory, DirectoryEntry, Listing, Node
from offtracfs.tree.textfiles import TextFiles


class Sources(NamedTuple):
    """What the kinds of directory answer from."""

    database: Database
    reader: Reader
    texts: TextFiles


class Kind:
    """A kind of directory.

    The methods here serve no directory and add nothing to others; kinds override them.

    One object serves a whole mount, and listings of several revisions side by side. So it may keep only what
    a revision never changes, such as answers for a (path, horizon). Its methods may raise DatabaseDamaged.
    """

    def __init__(self, sources: Sources) -> None:
        self.database, self._reader, self._texts = sources
        self._zone = self.database.settings.zone

    def serves(self, directory: Directory) -> bool:
        """Whether `lookup`, `entries` and `directory_count` answer for that directory.

        It must depend on nothing but the directory, since the answer is remembered. Of several kinds, the
        first in the table serves.
        """
        return False

    def lookup(self, listing: Listing, name: str) -> Node | None:
        """What has that name in a directory that this kind serves; None where nothing has."""
        raise NotImplementedError

    def entries(self, listing: Listing, after: int) -> Iterator[DirectoryEntry]:
        """What a directory that this kind serves lists behind a position, as `lookup` would give it.

        It must not go through the entries before that position: the kernel reads a large directory in many
        parts.
        """
        raise NotImplementedError

    def directory_count(self, listing: Listing) -> int:
        """How many directories `entries` gives, or UNKNOWN: a directory's link count is two more."""
        return 0

    def unlisted(self, listing: Listing, name: str) -> Node | None:
        """What this kind adds to a directory that another one serves. `entries` there does not show it."""
        return None

    def may_appear(self, directory: Directory, name: str) -> bool:
        """Whether a name that is missing may come to be there although `changed_names` does not give it.

        Where it may, the kernel is not allowed to remember that the name is missing.
        """
        return False

    def changed_names(self, after: int, horizon: int) -> Iterator[tuple[str, str]]:
        """Which names this kind gives another meaning between two horizons: path of the directory, and name.

        The kernel is told to forget them in each "@…" that stood for the one head and now stands for the
        other. (Of ``@HEAD~1``, which never is at the head, it keeps no names.) Names under which `lookup`
        gave something that must be asked for each time (a `ReportFile`) are not among them.
        """
        return iter(())
