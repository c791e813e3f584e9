"""What a mount is made of: directories, files and links, as plain values. No FUSE in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from offtracfs.index import Revision
from offtracfs.reports.outputs import ReportFile

FIRST_POSITION = 3  # in a listing: "." has position 1 and ".." has 2
UNKNOWN = -1  # as a count: nobody has counted yet


class Directory(NamedTuple):
    """A directory: the "@…" through which it is reached ("" for the present), and its path below that.

    It is a place, not a state: what it shows depends on the revision that its "@…" stands for at the time.
    """

    at: str
    path: str

    def child(self, name: str) -> Directory:
        """The directory of that name in this one."""
        return Directory(self.at, f"{self.path}/{name}" if self.path else name)

    @property
    def is_root(self) -> bool:
        """Whether this is the tracker's top, now or at some "@…"."""
        return not self.path and self.at != "@"

    @property
    def parent(self) -> Directory:
        """The directory that this one is in; the root is in itself."""
        return Directory(self.at, self.path.rpartition("/")[0]) if self.path else ROOT


ROOT = Directory("", "")


class File(NamedTuple):
    """One version of a stored file; `size` in bytes, `mtime` in seconds since 1970 UTC.

    The inode says for ever what it holds, wherever it appears (see `offtracfs.index.schema`).
    """

    inode: int
    size: int
    mtime: int


class Link(NamedTuple):
    """A symbolic link; `mtime` in seconds since 1970 UTC."""

    target: str
    mtime: int


Listed = Directory | File | Link
Node = Listed | ReportFile


class DirectoryEntry(NamedTuple):
    """A node in a listing.

    `position` grows from entry to entry, and a listing can go on after any position.
    """

    position: int
    name: str
    node: Listed


class Contents(Protocol):
    """What a computed directory shows at a revision; it never changes."""

    @property
    def size(self) -> int:
        """The memory that it takes, in bytes."""

    def node(self, directory: Directory, name: str) -> Listed | None:
        """What has that name in the directory, listed or not; None where nothing has."""

    def listed(self, directory: Directory, first: int) -> Iterator[tuple[str, Listed]]:
        """What the directory lists, in order, from a place on, without going through what is before it."""


class Kept(NamedTuple):
    """The contents of a computed directory, None where there is no such directory; and when it was computed.

    `made` is in seconds by the monotonic clock.
    """

    contents: Contents | None
    made: float


class Listing(NamedTuple):
    """An opened directory: it goes on showing the revision that it was opened at.

    `kept` is what was known of a computed directory when it was opened, None where nothing was.
    """

    directory: Directory
    revision: Revision | None
    kept: Kept | None = None

    @property
    def horizon(self) -> int:
        """The greatest inode that it may show; 0 where there is no revision, and so nothing."""
        return self.revision.horizon if self.revision else 0
