"""A tracker that changes, fails and forgets on one side, a database on the other: they converge."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import trio
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from offtracfs import check
from offtracfs.errors import OfftracfsError
from tests import faults
from tests.helpers import NEW_STORIES, examples, rebuilt, tables
from tests.standin import StandInTrac
from tests.standinteamtrack import StandInTeamTrack
from tests.syncing import StandIn, a_day_later, expected, log, mirrored, new_database, synced

WORDS = st.sampled_from(["", "a", "é\r\nb", "\x1b[31m", "x\ud800", "\U0001f600" * 9, "same", "same "])
COMPONENTS = st.sampled_from(["", "component1", "component2"])
STATUS = st.sampled_from(["new", "assigned", "closed", "reopened"])
HTTP_FAULTS = [
    faults.dies,
    faults.unreachable,
    faults.status(500),
    faults.status(403),
    faults.body(b"<html>not here</html>", "text/html"),
    faults.body(b'{"result": [{"res'),
    faults.body(b'{"result": null, "error": null}'),
]
SQL_FAULTS = [
    sqlite3.OperationalError("database is locked"),
    sqlite3.OperationalError("disk I/O error"),
    sqlite3.OperationalError("Could not decode to UTF-8 column 'TS_TITLE'"),
    sqlite3.DatabaseError("database disk image is malformed"),
    sqlite3.DatabaseError("file is not a database"),
]


class Sync(RuleBasedStateMachine):
    """Rules are what users, admins, the network and the machine do; of which tracker, its subclasses say."""

    faults: ClassVar[Sequence[Any]]

    def new_tracker(self) -> StandIn:
        """The tracker, with nothing in it."""
        raise NotImplementedError

    @initialize()
    def begin(self) -> None:
        """A new tracker and a database for it."""
        self.directory = Path(tempfile.mkdtemp())
        self.trac = self.new_tracker()
        self.database = new_database(self.directory / "db", self.trac)
        self.changed = True
        self.heads: dict[str, str] = {}

    def teardown(self) -> None:
        """At the end all is well, and both sides hold the same."""
        if hasattr(self, "database"):
            self.trac.faults.clear()
            self.sync(full=True)
            assert mirrored(self.database) == expected(self.trac)
            assert list(check.check(self.database)) == []
            assert tables(self.database.path) == rebuilt(self.database.store)
            shutil.rmtree(self.directory)

    def tick(self, seconds: int) -> datetime:
        """Some time goes by."""
        self.trac.clock += timedelta(seconds=seconds)
        return self.trac.clock

    def sync(self, **options: bool) -> bool:
        """Whether a sync succeeded."""
        try:
            trio.run(lambda: synced(self.database, self.trac, accept_deletions=True, **options))
        except OfftracfsError:
            return False
        return True

    def some(self, choice: int) -> int:
        """One of the tickets."""
        return list(self.trac.tickets)[choice % len(self.trac.tickets)]

    @rule(summary=WORDS, component=COMPONENTS, wait=st.integers(0, 400))
    def create(self, summary: str, component: str, wait: int) -> None:
        """A ticket is opened."""
        self.trac.create(summary, self.tick(wait), component=component)

    @precondition(lambda self: self.trac.tickets)
    @rule(which=st.integers(0), wait=st.integers(0, 400), comment=WORDS, status=STATUS, owner=WORDS)
    def change(self, which: int, wait: int, comment: str, status: str, owner: str) -> None:
        """A ticket is changed."""
        self.trac.change(self.some(which), self.tick(wait), owner, comment, status=status, owner=owner)

    @precondition(lambda self: self.trac.tickets)
    @rule(which=st.integers(0), late=st.integers(1, 250))
    def change_late(self, which: int, late: int) -> None:
        """A change lands behind what was already seen, as a slow transaction does."""
        number = self.some(which)
        when = max(self.trac.clock - timedelta(seconds=late), self.trac.tickets[number].changed)
        self.trac.change(number, when + timedelta(microseconds=1), "late", "slow", status="closed")

    @precondition(lambda self: self.trac.tickets)
    @rule(which=st.integers(0))
    def delete(self, which: int) -> None:
        """A ticket is deleted."""
        self.trac.delete(self.some(which))

    @precondition(lambda self: self.trac.tickets)
    @rule(which=st.integers(0), value=WORDS)
    def change_silently(self, which: int, value: str) -> None:
        """An admin's SQL statement changes a ticket."""
        self.trac.change_silently(self.some(which), value)

    @rule(letter=st.sampled_from("abc"))
    def rename(self, letter: str) -> None:
        """A component is renamed."""
        first = next(iter(self.trac.components))
        self.trac.rename_component(first, first + letter)

    @rule(honest=st.integers(0, 6), which=st.integers(0, 6))
    def fail(self, honest: int, which: int) -> None:
        """After some good answers comes a bad one."""
        self.trac.fail_after(honest, self.faults[which % len(self.faults)])

    @rule()
    def lose_index(self) -> None:
        """The index is deleted."""
        (self.database.path / "index.db").unlink(missing_ok=True)

    @rule(hours=st.integers(1, 30))
    def clock_is_put_back(self, hours: int) -> None:
        """The server's clock is put back; what is changed then lies behind what was seen."""
        self.trac.clock -= timedelta(hours=hours)

    @rule()
    def sync_a_little(self) -> None:
        """An ordinary sync, which may fail."""
        self.sync()

    @rule(full=st.booleans())
    def sync_all(self, full: bool) -> None:
        """The daily sweep or a full sync; then both sides hold the same, and so does the index built anew."""
        self.trac.faults.clear()
        if not full:
            a_day_later(self.database)
        assert self.sync(full=full)
        found, wanted = mirrored(self.database), expected(self.trac)
        assert found.keys() == wanted.keys()
        assert [
            path for path in wanted if (full or self.trac.swept(path)) and found[path] != wanted[path]
        ] == []
        assert tables(self.database.path) == rebuilt(self.database.store)

    @invariant()
    def history_stands(self) -> None:
        """The branch only grows, in the order of its clock, and what readers were told is settled stays."""
        if not hasattr(self, "database") or self.database.store.head() is None:
            return
        commits = [line.split() for line in log(self.database, "%H %ct")]
        known = [commit for commit, _ in commits]
        assert known[: len(self.heads)] == list(self.heads)
        stamps = [int(stamp) for _, stamp in commits]
        assert stamps == sorted(stamps)
        self.heads = dict(commits)


