"""A tracker's whole past in git: one commit a change, in order, as the git command line sees it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha1
from pathlib import Path
from random import Random

import pytest
import trio

from offtracfs.database import Database
from offtracfs.kinds import git_path
from offtracfs.tree import Directory
from tests.mounting import away, mounted, tree_of, walk
from tests.standin import StandInTrac
from tests.syncing import expected, git, log, mirrored, new_database, synced
from tests.truths import AUTHORS, BEGIN, Files, Life, name_of, shown

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SEED = 42
NAMES_IN_GIT = {name: name for name in AUTHORS} | {"": "unknown", "Zed <zed@example.org>": "Zed"}


@pytest.fixture(scope="module")
def life() -> Life:
    """A tracker in which 200 things happened, up to three in a second."""
    life = Life(Random(SEED))
    life.live(200)
    life.clock += HOUR
    return life


@pytest.fixture(scope="module")
def copy(life: Life, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """Its copy, first synced now."""
    database = new_database(tmp_path_factory.mktemp("copy") / "db", life)
    trio.run(partial(synced, database, life))
    return database


def seconds(moment: datetime) -> int:
    """A moment in seconds since 1970 UTC."""
    return int(moment.timestamp())


def blobs(files: Files) -> dict[str, str]:
    """Path in git and blob id of each file, by git's own rule."""
    return {
        git_path(path): sha1(b"blob %d\0%b" % (len(data), data), usedforsecurity=False).hexdigest()
        for path, data in files.items()
    }


def tree_at(database: Database, commit: str) -> dict[str, str]:
    """Path and blob id of each ticket and change log in a commit."""
    lines = git(database, "ls-tree", "-r", "-z", commit, "ticket/", "changelog/").split("\0")[:-1]
    return {path: what.split()[2] for what, path in (line.split("\t", 1) for line in lines)}


async def test_first_sync_makes_the_past(life: Life, copy: Database, tmp_path: Path, fuse: None) -> None:
    """In a mount of a tracker that was synced but once, "@T" holds for each T what the tracker held then."""
    place = tmp_path / "mnt"
    async with mounted(copy, place):
        for second in life.random.sample(life.seconds()[1:], 12):
            at = place / name_of(second)
            found = await away(walk, at)
            tickets = {path: data for path, (data, _) in found.items() if path.startswith(("ti", "ch"))}
            assert tickets == life.at(second)
            for path, (_, mtime) in found.items():
                assert mtime <= second.timestamp(), f"{path} is younger than {second}"
        assert not await away((place / name_of(life.seconds()[0])).exists)


async def test_a_ticket_is_not_there_before_it_was_opened(life: Life, copy: Database) -> None:
    """A ticket is in no "@T" before the second in which it was opened, and in that second's."""
    tree = tree_of(copy)
    for number, ticket in life.tickets.items():
        path = f"ticket/{number}.json"
        assert path not in shown(tree, name_of(ticket.created - SECOND))
        assert path in shown(tree, name_of(ticket.created))


def test_every_commit_is_the_fold_of_what_happened_before(life: Life, copy: Database) -> None:
    """Each thing that happened is one commit, and a commit's tree is what was true after it."""
    commits = log(copy, "%H %at %ct")
    assert len(commits) == 1 + len(life.states)
    for (moment, files), commit in life.random.sample([*zip(life.states, commits[1:], strict=True)], 25):
        name, authored, committed = commit.split()
        assert tree_at(copy, name) == blobs(files)
        assert authored == committed == str(int(moment.timestamp()))
    assert tree_at(copy, commits[0].split()[0]) == {}
    assert git(copy, "fsck", "--strict", "--full", "--no-progress") == ""


def test_git_and_the_mount_agree_on_every_moment(life: Life, copy: Database) -> None:
    """`git log --until=T -1` and "@T" name the same commit, at any moment, also amid several in a second."""
    tree = tree_of(copy)
    times = [datetime.fromtimestamp(int(line), UTC) for line in log(copy, "%ct")]
    assert len(set(times)) < len(times)
    around = {time + n * SECOND for time in life.random.sample(times, 20) for n in (-1, 0, 1)}
    around |= {times[0] - SECOND, times[0], times[-1]}
    length = int((times[-1] - times[0]).total_seconds())
    around |= {times[0] + life.random.randrange(length) * SECOND for _ in range(20)}
    for time in sorted(around):
        said = git(copy, "log", "-1", f"--until={time:%Y-%m-%dT%H:%M:%SZ}", "--format=%H", "main").strip()
        revision = tree.revision(name_of(time))
        assert said == (revision.commit.hex() if revision else ""), name_of(time)


