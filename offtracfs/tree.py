"""What the mount looks like, as plain Python: nodes, names, "@…". No FUSE in it.

    /                       Directory("", "")         the tracker as it stands
    /db.json                File
    /ticket/                Directory("", "ticket")
    /@2011-04-09/ticket/    Directory("@2011-04-09", "ticket")
    /ticket/42.json@/       Directory("", "ticket/42.json@")  every version that the file had
    /report/1.csv           Result(commit, 1, "csv")  what the report gives, and as 1.txt for people
    /@/                     Directory("@", "")        the days on which something changed
    /@/2011-04-09           Link("../@2011-04-09")

A `Directory` is a place; what it shows is decided when it is used, by the revision that its "@…" stands
for at that time. A `File` is one immutable version: its inode says for ever what it holds, wherever it
appears (see `offtracfs.index.schema`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple

from offtracfs.index import Reader, Revision
from offtracfs.index.moments import Clock, revision_at
from offtracfs.names import NUMBERED, Commit, Period, parse_at, report_path, result_of, split, version_name
from offtracfs.store import Store

DAYS = "@"
ALWAYS = ("changelog", "field", "report", "ticket")  # directories that are there even when empty
BEHIND_DIRECTORIES = 1 << 20  # positions up to here are directories', in a listing
REPORTS = "report"
CACHED_BLOBS = 16  # a reader asks for a large file in pieces


class Directory(NamedTuple):
    """A directory: the "@…" through which it is reached ("" for the present), and its path below that."""

    at: str
    path: str

    def child(self, name: str) -> Directory:
        """The directory of that name in this one."""
        return Directory(self.at, f"{self.path}/{name}" if self.path else name)

    @property
    def past_of(self) -> str:
        """The path of the file whose versions this directory shows; "" for other directories."""
        top = self.path.partition("/")[0]
        return self.path[:-1] if top in NUMBERED and self.path.endswith("@") else ""

    @property
    def above(self) -> Directory:
        """The directory that this one is in; the root is in itself."""
        return Directory(self.at, self.path.rpartition("/")[0]) if self.path else Tree.root


class File(NamedTuple):
    """One version of a file; bytes, and seconds since 1970 UTC."""

    inode: int
    size: int
    mtime: int


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link; `mtime` in seconds since 1970 UTC."""

    target: str
    mtime: int


class ReportFile(NamedTuple):
    """What a report gives at a commit, `mtime` seconds since 1970 UTC; `suffix` says how it is written."""

    commit: bytes
    report: int
    suffix: str
    mtime: int


Result = ReportFile
Listed = Directory | File | Link
Node = Listed | Result


class Named(NamedTuple):
    """A node in a listing; `position` grows along it, and is greater than 2: "." and ".." come first."""

    position: int
    name: str
    node: Listed


@dataclass(frozen=True, slots=True)
class Listing:
    """An opened directory: it goes on showing the revision that it was opened at."""

    directory: Directory
    revision: Revision | None


