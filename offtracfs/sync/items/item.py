"""What a sync needs to know of a kind of item; nothing else in `offtracfs.sync` knows the kinds.

An *item* is what a tracker is asked for by its number or name, and what changes as a whole: a ticket with its
change log. It has one or more files. Each of its versions is one commit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from offtracfs.database import Snapshot
from offtracfs.kinds import Key
from offtracfs.trackers import Tracker

Files = Mapping[str, bytes]
"""The files of an item: their paths in the mount, and their contents."""


class Item(NamedTuple):
    """An item as the tracker has it; `created` and `changed` are in microseconds since 1970 UTC.

    `past` is what `ItemKind.versions` needs beside the files. Only the kind itself reads it: it may be the
    versions of a wiki page, where the tracker gives them one by one. The spool keeps it, git does not.
    """

    kind: str  # the name of its kind
    key: Key
    created: int
    changed: int
    files: Files
    past: bytes = b""


@dataclass(frozen=True, slots=True)
class Version:
    """An item as it stood after one change.

    `moment` is in microseconds since 1970 UTC; None where only a comparison with the stored files shows that
    something changed. `author` is '' where the tracker names none. `subject` is one printable line, `body`
    any text. `files` are those that the change set: by path a record as plain data, or contents as they are;
    None for a file that is gone.
    """

    moment: int | None
    author: str
    subject: str
    body: str
    files: Mapping[str, Any]


class ItemKind(ABC):
    """A kind of item, made for one sync. Methods that ask the tracker raise TrackerError."""

    name: ClassVar[str]
    """Its name in the spool, in the state and in sentences: "ticket"."""

    plural: ClassVar[str]
    """Its plural in sentences and for `Progress`: "tickets"."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker

    @abstractmethod
    def paths(self, key: Key) -> tuple[str, ...]:
        """Paths of all files that an item may have. Every item has the first of them."""

    @abstractmethod
    def stored_keys(self, snapshot: Snapshot) -> set[Key]:
        """The keys of the items that are stored."""

    @abstractmethod
    async def listed(self) -> Collection[Key]:
        """All items that the tracker has."""

    @abstractmethod
    async def changed(self, since: datetime) -> Collection[Key]:
        """The items that the tracker says are new or changed at or after a moment, in one request.

        The next sync asks for what changes after the answer.
        """

    async def attached(self, _since: datetime) -> Collection[Key]:
        """The items that got an attachment at or after a moment, where `changed` does not name them."""
        return ()

    async def possibly_changed(self, _keys: set[Key], _load: Callable[[str], Any]) -> Collection[Key]:
        """Of these items, those that may have changed although `changed` does not name them.

        All of them are stored, and the tracker lists them. This makes a few requests for all together.
        `_load` gives the stored record at a path, None where there is none.
        """
        return ()

    @abstractmethod
    def fetch(self, keys: Collection[Key]) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """Each of these items once, in any order: as an object that only this class reads, or a `Missing`."""

    @abstractmethod
    def key(self, fetched: Any) -> Key:
        """The key of what `fetch` gave, also of a `Missing`."""

    @abstractmethod
    def item(self, fetched: Any, stored: Files | None) -> Item:
        """What `fetch` gave, as an item. `stored` is None where it is new here.

        Where a stored value is the fetched one with more detail, the item has that (`records.merge`).
        """

    @abstractmethod
    def versions(self, item: Item, stored: Files | None) -> Iterator[Version]:
        """The versions that lead from the stored files to the item's, in the order in which they happened.

        There are none where the stored files equal the item's. This does not ask the tracker.
        """

    def mentions(self, _fetched: Any) -> Iterable[str]:
        """Paths of records that an item names. If one is not stored, a sync fetches the metadata, too."""
        return ()