def blamed(database: Database, path: str) -> dict[str, str]:
    """The author of each line of a ticket that holds a field, by `git blame`."""
    said = git(database, "blame", "--line-porcelain", "main", "--", git_path(path))
    found, author = {}, ""
    for line in said.splitlines():
        if line.startswith("author "):
            author = line.removeprefix("author ")
        elif match := re.match(r'\t +"(\w+)":', line):
            found[match[1]] = author
    return found


def test_blame_names_who_wrote_each_line(life: Life, copy: Database) -> None:
    """`git blame` of a ticket names, for each field, who gave it the value it has."""
    for number, ticket in life.tickets.items():
        found = blamed(copy, f"ticket/{number}.json")
        for name, value in ticket.values.items():
            changes = [row for row in ticket.log if row[2] == name]
            writer = changes[-1][1] if changes else life.openers[number]
            assert found[name] == NAMES_IN_GIT[writer], f"{name} of {number} is {value!r}"


async def test_log_by_author_and_time(tmp_path: Path) -> None:
    """`git log --author=bob --since=…` shows what bob did to the tracker since then."""
    trac = StandInTrac()
    number = trac.create("crash", BEGIN, author="ann")
    trac.change(number, BEGIN + 1 * HOUR, "bob", "", status="assigned")
    trac.change(number, BEGIN + 2 * HOUR, "ann", "hurry", priority="blocker")
    trac.change(number, BEGIN + 3 * HOUR, "bob", "done", status="closed", resolution="fixed")
    trac.clock = BEGIN + 4 * HOUR
    database = new_database(tmp_path / "db", trac)
    await synced(database, trac)
    everything = ["Fields and reports as first seen", "#1 created: crash", "#1 status: new → assigned"]
    everything += ["#1 priority: major → blocker", "#1 status: assigned → closed, resolution: fixed"]
    assert log(database, "%s") == everything
    bobs = git(database, "log", "--author=bob", "--since=2011-04-09T23:00:00Z", "--format=%s", "main")
    assert bobs.splitlines() == everything[-1:]
    past = git(database, "log", "--format=%an", "main", "--", "ticket/0/0/0/1.json")
    assert past.split() == ["bob", "ann", "bob", "ann"]
    blame = git(database, "blame", "main", "--", "ticket/0/0/0/1.json")
    for name, author in {"status": "bob", "priority": "ann", "resolution": "bob", "summary": "ann"}.items():
        assert re.search(rf'\({author} +2011-04-\d\d .*"{name}":', blame), blame


def test_later_syncs_go_on_as_the_first_began(copy: Database, tmp_path: Path) -> None:
    """A database that was synced now and then has the same commits as one that was synced at the end."""
    life = Life(Random(SEED))
    database = new_database(tmp_path / "db", life)
    for steps in (60, 1, 0, 100, 39):
        life.live(steps)
        trio.run(partial(synced, database, life))
    form = "%an <%ae> %at %ct %B"
    assert log(database, form) == log(copy, form)
    assert tree_at(database, "main") == tree_at(copy, "main")


async def test_late_change_among_the_past(tmp_path: Path) -> None:
    """A change that arrives late keeps its author date; its place is where the branch's clock had come to."""
    trac = StandInTrac()
    first, second = trac.create("first", BEGIN), trac.create("second", BEGIN)
    trac.change(second, BEGIN + HOUR, "bob", "on time", status="assigned")
    trac.clock = BEGIN + HOUR + 2 * MINUTE
    database = new_database(tmp_path / "db", trac)
    await synced(database, trac)
    late = BEGIN + HOUR - MINUTE
    trac.change(first, late, "ann", "late", status="closed")
    trac.clock += HOUR
    await synced(database, trac)
    settled = BEGIN + HOUR + MINUTE
    assert log(database, "%an %at %ct")[-2:] == [
        f"bob {seconds(BEGIN + HOUR)} {seconds(BEGIN + HOUR)}",
        f"ann {seconds(late)} {seconds(settled)}",
    ]
    tree, path = tree_of(database), f"ticket/{first}.json"
    assert b"closed" not in shown(tree, name_of(settled - SECOND))[path]
    assert b"closed" in shown(tree, name_of(settled))[path]
    past = tree.entries(tree.open(Directory("", f"{path}@")))
    assert [named.name for named in past][-1] == f"{late:%Y-%m-%dT%H-%M-%S}.ann.json"
    anew = new_database(tmp_path / "anew", trac)
    await synced(anew, trac)
    assert b"closed" in shown(tree_of(anew), name_of(late))[path]


