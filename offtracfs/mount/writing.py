"""The requests of a mount that can be written: scratch files are made, and what becomes of a ticket is saved.

To save takes a wait for the disk, and for other processes that work on drafts, so a thread does it. A flush,
with which a write ends, holds no lock of the kernel's meanwhile. A rename over a ticket holds those of its
directories: whoever wants a name there waits for it, as on any file system. So do invalidations, in a thread
of their own. The thread that answers waits for none of these, and the one that saves waits for no lock of the
kernel's: nothing waits in a circle.
"""

from __future__ import annotations

import errno
import functools
import logging
import os
import re
import stat
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import pyfuse3

from offtracfs.errors import DraftRefused
from offtracfs.mount.drafted import REFUSAL, WRITABLE, DraftedOperations, as_ticket, place_of
from offtracfs.mount.fuse import answered
from offtracfs.mount.inodes import FIRST_NUMBER, Numbered
from offtracfs.mount.overlay import INODES, Overlay
from offtracfs.mount.scratch import MemoryFile, Scratch, WorkingCopy
from offtracfs.names import NAME_MAX
from offtracfs.reports.outputs import Outputs
from offtracfs.tree import Directory, Tree

# Handles. That of a version is its inode, that of an output is above FIRST_NUMBER.
SCRATCH = 1 << 62  # of a scratch file: this and its inode. So all who have it open share a handle.
BYTES = 1 << 61  # of what is in memory: this and a count

NO_FLUSH: dict[str, Any] = {"noflush": True} if hasattr(pyfuse3.FileInfo, "noflush") else {}
"""Of a file that is only read the kernel need not say that it was closed. pyfuse3 3.5 cannot tell it that."""

RENAME_NOREPLACE = 1  # renameat2(2); the kernel itself sees to it
_BEGINS = {"json": re.compile(rb"[\s\0]*[\[{]"), "txt": re.compile(rb"[\s\0]*[^\s\0]")}

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


