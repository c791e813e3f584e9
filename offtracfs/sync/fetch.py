"""What a sync does before it commits: look at the tracker, decide, and fetch what is new into the spool.

While the tracker makes its next answers, the versions of what has arrived are found and their blobs written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any

import trio

from offtracfs import kinds, records
from offtracfs.database import Snapshot
from offtracfs.errors import DatabaseDamaged, LoginRefused, PermissionMissing, TrackerError, Unreachable
from offtracfs.kinds import Key
from offtracfs.progress import Progress
from offtracfs.store.fastimport import Writer
from offtracfs.sync.items import ITEM_KINDS, Files, Item, ItemKind
from offtracfs.sync.spool import ReadyVersion, Spool
from offtracfs.sync.versions import ready_versions, stored_files
from offtracfs.trackers import Metadata, Missing, Tracker

OVERLAP = timedelta(minutes=5)  # a slow transaction may land behind what was already seen
SPOOLED_AT_ONCE = 50  # items
MAX_MISSING = 1_000  # items of a kind that are asked for again by each sync; a sweep asks for all others, too
TRUSTED_GONE = 20  # so many records may go at once, or
TRUSTED_SHARE = 0.1  # this share of them, before the tracker is doubted
LONG_AGO = "1970-01-01T00:00:00"


class Extent(Enum):
    """How much a sync looks at; each looks at all that the one before does."""

    NEWS = auto()  # what the tracker says is new or changed
    SWEEP = auto()  # and what a few requests for all tickets show
    FULL = auto()  # every item


class Action(Enum):
    """What a sync does about one item."""

    ADD = auto()
    CHANGE = auto()
    DELETE = auto()
    REPORT = auto()  # nothing can be done but to say so
    NOTHING = auto()


def decide(stored: Files | None, found: Files | Missing) -> Action:
    """What to do about one item."""
    match stored, found:
        case None, Missing(gone=True):
            return Action.NOTHING
        case _, Missing(gone=True):
            return Action.DELETE
        case _, Missing():
            return Action.REPORT
        case None, _:
            return Action.ADD
        case _ if stored == found:
            return Action.NOTHING
        case _:
            return Action.CHANGE


@dataclass(slots=True)
class Found:
    """What a look at the tracker has shown of one kind of item."""

    new: set[Key] = field(default_factory=set)
    changed: set[Key] = field(default_factory=set)
    gone: set[Key] = field(default_factory=set)
    missing: list[Key] = field(default_factory=list)  # what the tracker could not give this time

    def __len__(self) -> int:
        return len(self.new) + len(self.changed) + len(self.gone)


Wanted = Sequence[tuple[ItemKind, list[Key]]]
"""What to ask the tracker for."""


class Fetch:
    """One sync's look at the tracker; what it found is in the spool and in these attributes.

    `writer` takes the blobs of every version that is in the spool in the end, also of what an interrupted
    sync has left there: see `prepare_again`.
    """

    def __init__(
        self,
        tracker: Tracker,
        snapshot: Snapshot,
        spool: Spool,
        writer: Writer,
        progress: Progress,
        missing: Mapping[str, Collection[Key]],
    ) -> None:
        self.kinds = [kind(tracker) for kind in ITEM_KINDS]
        self.found = {kind.name: Found() for kind in self.kinds}
        self.records: dict[str, Any] = {}  # path → what is no item's record, where it changed; None: gone
        self.problems: list[str] = []  # what had to be left out, a sentence each
        self.doubts: list[str] = []  # what is not believed, and what to do if it is true
        self.left_out: list[str] = []  # the same, of fields and reports
        self.commit = snapshot.commit  # the versions in the spool lead on from there
        self.begun = tracker.now()  # when it was looked at: all that the tracker held then is fetched
        self.tracker = tracker
        self._snapshot = snapshot
        self._spool = spool
        self._writer = writer
        self._progress = progress
        self._missing = missing  # by kind, what the tracker could not give the last time
        self._arrived: list[Item] = []
        self._versions: list[ReadyVersion] = []  # of these
        self._asked = 0  # items that this look found to be new or changed
        self._unknown_value = False

    async def run(self, extent: Extent, *, accept_deletions: bool) -> None:
        """Look and fetch; that of a first sync must be FULL. Raises TrackerError, DatabaseError."""
        if extent is Extent.FULL and not self._snapshot.empty:
            self._spool.clear()  # what an earlier try has fetched may have changed without a trace
        await self._drop_outdated()
        wanted = await self._wanted(full=extent is Extent.FULL)
        await self.prepare_again(self._snapshot, wanted)
        await self._fetch(wanted)
        if extent is Extent.SWEEP:
            await self._fetch(await self._suspects(wanted))
        if extent is not Extent.NEWS or self._unknown_value:
            self._compare(await self.tracker.metadata(), accept_deletions)
        for kind in self.kinds:
            gone = self.found[kind.name].gone
            known = len(kind.known(self._snapshot)) if gone else 0
            if not self._believed(kind.plural, len(gone), known, accept_deletions):
                gone.clear()
        self.problems += self.tracker.problems
        self.tracker.problems.clear()  # a later sync by the same connection tells its own

    @property
    def deleted(self) -> Iterable[str]:
        """The paths of what is gone."""
        return (path for kind in self.kinds for key in self.found[kind.name].gone for path in kind.paths(key))

    async def _drop_outdated(self) -> None:
        """Of what an interrupted sync has fetched, forget what has changed since."""
        if began := self._spool.begun:
            for kind in self.kinds:
                self._spool.drop(kind.name, await kind.changed(moment(began) - OVERLAP))

    async def _wanted(self, *, full: bool) -> Wanted:
        """What the tracker says is new or changed, or all it has, less what is in the spool.

        The sync began when the first of these questions was answered, by the tracker's clock, unless an
        earlier try had begun.
        """
        since = moment(self._snapshot.recent or LONG_AGO) - OVERLAP
        named: dict[str, set[Key]] = {}
        answered: datetime | None = (
            None  # a connection may be kept for days, so its first answer says nothing
        )
        for kind in self.kinds:
            named[kind.name] = set(await (self._listed(kind) if full else kind.changed(since)))
            answered = answered or self.tracker.now()
        began = self._spool.begun
        self.begun = moment(began) if began else answered or self.begun
        for kind in self.kinds if not full else ():
            named[kind.name].update(self._missing.get(kind.name, ()), await kind.attached(since))
        return [(kind, self._to_come(kind, named[kind.name])) for kind in self.kinds]

    def _to_come(self, kind: ItemKind, keys: set[Key]) -> list[Key]:
        return sorted(keys - self._spool.keys(kind.name))

    async def _listed(self, kind: ItemKind) -> Collection[Key]:
        """What the tracker lists. Notes which known ones are gone, and forgets what came and went."""
        listed, found = set(await kind.listed()), self.found[kind.name]
        known = kind.known(self._snapshot)
        found.gone |= known - listed
        fleeting = self._spool.keys(kind.name) - listed - known
        self._spool.drop(kind.name, fleeting)
        found.new -= fleeting
        found.missing = [key for key in found.missing if key in listed]
        return listed

    async def _suspects(self, asked: Wanted) -> Wanted:
        """What may have changed though the tracker does not say so, and was not `asked` for already.

        Notes what is gone.
        """
        wanted = []
        for kind, keys in asked:
            seen, known = set(await self._listed(kind)), kind.known(self._snapshot)
            suspects = (seen - known).union(await self._silent(kind, seen & known))
            wanted.append((kind, self._to_come(kind, suspects.difference(keys))))
        return wanted

    async def _silent(self, kind: ItemKind, both: set[Key]) -> Collection[Key]:
        """The kind's suspects; none, and a sentence, where the tracker's answer is no good: news go on."""
        try:
            return await kind.suspects(both, self._load)
        except (Unreachable, LoginRefused, PermissionMissing):
            raise  # which ends the sync wherever it comes
        except TrackerError as error:
            self.left_out.append(f"Silent changes stay unnoticed: {error}")
            return ()

    def _load(self, path: str) -> Any:
        """What is stored at a path; None, and a problem, where git has it damaged: the rest goes on."""
        try:
            return self._snapshot.load(path)
        except DatabaseDamaged as error:
            self.problems.append(f"{path} is damaged and stays as it is: {error}")
            return None

    async def _fetch(self, wanted: Wanted) -> None:
        self._asked = self._spool.count() + sum(len(keys) for _, keys in wanted)
        if began := self._spool.begun:
            self._spool.begin(began, self._asked)
        for kind, keys in wanted:
            done = len(self._spool.keys(kind.name))
            total = done + len(keys)
            try:
                async with kind.fetch(keys) as stream:
                    async for found in stream:
                        await self._take(kind, found)
                        done += 1
                        self._progress(kind.plural, done, total)
            finally:
                self._keep()

    async def _take(self, kind: ItemKind, found: Any) -> None:
        key, of_kind = kind.key(found), self.found[kind.name]
        try:
            stored = stored_files(kind, key, self._snapshot)
        except DatabaseDamaged as error:
            self.problems.append(_damaged(kind, key, error))
            return
        item = None if isinstance(found, Missing) else kind.item(found, stored)
        match decide(stored, item.files if item else found):
            case Action.DELETE:
                of_kind.gone.add(key)
            case Action.REPORT:
                self.problems.append(found.reason)
                if len(of_kind.missing) < MAX_MISSING:
                    of_kind.missing.append(key)
            case Action.ADD | Action.CHANGE if item:
                await self._prepare(kind, item, stored)
                self._arrived.append(item)
                self._look_for_new_values(kind.mentions(found))
                if len(self._arrived) >= SPOOLED_AT_ONCE:
                    self._keep()

    async def _prepare(self, kind: ItemKind, item: Item, stored: Files | None) -> None:
        """Write the blobs of an item's versions, and count it."""
        self._versions += await ready_versions(kind, item, stored, self._writer)
        found = self.found[kind.name]
        (found.changed if stored else found.new).add(item.key)

    async def prepare_again(self, snapshot: Snapshot, wanted: Wanted = ()) -> None:
        """Find the versions of all that is in the spool, leading on from this snapshot; write their blobs.

        That is for what an interrupted sync has left, and where the branch has moved since the last snapshot.
        What is `wanted` is still to come.
        """
        self.commit = snapshot.commit
        self._spool.forget_versions()
        for kind in self.kinds:
            found = self.found[kind.name]
            found.new.clear()
            found.changed.clear()
            here = len(self._spool.keys(kind.name))
            total = here + sum(len(keys) for of, keys in wanted if of is kind)
            for done, item in enumerate(self._spool.items(kind.name), 1):
                try:
                    await self._prepare(kind, item, stored_files(kind, item.key, snapshot))
                except DatabaseDamaged as error:
                    self.problems.append(_damaged(kind, item.key, error))
                    self._spool.drop(kind.name, [item.key])
                self._progress(kind.plural, done, total)
                if done % SPOOLED_AT_ONCE == 0 or done == here:
                    self._keep()
                    await trio.lowlevel.checkpoint()  # to be ended

    def _look_for_new_values(self, mentioned: Iterable[str]) -> None:
        """A value that nobody has heard of, such as a new component, has come with a record of its own."""
        if not (self._unknown_value or self._snapshot.empty):
            self._unknown_value = not all(map(self._snapshot.has, mentioned))

    def _keep(self) -> None:
        if self._arrived and self._spool.begun is None:
            self._spool.begin(records.iso(self.begun), self._asked)
        self._spool.add(self._arrived)
        self._spool.add_versions(self._versions)
        self._arrived.clear()
        self._versions.clear()

    def _compare(self, found: Metadata, accept_deletions: bool) -> None:
        self.left_out += found.problems
        for path, new in found.records.items():
            try:
                kinds.check(path, new)
                stored = self._snapshot.get(path)
                old = new if stored is None else records.load(stored)
            except TrackerError as error:
                self.left_out.append(f"{path} is left out: {error}")
                continue
            except DatabaseDamaged as error:
                self.left_out.append(f"{path} is damaged and stays as it is: {error}")
                continue
            merged = records.merge(old, new, exact_text=self.tracker.exact_text)
            if records.dump(merged) != stored:
                self.records[path] = merged
        for top in sorted(found.complete):
            known = list(self._snapshot.paths(top))
            gone = [path for path in known if path not in found.records]
            if self._believed(f"records in {top}", len(gone), len(known), accept_deletions):
                self.records |= dict.fromkeys(gone)

    def _believed(self, what: str, gone: int, known: int, accept_deletions: bool) -> bool:
        """A lost permission looks like a great many deletions."""
        if accept_deletions or gone <= TRUSTED_GONE or gone <= TRUSTED_SHARE * known:
            return True
        self.doubts.append(
            f"The tracker shows {gone:,} of {known:,} {what} no more, which looks like a lost permission: "
            "they are kept. If they are really gone, run `offtracfs sync --full --accept-deletions`."
        )
        return False


def _damaged(kind: ItemKind, key: Key, error: DatabaseDamaged) -> str:
    return f"{kind.name.capitalize()} {key} stays as it is, since its past is damaged: {error}"


def moment(text: str) -> datetime:
    """ISO text as records hold it, as a moment."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
