"""Bring a tracker's news into its database; and the watch loop of the side process.

fetch      look at the tracker, decide, fetch into the spool (`offtracfs.sync.fetch`)
append     the spool into git, one commit a change (`offtracfs.sync.revisions`)
index      git into the index, which is what readers see (`offtracfs.index`)
save       how it ended; only then is the spool let go
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import trio

from offtracfs import index, records
from offtracfs.database import Database, State
from offtracfs.errors import DatabaseBusy, DatabaseDamaged, LoginRefused, OfftracfsError, Suspicious
from offtracfs.progress import Progress, silent
from offtracfs.store import BRANCH
from offtracfs.sync.fetch import Extent, Fetch, moment
from offtracfs.sync.revisions import SECOND, Plan, append
from offtracfs.sync.spool import Spool
from offtracfs.trackers import Tracker

SETTLES = 60  # seconds after which nothing is expected to come in any more, from a tracker that was asked
SWEEP = timedelta(days=1)  # how often everything is looked at
LONGEST_PAUSE = 3600.0  # seconds between two tries to log in that are refused

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
    with database.writing("sync"), closing(Spool(database.path / "spool.db")) as spool:
        index.catch_up(database.path, database.store, progress)  # an older one, or left behind by a kill
        state = database.state()
        with database.snapshot() as snapshot:
            if snapshot.empty and state.succeeded:
                raise DatabaseDamaged(LOST.format(database.store.path, BRANCH))
            sweep = Extent.SWEEP if _sweep_is_due(state) else Extent.NEWS
            extent = Extent.FULL if full or snapshot.empty else sweep
            outcome.swept = extent is not Extent.NEWS
            fetch = Fetch(tracker, snapshot, spool, progress, state.missing)
            await fetch.run(extent, accept_deletions=accept_deletions)
            progress("git", 0, None)
            outcome.commits = append(snapshot, spool, _plan(fetch, snapshot.recent, spool, state.settled))
        progress("index", 0, None)
        index.catch_up(database.path, database.store, progress)
        outcome.new, outcome.changed, outcome.deleted = fetch.new, fetch.changed, len(fetch.gone)
        outcome.metadata = len(fetch.records) - 2 * len(fetch.gone)
        outcome.problems, outcome.requests = fetch.problems + fetch.left_out, tracker.requests - requests
        _save(database, state, fetch, swept=outcome.swept)
        spool.clear()
        database.store.maintain()
    outcome.seconds = time.monotonic() - began
    if fetch.doubts:
        raise Suspicious(" ".join(fetch.doubts))
    return outcome


def _sweep_is_due(state: State) -> bool:
    age = datetime.now(UTC) - moment(state.swept) if state.swept else SWEEP
    return not timedelta(0) <= age < SWEEP  # the clock may have been wrong


def _plan(fetch: Fetch, recent: str, spool: Spool, settled: int) -> Plan:
    last = spool.last_changed(records.microseconds(records.iso(fetch.begun)))
    seen = records.iso(records.from_microseconds(last // SECOND * SECOND)) if last else ""
    return Plan(
        now=int(fetch.tracker.now().timestamp()),
        floor=settled,
        records=fetch.records,
        recent=max(recent, seen) or records.iso(fetch.begun.replace(microsecond=0)),
        rules=fetch.tracker.log_rules,
    )


def _save(database: Database, state: State, fetch: Fetch, *, swept: bool) -> None:
    state.ended = records.iso(datetime.now(UTC).replace(microsecond=0))
    state.error, state.missing = " ".join(fetch.doubts), fetch.missing
    if swept:  # what a sweep had to leave out stands until the next
        state.swept, state.left_out = state.ended, fetch.left_out + fetch.doubts
    state.problems = fetch.problems + state.left_out
    state.settled = max(state.settled, int(fetch.begun.timestamp()) - SETTLES)
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
    **options: Any,
) -> None:
    """Sync now and then every `interval` seconds, for ever; what fails is reported and tried again.

    `options` are for the first sync that succeeds.
    """
    pause = interval
    while True:
        try:
            async with aclosing(await connect()) as tracker:
                while True:
                    report(await sync(database, tracker, **options))
                    options, pause = {}, interval
                    await trio.sleep(interval)
        except OfftracfsError as error:
            record(database, error)
            report(error)
            if isinstance(error, Suspicious):
                options = {}
            # A wrong password that is tried every minute locks its owner out.
            pause = min(2 * pause, LONGEST_PAUSE) if isinstance(error, LoginRefused) else interval
            await trio.sleep(pause)


def record(database: Database, error: OfftracfsError) -> None:
    """Keep in the database's state that a sync has failed; not where another process is at it."""
    with suppress(DatabaseBusy), database.writing("sync"):
        state = database.state()
        state.ended, state.error = records.iso(datetime.now(UTC).replace(microsecond=0)), str(error)
        database.save(state)
