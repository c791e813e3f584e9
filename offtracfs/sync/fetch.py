"""What a sync does before it commits: ask the tracker what has changed, and fetch that into the spool.

While the tracker makes its next answer, this finds the versions of what has arrived, and writes their blobs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto
from typing import Any

import trio

from offtracfs import kinds, records
from offtracfs.database import Snapshot
from offtracfs.errors import DatabaseDamaged, LoginRefused, PermissionMissing, TrackerError, Unreachable
from offtracfs.kinds import Key
from offtracfs.progress import Progress
from offtracfs.records import from_iso
from offtracfs.store.fastimport import Writer
from offtracfs.sync.items import ITEM_KINDS, Files, Item, ItemKind
from offtracfs.sync.spool import ReadyVersion, Spool
from offtracfs.sync.versions import ready_versions, stored_files
from offtracfs.trackers import Metadata, Missing, Tracker

OVERLAP = timedelta(minutes=5)  # a change may be committed minutes after its own time
BATCH_SIZE = 50  # items that are written into the spool at once
MAX_MISSING = 1_000  # items of a kind that every sync asks for again; for more, only a sweep does
MAX_GONE = 20  # deletions that one sync believes for each kind of record
MAX_GONE_SHARE = 0.1  # share of the stored records for which it believes that, where this is more


class Extent(Enum):
    """How much a sync asks for; each member includes those before it."""

    NEWS = auto()  # what the tracker says is new or changed
    SWEEP = auto()  # also what a few requests for all items show to be gone, or changed without a log entry
    FULL = auto()  # every item


class Action(Enum):
    """What a sync does about one item."""

    ADD = auto()
    CHANGE = auto()
    DELETE = auto()
    RETRY = auto()  # the tracker could not give it: say so, and let the next sync ask again
    NOTHING = auto()


def decide(stored: Files | None, fetched: Files | Missing) -> Action:
    """What to do about one item."""
    match stored, fetched:
        case None, Missing(gone=True):
            return Action.NOTHING
        case _, Missing(gone=True):
            return Action.DELETE
        case _, Missing():
            return Action.RETRY
        case None, _:
            return Action.ADD
        case _ if stored == fetched:
            return Action.NOTHING
        case _:
            return Action.CHANGE


@dataclass(slots=True)
class Found:
    """What a sync has found out about the items of one kind."""

    new: set[Key] = field(default_factory=set)
    changed: set[Key] = field(default_factory=set)
    gone: set[Key] = field(default_factory=set)
    missing: list[Key] = field(default_factory=list)  # the tracker could not give them; they may exist

    def __len__(self) -> int:
        return len(self.new) + len(self.changed) + len(self.gone)


Wanted = Sequence[tuple[ItemKind, list[Key]]]
"""For each kind of item, what to ask the tracker for."""


class Fetch:
    """What one sync asks the tracker for. The results are in the spool and in the public attributes.

    In the end `writer` has the blobs of every version that is in the spool, also of those that an interrupted
    sync has left there (`prepare_again`). `retry` has, by kind, what the tracker could not give to the last
    sync.
    """

    def __init__(
        self,
        tracker: Tracker,
        snapshot: Snapshot,
        spool: Spool,
        writer: Writer,
        progress: Progress,
        retry: Mapping[str, Collection[Key]],
    ) -> None:
        self.kinds = [kind(tracker) for kind in ITEM_KINDS]
        self.found = {kind.name: Found() for kind in self.kinds}
        self.records: dict[str, Any] = {}  # path → new or changed record, beside the items; None: gone
        self.problems: list[str] = []  # what this sync had to leave out, a sentence each
        self.sweep_problems: list[str] = []  # what its sweep had to leave out
        self.refused_deletions: list[str] = []  # which deletions are not believed, and how to accept them
        self.commit = snapshot.commit  # the versions in the spool lead on from there
        self.started = tracker.now()  # by its clock; all changes before that are fetched. See `_wanted`
        self.tracker = tracker
        self._snapshot = snapshot
        self._spool = spool
        self._writer = writer
        self._progress = progress
        self._retry = retry
        self._items: list[Item] = []  # fetched, and not in the spool yet
        self._versions: list[ReadyVersion] = []  # made, and not in the spool yet
        self._total = 0  # items of this sync, fetched or still to come
        self._new_value = False  # whether an item names a record that is not stored

    async def run(self, extent: Extent, *, accept_deletions: bool) -> None:
        """Ask and fetch. The extent of a first sync must be FULL. Raises TrackerError, DatabaseError."""
        if extent is Extent.FULL and not self._snapshot.empty:
            self._spool.clear()  # what an interrupted sync has fetched may have changed without a log entry
        await self._drop_outdated()
        wanted = await self._wanted(full=extent is Extent.FULL)
        await self.prepare_again(self._snapshot, wanted)
        await self._fetch(wanted)
        if extent is Extent.SWEEP:
            await self._fetch(await self._sweep(wanted))
        if extent is not Extent.NEWS or self._new_value:
            self._compare_metadata(await self.tracker.metadata(), accept_deletions)
        for kind in self.kinds:
            gone = self.found[kind.name].gone
            stored = len(kind.stored_keys(self._snapshot)) if gone else 0
            if not (accept_deletions or self._believes(kind.plural, len(gone), stored)):
                gone.clear()
        self.problems += self.tracker.problems
        self.tracker.problems.clear()  # a later sync by this connection has its own

    @property
    def deleted(self) -> Iterable[str]:
        """The paths of the items that are gone."""
        return (path for kind in self.kinds for key in self.found[kind.name].gone for path in kind.paths(key))

    async def _drop_outdated(self) -> None:
        """Of what an interrupted sync has fetched, drop what has changed since."""
        if started := self._spool.started:
            for kind in self.kinds:
                self._spool.drop(kind.name, await kind.changed(from_iso(started) - OVERLAP))

    async def _wanted(self, *, full: bool) -> Wanted:
        """What the tracker says is new or changed (`full`: all that it has), without what is in the spool.

        Sets `started`: when the tracker answered the first of these questions; or when the interrupted sync
        started that filled the spool.
        """
        recent, interrupted = self._snapshot.recent, self._spool.started
        since = (from_iso(recent) if recent else records.EPOCH) - OVERLAP
        started = from_iso(interrupted) if interrupted else None
        wanted: dict[str, set[Key]] = {}
        for kind in self.kinds:
            wanted[kind.name] = set(await (self._listed(kind) if full else kind.changed(since)))
            started = started or self.tracker.now()  # not before: `now` is as of the last answer
        self.started = started or self.started
        for kind in self.kinds if not full else ():
            wanted[kind.name].update(self._retry.get(kind.name, ()), await kind.attached(since))
        return [(kind, self._not_spooled(kind, wanted[kind.name])) for kind in self.kinds]

    def _not_spooled(self, kind: ItemKind, keys: set[Key]) -> list[Key]:
        return sorted(keys - self._spool.keys(kind.name))

    async def _listed(self, kind: ItemKind) -> Collection[Key]:
        """All items that the tracker has.

        Adds to `found.gone` the stored items that it does not have any more. Drops from the spool the items
        that it does not have any more, and that were never stored.
        """
        listed, found = set(await kind.listed()), self.found[kind.name]
        stored = kind.stored_keys(self._snapshot)
        found.gone |= stored - listed
        dropped = self._spool.keys(kind.name) - listed - stored
        self._spool.drop(kind.name, dropped)
        found.new -= dropped
        found.missing = [key for key in found.missing if key in listed]
        return listed

    async def _sweep(self, asked: Wanted) -> Wanted:
        """What may be new or changed although the tracker did not say so, without what was `asked` for.

        Finds out which items are gone (`_listed`).
        """
        wanted = []
        for kind, keys in asked:
            listed, stored = set(await self._listed(kind)), kind.stored_keys(self._snapshot)
            changed = await self._possibly_changed(kind, listed & stored)
            wanted.append((kind, self._not_spooled(kind, (listed - stored).union(changed).difference(keys))))
        return wanted

    async def _possibly_changed(self, kind: ItemKind, keys: set[Key]) -> Collection[Key]:
        """As `ItemKind.possibly_changed`; none, and a problem, where the tracker's answer cannot be used."""
        try:
            return await kind.possibly_changed(keys, self._load)
        except (Unreachable, LoginRefused, PermissionMissing):
            raise  # these end the sync, whatever it has asked for
        except TrackerError as error:
            self.sweep_problems.append(f"Silent changes stay unnoticed: {error}")
            return ()

    def _load(self, path: str) -> Any:
        """The stored record at a path, None where there is none. A damaged one is None, and a problem."""
        try:
            return self._snapshot.load(path)
        except DatabaseDamaged as error:
            self.problems.append(f"{path} is damaged and stays as it is: {error}")
            return None

    async def _fetch(self, wanted: Wanted) -> None:
        """Fetch these items into the spool, and write the blobs of their versions."""
        self._total = self._spool.count_items() + sum(len(keys) for _, keys in wanted)
        if started := self._spool.started:
            self._spool.start(started, self._total)
        for kind, keys in wanted:
            done = len(self._spool.keys(kind.name))
            total = done + len(keys)
            try:
                async with kind.fetch(keys) as stream:
                    async for fetched in stream:
                        await self._receive(kind, fetched)
                        done += 1
                        self._progress(kind.plural, done, total)
            finally:
                self._flush()

    async def _receive(self, kind: ItemKind, fetched: Any) -> None:
        """Decide about what `ItemKind.fetch` gave, and do it."""
        key, found = kind.key(fetched), self.found[kind.name]
        try:
            stored = stored_files(kind, key, self._snapshot)
        except DatabaseDamaged as error:
            self.problems.append(_damaged(kind, key, error))
            return
        item = None if isinstance(fetched, Missing) else kind.item(fetched, stored)
        match decide(stored, item.files if item else fetched):
            case Action.DELETE:
                found.gone.add(key)
            case Action.RETRY:
                self.problems.append(fetched.reason)
                if len(found.missing) < MAX_MISSING:
                    found.missing.append(key)
            case Action.ADD | Action.CHANGE if item:
                await self._prepare(kind, item, stored)
                self._items.append(item)
                self._look_for_new_value(kind.mentions(fetched))
                if len(self._items) >= BATCH_SIZE:
                    self._flush()

    async def _prepare(self, kind: ItemKind, item: Item, stored: Files | None) -> None:
        """Make an item's versions, write their blobs, and count the item as new or changed."""
        self._versions += await ready_versions(kind, item, stored, self._writer)
        found = self.found[kind.name]
        (found.changed if stored else found.new).add(item.key)

    async def prepare_again(self, snapshot: Snapshot, wanted: Wanted = ()) -> None:
        """Make the versions of all items in the spool anew, leading on from this snapshot; write their blobs.

        This is needed for what an interrupted sync has left, and where the branch has moved since the last
        snapshot. `wanted` is what will be fetched after this: the progress counts it, too.
        """
        self.commit = snapshot.commit
        self._spool.forget_versions()
        for kind in self.kinds:
            found = self.found[kind.name]
            found.new.clear()
            found.changed.clear()
            spooled = len(self._spool.keys(kind.name))
            total = spooled + sum(len(keys) for of, keys in wanted if of is kind)
            for done, item in enumerate(self._spool.items(kind.name), 1):
                try:
                    await self._prepare(kind, item, stored_files(kind, item.key, snapshot))
                except DatabaseDamaged as error:
                    self.problems.append(_damaged(kind, item.key, error))
                    self._spool.drop(kind.name, [item.key])
                self._progress(kind.plural, done, total)
                if done % BATCH_SIZE == 0 or done == spooled:
                    self._flush()
                    await trio.lowlevel.checkpoint()  # here a sync can be cancelled

    def _look_for_new_value(self, mentioned: Iterable[str]) -> None:
        """Where an item names a record that is not stored (a new component, say), fetch the metadata, too."""
        if not (self._new_value or self._snapshot.empty):
            self._new_value = not all(map(self._snapshot.has, mentioned))

    def _flush(self) -> None:
        """Write what has arrived into the spool."""
        if self._items and self._spool.started is None:
            self._spool.start(records.iso(self.started), self._total)
        self._spool.add(self._items)
        self._spool.add_versions(self._versions)
        self._items.clear()
        self._versions.clear()

    def _compare_metadata(self, found: Metadata, accept_deletions: bool) -> None:
        """Put into `records` what differs from the stored records, and what is gone."""
        self.sweep_problems += found.problems
        for path, new in found.records.items():
            try:
                kinds.check(path, new)
                stored = self._snapshot.get(path)
                old = new if stored is None else records.load(stored)
            except TrackerError as error:
                self.sweep_problems.append(f"{path} is left out: {error}")
                continue
            except DatabaseDamaged as error:
                self.sweep_problems.append(f"{path} is damaged and stays as it is: {error}")
                continue
            merged = records.merge(old, new, exact_text=self.tracker.exact_text)
            if records.dump(merged) != stored:
                self.records[path] = merged
        for top in sorted(found.complete):
            stored_paths = list(self._snapshot.paths(top))
            gone = [path for path in stored_paths if path not in found.records]
            if accept_deletions or self._believes(f"records in {top}", len(gone), len(stored_paths)):
                self.records |= dict.fromkeys(gone)

    def _believes(self, what: str, gone: int, stored: int) -> bool:
        """Whether so many of the stored records may be deleted; adds to `refused_deletions` if not.

        After the loss of a permission, the tracker does not show records that are still there.
        """
        if gone <= max(MAX_GONE, MAX_GONE_SHARE * stored):
            return True
        self.refused_deletions.append(
            f"The tracker shows {gone:,} of {stored:,} {what} no more, which looks like a lost permission: "
            "they are kept. If they are really gone, run `offtracfs sync --full --accept-deletions`."
        )
        return False


def _damaged(kind: ItemKind, key: Key, error: DatabaseDamaged) -> str:
    return f"{kind.name.capitalize()} {key} stays as it is, since its past is damaged: {error}"
