"""The kernel's requests, answered from `offtracfs.tree`: a thin adapter on pyfuse3.

The kernel may keep every answer for an hour, since what is mounted changes only with a new revision. It keeps
four things:

- *Names* (which inode a name in a directory stands for, or that there is none). They can change with a new
  revision, and `offtracfs.mount.driver` then says which to forget. Below ``@HEAD~1`` and its kin it keeps
  none, and in computed directories (``by/owner``) it keeps them for a moment only, unless they are settled
  (`Operations._name_timeout`).
- *Attributes.* Those of a file never change: its inode number stands for one immutable version (see
  `offtracfs.index.schema`). Those of directories do, and are forgotten with a new revision.
- *Contents* of files, for the same reason for ever.
- *Listings* of directories whose names it may keep, as long as it knows these (`offtracfs.mount.listings`).
  Only a patched pyfuse3 can allow that (``packaging/pyfuse3``).

Nothing is held for a file that is opened, since READ says all when it comes with the inode. So the kernel
need not ask whether a file can be opened, nor say that it was closed; these two requests would be nearly all
that a warm `grep -r` costs. It sends neither any more when one OPEN was answered with ENOSYS
(``FUSE_CAP_NO_OPEN_SUPPORT`` in libfuse's ``fuse_common.h``). Then READ comes without a handle, and only a
patched pyfuse3 gives us the inode in its place. With the stock one the kernel goes on asking, and the handle
that it gets for a file is the inode. READ is answered in the same way for both.

The danger is an old answer that reaches the kernel after the driver has told it of a new revision: the kernel
would keep it for an hour. This cannot happen, for these reasons:

- All handlers run in one thread, and none waits between its look at the tree and its answer. Only three
  things are waited for: report files, whose names the kernel may not keep; large texts, whose contents never
  change; and the work of computed directories, which is done before the tree is asked (`Operations._open`).
- The kernel holds a directory's lock from the time when it asks for names in it until it has taken in the
  answer. An invalidation of a name in that directory waits for the lock, and so comes after the answer.
- A directory that was opened before the new revision goes on showing the old one. `readdir` gives its entries
  with a timeout of 0, so that the kernel does not keep them.
- A listing that the kernel may keep is begun at the present revision: whoever reads a directory from its
  beginning gets that. The kernel holds the directory's lock also while it takes in entries. So when it has
  forgotten the names that changed in a directory, no entry from before is on its way any more. Only then the
  driver makes it forget the listing. Whoever is in the midst of one goes on, but the kernel keeps no listing
  whose beginning is lost.

The other danger is a wait inside `lookup` or `readdir`: the kernel holds the directory's lock meanwhile.
Whoever else wants that directory waits, too, and so does an invalidation of a name in it. It is safe in
computed directories, and only there, for these reasons:

- Nobody invalidates a name in them: they are not among the tree's `changed_names`. So the driver's thread
  never waits for such a lock. (To make the kernel forget a directory's attributes takes no lock.)
- Whoever else wants that directory waits for the same work. What differs from name to name, such as the
  answer to a query, is done in `opendir` of that name's own directory, for which the kernel holds no lock.
- The work has a limit of time. When a reader is killed, or the mount ends, it is left, and the answer comes
  at once. Then the next reader in the line gets the lock, and its request is looked at in the same way.
"""

from __future__ import annotations

import errno
import functools
import itertools
import logging
import os
import stat
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import pyfuse3
import trio

from offtracfs.errors import OfftracfsError
from offtracfs.mount.inodes import FIRST_NUMBER, InodeTable, Numbered
from offtracfs.mount.listings import Listings
from offtracfs.mount.pages import Page, Pages
from offtracfs.mount.workers import Workers
from offtracfs.names import NAME_MAX
from offtracfs.reports.outputs import Output, Outputs, ReportFile
from offtracfs.tree import UNKNOWN, Directory, File, Link, Listing, Node, Tree, Work

