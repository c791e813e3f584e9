"""A tracker's news come into the database, once, in order, and nothing else does."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack, aclosing, closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from offtracfs import check, index, records, sync
from offtracfs.database import Database
from offtracfs.errors import (
    DatabaseBusy,
    DatabaseDamaged,
    LoginRefused,
    PermissionMissing,
    Suspicious,
    TrackerError,
)
from offtracfs.store import Store
from offtracfs.sync.fetch import Action, decide
from offtracfs.sync.items import Files
from offtracfs.sync.spool import Spool
from offtracfs.trackers import Missing, Tracker
from tests import faults
from tests.mounting import append, damage
from tests.standin import Answerer, StandInTrac
from tests.standinteamtrack import StandInTeamTrack
from tests.syncing import StandIn, expected, git, log, mirrored, new_database, swept, synced

DAY = datetime(2020, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

of_each_kind = pytest.mark.parametrize("trac", ["Trac", "TeamTrack"], indirect=True)
by_both = pytest.mark.parametrize("look", [swept, partial(synced, full=True)], ids=["sweep", "full"])
"""What the daily sweep finds, and `--full`, too."""


@pytest.fixture
def trac(request: pytest.FixtureRequest, tmp_path: Path) -> StandIn:
    """A small tracker with some past: a Trac, unless a test asks for each kind."""
    trac = StandInTeamTrack(tmp_path) if getattr(request, "param", "") == "TeamTrack" else StandInTrac()
    for day in range(5):
        number = trac.create(f"ticket {day}", DAY + timedelta(days=day), component="component1")
        trac.change(number, DAY + timedelta(days=day, hours=1), "bob", "taken", status="assigned")
    if isinstance(trac, StandInTrac):
        trac.set_report(1, "Active", "SELECT 1")
    trac.clock = DAY + timedelta(days=30)
    return trac


@pytest.fixture
def database(tmp_path: Path, trac: StandIn) -> Database:
    """An empty database for it."""
    return new_database(tmp_path / "db", trac)


def calls(trac: StandInTrac, method: str) -> list[list[Any]]:
    """The parameters of every call of a method, those inside multicalls too."""
    bodies = (json.loads(request.content) for request in trac.requests if request.method == "POST")
    inner = (one for body in bodies for one in (body["params"] if "multicall" in body["method"] else [body]))
    return [one["params"] for one in inner if one["method"] == method]


@pytest.mark.parametrize(
    ("stored", "found", "action"),
    [
        (None, {"1.json": b"r", "1.log": b"l"}, Action.ADD),
        ({"1.json": b"r", "1.log": b"l"}, {"1.json": b"r", "1.log": b"l"}, Action.NOTHING),
        ({"1.json": b"r", "1.log": b"l"}, {"1.json": b"r", "1.log": b"m"}, Action.CHANGE),
        ({"1.json": b"r"}, {"1.json": b"r", "1.log": b"l"}, Action.CHANGE),
        ({"1.json": b"r"}, Missing(1, "gone", gone=True), Action.DELETE),
        (None, Missing(1, "gone", gone=True), Action.NOTHING),
        ({"1.json": b"r"}, Missing(1, "broken"), Action.RETRY),
        (None, Missing(1, "broken"), Action.RETRY),
    ],
)
def test_decide(stored: Files | None, found: Files | Missing, action: Action) -> None:
    """What is done about an item depends on what is stored and what was found, and on nothing else."""
    assert decide(stored, found) is action


async def test_first_sync(trac: StandInTrac, database: Database) -> None:
    """The first sync brings everything: fields, reports, and the tickets' whole past."""
    outcome = await synced(database, trac)
    assert mirrored(database) == expected(trac)
    assert (outcome.new, outcome.changed, outcome.commits, outcome.problems) == (5, 0, 11, [])
    assert log(database, "%cI %an %s")[:4] == [
        "2020-01-01T00:00:00Z offtracfs Fields and reports as first seen",
        "2020-01-01T00:00:00Z admin #1 created: ticket 0",
        "2020-01-01T01:00:00Z bob #1 status: new → assigned",
        "2020-01-02T00:00:00Z admin #2 created: ticket 1",
    ]
    with database.snapshot() as snapshot:
        assert snapshot.load("report/1.json")["title"] == "Active"
        assert snapshot.load("field/type/defect.json") == "1"
        known = {"recent": "2020-01-05T01:00:00", "settled": "2020-01-30T23:59:00"}
        assert snapshot.load("db.json") == known
    assert list(check.check(database)) == []


