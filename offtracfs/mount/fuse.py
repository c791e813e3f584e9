"""The kernel's requests, answered from `offtracfs.tree`: a thin adapter on pyfuse3.

What the kernel is told it may keep for an hour, since nothing here changes by itself: a file's inode
number stands for one immutable version (see `offtracfs.index.schema`), and when a new revision is
published, `offtracfs.mount.driver` tells the kernel which names to ask for again.
"""

from __future__ import annotations

import errno
import functools
import itertools
import logging
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

import pyfuse3

from offtracfs.errors import OfftracfsError
from offtracfs.names import LONGEST_NAME
from offtracfs.reports.outputs import Output, Outputs
from offtracfs.tree import Directory, File, Link, Listing, Named, ReportFile, Tree

FIRST_NUMBER = 1 << 48  # of what is not stored, as directories are; below are the file versions, for ever
KEPT = 3600.0  # seconds for which the kernel need not ask again
BLOCK = 512  # bytes, the unit of st_blocks whatever the file system

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


def answered(handler: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """The one place where errors become error numbers: pyfuse3 ends the mount at any but FUSEError."""

    @functools.wraps(handler)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await handler(*args, **kwargs)
        except pyfuse3.FUSEError:
            raise
        except (
            InterruptedError
        ) as error:  # who asked was killed: nobody reads the answer, nor a line about it
            raise pyfuse3.FUSEError(errno.EINTR) from error
        except OfftracfsError as error:
            log.error("%s: %s", handler.__name__, error)
            raise pyfuse3.FUSEError(error.errno) from error
        except Exception as error:
            log.exception("%s%r failed", handler.__name__, args[1:])
            raise pyfuse3.FUSEError(errno.EIO) from error

    return wrapped


Numbered = Directory | Link | Output


class Numbers:
    """Inode numbers of what is not stored and the kernel knows, until it forgets them."""

    def __init__(self) -> None:
        self._next = itertools.count(FIRST_NUMBER)
        self._numbers: dict[Numbered, int] = {Tree.root: pyfuse3.ROOT_INODE}
        self._nodes: dict[int, Numbered] = {pyfuse3.ROOT_INODE: Tree.root}
        self._lookups: dict[int, int] = defaultdict(int)

    def __len__(self) -> int:
        return len(self._nodes)

    def of(self, node: Numbered) -> int:
        """The number of a node, a new one where it has none; counts as one lookup by the kernel."""
        number = self._numbers.get(node)
        if number is None:
            number = self._numbers[node] = next(self._next)
            self._nodes[number] = node
        self._lookups[number] += 1
        return number

    def known(self, node: Directory) -> int:
        """The number of a directory that the kernel knows, since it is in it."""
        return self._numbers[node]

    def node(self, number: int) -> Numbered:
        """What has that number. Raises KeyError."""
        return self._nodes[number]

    def forget(self, number: int, lookups: int) -> None:
        """The kernel gives back so many lookups; after the last one the number is never used again."""
        self._lookups[number] -= lookups
        if self._lookups[number] <= 0 and number != pyfuse3.ROOT_INODE:
            del self._lookups[number]
            del self._numbers[self._nodes.pop(number)]

    def directories(self) -> Iterator[tuple[int, Directory]]:
        """The directories that the kernel knows."""
        return ((number, node) for number, node in self._nodes.items() if isinstance(node, Directory))


@dataclass(slots=True)
class Opened:
    """An opened directory, and how far it has been read."""

    listing: Listing
    position: int = -1
    ahead: list[Named] = field(default_factory=list)  # taken from `rest`, but did not fit any more
    rest: Iterator[Named] = field(default_factory=lambda: iter(()))


class Operations(pyfuse3.Operations):
    """Requests of the kernel, answered from a tree. What is not here is ENOSYS: not asked for again."""

    supports_dot_lookup = False

    def __init__(self, tree: Tree, outputs: Outputs) -> None:
        super().__init__()
        self.tree = tree
        self.outputs = outputs
        self.numbers = Numbers()
        self._owner = os.getuid(), os.getgid()
        self._opened: dict[int, Opened] = {}
        self._handles = itertools.count(1)
        self._file = self._attributes(stat.S_IFREG | 0o444)

    def _attributes(self, mode: int) -> pyfuse3.EntryAttributes:
        made = pyfuse3.EntryAttributes()
        made.st_mode = mode
        made.st_uid, made.st_gid = self._owner
        made.entry_timeout = made.attr_timeout = KEPT
        return made

    def _of_file(self, file: File) -> pyfuse3.EntryAttributes:
        """Attributes of a file version: always the same object, since a listing makes very many."""
        made = self._file
        made.entry_timeout = KEPT
        made.st_ino, made.st_size = file.inode, file.size
        made.st_blocks = -(-file.size // BLOCK)
        made.st_mtime_ns = made.st_ctime_ns = made.st_atime_ns = file.mtime * 1_000_000_000
        return made

    def _of(self, node: Numbered, number: int) -> pyfuse3.EntryAttributes:
        match node:
            case Link(target, mtime):
                made = self._attributes(stat.S_IFLNK | 0o777)
                made.st_size = len(os.fsencode(target))
            case Output(report, file, size):
                made, mtime = self._attributes(stat.S_IFREG | 0o444), report.mtime
                made.entry_timeout = 0  # the name stands for another output with each commit, and in a while
                if file is None:
                    made.attr_timeout = 0  # so that the kernel asks for the size before it needs it
                made.st_size, made.st_blocks = size, -(-size // BLOCK)
            case _:
                listing = self.tree.open(node)
                made, mtime = self._attributes(stat.S_IFDIR | 0o555), self.tree.mtime(listing)
                made.st_nlink = 2 + len(self.tree.directories(listing))
        made.st_ino = number
        made.st_mtime_ns = made.st_ctime_ns = made.st_atime_ns = mtime * 1_000_000_000
        return made

    def _looked_up(self, node: File | Numbered) -> pyfuse3.EntryAttributes:
        return self._of_file(node) if isinstance(node, File) else self._of(node, self.numbers.of(node))

    @answered
    async def lookup(self, parent_inode: int, name: bytes, ctx: Any) -> pyfuse3.EntryAttributes:
        """A name in a directory; that there is none is kept by the kernel too, where we would tell it."""
        if len(name) > LONGEST_NAME:
            raise pyfuse3.FUSEError(errno.ENAMETOOLONG)
        directory = self._directory(parent_inode)
        try:
            node = self.tree.lookup(directory, name.decode())
        except UnicodeDecodeError:
            node = None
        if node is not None:
            return self._looked_up(self.outputs.output(node) if isinstance(node, ReportFile) else node)
        if self.tree.may_come(directory, name.decode(errors="replace")):
            raise pyfuse3.FUSEError(errno.ENOENT)
        return self._attributes(0)

    async def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        """The kernel has dropped some inodes; nothing is kept for files."""
        for inode, lookups in inode_list:
            if inode >= FIRST_NUMBER:
                self.numbers.forget(inode, lookups)

    @answered
    async def getattr(self, inode: int, ctx: Any) -> pyfuse3.EntryAttributes:
        """The attributes of anything."""
        if inode >= FIRST_NUMBER or inode == pyfuse3.ROOT_INODE:
            node = self.numbers.node(inode)
            if isinstance(
                node, Output
            ):  # here, and in no lookup, during which the kernel locks the directory
                await self.outputs.make(node, ctx.pid)
            return self._of(node, inode)
        file = self.tree.file(inode)
        if file is None:
            raise pyfuse3.FUSEError(errno.ESTALE)
        return self._of_file(file)

    @answered
    async def readlink(self, inode: int, ctx: Any) -> bytes:
        """Where a link leads."""
        node = self.numbers.node(inode)
        if not isinstance(node, Link):
            raise pyfuse3.FUSEError(errno.EINVAL)
        return os.fsencode(node.target)

    def _directory(self, number: int) -> Directory:
        node = self.numbers.node(number)
        if not isinstance(node, Directory):
            raise pyfuse3.FUSEError(errno.ENOTDIR)
        return node

    @answered
    async def opendir(self, inode: int, ctx: Any) -> int:
        """Open a directory: it shows one revision until it is closed."""
        handle = next(self._handles)
        self._opened[handle] = Opened(self.tree.open(self._directory(inode)))
        return handle

    @answered
    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        """The next entries of an opened directory, behind position `start_id`."""
        opened = self._opened[fh]
        if start_id == 0:  # opened, or rewound: rewinddir(3) asks for the present state
            opened.listing = self.tree.open(opened.listing.directory)
        if start_id != opened.position:
            opened.ahead, opened.rest = [], self.tree.entries(opened.listing, start_id)
        opened.position = -1  # a failure on the way must not lose an entry
        opened.position = self._fill(token, opened, self._dots(token, opened.listing.directory, start_id))

    def _dots(self, token: pyfuse3.ReaddirToken, here: Directory, after: int) -> int:
        """Reply "." and "..", which are no lookups, where they come behind a position; the last position."""
        for position, name, node in ((1, b".", here), (2, b"..", here.above)):
            if after < position:
                attributes = self._attributes(stat.S_IFDIR)
                attributes.st_ino = self.numbers.known(node)
                pyfuse3.readdir_reply(token, name, attributes, position)  # the first two always fit
                after = position
        return after

    def _fill(self, token: pyfuse3.ReaddirToken, opened: Opened, position: int) -> int:
        """Reply as many entries as fit; the position of the last one."""
        current = opened.listing == self.tree.open(opened.listing.directory)
        for named in itertools.chain(opened.ahead, opened.rest):
            if not self._reply(token, named, current):
                opened.ahead = [named]
                break
            position = named.position
        else:
            opened.ahead = []
        return position

    def _reply(self, token: pyfuse3.ReaddirToken, named: Named, current: bool) -> bool:
        position, name, node = named
        attributes = self._of_file(node) if isinstance(node, File) else self._looked_up(node)
        if not current:  # what has been invalidated must not come back
            attributes.entry_timeout = 0
        fits: bool = pyfuse3.readdir_reply(token, name.encode(), attributes, position)
        if not fits and not isinstance(node, File):
            self.numbers.forget(attributes.st_ino, 1)
        return fits

    @answered
    async def releasedir(self, fh: int) -> None:
        """Close a directory."""
        del self._opened[fh]

    @answered
    async def open(self, inode: int, flags: int, ctx: Any) -> pyfuse3.FileInfo:
        """Open a file; nothing is read yet, and what the kernel has of it stays right."""
        if inode >= FIRST_NUMBER:
            inode = FIRST_NUMBER + await self._output(inode, ctx.pid)
        return pyfuse3.FileInfo(fh=inode, keep_cache=True)

    async def _output(self, number: int, reader: int) -> int:
        """A file descriptor of one's own for an output, which may have to make room before it is closed."""
        node = self.numbers.node(number)
        if not isinstance(node, Output):
            raise pyfuse3.FUSEError(errno.EISDIR)
        file = await self.outputs.make(node, reader)
        if file.closed:
            raise pyfuse3.FUSEError(errno.ESTALE)  # the kernel then looks its name up again
        return os.dup(file.fileno())

    @answered
    async def read(self, fh: int, off: int, size: int) -> bytes:
        """Some bytes of a file."""
        if fh >= FIRST_NUMBER:
            return os.pread(fh - FIRST_NUMBER, size, off)
        return self.tree.read(fh)[off : off + size]

    @answered
    async def release(self, fh: int) -> None:
        """Close a file."""
        if fh >= FIRST_NUMBER:
            os.close(fh - FIRST_NUMBER)

    @answered
    async def statfs(self, ctx: Any) -> pyfuse3.StatvfsData:
        """What `df` shows: no blocks of its own, and as many inodes as there are file versions."""
        made = pyfuse3.StatvfsData()
        made.f_bsize = made.f_frsize = 4096
        made.f_files = self.tree.head.horizon if self.tree.head else 0
        made.f_namemax = LONGEST_NAME
        return made