class SyncTrac(Sync):
    """A Trac has more that changes."""

    faults = HTTP_FAULTS
    trac: StandInTrac

    def new_tracker(self) -> StandInTrac:
        """A Trac."""
        return StandInTrac()

    @precondition(lambda self: self.trac.tickets)
    @rule(which=st.integers(0), name=st.sampled_from(["", "é b.png", "&<>"]))
    def attach(self, which: int, name: str) -> None:
        """A file is attached."""
        self.tick(1)
        self.trac.attach(self.some(which), "file" + name)

    @rule(sql=st.sampled_from(["SELECT 1", "SELECT 'é'", "SELECT 3\r\n"]), number=st.integers(1, 3))
    def report(self, sql: str, number: int) -> None:
        """A report is written."""
        self.trac.set_report(number, "Report", sql)


class SyncTeamTrack(Sync):
    """A TeamTrack's database."""

    faults = SQL_FAULTS

    def new_tracker(self) -> StandInTeamTrack:
        """Its file is beside the database."""
        return StandInTeamTrack(self.directory)


# The same walks in each `make test`: what fails there is the fault of a change. New and more ones in
# `make test-all`: run each night, it finds what nobody thought of.
STORIES = examples(
    10,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    derandomize=not NEW_STORIES,
)
SyncTrac.TestCase.settings = SyncTeamTrack.TestCase.settings = STORIES
TestSyncTrac = SyncTrac.TestCase
TestSyncTeamTrack = SyncTeamTrack.TestCase
