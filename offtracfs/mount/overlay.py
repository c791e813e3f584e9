"""The drafts of a database as a mount shows them: which files have one, and what these hold.

`Drafts` reads and writes files, and waits for other processes that do. So it is asked in a thread, one
question at a time. What the kernel asks most, whether a name stands for a draft, is answered from memory:
`Overlay.files`, which `refresh` and `save` bring up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import TypeVar

import trio

from offtracfs.database import Database
from offtracfs.drafts import Drafts, Shown, opened
from offtracfs.index import Revision
from offtracfs.kinds import TICKETS
from offtracfs.records import SECOND
from offtracfs.tree import File
from offtracfs.tree.texts import TEXTS

DRAFT = 1 << 46
"""A draft's inode is this and its number: versions are below, texts have a bit above.

The number belongs to one saved draft, in one form, on top of one state of the ticket: so the inode holds the
same for ever.
"""
INODES = range(DRAFT, 2 * DRAFT)  # of drafts
MAX_BYTES = 16 << 20  # of drafts that are kept in memory

T = TypeVar("T")


def drafts_of(database: Database) -> AbstractContextManager[Drafts]:
    """The drafts of a database that is open, as an `Overlay` needs them.

    They read the index and git by connections of their own, since that happens in a thread.
    """
    return opened(Database(database.path), few=False)


def places(ticket: str) -> list[tuple[str, str]]:
    """All names of a ticket (``42``, ``new-NAME``) in a mount: directory's path, and name."""
    forms = (TICKETS, "json"), (TICKETS, "txt"), (TEXTS, "txt")
    return [(directory, f"{ticket}.{form}") for directory, form in forms]


class Overlay:
    """What lies on top of the tracker's tickets. Methods raise the errors of `Drafts`."""

    def __init__(self, drafts: Drafts) -> None:
        self.files: dict[str, File] = {}  # by path in the mount
        self.names: set[bytes] = set()  # of these, without their directories
        self.tickets: set[str] = set()  # those that have a draft: 42, new-NAME
        self._data: dict[int, bytes] = {}  # of drafts, by inode; those made first make room for others
        self._size = 0  # bytes in `_data`
        self.changed = trio.Event()  # set when there are tickets in `untold`
        self._untold: set[str] = set()  # that have another draft than the kernel was told of, or none now
        self._drafts = drafts
        self._asking = trio.Lock()
        self._seen: tuple[Revision | None, int] = (None, 0)  # the head and the number of the last change

    async def _ask(self, question: Callable[[], T]) -> T:
        async with self._asking:
            return await trio.to_thread.run_sync(question)

    async def refresh(self) -> None:
        """Take in what was saved, sent or discarded in any way, and what syncs have brought."""
        async with self._asking:  # else an older look might be taken in after a newer one
            self._take_in(await trio.to_thread.run_sync(self._look))

    async def save(self, path: str, data: bytes, mtime: int | None = None) -> None:
        """Keep what was written to a file, in seconds since 1970 UTC if not now.

        When this returns, the file's name stands for the draft. Raises DraftRefused, and then the text is
        kept with the reason.
        """
        saved = None if mtime is None else mtime * SECOND
        try:
            await self._ask(partial(self._drafts.save, path, data, saved))
        finally:
            await self.refresh()

    async def data(self, inode: int) -> bytes | None:
        """All that a draft holds, None where there never was one with that inode."""
        if inode in self._data:
            return self._data[inode]
        shown = await self._ask(partial(self._drafts.shown_as, inode ^ DRAFT))
        return shown.data if shown else None

    async def refusal(self, path: str) -> bytes | None:
        """Why the last save of a file was refused."""
        return await self._ask(partial(self._drafts.refusal, path))

    async def became(self, ticket: str) -> int | None:
        """The number of the ticket that ``new-NAME`` has become."""
        return await self._ask(partial(self._drafts.became, ticket))

    async def template(self, form: str) -> bytes:
        """What a new ticket's file holds before it is saved."""
        return await self._ask(partial(self._drafts.template, form))

    def drafted(self) -> Collection[str]:
        """The tickets that have a draft: ``42``, ``new-NAME``."""
        return self.tickets

    def untold(self) -> list[tuple[str, str]]:
        """The names that stand for something else since this was asked last: directory's path, and name."""
        tickets, self._untold = self._untold, set()
        return [place for ticket in tickets for place in places(ticket)]

    def _look(self) -> Mapping[str, Shown | None]:
        """What has changed since the last look: the draft in each file, None where there is none any more."""
        head, (known, since) = self._drafts.refresh(), self._seen
        last, changed = self._drafts.changed(since)
        tickets = {*changed} if head == known else {*changed} | self.tickets
        found = {
            f"{directory}/{name}": self._drafts.shown(f"{directory}/{name}")
            for ticket in tickets
            for directory, name in places(ticket)
        }
        self._seen = head, last
        return found

    def _take_in(self, found: Mapping[str, Shown | None]) -> None:
        for path, shown in found.items():
            name = path.rpartition("/")[2]
            ticket = name.rpartition(".")[0]
            file = File(DRAFT | shown.number, len(shown.data), shown.mtime) if shown else None
            if file != self.files.get(path):
                self._untold.add(ticket)
            if shown and file:
                self.files[path] = file
                self.names.add(name.encode())
                self.tickets.add(ticket)
                self._keep(file.inode, shown.data)
            else:
                self.files.pop(path, None)
                self.names.discard(name.encode())
                self.tickets.discard(ticket)  # a draft is shown in all its files, or in none
        if self._untold:
            self.changed.set()

    def _keep(self, inode: int, data: bytes) -> None:
        """Keep what a draft holds, so that who reads all tickets need not wait for a thread at each draft."""
        if inode not in self._data:
            self._data[inode] = data
            self._size += len(data)
        while self._size > MAX_BYTES:
            self._size -= len(self._data.pop(next(iter(self._data))))
