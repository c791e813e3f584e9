"""What a sync needs to know of a kind of item; nothing else in `offtracfs.sync` knows the kinds.

An *item* is what a tracker is asked for by its number or name, and what changes as a whole: a ticket with its
change log. It has one file or several, and a past of versions, each of which is one commit.
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
    """An item as the tracker has it; moments in microseconds since 1970 UTC.

    `past` is what `ItemKind.versions` needs beside the files, in a form of the kind's own: the versions of a
    page, say, where the tracker gives them one by one. The spool keeps it, git does not.
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
    """A kind of item, as one sync meets it at its tracker. What it asks the tracker raises TrackerError."""

    name: ClassVar[str]
    """Told from other kinds by this, in the spool too; and said to people: "ticket"."""

    plural: ClassVar[str]
    """Its name in sentences and for `Progress`: "tickets"."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker

    @abstractmethod
    def paths(self, key: Key) -> tuple[str, ...]:
        """Paths of all files that an item may have. There is no item without the first."""

    @abstractmethod
    def known(self, snapshot: Snapshot) -> set[Key]:
        """The items that are stored."""

    @abstractmethod
    async def listed(self) -> Collection[Key]:
        """All items that the tracker has."""

    @abstractmethod
    async def changed(self, since: datetime) -> Collection[Key]:
        """The items that the tracker says are new or changed at or after a moment, in one request.

        What happens later than its answer belongs to the next sync.
        """

    async def attached(self, _since: datetime) -> Collection[Key]:
        """The items that changed in a way of which `changed` does not tell."""
        return ()

    async def suspects(self, _both: set[Key], _load: Callable[[str], Any]) -> Collection[Key]:
        """Of the items that are stored and listed, those that may have changed without the tracker saying so.

        A few requests for all. The second argument loads the record at a path, None where there is none.
        """
        return ()

    @abstractmethod
    def fetch(self, keys: Collection[Key]) -> AbstractAsyncContextManager[AsyncIterator[Any]]:
        """Each of these once, in any order, in a shape of this kind's own, or a `Missing`."""

    @abstractmethod
    def key(self, found: Any) -> Key:
        """Which item this is, of those that `fetch` gives."""

    @abstractmethod
    def item(self, found: Any, stored: Files | None) -> Item:
        """What `fetch` gave, with what the stored files know more precisely; None where it is new here."""

    @abstractmethod
    def versions(self, item: Item, stored: Files | None) -> Iterator[Version]:
        """The versions that lead from the stored files to the item's, in the order in which they happened.

        There are none where the stored files are the item's. The tracker is not asked again.
        """

    def mentions(self, _found: Any) -> Iterable[str]:
        """Paths of other records that an item names: where one is not stored, the tracker has new ones."""
        return ()