def on_disk(handler: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """As `answered`; what the disk says of a scratch file is what the program gets to hear."""

    @functools.wraps(handler)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await handler(*args, **kwargs)
        except OSError as error:
            raise pyfuse3.FUSEError(error.errno or errno.EIO) from error

    return answered(wrapped)


class WritableOperations(DraftedOperations):
    """Requests of the kernel, answered from a tree with drafts on top of it, which can be made.

    Only the owner of the mount may write.
    """

    inode_as_fh = False  # for a pyfuse3 that could: what is written must be opened, so the kernel has to ask

    def __init__(self, tree: Tree, outputs: Outputs, overlay: Overlay, directory: Path) -> None:
        super().__init__(tree, outputs, overlay, directory)
        self._bytes: dict[int, bytes] = {}  # by handle

    def _may_write(self, ctx: Any) -> None:
        if ctx.uid != self._owner[0]:
            raise pyfuse3.FUSEError(errno.EACCES)

    @on_disk
    async def open(self, inode: int, flags: int, ctx: Any) -> pyfuse3.FileInfo:
        """Open a file: a version or a draft to read it, a scratch file to write it, too."""
        writes = flags & (os.O_ACCMODE | os.O_TRUNC)
        if writes:
            self._may_write(ctx)
        node = self.inodes.node(inode) if inode >= FIRST_NUMBER else None
        if isinstance(node, Scratch):
            return self._open_scratch(inode, node, flags, ctx.pid)
        if writes:
            await self._claim(inode, node, ctx.pid)
        if inode in INODES or isinstance(node, MemoryFile):
            handle = BYTES | next(self._handles)
            self._bytes[handle] = await self._held(inode, node)
        else:
            handle = (await super().open(inode, flags, ctx)).fh
        return pyfuse3.FileInfo(fh=handle, keep_cache=True, **NO_FLUSH)

    def _open_scratch(self, inode: int, scratch: Scratch, flags: int, thread: int) -> pyfuse3.FileInfo:
        self._claims.end(thread)  # also where opening fails
        scratch.open()
        if flags & os.O_TRUNC:
            self._truncate(scratch, 0)
        return pyfuse3.FileInfo(fh=SCRATCH | inode, keep_cache=False)

    async def _claim(self, inode: int, node: Numbered | None, thread: int) -> None:
        """Refuse to open an inode to write it, so that the thread comes back with another one."""
        if self._claims.failed(thread, inode) or (node and not isinstance(node, MemoryFile)):
            raise pyfuse3.FUSEError(errno.EROFS)
        self._claims.make(thread, inode, await self._held(inode, node))
        raise pyfuse3.FUSEError(errno.ESTALE)

    async def _held(self, inode: int, node: Numbered | None) -> bytes:
        """All that a version holds, or a draft, or a file in memory."""
        if isinstance(node, MemoryFile):
            return node.data
        if inode in INODES:
            data = await self.overlay.data(inode)
            if data is None:
                raise pyfuse3.FUSEError(errno.ESTALE)
            return data
        return await super().read(inode, 0, sys.maxsize)

    def _of_handle(self, handle: int) -> Scratch:
        node = self.inodes.node(handle ^ SCRATCH)
        assert isinstance(node, Scratch)
        return node

    @on_disk
    async def read(self, fh: int, off: int, size: int) -> bytes:
        """Some bytes of a file."""
        if fh & SCRATCH:
            return self._of_handle(fh).read(off, size)
        if fh & BYTES:
            return self._bytes[fh][off : off + size]
        return await super().read(fh, off, size)

    @on_disk
    async def create(
        self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: Any
    ) -> tuple[pyfuse3.FileInfo, pyfuse3.EntryAttributes]:
        """Make a scratch file, or begin a new ticket."""
        self._may_write(ctx)
        directory, text = self._writable(parent_inode), os.fsdecode(name)
        if len(name) > NAME_MAX:
            raise pyfuse3.FUSEError(errno.ENAMETOOLONG)
        place, files = place_of(directory, text), self._scratch[directory.path]
        if place.ticket and not place.is_new:
            raise pyfuse3.FUSEError(errno.EPERM)  # the tracker gives tickets their numbers
        made = (
            WorkingCopy(place.path, files.folder, b"", 0) if place.is_new else files.create(text, mode, flags)
        )
        attributes = self._looked_up(made)
        attributes.entry_timeout = 0
        return self._open_scratch(attributes.st_ino, made, 0, ctx.pid), attributes

    def _writable(self, inode: int) -> Directory:
        directory = self._directory(inode)
        if directory not in WRITABLE:
            raise pyfuse3.FUSEError(errno.EROFS)
        return directory

    @on_disk
    async def write(self, fh: int, off: int, buf: bytes) -> int:
        """Write into a scratch file.

        What can begin no ticket is refused here already: a shell that writes a line hears of nothing later.
        """
        scratch = self._of_handle(fh)
        scratch.write(off, buf)
        if isinstance(scratch, WorkingCopy):
            self._unsaved[scratch.target] = scratch
            if off == 0 and not _BEGINS[scratch.target.rpartition(".")[2]].match(buf):
                raise pyfuse3.FUSEError(errno.EINVAL)
        return len(buf)

    def _truncate(self, scratch: Scratch, size: int) -> None:
        scratch.truncate(size)
        if isinstance(scratch, WorkingCopy):
            self._unsaved[scratch.target] = scratch

    @on_disk
    async def setattr(
        self,
        inode: int,
        attr: pyfuse3.EntryAttributes,
        fields: pyfuse3.SetattrFields,
        fh: int | None,
        ctx: Any,
    ) -> pyfuse3.EntryAttributes:
        """Set size, mode, owner and times of a scratch file.

        Those of drafts, and of what becomes one, are ours: an editor that sets them to what they were before
        is content with that.
        """
        self._may_write(ctx)
        if inode in INODES and not fields.update_size:
            return self._file_attributes(self._drafts[inode])
        node = self.inodes.node(inode) if inode >= FIRST_NUMBER else None
        if not isinstance(node, Scratch):
            raise pyfuse3.FUSEError(errno.EPERM)
        if fields.update_size:
            self._truncate(node, attr.st_size)
        if not isinstance(node, WorkingCopy):
            with node.opening() as file:
                _set_attributes(file, attr, fields)
        return as_ticket(self._numbered_attributes(node, inode), node)

    # Saving

    async def flush(self, fh: int) -> None:
        """A file was closed: what was written to a ticket is saved. This is asked at every reader's close."""
        if fh & SCRATCH:
            await self._flushed(fh)

    @on_disk
    async def _flushed(self, fh: int) -> None:
        scratch = self._of_handle(fh)
        if isinstance(scratch, WorkingCopy):
            await self._save(scratch)

    async def _save(self, copy: WorkingCopy) -> None:
        """Save what was written, unless that is nothing. Raises DraftRefused, DiskFull, DatabaseError."""
        async with copy.saving:  # two programs may close it at once
            if not copy.unsaved or copy.empty:
                return
            copy.unsaved = False  # before the wait: what is written meanwhile must be saved again
            mtime = int(copy.stat().st_mtime)
            try:
                await self.overlay.save(copy.target, copy.contents(), mtime)
            except DraftRefused:  # the text is kept with the reason
                self._settle(copy)
                raise
            except BaseException:
                copy.unsaved = True
                raise
            self._settle(copy)

    def _settle(self, copy: WorkingCopy) -> None:
        """Give the name back to the ticket, unless there is something to be saved by now."""
        if not copy.unsaved:
            copy.settle()
            if self._unsaved.get(copy.target) is copy:
                del self._unsaved[copy.target]

    @on_disk
    async def release(self, fh: int) -> None:
        """A file was closed for the last time by one who opened it."""
        if fh & BYTES:
            del self._bytes[fh]
        elif fh & SCRATCH:
            await self._released(self._of_handle(fh))
        else:
            await super().release(fh)

    async def _released(self, scratch: Scratch) -> None:
        try:
            if isinstance(scratch, WorkingCopy) and scratch.opened == 1:
                await self._end(scratch)
        finally:
            scratch.close()

    async def _end(self, copy: WorkingCopy) -> None:
        """Nobody has it open any more: the ticket gets its name back, whatever happens."""
        try:
            await self._save(copy)  # it was saved at its close, but for what a mapping wrote later
            copy.unsaved = False  # what is unsaved now is empty
            self._settle(copy)
        except Exception:
            log.error("%s could not be saved: what was written is in %s.", copy.target, copy.path)
            raise
        finally:
            if self._unsaved.get(copy.target) is copy:
                del self._unsaved[copy.target]

    @on_disk
    async def rename(
        self,
        parent_inode_old: int,
        name_old: bytes,
        parent_inode_new: int,
        name_new: bytes,
        flags: int,
        ctx: Any,
    ) -> None:
        """Rename a scratch file. One that gets a ticket's name is saved."""
        self._may_write(ctx)
        old, new = self._writable(parent_inode_old), self._writable(parent_inode_new)
        old_name, new_name = os.fsdecode(name_old), os.fsdecode(name_new)
        if flags & ~RENAME_NOREPLACE:
            raise pyfuse3.FUSEError(errno.EINVAL)
        place, files = place_of(new, new_name), self._scratch[old.path]
        if place_of(old, old_name).ticket or place.form == REFUSAL:
            raise pyfuse3.FUSEError(errno.EPERM)
        if place.ticket:
            await self._save_file(files.find(old_name), place.path)
            files.delete(old_name)
        else:
            files.move(old_name, self._scratch[new.path], new_name)

    async def _save_file(self, scratch: Scratch | None, path: str) -> None:
        """Save what a scratch file holds as a ticket. It stays: whoever has it open goes on."""
        if scratch is None:
            raise pyfuse3.FUSEError(errno.ENOENT)
        data = scratch.contents()
        if not data.strip(b"\0"):
            raise pyfuse3.FUSEError(errno.EINVAL)
        await self.overlay.save(path, data)

    @on_disk
    async def unlink(self, parent_inode: int, name: bytes, ctx: Any) -> None:
        """Delete a scratch file."""
        self._may_write(ctx)
        directory, text = self._writable(parent_inode), os.fsdecode(name)
        if place_of(directory, text).ticket:
            raise pyfuse3.FUSEError(errno.EPERM)
        self._scratch[directory.path].delete(text)


def _set_attributes(file: int, attr: pyfuse3.EntryAttributes, fields: pyfuse3.SetattrFields) -> None:
    """Set those attributes of a scratch file that a program wants to set."""
    if fields.update_mode:
        os.fchmod(file, stat.S_IMODE(attr.st_mode))
    if fields.update_uid or fields.update_gid:
        os.fchown(file, attr.st_uid if fields.update_uid else -1, attr.st_gid if fields.update_gid else -1)
    if fields.update_atime or fields.update_mtime:
        found = os.fstat(file)
        accessed = attr.st_atime_ns if fields.update_atime else found.st_atime_ns
        modified = attr.st_mtime_ns if fields.update_mtime else found.st_mtime_ns
        os.utime(file, ns=(accessed, modified))