class Tree:
    """The nodes of one database, as its index has them and as of the last `refresh`.

    `settled` is the moment (seconds since 1970 UTC) before which
    nothing can change any more, for `moves`. Methods may raise DatabaseDamaged.
    """

    root = Directory("", "")

    def __init__(
        self,
        reader: Reader,
        store: Store,
        *,
        zone: tzinfo = UTC,
        clock: Clock = time.time,
    ) -> None:
        self._reader = reader
        self._store = store
        self._blob = lru_cache(CACHED_BLOBS)(store.blob)
        self._zone = zone
        self._clock = clock
        self.settled = 0
        self.head = reader.head()

    def refresh(self) -> Revision | None:
        """Go over to what has been published since, which costs microseconds; the head as it is now."""
        self._reader.refresh()
        before, self.head = self.head, self._reader.head()
        if self.head != before:
            self._store.reopen()  # packs that a repack has replaced would take room as long as they are open
        return self.head

    def knows(self, revision: Revision) -> bool:
        """Whether a revision of earlier is still the same: else inode numbers mean something else by now."""
        return self._reader.revision(revision.number) == revision

    def moves(self, at: str) -> bool:
        """Whether "@…" may come to stand for another revision than it does now."""
        match parse_at(at, self._zone):
            case Period(end=end):
                return end > self.settled
            case Commit():
                return False
            case _:
                return True

    def revision(self, at: str) -> Revision | None:
        """The revision that "@…" stands for ("" is the head); None where there is none."""
        return revision_at(self._reader, self.head, at, self._zone, self._clock)

    def exists(self, directory: Directory) -> bool:
        """Whether there is such a directory now."""
        return self._holds(self.open(directory))

    def _holds(self, listing: Listing) -> bool:
        directory, revision = listing.directory, listing.revision
        if directory.at == DAYS:
            return not directory.path
        if directory.at and revision is None:
            return False
        if directory.past_of:
            return bool(self._past(listing))
        top, _, below = directory.path.partition("/")
        if not below:
            return top in ("", *ALWAYS)
        return revision is not None and below in self._reader.directories(top, revision.horizon)

    def open(self, directory: Directory) -> Listing:
        """The directory as it stands, to be listed."""
        return Listing(directory, self.head if directory.at == DAYS else self.revision(directory.at))

    def lookup(self, directory: Directory, name: str) -> Node | None:
        """What has that name in a directory; None where nothing has."""
        if directory.at == DAYS:
            return self._day(name)
        if directory == self.root and name.startswith("@"):
            place = Directory(name, "")
            return place if self.exists(place) else None
        revision = self.revision(directory.at)
        if revision and (entry := self._reader.find(directory.path, name, revision.horizon)):
            return File(entry.inode, entry.size, entry.mtime)
        if directory.past_of:
            return self._past(Listing(directory, revision)).get(name)
        if revision and directory.path == REPORTS and (result := result_of(name)):
            return self._result(revision, *result)
        child = directory.child(name)
        return child if self._holds(Listing(child, revision)) else None

    def entries(self, listing: Listing, after: int = 0) -> Iterator[Named]:
        """What an opened directory shows behind a position: directories first, then files as they came.

        No "@…" is listed: whoever walks the tree would walk all of history.
        """
        directory, revision = listing.directory, listing.revision
        if directory.at == DAYS:
            yield from self._days(listing, after)
            return
        if directory.past_of:
            for position, (name, file) in enumerate(self._past(listing).items(), 3):
                if position > after:
                    yield Named(position, name, file)
            return
        for position, name in enumerate(self.directories(listing), 3):
            if position > after:
                yield Named(position, name, directory.child(name))
        if revision:
            found = self._reader.entries(directory.path, revision.horizon, max(after - BEHIND_DIRECTORIES, 0))
            for position, name, inode, size, mtime in found:
                yield Named(BEHIND_DIRECTORIES + position, name, File(inode, size, mtime))

    def directories(self, listing: Listing) -> tuple[str, ...] | list[str]:
        """Names of the directories in an opened directory, in order."""
        directory, revision = listing.directory, listing.revision
        if directory.at == DAYS or directory.past_of:
            return ()
        if not directory.path:
            return ALWAYS
        return self._reader.directories(directory.path, revision.horizon) if revision else ()

    def mtime(self, listing: Listing) -> int:
        """When something below an opened directory last changed, in seconds since 1970 UTC."""
        return listing.revision.committed if listing.revision else 0

    def file(self, inode: int) -> File | None:
        """The file version with that number."""
        version = self._reader.version(inode)
        return File(inode, version.size, version.mtime) if version else None

    def read(self, inode: int) -> bytes:
        """All that a file version holds. Raises DatabaseDamaged where git cannot give it."""
        version = self._reader.version(inode)
        return self._blob(version.blob) if version and version.blob else b""

    def touched(self, before: Revision | None) -> Iterator[tuple[str, str]]:
        """Path of the directory, and name, of all that came, changed or went since an earlier head."""
        if self.head is None:
            return
        directories = set()
        for directory, name in self._reader.touched(before.horizon if before else 0, self.head.horizon):
            yield directory, name
            directories.add(directory)
        for directory in directories:
            above, _, name = directory.rpartition("/")
            if above:
                yield above, name

    def may_come(self, directory: Directory, name: str) -> bool:
        """Whether a name that is missing may come to be there without being `touched`."""
        result = directory.path == REPORTS and result_of(name) is not None
        return result or "@" in name or directory.at == DAYS or bool(directory.past_of)

    def _result(self, revision: Revision, report: int, suffix: str) -> Result | None:
        found = self._reader.find(*split(report_path(report)), revision.horizon)
        return Result(revision.commit, report, suffix, revision.committed) if found else None

    def _past(self, listing: Listing) -> dict[str, File]:
        """The versions that a file had up to an opened directory's revision, by name, oldest first."""
        if listing.revision is None:
            return {}
        found: dict[str, File] = {}
        turns: Counter[tuple[int, str]] = Counter()
        for inode, size, mtime, author in self._reader.past(
            *split(listing.directory.past_of), listing.revision.horizon
        ):
            moment = datetime.fromtimestamp(mtime, self._zone)
            name = ""
            while not name or name in found:
                turns[mtime, author] += 1
                name = version_name(moment, author, turns[mtime, author])
            found[name] = File(inode, size, mtime)
        return found

    def _day(self, name: str) -> Link | None:
        try:
            start = datetime.strptime(name, "%Y-%m-%d").replace(tzinfo=self._zone)
        except ValueError:
            return None
        if self.head is None or name != f"{start:%Y-%m-%d}":
            return None
        found = self._reader.next_time(int(start.timestamp()), self.head.number)
        end = start + timedelta(days=1)
        return Link(f"../@{name}", found) if found is not None and found < end.timestamp() else None

    def _days(self, listing: Listing, after: int) -> Iterator[Named]:
        if listing.revision is None:
            return
        start = 0
        if after:
            start = int((datetime.fromordinal(after).replace(tzinfo=self._zone) + timedelta(1)).timestamp())
        while (found := self._reader.next_time(start, listing.revision.number)) is not None:
            day = datetime.fromtimestamp(found, self._zone).replace(hour=0, minute=0, second=0)
            name = f"{day:%Y-%m-%d}"
            yield Named(day.toordinal(), name, Link(f"../@{name}", found))
            start = int((day.replace(fold=0) + timedelta(days=1)).timestamp())