async def test_progress(trac: StandInTrac, database: Database) -> None:
    """Each part of a sync counts to the end that it has said."""
    said: dict[str, list[tuple[int, int | None]]] = {}

    def note(what: str, done: int, total: int | None) -> None:
        said.setdefault(what, []).append((done, total))

    outcome = await synced(database, trac, progress=note)
    assert "past" not in said
    assert said["tickets"] == [(number, 5) for number in range(1, 6)]
    assert said["git"] == [(number, outcome.commits) for number in range(1, outcome.commits + 1)]
    said.clear()
    trac.change(2, trac.clock, status="closed")
    trac.change(2, trac.clock, comment="and more")
    outcome = await synced(database, trac, progress=note)
    assert said["git"] == [(number, outcome.commits) for number in range(1, outcome.commits + 1)]


@of_each_kind
async def test_nothing_new(trac: StandIn, database: Database) -> None:
    """A sync with nothing new makes at most five requests and no commit, and does not touch the index."""
    await synced(database, trac)
    head, index = database.store.head(), (database.path / "index.db").read_bytes()
    outcome = await synced(database, trac)
    assert outcome.requests <= 5
    assert (outcome.new, outcome.changed, outcome.commits) == (0, 0, 0)
    assert database.store.head() == head
    assert (database.path / "index.db").read_bytes() == index


async def test_empty_tracker(tmp_path: Path) -> None:
    """A tracker without tickets is mirrored too, and its first ticket comes as any other."""
    trac = StandInTrac()
    database = new_database(tmp_path / "db", trac)
    await synced(database, trac)
    assert mirrored(database) == {}
    trac.clock += HOUR
    trac.create("first", trac.clock)
    await synced(database, trac)
    assert mirrored(database) == expected(trac)


async def test_one_commit_a_change(trac: StandInTrac, database: Database) -> None:
    """Each change is a commit by its author at its time, oldest first; the comment is its body."""
    await synced(database, trac)
    begin = trac.clock
    trac.change(1, begin + 1 * HOUR, "alice", "Works\nfor me.", status="closed", resolution="fixed")
    trac.change(2, begin + 2 * HOUR, "bob", "", priority="minor")
    trac.change(1, begin + 3 * HOUR, "carol", "no", status="reopened", resolution="")
    new = trac.create("sixth", begin + 4 * HOUR, author="dave")
    trac.clock += 10 * HOUR
    outcome = await synced(database, trac)
    assert mirrored(database) == expected(trac)
    assert (outcome.new, outcome.changed, outcome.commits) == (1, 2, 4)
    assert log(database, "%an %aI %cI %s")[11:] == [
        "alice 2020-01-31T01:00:00Z 2020-01-31T01:00:00Z #1 status: assigned → closed, resolution: fixed",
        "bob 2020-01-31T02:00:00Z 2020-01-31T02:00:00Z #2 priority: major → minor",
        "carol 2020-01-31T03:00:00Z 2020-01-31T03:00:00Z #1 status: closed → reopened, resolution cleared",
        f"dave 2020-01-31T04:00:00Z 2020-01-31T04:00:00Z #{new} created: sixth",
    ]
    assert git(database, "log", "-1", "--format=%b", "main~3").strip() == "Works\nfor me."
    changed = git(database, "log", "--format=", "--name-only", "main", "--", "db.json").split()
    assert changed == ["db.json"] * 2  # once a sync


@of_each_kind
async def test_late_change(trac: StandIn, database: Database) -> None:
    """A change that arrives late keeps its author date, and takes the first moment that is not settled."""
    await synced(database, trac)
    late = trac.clock - timedelta(minutes=4)
    trac.change(1, late, "alice", "late")
    trac.clock += HOUR
    await synced(database, trac)
    assert log(database, "%aI %cI")[-1] == "2020-01-30T23:56:00Z 2020-01-30T23:59:00Z"
    assert database.state().settled == int(trac.clock.timestamp()) - 60


@of_each_kind
async def test_a_copy_of_git_keeps_what_is_settled(trac: StandIn, database: Database, tmp_path: Path) -> None:
    """Where git alone was copied, a late change still gets no date that readers were told is settled."""
    await synced(database, trac)
    copy = new_database(tmp_path / "copy", trac)
    shutil.rmtree(copy.path / "git")
    shutil.copytree(database.path / "git", copy.path / "git")
    copy = Database(copy.path)
    assert copy.state().settled == 0
    trac.change(1, trac.clock - timedelta(minutes=4), "alice", "late")
    trac.clock += HOUR
    await synced(copy, trac)
    assert log(copy, "%aI %cI")[-1] == "2020-01-30T23:56:00Z 2020-01-30T23:59:00Z"
    assert copy.state().settled == int(trac.clock.timestamp()) - 60
    with copy.snapshot() as snapshot:
        assert snapshot.settled == copy.state().settled