# Writable, though the mount is read-only: so what `cp -r` has copied can be changed and deleted.
DIRECTORY_MODE = stat.S_IFDIR | 0o755
FILE_MODE = stat.S_IFREG | 0o644
TIMEOUT = 3600.0  # seconds for which the kernel need not ask again
SHORT_TIMEOUT = 0.5  # seconds, for names that may change untold; less than two with the driver's POLL
NOBODY = 0  # in place of the thread that waits: READ does not say which does
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
        except InterruptedError as error:  # the reader was killed: not worth a line in the log
            raise pyfuse3.FUSEError(errno.EINTR) from error
        except OfftracfsError as error:
            log.error("%s: %s", handler.__name__, error)
            raise pyfuse3.FUSEError(error.errno) from error
        except Exception as error:
            log.exception("%s%r failed", handler.__name__, args[1:])
            raise pyfuse3.FUSEError(errno.EIO) from error

    return wrapped


@dataclass(slots=True)
class Opened:
    """An opened directory, and the part of it that was read last; `reader` is the thread that opened it.

    `kept` says that the kernel may keep what it lists.
    """

    number: int
    listing: Listing
    reader: int
    kept: bool
    page: Page | None = None


def _set_file(attributes: pyfuse3.EntryAttributes, file: File) -> pyfuse3.EntryAttributes:
    inode, size, mtime = file
    attributes.st_ino, attributes.st_size, attributes.st_blocks = inode, size, -(-size // BLOCK)
    attributes.st_mtime_ns = attributes.st_ctime_ns = attributes.st_atime_ns = mtime * 1_000_000_000
    return attributes


class Operations(pyfuse3.Operations):
    """Requests of the kernel, answered from a tree.

    Requests without a handler here get ENOSYS, and the kernel does not send them again.
    """

    supports_dot_lookup = False
    # The stock pyfuse3 knows neither (packaging/pyfuse3).
    inode_as_fh = hasattr(pyfuse3.Operations, "inode_as_fh")
    listings_are_kept = hasattr(pyfuse3.FileInfo, "cache_readdir")

    def __init__(self, tree: Tree, outputs: Outputs) -> None:
        super().__init__()
        self.tree = tree
        self.outputs = outputs
        self.workers = Workers(outputs)
        self.inodes = InodeTable()
        self.listings = Listings(TIMEOUT / 2)  # so that there is time left to use the names
        self.invalidating = trio.Semaphore(1)  # held while the driver makes the kernel forget names
        self._making = trio.Lock()  # held while a large text is made
        self.ending = False  # whether the session is to end
        self.pages = Pages(tree, self._new_file_attributes)
        self._owner = os.getuid(), os.getgid()
        self._opened: dict[int, Opened] = {}
        self._handles = itertools.count(1)
        self._file = self._attributes(FILE_MODE)
        self._link = self._attributes(stat.S_IFLNK | 0o777)

    def _attributes(self, mode: int) -> pyfuse3.EntryAttributes:
        made = pyfuse3.EntryAttributes()
        made.st_mode = mode
        made.st_uid, made.st_gid = self._owner
        made.entry_timeout = made.attr_timeout = TIMEOUT
        return made

    def _file_attributes(self, file: File) -> pyfuse3.EntryAttributes:
        """Attributes of a file version for one answer.

        It is one object, filled anew each time: making one costs more.
        """
        return _set_file(self._file, file)

    def _new_file_attributes(self, file: File) -> pyfuse3.EntryAttributes:
        """Attributes of a file version as an object of their own, which `Pages` keeps."""
        return _set_file(self._attributes(FILE_MODE), file)

    def _numbered_attributes(self, node: Numbered, number: int) -> pyfuse3.EntryAttributes:
        match node:
            case Link(target, mtime):
                made = self._link  # one object, as in `_file_attributes`
                made.st_size = len(target.encode())
            case Output(report, file, size):
                made, mtime = self._attributes(FILE_MODE), report.mtime
                # The name stands for a new output after each commit, and after a minute.
                made.entry_timeout = 0
                if file is None:
                    made.attr_timeout = 0  # so that the kernel asks for the size before it needs it
                made.st_size, made.st_blocks = size, -(-size // BLOCK)
            case Directory():
                listing = self.tree.open(node)
                made, mtime = self._attributes(DIRECTORY_MODE), self.tree.mtime(listing)
                count = self.tree.directory_count(listing)
                made.st_nlink = 1 if count == UNKNOWN else 2 + count  # as other file systems say it
        made.st_ino = number
        made.st_mtime_ns = made.st_ctime_ns = made.st_atime_ns = mtime * 1_000_000_000
        return made

    def _name_timeout(self, directory: Directory, node: Node | None = None) -> float:
        """For how many seconds the kernel may keep the names in a directory, or one that is a node's."""
        # The driver says which names differ between the old head and the new one. ``@HEAD~1`` goes from the
        # revision before the old head to the one before the new head: other names differ there. So the kernel
        # has to ask each time.
        if self.tree.counts_back(directory.at):
            return 0
        return TIMEOUT if self.tree.is_told(directory, node) else SHORT_TIMEOUT

    async def _open(self, directory: Directory, reader: int) -> Listing:
        """Open a directory; before, do the work of a computed one. `reader` is the thread that waits.

        After that nothing may be awaited before the answer. It must be given from this listing: threads may
        at any time make room among what is kept.
        """
        listing = self.tree.open(directory)
        if not self.tree.is_computed(directory):
            return listing

        def needed() -> Work | None:
            nonlocal listing
            listing = self.tree.open(directory)
            return self.tree.work(listing)

        await self.workers.finish(needed, reader)
        return listing

    def _looked_up(self, node: File | Numbered) -> pyfuse3.EntryAttributes:
        if isinstance(node, File):
            return self._file_attributes(node)
        return self._numbered_attributes(node, self.inodes.of(node))

    @answered
    async def lookup(self, parent_inode: int, name: bytes, ctx: Any) -> pyfuse3.EntryAttributes:
        """A name in a directory.

        The kernel also keeps that a name is missing, unless the name may appear untold.
        """
        if len(name) > NAME_MAX:
            raise pyfuse3.FUSEError(errno.ENAMETOOLONG)
        directory = self._directory(parent_inode)
        self.listings.missed += 1
        try:
            node = self.tree.lookup_in(await self._open(directory, ctx.pid), name.decode())
        except UnicodeDecodeError:
            node = None
        if isinstance(node, ReportFile):
            return self._looked_up(self.outputs.look_up(node, (parent_inode, name)))
        if node is not None:
            found = self._looked_up(node)
            found.entry_timeout = self._name_timeout(directory, node)
            return found
        # ENOENT is not kept by the kernel; an answer with inode 0 is, and also means that there is none.
        if self.tree.may_appear(directory, name.decode(errors="replace")):
            raise pyfuse3.FUSEError(errno.ENOENT)
        return self._attributes(0)

    async def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        """The kernel has dropped some inodes.

        Only numbers of `InodeTable` are counted: file versions have fixed ones.
        """
        self.listings.missed += len(inode_list)
        for inode, lookups in inode_list:
            if inode < FIRST_NUMBER:
                continue
            match self.inodes.forget(inode, lookups):
                case Output() as output:
                    self.outputs.forget(output)
                case Directory():
                    self.listings.forget(inode)

    @answered
    async def getattr(self, inode: int, ctx: Any) -> pyfuse3.EntryAttributes:
        """The attributes of anything."""
        if inode >= FIRST_NUMBER or inode == pyfuse3.ROOT_INODE:
            node = self.inodes.node(inode)
            if isinstance(node, Output):
                # The report runs here, not in `lookup`: during a lookup the kernel locks the directory.
                await self.outputs.make(node, ctx.pid)
            return self._numbered_attributes(node, inode)
        file = self.tree.file(inode)
        if file is None:
            raise pyfuse3.FUSEError(errno.ESTALE)
        return self._file_attributes(file)

    @answered
    async def readlink(self, inode: int, ctx: Any) -> bytes:
        """Where a link leads."""
        node = self.inodes.node(inode)
        if not isinstance(node, Link):
            raise pyfuse3.FUSEError(errno.EINVAL)
        return os.fsencode(node.target)

    def _directory(self, number: int) -> Directory:
        node = self.inodes.node(number)
        if not isinstance(node, Directory):
            raise pyfuse3.FUSEError(errno.ENOTDIR)
        return node

    @answered
    async def opendir(self, inode: int, ctx: Any) -> int | pyfuse3.FileInfo:
        """Open a directory: it shows one revision until it is closed, or read again from its beginning."""
        listing = await self._open(self._directory(inode), ctx.pid)
        handle = next(self._handles)
        kept = self.listings_are_kept and self._name_timeout(listing.directory) == TIMEOUT
        self._opened[handle] = Opened(inode, listing, ctx.pid, kept)
        if not kept:
            return handle
        return pyfuse3.FileInfo(fh=handle, cache_readdir=True, keep_cache=self.listings.are_known(inode))

    @answered
    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        """The next entries of an opened directory, behind position `start_id`."""
        opened = self._opened[fh]
        if start_id == 0 and (opened.page or opened.kept):  # rewinddir(3) asks for the present state
            opened.listing = await self._open(opened.listing.directory, opened.reader)
            opened.page = None
            self.listings.give(opened.number)
        self._fill(token, opened, self._dots(token, opened.listing.directory, start_id))

    def _dots(self, token: pyfuse3.ReaddirToken, here: Directory, after: int) -> int:
        """Reply "." and ".." where they come behind position `after`; the position of the last entry so far.

        The kernel does not count these two as lookups.
        """
        for position, name, node in ((1, b".", here), (2, b"..", here.parent)):
            if after < position:
                attributes = self._attributes(stat.S_IFDIR)
                attributes.st_ino = self.inodes.known(node)
                pyfuse3.readdir_reply(token, name, attributes, position)  # the first two always fit
                after = position
        return after

    def _fill(self, token: pyfuse3.ReaddirToken, opened: Opened, position: int) -> None:
        """Reply as many entries as fit, behind a position.

        The kernel goes on behind the last entry that it could use, not always behind the last that it got.
        """
        # An old revision's names, invalidated since then, must not be kept: see the module's docstring.
        current = self.tree.is_current(opened.listing)
        timeout = self._name_timeout(opened.listing.directory) if current else 0
        computed = self.tree.is_computed(opened.listing.directory)
        while True:
            if opened.page is None or not opened.page.covers(position):
                opened.page = self.pages.page(opened.listing, position)
            for next_position, name, prepared in opened.page.behind(position):
                if isinstance(prepared, pyfuse3.EntryAttributes):
                    attributes = prepared
                else:
                    # Counts one lookup, as the kernel does for an entry that fits.
                    attributes = self._looked_up(prepared)
                # Set each time, since a prepared entry may be older than the newest revision.
                attributes.entry_timeout = timeout
                if not pyfuse3.readdir_reply(token, name, attributes, next_position):
                    if attributes is not prepared:
                        self.inodes.forget(attributes.st_ino, 1)
                    return
                position = next_position
            if opened.page.ended or computed:  # others get their turn after each page that is not kept
                return

    @answered
    async def releasedir(self, fh: int) -> None:
        """Close a directory."""
        del self._opened[fh]

    @answered
    async def open(self, inode: int, flags: int, ctx: Any) -> pyfuse3.FileInfo:
        """Open a file: the kernel need not ask, where it is the inode that READ comes with.

        Contents that the kernel has kept are still right (`keep_cache`).
        """
        if self.inode_as_fh:
            raise pyfuse3.FUSEError(errno.ENOSYS)
        return pyfuse3.FileInfo(fh=inode, keep_cache=True)

    @answered
    async def read(self, fh: int, off: int, size: int) -> bytes:
        """Some bytes of a file, whose inode is `fh`."""
        if fh >= FIRST_NUMBER:
            return await self._read_output(self.inodes.node(fh), off, size)
        if self.tree.text_work(fh):
            async with self._making:  # the kernel asks for several pieces of a large file at once
                if work := self.tree.text_work(fh):
                    await trio.to_thread.run_sync(work)
        return self.tree.read(fh)[off : off + size]

    async def _read_output(self, node: Numbered, off: int, size: int) -> bytes:
        assert isinstance(node, Output)
        # It was made when the kernel asked for its size, and stays until the kernel forgets it.
        file = await self.outputs.make(node, reader=NOBODY)
        return os.pread(file.fileno(), size, off)

    @answered
    async def release(self, fh: int) -> None:
        """Close a file, for which nothing was held."""

    @answered
    async def statfs(self, ctx: Any) -> pyfuse3.StatvfsData:
        """What `df` shows: no blocks; as inodes the numbers for file versions, used and free."""
        made = pyfuse3.StatvfsData()
        made.f_bsize = made.f_frsize = 4096
        made.f_files = FIRST_NUMBER
        made.f_ffree = made.f_favail = FIRST_NUMBER - (self.tree.head.horizon if self.tree.head else 0)
        made.f_namemax = NAME_MAX
        return made
