"""Bring a tracker's news into its database; and the watch loop of the side process.

fetch      ask the tracker what has changed, fetch that into the spool, and write the blobs of what arrives
           (`offtracfs.sync.fetch`); this holds the fetch lock alone
append     the spool into git, one commit a change (`offtracfs.sync.revisions`)
index      git into the index, which is what readers see (`offtracfs.index`)
save       in ``state.json``, how the sync ended; only then is the spool emptied
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
from offtracfs.records import SECOND, from_iso
from offtracfs.store import BRANCH
from offtracfs.store.fastimport import Writer
from offtracfs.sync.fetch import Extent, Fetch
from offtracfs.sync.items import Tickets
from offtracfs.sync.revisions import Plan, append
from offtracfs.sync.spool import Spool
from offtracfs.trackers import Tracker

SETTLING_TIME = 60  # seconds before the start of a sync; the time before that is settled
SWEEP_INTERVAL = timedelta(days=1)  # between two syncs that are sweeps (`Extent.SWEEP`)
TIMEOUT = 600.0  # seconds to wait for the writer's lock
POLL_INTERVAL = 0.1  # seconds between two tries to take it
MAX_PAUSE = 3600.0  # seconds between two syncs while the tracker refuses the login

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
    metadata: int = 0  # all other records that are new, changed or gone
    commits: int = 0
    requests: int = 0
    seconds: float = 0.0
    swept: bool = False  # whether it also looked for what the tracker does not log
    problems: list[str] = field(default_factory=list)  # what had to be left out, a sentence each


async def sync(
    database: Database,
    tracker: Tracker,
    *,
    full: bool = False,
    accept_deletions: bool = False,
    progress: Progress = silent,
) -> Outcome:
    """One sync. Raises TrackerError and DatabaseError; what had arrived by then is kept for the next sync.

    `full` reads every ticket and its change log, as a first sync does. Without it, a sync asks for what the
    tracker says is new or changed, and once a day it is a sweep (`Extent`). Where so many records are gone
    that the tracker is not believed, none of them is deleted. All else is done; then this raises Suspicious.
    `accept_deletions` believes the tracker.
    """
    began, requests, outcome = time.monotonic(), tracker.requests, Outcome()
    with (
        database.fetching("sync"),
        closing(Spool(database.path / "spool.db")) as spool,
        database.store.importing("fetching") as writer,
    ):
        with database.writing("sync"):  # a database that cannot be written fails before the fetch
            # The index may be of an earlier version, or lack commits after a kill.
            database.catch_up(progress)
        state = database.state()
        with database.snapshot() as snapshot:
            if snapshot.empty and state.succeeded:
                raise DatabaseDamaged(LOST.format(database.store.path, BRANCH))
            if full or snapshot.empty:
                extent = Extent.FULL
            else:
                extent = Extent.SWEEP if _sweep_is_due(state) else Extent.NEWS
            outcome.swept = extent is not Extent.NEWS
            fetch = Fetch(tracker, snapshot, spool, writer, progress, state.missing)
            await fetch.run(extent, accept_deletions=accept_deletions)
        with await _wait_to_write(database):
            outcome.commits = await _write(database, fetch, spool, writer, progress, swept=outcome.swept)
            spool.clear()
            _maintain(database, fetch)
    _count(outcome, fetch)
    outcome.requests = tracker.requests - requests
    outcome.seconds = time.monotonic() - began
    if fetch.refused_deletions:
        raise Suspicious(" ".join(fetch.refused_deletions))
    return outcome


def _count(outcome: Outcome, fetch: Fetch) -> None:
    """Put into a sync's outcome what it has fetched, and what it had to leave out."""
    tickets = fetch.found[Tickets.name]
    found = {"new": tickets.new, "changed": tickets.changed, "deleted": tickets.gone}
    outcome.tickets = {what: sorted(map(int, keys)) for what, keys in found.items()}
    outcome.new, outcome.changed, outcome.deleted = map(len, found.values())
    others = (of_kind for name, of_kind in fetch.found.items() if name != Tickets.name)
    outcome.metadata = len(fetch.records) + sum(map(len, others))
    outcome.problems = fetch.problems + fetch.sweep_problems


