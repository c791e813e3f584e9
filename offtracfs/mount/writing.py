"""A mount in which tickets can be saved: what a mount that is only read answers, and drafts on top of that.

Everything that `offtracfs.mount.fuse` says of names, attributes and contents stays true, for these reasons:

- *No stored inode is ever written.* Its contents are shared with every ``@…``, and the kernel keeps them. Who
  opens a version or a draft to write it gets ESTALE. The kernel then looks the name up again, and once more
  when it finds another inode; both lookups give a `WorkingCopy`, an inode that is on disk and may change. They
  come from the thread that was refused, so that thread's claim tells which inode it wants. Where the name was
  looked up below ``@…``, the thread comes back with the inode that it had: now it gets EROFS.
- *A draft's inode holds the same for ever*, as a version's does (`offtracfs.mount.overlay`). Only its name may
  come to stand for something else at any time: so the kernel keeps no name of a draft or of a scratch file.
- *The kernel learns when a ticket gets a draft.* Until then it may keep the names of the ticket's files. When
  something was saved, every later lookup gives the draft, and then the driver makes the kernel forget those
  names. An older answer has reached the kernel by then, since an invalidation waits for the directory's lock.
  When a draft goes, there is nothing to forget.
- *Listings are those of the revision*, with drafts in the places of their tickets. Scratch files, refusals and
  new tickets are not listed, so `grep -r` and `cp -r` go through what they always went through.

To save takes a wait for the disk, and for other processes that work on drafts, so a thread does it. A flush,
with which a write ends, holds no lock of the kernel's meanwhile. A rename over a ticket holds those of its
directories, as does a lookup of a new ticket or of a refusal: whoever wants a name there waits, as on any file
system. So do invalidations, in a thread of their own. The thread that answers waits for none of these, and the
one that saves waits for no lock of the kernel's: nothing waits in a circle.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

import pyfuse3
import trio

from offtracfs.errors import DraftRefused
from offtracfs.kinds import TICKETS
from offtracfs.mount.fuse import BLOCK, FILE_MODE, Opened, Operations, answered
from offtracfs.mount.inodes import FIRST_NUMBER, Numbered
from offtracfs.mount.overlay import INODES, Overlay
from offtracfs.mount.scratch import FOLDER, MemoryFile, Scratch, ScratchFiles, WorkingCopy
from offtracfs.names import NAME_MAX
from offtracfs.reports.outputs import Outputs
from offtracfs.tree import Directory, File, Node, Tree
from offtracfs.tree.texts import TEXTS

WRITABLE = Directory("", TICKETS), Directory("", TEXTS)
"""The directories in which something can be written: those of the present in which tickets are."""

# Handles. That of a version is its inode, that of an output is above FIRST_NUMBER.
SCRATCH = 1 << 62  # of a scratch file: this and its inode. So all who have it open share a handle.
BYTES = 1 << 61  # of what is in memory: this and a count

MAX_CLAIM = 2.0  # seconds in which a thread that was refused with ESTALE comes back
REFUSAL = "error"  # the suffix of what says why a text was refused
RENAME_NOREPLACE = 1  # renameat2(2); the kernel itself sees to it

_TICKET = re.compile(rf"(0|[1-9][0-9]{{0,17}}|new-[^/]+)\.(json|txt|{REFUSAL})")
_BEGINS = {"json": re.compile(rb"[\s\0]*[\[{]"), "txt": re.compile(rb"[\s\0]*[^\s\0]")}

P = ParamSpec("P")
T = TypeVar("T")


class Place(NamedTuple):
    """A name in a directory that can be written: of a ticket in a form, or of anything else."""

    path: str
    ticket: str = ""  # 42 or new-NAME, "" where it is no ticket's
    form: str = ""  # json, txt or error

    @property
    def is_new(self) -> bool:
        """Whether it is of a ticket that somebody makes."""
        return self.ticket.startswith("new-") and self.form != REFUSAL


def _place(directory: Directory, name: str) -> Place:
    path = f"{directory.path}/{name}"
    match = _TICKET.fullmatch(name)
    if match is None or (directory.path == TEXTS and match[2] != "txt"):
        return Place(path)
    return Place(path, match[1], match[2])


@dataclass(slots=True)
class Claim:
    """A thread was refused to write an inode, which holds `held`, and is to be given another one.

    `until` is by trio's clock.
    """

    held: bytes
    until: float
    copy: WorkingCopy | None = None


def on_disk(handler: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """As `answered`; what the disk says of a scratch file is what the program gets to hear."""

    @functools.wraps(handler)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await handler(*args, **kwargs)
        except OSError as error:
            raise pyfuse3.FUSEError(error.errno or errno.EIO) from error

    return answered(wrapped)


class WritableOperations(Operations):
    """Requests of the kernel, answered from a tree with drafts on top of it.

    Scratch files lie in a folder of `directory`, the database's. Only the owner of the mount may write.
    """

    def __init__(self, tree: Tree, outputs: Outputs, overlay: Overlay, directory: Path) -> None:
        super().__init__(tree, outputs)
        self.overlay = overlay
        self._scratch = {place.path: ScratchFiles(directory / FOLDER / place.path) for place in WRITABLE}
        self._unsaved: dict[str, WorkingCopy] = {}  # by path: whose name stands for what is not saved
        self._claims: dict[tuple[int, int], Claim] = {}  # by thread and inode
        self._drafts: dict[int, File] = {}  # that the kernel may know, by inode
        self._bytes: dict[int, bytes] = {}  # by handle

    # Names

    @answered
    async def lookup(self, parent_inode: int, name: bytes, ctx: Any) -> pyfuse3.EntryAttributes:
        """A name in a directory: what somebody has made or changed, else what the tree has."""
        directory = self._directory(parent_inode)
        if directory in WRITABLE and len(name) <= NAME_MAX:
            mine = await self._mine(directory, os.fsdecode(name), ctx.pid)
            if mine is not None:
                found = self._looked_up(mine)
                found.entry_timeout = 0  # it may stand for something else at any time
                return found
        return await super().lookup(parent_inode, name, ctx)

    async def _mine(self, directory: Directory, name: str, thread: int) -> File | Scratch | MemoryFile | None:
        """What has this name on top of the tree, None where nothing has."""
        place = _place(directory, name)
        if not place.ticket:
            return self._scratch[directory.path].find(name)
        if place.form == REFUSAL:
            reason = await self.overlay.refusal(f"{TICKETS}/{place.ticket}.json")
            return self._in_memory(place, reason) if reason is not None else None
        if copy := self._unsaved.get(place.path):
            return copy
        draft: File | MemoryFile | None = self._draft(place.path)
        if draft is None and place.is_new:
            draft = await self._new(directory, place)
        return self._claimed(directory, place, draft, thread) or draft

    def _draft(self, path: str) -> File | None:
        """The draft of a file, None where there is none."""
        file = self.overlay.files.get(path)
        if file:
            self._drafts[file.inode] = file
        return file

    async def _new(self, directory: Directory, place: Place) -> File | MemoryFile | None:
        """What has the name of a new ticket without a draft: the ticket that it has become, or a template."""
        number = await self.overlay.became(place.ticket)
        if number is None:
            return self._in_memory(place, await self.overlay.template(place.form))
        found = self.tree.lookup(directory, f"{number}.{place.form}")
        return found if isinstance(found, File) else None

    def _in_memory(self, place: Place, data: bytes) -> MemoryFile:
        return MemoryFile(place.path, data, self.tree.head.committed if self.tree.head else 0)

    def _claimed(
        self, directory: Directory, place: Place, draft: File | MemoryFile | None, thread: int
    ) -> WorkingCopy | None:
        """What a thread is given that was refused to write what has this name; None for other threads."""
        claims = [claim for (claimant, _), claim in self._claims.items() if claimant == thread]
        for claim in claims:
            if claim.copy and claim.copy.target == place.path:
                return claim.copy  # the kernel asks twice
        if not claims:
            return None
        stands = draft or self.tree.lookup(directory, place.path.rpartition("/")[2])
        inode = self._number(stands)
        if (thread, inode) not in self._claims:
            return None
        claim = self._claims[thread, inode]
        claim.copy = WorkingCopy(place.path, self._scratch[directory.path].folder, claim.held, inode)
        return claim.copy

    def _number(self, node: Node | MemoryFile | None) -> int:
        """The inode of a file that the kernel knows; 0 where it knows none."""
        if isinstance(node, File):
            return node.inode
        return self.inodes.known(node) if isinstance(node, MemoryFile) and node in self.inodes else 0

    @answered
    async def getattr(self, inode: int, ctx: Any) -> pyfuse3.EntryAttributes:
        """The attributes of anything."""
        if inode in INODES:
            return self._file_attributes(self._drafts[inode])
        return _as_ticket(await super().getattr(inode, ctx), self.inodes.get(inode))

    def _numbered_attributes(self, node: Numbered, number: int) -> pyfuse3.EntryAttributes:
        match node:
            case Scratch():
                made = self._attributes(FILE_MODE)
                made.attr_timeout = 0
                _set_scratch(made, node)
            case MemoryFile(_, data, mtime):
                made = self._attributes(FILE_MODE)
                made.st_size = len(data)
                made.st_mtime_ns = made.st_ctime_ns = made.st_atime_ns = mtime * 1_000_000_000
            case _:
                return super()._numbered_attributes(node, number)
        made.st_ino, made.st_blocks = number, -(-made.st_size // BLOCK)
        return made

    def _fill(self, token: pyfuse3.ReaddirToken, opened: Opened, position: int) -> None:
        """As without drafts, with the drafts of tickets in their places."""
        directory, names = opened.listing.directory, self.overlay.names
        if directory not in WRITABLE or not names:
            super()._fill(token, opened, position)
            return
        timeout = self._name_timeout(directory) if self.tree.is_current(opened.listing) else 0
        while True:
            if opened.page is None or not opened.page.covers(position):
                opened.page = self.pages.page(opened.listing, position)
            for next_position, name, prepared in opened.page.behind(position):
                draft = self._draft(f"{directory.path}/{name.decode()}") if name in names else None
                attributes = self._file_attributes(draft) if draft else prepared
                assert isinstance(attributes, pyfuse3.EntryAttributes), "these directories have files alone"
                attributes.entry_timeout = 0 if draft else timeout
                if not pyfuse3.readdir_reply(token, name, attributes, next_position):
                    return
                position = next_position
            if opened.page.ended:
                return

    # Files

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
            return pyfuse3.FileInfo(fh=handle, keep_cache=True)
        return await super().open(inode, flags, ctx)

    def _open_scratch(self, inode: int, scratch: Scratch, flags: int, thread: int) -> pyfuse3.FileInfo:
        scratch.open()
        self._claims = {key: claim for key, claim in self._claims.items() if key[0] != thread}
        if flags & os.O_TRUNC:
            self._truncate(scratch, 0)
        return pyfuse3.FileInfo(fh=SCRATCH | inode, keep_cache=False)

    async def _claim(self, inode: int, node: Numbered | None, thread: int) -> None:
        """Refuse to open an inode to write it, so that the thread comes back with another one."""
        now = trio.current_time()
        self._claims = {key: claim for key, claim in self._claims.items() if claim.until > now}
        if self._claims.pop((thread, inode), None) or (node and not isinstance(node, MemoryFile)):
            raise pyfuse3.FUSEError(errno.EROFS)
        held = await self._held(inode, node)
        self._claims[thread, inode] = Claim(held, trio.current_time() + MAX_CLAIM)
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
        place, files = _place(directory, text), self._scratch[directory.path]
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
            _set_attributes(node.place(), attr, fields)
        return _as_ticket(self._numbered_attributes(node, inode), node)

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
            mtime = int(os.stat(copy.place()).st_mtime)
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
                await self._save(scratch)  # it was saved at its close, but for what a mapping wrote later
                scratch.unsaved = False  # what is unsaved now is empty
                self._settle(scratch)
        finally:
            scratch.close()

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
        place, files = _place(new, new_name), self._scratch[old.path]
        if _place(old, old_name).ticket or place.form == REFUSAL:
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
        if _place(directory, text).ticket:
            raise pyfuse3.FUSEError(errno.EPERM)
        self._scratch[directory.path].delete(text)


def _as_ticket(attributes: pyfuse3.EntryAttributes, node: Numbered | None) -> pyfuse3.EntryAttributes:
    """What fstat(2) says of a `WorkingCopy`: that it is the file which it stands for.

    An editor may compare what it has opened with what it looked at before: vim would write nothing. So may
    the kernel what a lookup gives, but here it passes the number on.
    """
    if isinstance(node, WorkingCopy) and node.stands_for:
        attributes.st_ino = node.stands_for
    return attributes


def _set_scratch(made: pyfuse3.EntryAttributes, scratch: Scratch) -> None:
    """Fill in what the disk says of a scratch file."""
    if not isinstance(scratch, WorkingCopy):
        found = os.stat(scratch.place())
        made.st_mode, made.st_uid, made.st_gid = found.st_mode, found.st_uid, found.st_gid
        made.st_size, made.st_mtime_ns = found.st_size, found.st_mtime_ns
        made.st_ctime_ns, made.st_atime_ns = found.st_ctime_ns, found.st_atime_ns
        return
    seconds = time.time()
    made.st_size = len(scratch.held)
    if scratch.opened:
        found = os.stat(scratch.place())
        seconds, made.st_size = found.st_mtime, found.st_size
    # As the draft will have it: editors compare that with what they saw before they closed the file.
    made.st_mtime_ns = made.st_ctime_ns = made.st_atime_ns = int(seconds) * 1_000_000_000


def _set_attributes(place: int | Path, attr: pyfuse3.EntryAttributes, fields: pyfuse3.SetattrFields) -> None:
    """Set the attributes of a scratch file that a program wants to set."""
    if fields.update_mode:
        os.chmod(place, stat.S_IMODE(attr.st_mode))
    if fields.update_uid or fields.update_gid:
        os.chown(place, attr.st_uid if fields.update_uid else -1, attr.st_gid if fields.update_gid else -1)
    if fields.update_atime or fields.update_mtime:
        found = os.stat(place)
        accessed = attr.st_atime_ns if fields.update_atime else found.st_atime_ns
        modified = attr.st_mtime_ns if fields.update_mtime else found.st_mtime_ns
        os.utime(place, ns=(accessed, modified))