@of_each_kind
async def test_the_later_of_both_is_settled(trac: StandIn, database: Database) -> None:
    """What syncs without news have settled since the last commit stands, too."""
    await synced(database, trac)
    trac.clock += HOUR
    assert (await synced(database, trac)).commits == 0
    with database.snapshot() as snapshot:
        assert snapshot.settled == database.state().settled - 3600
    trac.change(1, trac.clock - timedelta(minutes=4), "alice", "late")
    trac.clock += HOUR
    await synced(database, trac)
    assert log(database, "%aI %cI")[-1] == "2020-01-31T00:56:00Z 2020-01-31T00:59:00Z"


@pytest.mark.parametrize("known", [{}, {"settled": 5}, {"settled": "yesterday"}])
async def test_a_db_json_that_does_not_say(trac: StandInTrac, database: Database, known: object) -> None:
    """A db.json of an earlier version says nothing of what is settled, and is read as before."""
    await synced(database, trac)
    with database.snapshot() as snapshot:
        recent = snapshot.recent
    append(database, (int(trac.clock.timestamp()), {"db.json": records.dump({"recent": recent} | known)}))  # type: ignore[operator]
    with database.snapshot() as snapshot:
        assert (snapshot.recent, snapshot.settled) == (recent, 0)
    trac.change(1, trac.clock + HOUR, "bob", "news")
    trac.clock += 2 * HOUR
    assert (await synced(database, trac)).changed == 1
    with database.snapshot() as snapshot:
        assert snapshot.settled == database.state().settled


async def test_impossible_dates(trac: StandInTrac, database: Database) -> None:
    """Tickets dated 1901 and 2099 arrive, and spoil neither the clock of the branch nor later syncs."""
    await synced(database, trac)
    old = trac.create("old", datetime(1901, 1, 1, tzinfo=UTC))
    trac.tickets[old].changed = trac.clock
    trac.create("far", datetime(2099, 1, 1, tzinfo=UTC))
    trac.clock += HOUR
    await synced(database, trac)
    assert mirrored(database) == expected(trac)
    trac.change(1, trac.clock, "bob", "after")
    trac.clock += HOUR
    await synced(database, trac)
    assert mirrored(database) == expected(trac)
    stamps = [int(line) for line in log(database, "%ct")]
    assert stamps == sorted(stamps)
    assert stamps[-1] <= trac.clock.timestamp()
    assert "4070908800" in log(database, "%at")
    assert list(check.check(database)) == []


async def test_clock_runs_backwards(trac: StandInTrac, database: Database) -> None:
    """Where the tracker's clock is put back, changes still arrive, and the branch's dates do not fall."""
    await synced(database, trac)
    trac.clock -= timedelta(days=3)
    trac.change(1, trac.clock, "bob", "in the past", status="closed")
    await synced(database, trac, full=True)
    assert mirrored(database) == expected(trac)
    stamps = [int(line) for line in log(database, "%ct")]
    assert stamps == sorted(stamps)


@by_both
async def test_deleted_ticket(trac: StandInTrac, database: Database, look: Any) -> None:
    """A deleted ticket is noticed by a sweep, goes in a commit by offtracfs, and can still be seen before."""
    await synced(database, trac)
    trac.delete(3)
    trac.clock += HOUR
    assert (await synced(database, trac)).deleted == 0
    outcome = await look(database, trac)
    assert (outcome.deleted, outcome.commits) == (1, 1)
    assert mirrored(database) == expected(trac)
    assert log(database, "%an %s")[-1] == "offtracfs Noticed: 2 records that changed unlogged"
    assert "ticket/3.json is gone" in git(database, "log", "-1", "--format=%b", "main")
    assert "ticket/0/0/0/3.json" in git(database, "ls-tree", "-r", "--name-only", "main~1")