async def _wait_to_write(database: Database) -> ExitStack:
    """Wait for the writer's lock, and take it; a context manager that holds it.

    Raises DatabaseBusy after TIMEOUT. What was fetched stays in the spool, and the next sync goes on from it.
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
            await trio.sleep(POLL_INTERVAL)


async def _write(
    database: Database, fetch: Fetch, spool: Spool, writer: Writer, progress: Progress, *, swept: bool
) -> int:
    """Bring what was fetched into git and the index, and save how the sync ended; the number of commits."""
    database.catch_up(progress)  # commits that others made during the fetch
    state = database.state()
    # A new snapshot: during the fetch, others may have built the index anew, or added commits. The versions
    # in the spool lead on from the stored items. So where the branch has moved, they are all made again from
    # the spool's items, which are whole. If those commits brought a newer state of an item than the spool
    # has, this sync sets the item back, until a later sync asks for it again.
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
    """Keep packs few. If that fails, it is a problem and no failure: all that was fetched is stored."""
    try:
        database.store.maintain()
    except DatabaseError as error:
        fetch.problems.append(f"The repository was not repacked: {error}")


def _sweep_is_due(state: State) -> bool:
    age = datetime.now(UTC) - from_iso(state.swept) if state.swept else SWEEP_INTERVAL
    return not timedelta(0) <= age < SWEEP_INTERVAL  # a last sweep in the future: a clock was wrong


def _plan(fetch: Fetch, snapshot: Snapshot, spool: Spool, state: State) -> Plan:
    """What `append` needs beside the spool.

    ``recent`` is the latest change of an item that was fetched, as far as it is not after `started`, in whole
    seconds. The next sync asks for what changed at or after that.
    """
    changed = spool.last_changed(records.microseconds(records.iso(fetch.started)))
    latest = records.iso(records.from_microseconds(changed // SECOND * SECOND)) if changed else ""
    # state.json has this moment after every sync, but only db.json comes with a copy of the git repository.
    floor = max(state.settled, snapshot.settled)
    return Plan(
        now=int(fetch.tracker.now().timestamp()),
        floor=floor,
        records=fetch.records | dict.fromkeys(fetch.deleted),
        recent=max(snapshot.recent, latest) or records.iso(fetch.started.replace(microsecond=0)),
        settled=max(floor, int(fetch.started.timestamp()) - SETTLING_TIME),
    )


def _save(database: Database, state: State, fetch: Fetch, *, settled: int, swept: bool) -> None:
    state.ended = records.iso(datetime.now(UTC).replace(microsecond=0))
    state.error = " ".join(fetch.refused_deletions)
    state.missing = {kind: found.missing for kind, found in fetch.found.items() if found.missing}
    state.user = fetch.tracker.user or ""
    if swept:  # `status` shows what a sweep had to leave out until the next sweep
        state.swept, state.left_out = state.ended, fetch.sweep_problems + fetch.refused_deletions
    state.problems = fetch.problems + state.left_out
    state.settled = settled
    if not fetch.refused_deletions:
        state.succeeded = state.ended
    database.save(state)


async def once(database: Database, connect: Callable[[], Awaitable[Tracker]], **options: Any) -> Outcome:
    """Connect, sync, and save in the database's state how it ended. `options` and errors as for `sync`."""
    try:
        async with aclosing(await connect()) as tracker:
            requests = tracker.requests  # those of `connect`, which `sync` does not count
            outcome = await sync(database, tracker, **options)
            outcome.requests += requests
            return outcome
    except OfftracfsError as error:
        save_failure(database, error)
        raise


async def watch(
    database: Database,
    connect: Callable[[], Awaitable[Tracker]],
    *,
    interval: float,
    report: Callable[[Outcome | OfftracfsError], None],
    then: Callable[[Outcome], Awaitable[object]] | None = None,
    before: Callable[[Tracker], Awaitable[object]] | None = None,
    **options: Any,
) -> None:
    """Sync now, and then for ever; the next sync starts `interval` seconds after the last one ended.

    `report` gets the outcome of each sync, or why it failed. Before each sync, `before` is called with the
    tracker and waited for; after each sync that succeeds, `then` is. `options` as for `sync`: they hold until
    a sync has succeeded or raised Suspicious, since nobody means `full` or `accept_deletions` for all syncs.
    """
    pause = interval
    while True:
        try:
            async with aclosing(await connect()) as tracker:
                while True:
                    if before:
                        await before(tracker)
                    outcome = await sync(database, tracker, **options)
                    report(outcome)
                    options, pause = {}, interval
                    if then:
                        await then(outcome)
                    await trio.sleep(interval)
        except OfftracfsError as error:
            save_failure(database, error)
            report(error)
            if isinstance(error, Suspicious):
                options = {}
            # Servers lock an account for which a wrong password is tried every minute.
            pause = min(2 * pause, MAX_PAUSE) if isinstance(error, LoginRefused) else interval
            await trio.sleep(pause)


def save_failure(database: Database, error: OfftracfsError) -> None:
    """Save in the database's state that a sync has failed.

    If it failed because another process was syncing, nothing is saved: that process will save how its own
    sync ended. This takes only the writer's lock, which every sync takes before it saves the state.
    """
    if isinstance(error, DatabaseBusy) and database.fetcher():
        return
    with suppress(DatabaseBusy), database.writing("sync"):
        state = database.state()
        state.ended, state.error = records.iso(datetime.now(UTC).replace(microsecond=0)), str(error)
        database.save(state)
