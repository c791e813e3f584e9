"""Bring a tracker's news into its database; and the watch loop of the side process.

fetch      look at the tracker, decide, fetch into the spool (`offtracfs.sync.fetch`), and write the blobs of
           what arrives: the fetch lock alone
append     the spool into git, one commit a change (`offtracfs.sync.revisions`)
index      git into the index, which is what readers see (`offtracfs.index`)
save       how it ended; only then is the spool let go
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, aclosing, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import trio

from offtracfs import records
from offtracfs.database import Database, Snapshot, State
from offtracfs.errors import (
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseError,
    LoginRefused,
    OfftracfsError,
    Suspicious,
)
from offtracfs.progress import Progress, silent
from offtracfs.store import BRANCH
from offtracfs.store.fastimport import Writer
from offtracfs.sync.fetch import Extent, Fetch, moment
from offtracfs.sync.items import Tickets
from offtracfs.sync.revisions import Plan, append
from offtracfs.sync.spool import Spool
from offtracfs.trackers import Tracker

SETTLES = 60  # seconds after which nothing is expected to come in any more, from a tracker that was asked
SWEEP = timedelta(days=1)  # how often everything is looked at
TIMEOUT, POLL = 600.0, 0.1  # seconds to wait for the writer's lock, and between two tries
MAX_PAUSE = 3600.0  # seconds between two tries to log in that are refused

LOST = (
    "Git's branch is gone, and the index that knew its last commit is of no use: `git --git-dir={0} fsck` "
    "names that commit as dangling, and `git --git-dir={0} update-ref {1} COMMIT` brings it back."
)


@dataclass(slots=True)
class Outcome:
    """What a sync did."""

    new: int = 0  # tickets
    changed: int = 0  # tickets
    deleted: int = 0  # tickets
    tickets: dict[str, list[int]] = field(default_factory=dict)  # "new", "changed", "deleted": their numbers
    metadata: int = 0  # records of fields and reports that came, changed or went
    commits: int = 0
    requests: int = 0
    seconds: float = 0.0
    swept: bool = False  # also looked for what the tracker does not say has changed
    problems: list[str] = field(default_factory=list)  # what had to be left out, a sentence each


async def sync(
    database: Database,
    tracker: Tracker,
    *,
    full: bool = False,
    accept_deletions: bool = False,
    progress: Progress = silent,
) -> Outcome:
    """One sync. Raises TrackerError and DatabaseError; whatever had arrived by then is kept for the next.

    `full` reads every ticket and its change log, as a first sync does. Without it a sync asks for what is
    new, and once a day also looks for what a few requests for all tickets show. Where so much is gone that
    the tracker is not believed, all else is done first, and then Suspicious is raised.
    """
    began, requests, outcome = time.monotonic(), tracker.requests, Outcome()
    with (
        database.fetching("sync"),
        closing(Spool(database.path / "spool.db")) as spool,
        database.store.importing("fetching") as writer,
    ):
        with database.writing("sync"):  # which refuses at once who could not write in the end, either
            database.catch_up(progress)  # an older one, or left behind by a kill
        state = database.state()
        with database.snapshot() as snapshot:
            if snapshot.empty and state.succeeded:
                raise DatabaseDamaged(LOST.format(database.store.path, BRANCH))
            news = Extent.SWEEP if _sweep_is_due(state) else Extent.NEWS
            extent = Extent.FULL if full or snapshot.empty else news
            outcome.swept = extent is not Extent.NEWS
            fetch = Fetch(tracker, snapshot, spool, writer, progress, state.missing)
            await fetch.run(extent, accept_deletions=accept_deletions)
        with await _writing(database):
            outcome.commits = await _append(database, fetch, spool, writer, progress, swept=outcome.swept)
            spool.clear()
            _maintain(database, fetch)
    _count(outcome, fetch)
    outcome.requests = tracker.requests - requests
    outcome.seconds = time.monotonic() - began
    if fetch.doubts:
        raise Suspicious(" ".join(fetch.doubts))
    return outcome


def _count(outcome: Outcome, fetch: Fetch) -> None:
    """Put what a sync has fetched into its outcome, and what it had to leave out."""
    tickets = fetch.found[Tickets.name]
    found = {"new": tickets.new, "changed": tickets.changed, "deleted": tickets.gone}
    outcome.tickets = {what: sorted(map(int, keys)) for what, keys in found.items()}
    outcome.new, outcome.changed, outcome.deleted = map(len, found.values())
    others = (of_kind for name, of_kind in fetch.found.items() if name != Tickets.name)
    outcome.metadata = len(fetch.records) + sum(map(len, others))
    outcome.problems = fetch.problems + fetch.left_out


async def _writing(database: Database) -> ExitStack:
    """The writer's lock, entered, when whoever holds it has let go: what was fetched is worth waiting for.

    Raises DatabaseBusy where that takes too long; the next sync goes on from the spool.
    """
    deadline = trio.current_time() + TIMEOUT
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(database.writing("sync"))
                return stack.pop_all()
            except DatabaseBusy:
                if trio.current_time() >= deadline:
                    raise
            await trio.sleep(POLL)


async def _append(
    database: Database, fetch: Fetch, spool: Spool, writer: Writer, progress: Progress, *, swept: bool
) -> int:
    """Bring what was fetched into git and the index, and keep how it ended; the number of commits."""
    database.catch_up(progress)  # what others have done since the fetch began
    state = database.state()
    # Another snapshot than the one on which the fetch decided: since then others may have held the writer's
    # lock, have built the index anew, or have put commits on the branch. The versions lead on from the stored
    # items, so where the branch has moved all of them are found again: the spool holds whole items. One that
    # somebody else has brought meanwhile, and newer, would go back to what was fetched, until the next sync
    # asks for it again: it changed after the moment that this sync writes down as known.
    with database.snapshot() as snapshot:
        if snapshot.commit != fetch.commit:
            await fetch.prepare_again(snapshot)
        plan = _plan(fetch, snapshot, spool, state)
        with database.store.appending(writer):
            commits = append(snapshot, spool, writer, plan, progress)
    progress("index", 0, None)
    database.catch_up(progress)
    _save(database, state, fetch, settled=plan.settled, swept=swept)
    return commits


def _maintain(database: Database, fetch: Fetch) -> None:
    """Keep packs few. Where that fails it is a problem, no failure: all that was fetched is stored."""
    try:
        database.store.maintain()
    except DatabaseError as error:
        fetch.problems.append(f"The repository was not repacked: {error}")


def _sweep_is_due(state: State) -> bool:
    age = datetime.now(UTC) - moment(state.swept) if state.swept else SWEEP
    return not timedelta(0) <= age < SWEEP  # the clock may have been wrong


def _plan(fetch: Fetch, snapshot: Snapshot, spool: Spool, state: State) -> Plan:
    last = spool.last_changed(records.microseconds(records.iso(fetch.begun)))
    seen = records.iso(records.from_microseconds(last // records.SECOND * records.SECOND)) if last else ""
    floor = max(state.settled, snapshot.settled)  # the state moves with every sync; git alone may be a copy
    return Plan(
        now=int(fetch.tracker.now().timestamp()),
        floor=floor,
        records=fetch.records | dict.fromkeys(fetch.deleted),
        recent=max(snapshot.recent, seen) or records.iso(fetch.begun.replace(microsecond=0)),
        settled=max(floor, int(fetch.begun.timestamp()) - SETTLES),
    )


def _save(database: Database, state: State, fetch: Fetch, *, settled: int, swept: bool) -> None:
    state.ended = records.iso(datetime.now(UTC).replace(microsecond=0))
    state.error = " ".join(fetch.doubts)
    state.missing = {kind: found.missing for kind, found in fetch.found.items() if found.missing}
    state.user = fetch.tracker.user or ""
    if swept:  # what a sweep had to leave out stands until the next
        state.swept, state.left_out = state.ended, fetch.left_out + fetch.doubts
    state.problems = fetch.problems + state.left_out
    state.settled = settled
    if not fetch.doubts:
        state.succeeded = state.ended
    database.save(state)


async def once(database: Database, connect: Callable[[], Awaitable[Tracker]], **options: Any) -> Outcome:
    """Connect, sync, and keep in the database's state how it ended. `options` and errors as for `sync`."""
    try:
        async with aclosing(await connect()) as tracker:
            asked = tracker.requests
            outcome = await sync(database, tracker, **options)
            outcome.requests += asked
            return outcome
    except OfftracfsError as error:
        record(database, error)
        raise