async def test_deleted_while_it_is_fetched(
    trac: StandInTrac, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ticket that the tracker lists as changed, and then does not know, is deleted at once."""
    await synced(database, trac)
    trac.change(2, trac.clock + HOUR)
    trac.clock += 2 * HOUR
    trac.delete(2)
    monkeypatch.setattr(trac, "_recent", lambda _: [2])
    outcome = await synced(database, trac)
    assert outcome.deleted == 1
    assert mirrored(database) == expected(trac)


@pytest.mark.parametrize("tickets", [10, 200])
async def test_sweep_is_cheap(tmp_path: Path, tickets: int) -> None:
    """A silent rename is found in a number of requests that does not grow with the tickets."""
    trac = StandInTrac()
    for number in range(tickets):
        component = "component1" if number == 3 else "component2"
        trac.create("x", DAY + number * HOUR, component=component)
    trac.clock += 300 * HOUR
    database = new_database(tmp_path / "db", trac)
    await synced(database, trac)
    trac.rename_component("component1", "kernel")
    trac.clock += HOUR
    outcome = await swept(database, trac)
    assert mirrored(database) == expected(trac)
    assert outcome.requests <= 14
    assert (outcome.changed, outcome.commits) == (1, 1)
    with database.snapshot() as snapshot:
        assert not snapshot.has("field/component/component1.json")
        assert snapshot.has("field/component/kernel.json")


async def test_full_reads_every_ticket_again(trac: StandInTrac, database: Database) -> None:
    """`--full` asks for each ticket and log, once, as the first sync does, and then finds nothing new."""
    first = await synced(database, trac)
    wanted = [calls(trac, method) for method in ("ticket.get", "ticket.changeLog")]
    head = database.store.head()
    trac.requests.clear()
    outcome = await synced(database, trac, full=True)
    assert [calls(trac, method) for method in ("ticket.get", "ticket.changeLog")] == wanted
    assert outcome.requests == first.requests
    assert (outcome.new, outcome.changed, outcome.commits, outcome.swept) == (0, 0, 0, True)
    assert database.store.head() == head


async def test_interrupted_full(trac: StandInTrac, database: Database) -> None:
    """`--full` broken off keeps only what differs; the next also finds what changed since without a trace."""
    await synced(database, trac)
    stored = mirrored(database)
    for owners in ({2: "x"}, {2: "y", 3: "z"}, {2: "", 4: "w"}):
        for number, owner in owners.items():
            trac.tickets[number].values["owner"] = owner
        trac.faults.extend([trac.honest] * 3)  # hello, the list of tickets, the tickets
        trac.always = faults.status(404)
        with pytest.raises(TrackerError):
            await synced(database, trac, full=True)
        trac.always = None
        differs = {n for n in trac.tickets if stored[path := f"ticket/{n}.json"] != expected(trac)[path]}
        with closing(Spool(database.path / "spool.db")) as spool:
            assert spool.keys("ticket") == differs
    outcome = await synced(database, trac, full=True)
    assert (outcome.changed, outcome.commits) == (2, 1)
    assert mirrored(database) == expected(trac)


async def test_full_that_finds_nothing_writes_nothing(trac: StandInTrac, database: Database) -> None:
    """Where nothing has changed, `--full` has not even begun a spool when all is read."""
    await synced(database, trac)
    trac.faults.extend([trac.honest] * 3)
    trac.always = faults.status(404)
    with pytest.raises(TrackerError):
        await synced(database, trac, full=True)
    with closing(Spool(database.path / "spool.db")) as spool:
        assert (spool.started, spool.keys("ticket")) == (None, set())


@of_each_kind
async def test_daily_sweep(trac: StandIn, database: Database) -> None:
    """Once a day a sync sweeps by itself."""
    await synced(database, trac)
    trac.delete(3)
    outcome = await swept(database, trac)
    assert (outcome.swept, outcome.deleted) == (True, 1)
    assert not (await synced(database, trac)).swept


async def test_daily_sweep_finds_what_no_log_tells(trac: StandInTrac, database: Database) -> None:
    """An owner and a creation time that changed unlogged come with the daily sweep, and nothing else."""
    await synced(database, trac)
    trac.clock += HOUR

    async def swept_by_the_day() -> list[list[Any]]:
        state = database.state()
        state.swept = "2020-01-01T00:00:00"
        database.save(state)
        trac.requests.clear()
        assert (await synced(database, trac)).swept
        return sorted(calls(trac, "ticket.get"))

    recent = [5]  # was changed within five minutes of what the first sync saw
    assert await swept_by_the_day() == [recent]
    trac.tickets[2].values["owner"] = "heidi"
    trac.tickets[4].created -= timedelta(minutes=7)
    assert await swept_by_the_day() == [[2], [4], recent]
    assert mirrored(database) == expected(trac)
    assert await swept_by_the_day() == [recent]


@by_both
async def test_attachments(trac: StandInTrac, database: Database, look: Any) -> None:
    """A new attachment comes with the next sync, though no time moves; a deleted one by a sweep."""
    await synced(database, trac)
    trac.clock += HOUR
    trac.attach(4, "a.png", "what it looks like")
    trac.clock += HOUR
    outcome = await synced(database, trac)
    assert outcome.changed == 1
    assert mirrored(database) == expected(trac)
    assert log(database, "%s")[-1] == "#4 attachment: a.png"
    trac.tickets[4].log = [row for row in trac.tickets[4].log if row[5]]
    await look(database, trac)
    assert mirrored(database) == expected(trac)


@by_both
async def test_reports(trac: StandInTrac, database: Database, look: Any) -> None:
    """A changed report is found by a sweep; where the permission for reports is lost, all are kept."""
    await synced(database, trac)
    trac.set_report(1, "Active", "SELECT 2")
    trac.set_report(2, "Mine", "query:?owner=$USER")
    await look(database, trac)
    with database.snapshot() as snapshot:
        assert snapshot.load("report/1.json")["sql"].endswith("SELECT 2")
        assert "query:" in snapshot.load("report/2.json")["sql"]
    trac.lacks = {"REPORT_VIEW"}
    outcome = await look(database, trac)
    assert any("report" in problem.lower() for problem in outcome.problems)
    with database.snapshot() as snapshot:
        assert snapshot.has("report/1.json")
        assert snapshot.has("report/2.json")


async def test_lost_permission(trac: StandInTrac, database: Database) -> None:
    """A lost TICKET_VIEW is noticed by the next sync, and explained; nothing is lost by it."""
    await synced(database, trac)
    before = mirrored(database)
    trac.change(1, trac.clock, "bob", "unseen")
    trac.lacks, trac.clock = {"TICKET_VIEW"}, trac.clock + HOUR
    with pytest.raises(PermissionMissing, match="permission add admin TICKET_VIEW"):
        await synced(database, trac)
    assert "TICKET_VIEW" in database.state().error
    assert mirrored(database) == before
    trac.lacks = set()
    assert (await synced(database, trac)).changed == 1
    assert mirrored(database) == expected(trac)


def losing(trac: StandInTrac) -> Answerer:
    """The permission to see tickets is lost just before one is asked for."""

    def answer(request: httpx.Request) -> httpx.Response:
        if b'"ticket.get"' in request.content:
            trac.lacks = {"TICKET_VIEW"}
        return trac.honest(request)

    return answer


async def test_permission_lost_within_a_sync(trac: StandInTrac, database: Database) -> None:
    """A ticket that may not be seen any more is no deleted one: it is named, kept, and asked for again."""
    await synced(database, trac)
    before = mirrored(database)
    trac.change(1, trac.clock, "bob", "unseen")
    trac.always = losing(trac)
    outcome = await synced(database, trac)
    assert "1 cannot be had: TICKET_VIEW privileges are required" in outcome.problems[0]
    assert (outcome.deleted, outcome.commits) == (0, 0)
    assert mirrored(database) == before
    trac.always, trac.lacks = None, set()
    assert (await synced(database, trac)).changed == 1
    assert mirrored(database) == expected(trac)


async def test_what_is_not_listed_is_not_asked_for_for_ever(trac: StandInTrac, database: Database) -> None:
    """A ticket that could not be had is asked for again until a sweep shows that there is none."""
    await synced(database, trac)
    trac.clock += HOUR
    number = trac.create("broken", trac.clock)
    trac.broken.add(number)
    await synced(database, trac)
    assert database.state().missing == {"ticket": [number]}
    trac.broken.clear()
    del trac.tickets[number]
    trac.broken.add(number)
    await swept(database, trac)
    assert database.state().missing == {}


async def test_permission_missing_from_the_first(trac: StandInTrac, database: Database) -> None:
    """Without TICKET_VIEW a first sync fails: that is no tracker without tickets."""
    trac.lacks = {"TICKET_VIEW"}
    with pytest.raises(PermissionMissing, match="permission add admin TICKET_VIEW"):
        await synced(database, trac)
    assert database.store.head() is None


@pytest.mark.parametrize("bad", [{"name": ["risk"]}, {"label": "Risk"}, "risk"])
async def test_definition_without_shape(trac: StandInTrac, database: Database, bad: object) -> None:
    """Definitions that cannot be used are named and left out, with what was stored kept; all else arrives."""
    await synced(database, trac)
    with database.snapshot() as snapshot:
        before = snapshot.get("fields.json")
    trac.definitions = [bad]
    trac.components["network"] = "bob"
    trac.tickets[2].values["keywords"] = "unlogged"
    outcome = await synced(database, trac, full=True)
    assert [problem.partition(":")[0] for problem in outcome.problems] == ["fields.json is left out"]
    assert mirrored(database) == expected(trac)
    with database.snapshot() as snapshot:
        assert snapshot.get("fields.json") == before
        assert snapshot.has("field/component/network.json")
        assert "report/1.json" in snapshot.paths("report")


async def test_new_value_brings_fields(trac: StandInTrac, database: Database) -> None:
    """A ticket with a component not seen before brings the fields, without waiting for the sweep."""
    await synced(database, trac)
    trac.components["network"] = "bob"
    trac.clock += HOUR
    trac.change(1, trac.clock, "bob", component="network")
    outcome = await synced(database, trac)
    assert not outcome.swept
    with database.snapshot() as snapshot:
        assert snapshot.load("field/component/network.json")["owner"] == "bob"


@by_both
async def test_sudden_emptiness(tmp_path: Path, look: Any) -> None:
    """Where many tickets are suddenly gone they are kept, the rest arrives; --accept-deletions helps."""
    trac = StandInTrac()
    for _ in range(60):
        trac.create("x", DAY)
    trac.clock += HOUR
    database = new_database(tmp_path / "db", trac)
    await synced(database, trac)
    for number in range(1, 31):
        trac.delete(number)
    trac.change(40, trac.clock, "bob", "still here")
    trac.clock += HOUR
    with pytest.raises(Suspicious, match=r"30 of 60 tickets .* --accept-deletions"):
        await look(database, trac)
    found = mirrored(database)
    assert "ticket/1.json" in found
    assert b"still here" in found["changelog/40.json"]
    assert "30 of 60" in database.state().error
    await synced(database, trac)
    assert any("30 of 60" in problem for problem in database.state().problems)
    outcome = await look(database, trac, accept_deletions=True)
    assert outcome.deleted == 30
    assert mirrored(database) == expected(trac)
    assert database.state().error == ""


async def test_one_broken_ticket(trac: StandInTrac, database: Database) -> None:
    """A ticket that cannot be had, or is misshapen, is named and left out; it comes when it is mended."""
    trac.broken, trac.misshapen = {2}, {4}
    outcome = await synced(database, trac)
    assert len(outcome.problems) == 2
    assert all(any(f"icket {n}" in problem for problem in outcome.problems) for n in (2, 4))
    assert set(mirrored(database)) == {
        f"{top}/{n}.json" for top in ("ticket", "changelog") for n in (1, 3, 5)
    }
    trac.broken, trac.misshapen = set(), set()
    await synced(database, trac, full=True)
    assert mirrored(database) == expected(trac)


async def test_interrupted_first_sync(tmp_path: Path) -> None:
    """A first sync that breaks off goes on where it was: what has arrived is not fetched again."""
    trac = StandInTrac()
    for _ in range(400):
        trac.create("x" * 50, DAY)
    trac.clock += HOUR
    database = new_database(tmp_path / "db", trac)
    for honest in (4, 2):
        trac.faults.extend([trac.honest] * honest)
        trac.always = faults.status(404)
        with pytest.raises(TrackerError):
            await synced(database, trac)
        trac.always = None
        assert mirrored(database) == {}
    had = len(calls(trac, "ticket.get"))
    trac.requests.clear()
    trac.change(7, trac.clock + HOUR, "bob", "meanwhile")
    trac.clock += 2 * HOUR
    outcome = await synced(database, trac)
    assert outcome.new == 400
    assert mirrored(database) == expected(trac)
    again = len(calls(trac, "ticket.get"))
    assert 0 < again < 400
    assert had + again <= 400 + 100  # what was in flight when it broke off


async def test_failure_is_kept(trac: StandInTrac, database: Database) -> None:
    """How a sync failed stands in the state until one succeeds."""
    trac.always = faults.status(404)
    with pytest.raises(TrackerError) as failure:
        await synced(database, trac)
    assert database.state().error == str(failure.value)
    assert database.state().succeeded == ""
    trac.always = None
    await synced(database, trac)
    assert database.state().error == ""


@of_each_kind
async def test_one_writer(trac: StandIn, database: Database) -> None:
    """While another writes, a sync says who, does nothing, and leaves that one's state alone."""
    with database.writing("a test"), pytest.raises(DatabaseBusy, match="a test"):
        await synced(database, trac)
    assert database.state().error == ""


@of_each_kind
async def test_one_fetcher(trac: StandIn, database: Database) -> None:
    """While another fetches, a sync says who, does nothing, and leaves that one's state alone."""
    with database.fetching("a test"), pytest.raises(DatabaseBusy, match=r"is being synced by .*a test"):
        await synced(database, trac)
    assert database.state().error == ""


async def test_a_fetch_waits_for_who_writes(
    trac: StandInTrac, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who writes when a fetch has ended is waited for, and then the sync goes through."""
    await synced(database, trac)
    trac.clock += HOUR
    trac.change(1, trac.clock, "bob", "news", status="closed")
    trac.clock += HOUR
    recent, held = trac._recent, trio.Event()
    with ExitStack() as stack:

        def taken(since: Any) -> Any:
            stack.enter_context(database.writing("a save"))
            held.set()
            return recent(since)

        monkeypatch.setattr(trac, "_recent", taken)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(synced, database, trac))
            with trio.fail_after(30):
                await held.wait()
                await trio.testing.wait_all_tasks_blocked(0.05)
            monkeypatch.setattr(trac, "_recent", recent)
            assert "sync" in database.fetcher()
            assert mirrored(database) != expected(trac)
            index.rebuild(database.path, database.store)
            stack.close()
    assert mirrored(database) == expected(trac)
    assert list(check.check(database)) == []


@of_each_kind
async def test_a_failure_is_kept_while_another_fetches(trac: StandIn, database: Database) -> None:
    """To keep why a sync failed needs no lock that a slow tracker holds."""
    with database.fetching("a test"):
        sync.loop.save_failure(database, TrackerError("no"))
    assert database.state().error == "no"


@of_each_kind
async def test_one_connection_for_days(trac: StandIn, database: Database) -> None:
    """By a connection that is kept, each sync goes on from the last: what was seen is not asked for again."""
    async with aclosing(await trac.connect()) as tracker:
        await sync.sync(database, tracker)
        for hour in range(3):
            trac.clock += HOUR
            trac.change(1, trac.clock, "bob", f"comment {hour}")
            trac.clock += timedelta(minutes=1)
            outcome = await sync.sync(database, tracker)
            assert (outcome.changed, outcome.commits) == (1, 1)
            with database.snapshot() as snapshot:
                assert snapshot.recent == (trac.clock - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S")
    assert mirrored(database) == expected(trac)


async def test_missing_ticket_is_asked_for_again(trac: StandInTrac, database: Database) -> None:
    """A ticket that could not be had is asked for by each sync, and named as left out, until it comes."""
    trac.broken = {2}
    await synced(database, trac)
    trac.clock += HOUR
    assert len((await synced(database, trac)).problems) == 1
    assert len(database.state().problems) == 1
    trac.broken = set()
    assert (await synced(database, trac)).new == 1
    assert mirrored(database) == expected(trac)
    assert database.state().problems == []


async def test_what_a_sweep_left_out_stands(trac: StandInTrac, database: Database) -> None:
    """What the last sweep could not have is still said after an ordinary sync."""
    trac.lacks = {"REPORT_VIEW"}
    await synced(database, trac)
    outcome = await synced(database, trac)
    assert outcome.problems == []
    assert len(database.state().problems) == 1


@of_each_kind
async def test_damaged_ticket_stops_no_other(trac: StandIn, database: Database) -> None:
    """A damaged record is named and left as it is; all other tickets arrive."""
    await synced(database, trac)
    with database.snapshot() as snapshot:
        damage(database, snapshot.get("ticket/2.json") or b"")
    trac.clock += HOUR
    for number in (2, 3):
        trac.change(number, trac.clock, "bob", "news", status="closed")
    for full in (False, True):
        outcome = await synced(Database(database.path), trac, full=full)
        assert any("2" in problem and "damaged" in problem for problem in outcome.problems)
    with database.snapshot() as snapshot:
        assert snapshot.get("ticket/3.json") == expected(trac)["ticket/3.json"]


@pytest.mark.parametrize("path", ["fields.json", "report/1.json"])
async def test_damaged_record_stops_no_other(trac: StandInTrac, database: Database, path: str) -> None:
    """A damaged record that is no ticket's is named by each sweep and left as it is; all else arrives."""
    await synced(database, trac)
    with database.snapshot() as snapshot:
        damage(database, snapshot.get(path) or b"")
    trac.clock += HOUR
    trac.change(3, trac.clock, "bob", "news", status="closed")
    trac.components["network"] = "bob"
    del trac.tickets[1]
    outcome = await swept(Database(database.path), trac)
    assert [problem for problem in outcome.problems if path in problem and "damaged" in problem]
    assert outcome.deleted == 1
    with Database(database.path).snapshot() as snapshot:
        assert snapshot.get("ticket/3.json") == expected(trac)["ticket/3.json"]
        assert snapshot.has("field/component/network.json")


def refusing_the_table(trac: StandInTrac) -> Answerer:
    """Answers as it should, but for the table of all tickets."""

    def answer(request: httpx.Request) -> httpx.Response:
        return trac.error_page(404) if request.url.path.endswith("/query") else trac.honest(request)

    return answer


async def test_refused_sweep_stops_no_news(trac: StandInTrac, database: Database) -> None:
    """Where the table of all tickets cannot be had that is said until the next sweep; the news arrive."""
    await synced(database, trac)
    trac.clock += HOUR
    trac.change(3, trac.clock, "bob", "news", status="closed")
    del trac.tickets[1]
    trac.always = refusing_the_table(trac)
    outcome = await swept(database, trac)
    assert (outcome.swept, outcome.changed, outcome.deleted) == (True, 1, 1)
    assert [problem.partition(":")[0] for problem in outcome.problems] == ["Silent changes stay unnoticed"]
    await synced(database, trac)
    assert database.state().problems == outcome.problems
    trac.always = None
    assert (await swept(database, trac)).problems == []
    assert mirrored(database) == expected(trac)


async def test_failed_maintenance_is_a_problem(
    trac: StandInTrac, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync that has done everything but repack tells what it did, and that."""
    await synced(database, trac)
    maintain = Store.maintain
    monkeypatch.setattr(Store, "maintain", lambda store: maintain(store, packs=0))
    whole = next((database.path / "git/objects/pack").glob("*.pack"))
    for suffix in (".pack", ".idx"):
        whole.with_stem(f"pack-{'0' * 40}").with_suffix(suffix).write_bytes(b"x" * whole.stat().st_size)
    trac.clock += HOUR
    trac.change(3, trac.clock, "bob", "news", status="closed")
    outcome = await synced(database, trac)
    assert (outcome.changed, outcome.commits) == (1, 1)
    assert [problem.partition(":")[0] for problem in outcome.problems] == ["The repository was not repacked"]
    assert mirrored(database) == expected(trac)


async def test_sweep_asks_once(trac: StandInTrac, database: Database) -> None:
    """What the tracker has answered already is not asked for again by the same sync's sweep."""
    await synced(database, trac)
    trac.clock += HOUR
    trac.attach(5, "a.png")
    trac.broken = {trac.create("broken", trac.clock)}
    await synced(database, trac)
    trac.requests.clear()
    outcome = await swept(database, trac)
    assert (len(outcome.problems), database.state().missing) == (1, {"ticket": [6]})
    assert calls(trac, "ticket.get").count([5]) == 1


@of_each_kind
async def test_servers_clock_far_ahead(trac: StandIn, database: Database) -> None:
    """A server's clock that is years ahead for a while dates nothing into the far future."""
    await synced(database, trac)
    trac.clock = datetime(2099, 1, 1, tzinfo=UTC)
    await synced(database, trac)
    trac.clock = datetime.now(UTC)
    trac.change(1, trac.clock, "bob", "later")
    await synced(database, trac)
    assert int(log(database, "%ct")[-1]) < datetime.now(UTC).timestamp() + 2 * 86_400


@pytest.mark.parametrize("swept", ["2999-01-01T00:00:00", "yesterday", "2999-01-01T00:00:00Z", 7])
@of_each_kind
async def test_odd_state(trac: StandIn, database: Database, swept: object) -> None:
    """A state that nobody could have written is no obstacle: the sweep takes place."""
    await synced(database, trac)
    (database.path / "state.json").write_text(json.dumps({"swept": swept, "missing": ["x"], "settled": None}))
    assert (await synced(database, trac)).swept


async def test_refused_login_is_not_repeated_soon(
    trac: StandInTrac, database: Database, autojump_clock: trio.testing.MockClock
) -> None:
    """Where the login is refused, the pause between two tries grows up to an hour."""
    begun, tries = trio.current_time(), []

    async def refuse() -> Tracker:
        tries.append(trio.current_time() - begun)
        raise LoginRefused("no")

    with trio.move_on_after(86_400):
        await sync.watch(database, refuse, interval=60, report=lambda _: None)
    assert tries[:4] == [0, 120, 360, 840]
    assert 20 < len(tries) < 35


@of_each_kind
async def test_lost_branch_is_no_new_tracker(trac: StandIn, database: Database) -> None:
    """Where a synced database has lost branch and index, a sync says so, and does not begin anew."""
    await synced(database, trac)
    git(database, "update-ref", "-d", "refs/heads/main")
    (database.path / "index.db").unlink()
    with pytest.raises(DatabaseDamaged, match="update-ref refs/heads/main"):
        await synced(Database(database.path), trac)
    assert Database(database.path).store.head() is None
