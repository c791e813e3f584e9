"""What a mount shows in which tickets can be saved: drafts and scratch files, on top of the tree.

Everything that `offtracfs.mount.fuse` says of names, attributes and contents stays true, for these reasons:

- *No stored inode is ever written.* Who opens a version or a draft to write it is given another inode, a
  `WorkingCopy` on disk, which may change (`offtracfs.mount.claims`).
- *A draft's inode holds the same for ever*, as a version's does (`offtracfs.mount.overlay`). Only its name
  may come to stand for something else at any time: so the kernel keeps no name of a draft, nor of a scratch
  file.
- *The kernel learns when a ticket gets a draft.* Until then it may keep the names of the ticket's files. When
  something was saved, every later lookup gives the draft, and then the driver makes the kernel forget those
  names. An older answer has reached the kernel by then, since an invalidation waits for the directory's lock.
  When a draft goes, there is nothing to forget.
- *Listings are those of the revision*, with drafts in the places of their tickets. Scratch files, refusals
  and new tickets are not listed, so `grep -r` and `cp -r` go through what they always went through.
- *What is waited for holds up nobody but those who want a name in the same directory.* A lookup of a new
  ticket, or of a refusal, asks `drafts.db` in a thread, and that thread needs no lock of the kernel's.

The side process knows no drafts. What it brings is a new revision: the driver tells the kernel of it as ever,
and `Overlay.refresh` puts the drafts on top of it.
"""

from __future__ import annotations

import errno
import os
import re
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyfuse3

from offtracfs.kinds import TICKETS
from offtracfs.mount.claims import Claims
from offtracfs.mount.fuse import BLOCK, FILE_MODE, Opened, Operations, answered
from offtracfs.mount.inodes import Numbered
from offtracfs.mount.overlay import INODES, Overlay
from offtracfs.mount.scratch import FOLDER, MemoryFile, Scratch, ScratchFiles, WorkingCopy
from offtracfs.names import NAME_MAX
from offtracfs.reports.outputs import Outputs
from offtracfs.tree import Directory, File, Node, Tree
from offtracfs.tree.texts import TEXTS

WRITABLE = Directory("", TICKETS), Directory("", TEXTS)
"""The directories in which something can be written: those of the present in which tickets are."""

REFUSAL = "error"  # the suffix of what says why a text was refused
_TICKET = re.compile(rf"(0|[1-9][0-9]{{0,17}}|new-[^/]+)\.(json|txt|{REFUSAL})")


class Place(NamedTuple):
    """A name in a directory that can be written: of a ticket in a form, or of anything else."""

    path: str
    ticket: str = ""  # 42 or new-NAME, "" where it is no ticket's
    form: str = ""  # json, txt or error

    @property
    def is_new(self) -> bool:
        """Whether it is of a ticket that somebody makes."""
        return self.ticket.startswith("new-") and self.form != REFUSAL


def place_of(directory: Directory, name: str) -> Place:
    """What a name in a directory is."""
    path = f"{directory.path}/{name}"
    match = _TICKET.fullmatch(name)
    if match is None or (directory.path == TEXTS and match[2] != "txt"):
        return Place(path)
    return Place(path, match[1], match[2])


class DraftedOperations(Operations):
    """Requests of the kernel, answered from a tree with drafts and scratch files on top of it.

    Scratch files lie in a folder of `directory`, the database's.
    """

    def __init__(self, tree: Tree, outputs: Outputs, overlay: Overlay, directory: Path) -> None:
        super().__init__(tree, outputs)
        self.overlay = overlay
        self._scratch = {place.path: ScratchFiles(directory / FOLDER / place.path) for place in WRITABLE}
        self._unsaved: dict[str, WorkingCopy] = {}  # by path: whose name stands for what is not saved
        self._claims = Claims()
        self._drafts: dict[int, File] = {}  # that the kernel may know, by inode

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
        place = place_of(directory, name)
        if not place.ticket:
            return self._scratch[directory.path].find(name)
        if place.form == REFUSAL:
            reason = await self.overlay.refusal(f"{TICKETS}/{place.ticket}.json")
            if reason is None:
                raise pyfuse3.FUSEError(errno.ENOENT)  # the kernel does not keep that: the next save may fail
            return self._in_memory(place, reason)
        if copy := self._unsaved.get(place.path):
            return copy
        draft: File | MemoryFile | None = self._draft(place.path)
        if draft is None and place.is_new:
            draft = await self._new(directory, place)

        def inode() -> int:
            return self._inode(draft or self.tree.lookup(directory, name))

        make = partial(WorkingCopy, place.path, self._scratch[directory.path].folder)
        return self._claims.given(thread, place.path, inode, make) or draft

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

    def _inode(self, node: Node | MemoryFile | None) -> int:
        """The inode of a file that the kernel knows; 0 where it knows none."""
        if isinstance(node, File):
            return node.inode
        return self.inodes.known(node) if isinstance(node, MemoryFile) and node in self.inodes else 0

    @answered
    async def getattr(self, inode: int, ctx: Any) -> pyfuse3.EntryAttributes:
        """The attributes of anything."""
        if inode in INODES:
            return self._file_attributes(self._drafts[inode])
        return as_ticket(await super().getattr(inode, ctx), self.inodes.get(inode))

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


def as_ticket(attributes: pyfuse3.EntryAttributes, node: Numbered | None) -> pyfuse3.EntryAttributes:
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
        found = scratch.stat()
        made.st_mode, made.st_uid, made.st_gid = found.st_mode, found.st_uid, found.st_gid
        made.st_size, made.st_mtime_ns = found.st_size, found.st_mtime_ns
        made.st_ctime_ns, made.st_atime_ns = found.st_ctime_ns, found.st_atime_ns
        return
    seconds = time.time()
    made.st_size = len(scratch.held)
    if scratch.opened:
        found = scratch.stat()
        seconds, made.st_size = found.st_mtime, found.st_size
    # As the draft will have it: editors compare that with what they saw before they closed the file.
    made.st_mtime_ns = made.st_ctime_ns = made.st_atime_ns = int(seconds) * 1_000_000_000
