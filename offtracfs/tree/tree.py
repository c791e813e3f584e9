"""The tree: for each question it finds the kind of directory that answers, and the revision ("@…")."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from math import inf

from offtracfs.database import Database
from offtracfs.index import Reader, Revision
from offtracfs.index.moments import Clock, may_change, revision_at
from offtracfs.names import Back, parse_at
from offtracfs.tree.by import By
from offtracfs.tree.cache import Cache
from offtracfs.tree.computed import Computed, Work
from offtracfs.tree.days import DAYS, Days
from offtracfs.tree.history import History
from offtracfs.tree.kind import Kind, Sources
from offtracfs.tree.nodes import ROOT, Directory, DirectoryEntry, File, Listing, Node
from offtracfs.tree.pending import Pending
from offtracfs.tree.queries import Queries
from offtracfs.tree.reportfiles import ReportFiles
from offtracfs.tree.reporttickets import ReportTickets
from offtracfs.tree.searches import Searches
from offtracfs.tree.stored import Stored
from offtracfs.tree.textfiles import TEXT, TextFiles
from offtracfs.tree.texts import Texts

KINDS: tuple[type[Kind], ...] = (
    Days, History, By, Queries, Searches, ReportTickets, ReportFiles, Texts, Stored,
)  # fmt: skip
"""Every kind of directory. A new one is a module with a `Kind`, and a name here, before `Stored`."""

MAX_BLOBS = 16  # kept in memory, since the kernel reads a large file in pieces
MAX_DIRECTORIES = 1_024  # for which the kind that serves them is kept


class Tree:
    """The nodes of one database, as its index has them and as of the last `refresh`.

    `settled` is set by the driver: no commit is added before that moment (seconds since 1970 UTC).
    `may_change` needs it. `pages` is what a ticket's number is put behind to make the address of its page in
    the tracker; "" where that is not known. `drafts` gives the tickets that ``pending`` lists; without it
    there is no such directory. Methods may raise DatabaseDamaged.
    """

    def __init__(
        self,
        database: Database,
        reader: Reader,
        *,
        clock: Clock = time.time,
        pages: str = "",
        drafts: Callable[[], Iterable[str]] | None = None,
    ) -> None:
        self._reader = reader
        self._store = database.store
        self._blob = lru_cache(MAX_BLOBS)(self._store.blob)
        self._zone = database.settings.zone
        self._clock = clock
        self._texts = TextFiles(reader, self._blob, pages)
        sources = Sources(database, reader, self._texts, Cache())
        self._kinds = [kind(sources) for kind in KINDS]
        if drafts:
            self._kinds.insert(0, Pending(sources, drafts))
        self._kind = lru_cache(MAX_DIRECTORIES)(self._serving)
        self.settled = 0
        self.head = reader.head()

    def refresh(self) -> Revision | None:
        """Go over to the newest revision that is published, and return it.

        Costs microseconds where there is no new one.
        """
        self._reader.refresh()
        before, self.head = self.head, self._reader.head()
        if self.head != before:
            self._store.reopen()  # packs that a repack has replaced would take room as long as they are open
        return self.head

    def knows(self, revision: Revision) -> bool:
        """Whether a revision that was seen before is still in the index.

        If not, the index was built from another history, and inode numbers stand for other files now.
        """
        return self._reader.revision(revision.number) == revision

    def may_change(self, at: str) -> bool:
        """Whether "@…" may come to stand for another revision than it does now."""
        return may_change(at, self.settled, self._zone)

    def counts_back(self, at: str) -> bool:
        """Whether "@…" is so many revisions before the head, as ``@HEAD~1`` is."""
        found = parse_at(at, self._zone)
        return isinstance(found, Back) and found.revisions > 0

    def revision(self, at: str) -> Revision | None:
        """The revision that "@…" stands for ("" is the head, as is "@"); None where there is none."""
        if at == DAYS.at:
            return self.head
        return revision_at(self._reader, self.head, at, self._zone, self._clock)

    def _serving(self, directory: Directory) -> Kind:
        return next(kind for kind in self._kinds if kind.serves(directory))

    def open(self, directory: Directory) -> Listing:
        """The directory as it stands, to be listed, or to look names up in it."""
        listing = Listing(directory, self.revision(directory.at))
        kind = self._kind(directory)
        return kind.opened(listing) if isinstance(kind, Computed) else listing

    def is_computed(self, directory: Directory) -> bool:
        """Whether there may be `work` for a directory."""
        return isinstance(self._kind(directory), Computed)

    def work(self, listing: Listing) -> Work | None:
        """What a worker thread must do before `lookup` and `entries` can answer for a directory.

        None where nothing, as for all that is stored. When it is done, open the directory anew and ask
        again: meanwhile there may be a new revision, or others may have taken its place among what is kept.
        """
        kind = self._kind(listing.directory)
        return kind.work(listing) if isinstance(kind, Computed) else None

    def is_current(self, listing: Listing) -> bool:
        """Whether an opened directory still shows what its place shows now."""
        return listing.revision == self.revision(listing.directory.at)

    def lookup(self, directory: Directory, name: str) -> Node | None:
        """What has that name in a directory as it stands; None where nothing has."""
        return self.lookup_in(self.open(directory), name)

    def lookup_in(self, listing: Listing, name: str) -> Node | None:
        """What has that name in an opened directory; None where nothing has."""
        directory = listing.directory
        if listing.revision is None and directory.at:
            return None
        found = self._kind(directory).lookup(listing, name)
        if found is not None:
            return found
        for kind in self._kinds:
            if (found := kind.unlisted(listing, name)) is not None:
                return found
        if directory == ROOT and name.startswith("@") and self.revision(name):
            return Directory(name, "")
        return None

    def entries(self, listing: Listing, after: int = 0) -> Iterator[DirectoryEntry]:
        """What an opened directory lists behind a position. Names with "@…" are not listed."""
        return self._kind(listing.directory).entries(listing, after)

    def directory_count(self, listing: Listing) -> int:
        """How many directories an opened directory lists."""
        return self._kind(listing.directory).directory_count(listing)

    def mtime(self, listing: Listing) -> int:
        """When something below an opened directory last changed, in seconds since 1970 UTC."""
        return listing.revision.committed if listing.revision else 0

    def file(self, inode: int) -> File | None:
        """The file version with that number, or the text."""
        if inode & TEXT:
            return self._texts.file(inode)
        version = self._reader.version(inode)
        return File(inode, version.size, version.mtime) if version else None

    def read(self, inode: int) -> bytes:
        """All that a file version holds, or a text. Raises DatabaseDamaged where git cannot give it."""
        if inode & TEXT:
            return self._texts.read(inode)
        version = self._reader.version(inode)
        return self._blob(version.blob) if version and version.blob else b""

    def text_work(self, inode: int) -> Callable[[], object] | None:
        """What is to be called in another thread before `read`, as it takes long; None where nothing is."""
        return self._texts.work(inode) if inode & TEXT else None

    def changed_names(self, before: Revision | None) -> Iterator[tuple[str, str]]:
        """The names that do not mean what they meant at an earlier head: directory's path, and name."""
        if self.head is None:
            return
        for kind in reversed(self._kinds):  # what is stored comes first: most readers wait for that
            yield from kind.changed_names(before.horizon if before else 0, self.head.horizon)

    def is_told(self, directory: Directory, node: Node | None = None) -> bool:
        """Whether `changed_names` has all that can change in a directory, or of a name that is a node's.

        So it is for all but computed directories, and for these where "@…" is settled; not for those of
        reports, since SQL can ask for the time.
        """
        places = [directory, node] if isinstance(node, Directory) else [directory]
        computed = [kind for kind in map(self._kind, places) if isinstance(kind, Computed)]
        return not computed or (
            all(kind.max_age == inf for kind in computed) and not self.may_change(directory.at)
        )

    def may_appear(self, directory: Directory, name: str) -> bool:
        """Whether a name that is missing may come to be there without being among the `changed_names`."""
        # "@2031" appears when that year begins: no revision brings it.
        past = directory == ROOT and name.startswith("@")
        return (
            past
            or self.counts_back(directory.at)
            or any(kind.may_appear(directory, name) for kind in self._kinds)
        )
