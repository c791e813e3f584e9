"""What a sync does before it writes: look at the tracker, decide, and fetch what is new into the spool."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any

from offtracfs import kinds, records
from offtracfs.database import Snapshot
from offtracfs.errors import DatabaseDamaged, TrackerError
from offtracfs.kinds import changelog_path, field_path, ticket_path
from offtracfs.progress import Progress
from offtracfs.sync.changelog import paired
from offtracfs.sync.spool import Fetched, Spool
from offtracfs.trackers import Metadata, Missing, Ticket, Tracker

OVERLAP = timedelta(minutes=5)  # a slow transaction may land behind what was already seen
SPOOLED_AT_ONCE = 50  # tickets
MAX_MISSING = 1_000  # tickets that are asked for again by each sync; a sweep asks for all others, too
TRUSTED_GONE = 20  # so many records may go at once, or
TRUSTED_SHARE = 0.1  # this share of them, before the tracker is doubted
LONG_AGO = "1970-01-01T00:00:00"
VALUED_FIELDS = ("component", "milestone", "version")  # a ticket may be the first to show a value of these


class Extent(Enum):
    """How much a sync looks at; each looks at all that the one before does."""

    NEWS = auto()  # what the tracker says is new or changed
    SWEEP = auto()  # and what a few requests for all tickets show
    FULL = auto()  # every ticket and its change log


class Action(Enum):
    """What a sync does about one ticket."""

    ADD = auto()
    CHANGE = auto()
    DELETE = auto()
    REPORT = auto()  # nothing can be done but to say so
    NOTHING = auto()


Bytes = tuple[bytes, bytes]
"""A ticket's record and its change log, as canonical bytes."""


def decide(stored: Bytes | None, found: Bytes | Missing) -> Action:
    """What to do about one ticket."""
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