async def test_impossible_dates_in_the_past(tmp_path: Path) -> None:
    """Tickets dated 1901 and 2099, and a change from before its ticket was opened, spoil no other's past."""
    life = Life(Random(SEED))
    life.live(30)
    life.clock += HOUR
    life.create("old", datetime(1901, 1, 1, tzinfo=UTC))
    far = life.create("far", datetime(2099, 1, 1, tzinfo=UTC))
    odd = life.create("odd", BEGIN)
    life.change(odd, BEGIN - 1000 * HOUR, "ann", "before", status="closed")
    database = new_database(tmp_path / "db", life)
    await synced(database, life)
    tree = tree_of(database)
    for second in life.seconds():
        found = shown(tree, name_of(second))
        assert f"ticket/{far}.json" not in found
        assert {path: found[path] for path in life.at(second)} == life.at(second)
    assert mirrored(database) == expected(life)
    stamps = [int(line) for line in log(database, "%ct")]
    assert stamps == sorted(stamps)
    assert stamps[-1] <= seconds(life.clock)
    assert git(database, "fsck", "--strict", "--full", "--no-progress") == ""


async def test_what_no_log_explains_is_dated_by_the_tracker(tmp_path: Path) -> None:
    """A first sync, years later, dates each ticket's present state at its changetime, none today."""
    trac = StandInTrac()
    moved, future, logged = (trac.create(name, BEGIN) for name in ("moved", "future", "logged"))
    for number in moved, logged, future:
        trac.change(number, BEGIN + HOUR, "bob", "", component="component1")
    trac.rename_component("component1", "kernel")  # no row tells of it
    trac.tickets[moved].changed = BEGIN + 2 * HOUR
    trac.tickets[future].changed = datetime(2099, 1, 1, tzinfo=UTC)
    trac.clock = BEGIN + 100_000 * HOUR
    database = new_database(tmp_path / "db", trac)
    await synced(database, trac)
    assert mirrored(database) == expected(trac)
    what = "changed, the log does not say how"
    assert log(database, "%an %at %ct %s")[-3:] == [
        f"unknown {seconds(BEGIN + HOUR)} {seconds(BEGIN + HOUR)} #{logged} {what}",
        f"unknown {seconds(BEGIN + 2 * HOUR)} {seconds(BEGIN + 2 * HOUR)} #{moved} {what}",
        f"unknown 4070908800 {seconds(trac.clock)} #{future} {what}",  # the tracker's clock is the limit
    ]
    then = shown(tree_of(database), name_of(BEGIN + 2 * HOUR))
    for number in moved, logged:
        assert then[f"ticket/{number}.json"] == expected(trac)[f"ticket/{number}.json"]


async def test_a_later_sync_dates_what_it_notices_when_it_notices_it(tmp_path: Path) -> None:
    """What changed unlogged is dated when a later sync notices it, but at its changetime if new here."""
    trac = StandInTrac()
    known = trac.create("known", BEGIN, component="component1")
    trac.clock = BEGIN + HOUR
    database = new_database(tmp_path / "db", trac)
    await synced(database, trac)
    new = trac.create("new", BEGIN + 2 * HOUR)
    trac.change(new, BEGIN + 3 * HOUR, "bob", "", component="component1")
    trac.rename_component("component1", "kernel")
    trac.clock = BEGIN + 9 * HOUR
    await synced(database, trac, full=True)
    assert mirrored(database) == expected(trac)
    assert log(database, "%an %at %s")[-2:] == [
        f"unknown {seconds(BEGIN + 3 * HOUR)} #{new} changed, the log does not say how",
        f"offtracfs {seconds(trac.clock)} Noticed: 4 records that changed unlogged",
    ]
    assert b"kernel" not in shown(tree_of(database), name_of(BEGIN + 8 * HOUR))[f"ticket/{known}.json"]
    assert b"kernel" in shown(tree_of(database), name_of(BEGIN + 3 * HOUR))[f"ticket/{new}.json"]