async def watch(
    database: Database,
    connect: Callable[[], Awaitable[Tracker]],
    *,
    interval: float,
    report: Callable[[Outcome | OfftracfsError], None],
    then: Callable[[Outcome], Awaitable[object]] | None = None,
    **options: Any,
) -> None:
    """Sync now and then every `interval` seconds, for ever; what fails is reported and tried again.

    `then` is waited for after each sync that succeeds.
    `options` are for the first sync that succeeds.
    """
    pause = interval
    while True:
        try:
            async with aclosing(await connect()) as tracker:
                while True:
                    outcome = await sync(database, tracker, **options)
                    report(outcome)
                    options, pause = {}, interval
                    if then:
                        await then(outcome)
                    await trio.sleep(interval)
        except OfftracfsError as error:
            record(database, error)
            report(error)
            if isinstance(error, Suspicious):
                options = {}
            # A wrong password that is tried every minute locks its owner out.
            pause = min(2 * pause, MAX_PAUSE) if isinstance(error, LoginRefused) else interval
            await trio.sleep(pause)


def record(database: Database, error: OfftracfsError) -> None:
    """Keep in the database's state that a sync has failed.

    Not where another process is at it: the state will be what that one makes of it. This needs only the
    writer's lock; a sync that is fetching writes the state after it has taken that, too.
    """
    if isinstance(error, DatabaseBusy) and database.fetcher():
        return
    with suppress(DatabaseBusy), database.writing("sync"):
        state = database.state()
        state.ended, state.error = records.iso(datetime.now(UTC).replace(microsecond=0)), str(error)
        database.save(state)