class Fetch:
    """One sync's look at the tracker; what it found is in the spool and in these attributes."""

    def __init__(
        self,
        tracker: Tracker,
        snapshot: Snapshot,
        spool: Spool,
        progress: Progress,
        missing: Collection[int] = (),
    ) -> None:
        self.records: dict[str, Any] = {}  # path → what no ticket's record is, where it changed; None: gone
        self.new: set[int] = set()  # tickets
        self.changed: set[int] = set()  # tickets
        self.gone: set[int] = set()  # tickets
        self.problems: list[str] = []  # what had to be left out, a sentence each
        self.doubts: list[str] = []  # what is not believed, and what to do if it is true
        self.left_out: list[str] = []  # the same, of fields and reports
        self.missing: list[int] = []  # tickets that the tracker could not give this time
        self.begun = tracker.now()  # when it was looked at: all that the tracker held then is fetched
        self.tracker = tracker
        self._snapshot = snapshot
        self._spool = spool
        self._progress = progress
        self._missing = missing  # tickets that the tracker could not give the last time
        self._arrived: list[Fetched] = []
        self._asked = 0  # tickets that this look found to be new or changed
        self._unknown_value = False

    async def run(self, extent: Extent, *, accept_deletions: bool) -> None:
        """Look and fetch; that of a first sync must be FULL. Raises TrackerError."""
        if extent is Extent.FULL and not self._snapshot.empty:
            self._spool.clear()  # what an earlier try has fetched may have changed without a trace
        await self._fetch(await (self._all() if extent is Extent.FULL else self._changed()))
        if extent is Extent.SWEEP:
            await self._fetch(await self._suspects())
        if extent is not Extent.NEWS or self._unknown_value:
            self._compare(await self.tracker.metadata(), accept_deletions)
        known = sum(1 for _ in self._snapshot.tickets()) if self.gone else 0
        if self._believed("tickets", len(self.gone), known, accept_deletions):
            paths = (path(number) for number in self.gone for path in (ticket_path, changelog_path))
            self.records |= dict.fromkeys(paths)
        else:
            self.gone.clear()
        self.problems += self.tracker.problems
        self.tracker.problems.clear()  # a later sync by the same connection tells its own

    async def _all(self) -> Collection[int]:
        """All tickets, less what an earlier try of a first sync has fetched. Notes which are gone."""
        arrived = await self._arrived_before()
        numbers = await self._listed()
        return self._begin(self.tracker.now(), numbers, arrived)

    async def _changed(self) -> Collection[int]:
        """The tickets that the tracker says are new or changed, less what an earlier try has fetched."""
        arrived = await self._arrived_before()
        since = moment(self._snapshot.recent or LONG_AGO) - OVERLAP
        changed = await self.tracker.changed_since(since)
        answered = self.tracker.now()
        attached = await self.tracker.attached_since(since)
        return self._begin(answered, sorted({*changed, *self._missing, *attached}), arrived)

    async def _arrived_before(self) -> set[int]:
        """The tickets that an interrupted sync has fetched and that have not changed since."""
        arrived, began = self._spool.numbers(), self._spool.begun
        if began:
            arrived -= set(await self.tracker.changed_since(moment(began) - OVERLAP))
            self._count(arrived)
        return arrived

    def _begin(self, answered: datetime, numbers: list[int], arrived: Collection[int]) -> list[int]:
        """Of the tickets that the tracker has named, those that are still to come.

        The sync began when that was `answered`, by the tracker's clock, unless an earlier try had begun.
        """
        began = self._spool.begun  # a connection may be kept for days, so its first answer says nothing
        self.begun = moment(began) if began else answered
        missing = [number for number in numbers if number not in arrived] if arrived else numbers
        self._asked = len(arrived) + len(missing)
        if began:
            self._spool.begin(began, self._asked)
        return missing

    async def _listed(self) -> list[int]:
        """The tickets that the tracker lists. Notes which of those known here are gone."""
        listed = await self.tracker.ids()
        self.gone.update(set(self._snapshot.tickets()).difference(listed))
        return listed

    async def _suspects(self) -> Collection[int]:
        """The tickets that may have changed though the tracker does not say so. Notes which are gone."""
        seen, known = set(await self._listed()), set(self._snapshot.tickets())
        suspects = seen - known | seen.intersection(await self.tracker.attached_since(moment(LONG_AGO)))
        suspects |= set(await self.tracker.outdated(lambda number: self._known(ticket_path(number))))
        for number in known & seen - suspects:
            log = records.rows(self._known(changelog_path(number)) or [])
            if not all(row.permanent for row in log):
                suspects.add(number)  # an attachment that is deleted leaves no other trace
        return sorted(suspects - self._spool.numbers())

    def _known(self, path: str) -> Any:
        """What is stored at a path; None, and a problem, where git has it damaged: the rest goes on."""
        try:
            return self._snapshot.load(path)
        except DatabaseDamaged as error:
            self.problems.append(f"{path} is damaged and stays as it is: {error}")
            return None

    async def _fetch(self, numbers: Collection[int]) -> None:
        done = 0
        try:
            async with self.tracker.tickets(numbers) as stream:
                async for found in stream:
                    self._take(found)
                    done += 1
                    self._progress("tickets", done, len(numbers))
        finally:
            self._keep()

    def _take(self, found: Ticket | Missing) -> None:
        paths = ticket_path(found.number), changelog_path(found.number)
        try:
            record, log = self._snapshot.get(paths[0]), self._snapshot.get(paths[1])
        except DatabaseDamaged as error:
            self.problems.append(f"Ticket {found.number} stays as it is, since its past is damaged: {error}")
            return
        stored = None if record is None else (record, log or b"[]")
        fresh = found if isinstance(found, Missing) else self._merged(found, stored)
        action = decide(stored, fresh)
        if action is Action.DELETE:
            self.gone.add(found.number)
        elif action is Action.REPORT and isinstance(found, Missing):
            self.problems.append(found.reason)
            if len(self.missing) < MAX_MISSING:
                self.missing.append(found.number)
        elif isinstance(found, Ticket) and isinstance(fresh, tuple) and action is not Action.NOTHING:
            (self.new if action is Action.ADD else self.changed).add(found.number)
            _, created, changed, props = found.record
            times = records.microseconds(created), records.microseconds(changed)
            self._arrived.append(Fetched(found.number, *times, *fresh))
            self._look_for_new_values(props)
            if len(self._arrived) >= SPOOLED_AT_ONCE:
                self._keep()

    def _merged(self, found: Ticket, stored: Bytes | None) -> Bytes:
        """The bytes of a ticket, with what is known more precisely than it was found."""
        record, log = found.record, found.changelog
        plain = records.dump(record), records.dump(log)
        if stored and stored != plain:
            old_record, old_log = (records.load(data) for data in stored)
            record = self._merge(old_record, record)
            pairs = paired(records.rows(old_log), records.rows(log), self.tracker.log_rules.identity)
            places = {new: old for old, new in pairs.items()}
            log = [self._merge(old_log[places[n]], row) if n in places else row for n, row in enumerate(log)]
            return records.dump(record), records.dump(log)
        return plain

    def _merge(self, old: Any, new: Any) -> Any:
        return records.merge(old, new, exact_text=self.tracker.exact_text)

    def _look_for_new_values(self, props: Mapping[str, Any]) -> None:
        if self._unknown_value or self._snapshot.empty:
            return
        values = ((name, props.get(name)) for name in VALUED_FIELDS)
        self._unknown_value = any(
            value and not self._snapshot.has(field_path(name, str(value))) for name, value in values
        )

    def _keep(self) -> None:
        if self._arrived and self._spool.begun is None:
            self._spool.begin(records.iso(self.begun), self._asked)
        self._spool.add(self._arrived)
        self._arrived.clear()

    def _count(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            (self.changed if self._snapshot.has(ticket_path(number)) else self.new).add(number)

    def _compare(self, found: Metadata, accept_deletions: bool) -> None:
        self.left_out += found.problems
        for path, new in found.records.items():
            try:
                kinds.check(path, new)
            except TrackerError as error:
                self.left_out.append(f"{path} is left out: {error}")
                continue
            stored = self._snapshot.get(path)
            merged = new if stored is None else self._merge(records.load(stored), new)
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


def moment(text: str) -> datetime:
    """ISO text as records hold it, as a moment."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
