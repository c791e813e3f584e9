"""`offtracfs index`, as a real process."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from offtracfs import index
from offtracfs.database import Database
from offtracfs.index import Reader
from offtracfs.index.opening import LINK, VERSION
from tests.helpers import git, tables
from tests.program import SPRING, ServedTrac, offtracfs, run, serving, started, user


@pytest.fixture(scope="module")
def trac() -> Iterator[ServedTrac]:
    """A Trac on loopback with three tickets."""
    with serving(3) as served:
        yield served


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory, trac: ServedTrac) -> Path:
    """The home of somebody with a database of that Trac, synced."""
    place = tmp_path_factory.mktemp("synced")
    user(place, trac)
    run(place, "sync")
    return place


@pytest.fixture
def home(tmp_path: Path, synced: Path) -> Path:
    """A copy of that home."""
    return shutil.copytree(synced, tmp_path / "home", symlinks=True)


def set_version(home: Path, version: int) -> None:
    with closing(sqlite3.connect(home / "db" / LINK)) as connection:
        connection.execute(f"PRAGMA user_version={version}")


def test_status(home: Path) -> None:
    """The status tells the file, both versions, the revision with its commit, what is missing, the rows."""
    said = run(home, "index", "status")
    assert said == run(home, "index")
    assert re.search(r"^Index      .*/db/index\.\d+\.db: \d+(\.\d)? kB$", said, re.MULTILINE)
    assert f"Version    {VERSION}, as this program makes it\n" in said
    assert re.search(r"^Stands at  revision 4, commit [0-9a-f]{10} of \d{4}-\d\d-\d\dT", said, re.MULTILINE)
    assert "Behind     nothing\n" in said
    assert re.search(r"^Rows       offtracfs_ticket +3$", said, re.MULTILINE)
    assert re.search(r"^Search     .*/db/search\.\d+\.db: .*; revision 4, \d+ texts$", said, re.MULTILINE)
    state = json.loads(run(home, "index", "status", "--json"))
    assert (state["version"], state["program"], state["revision"], state["behind"]) == (
        VERSION,
        VERSION,
        4,
        0,
    )
    assert state["rows"]["offtracfs_ticket"] == 3
    assert (state["search"]["revision"], state["search"]["version"]) == (4, state["search"]["program"])
    (home / "db" / "search.db").unlink()
    assert "Search     none yet: the next sync builds it\n" in run(home, "index", "status")
    assert run(home, "index", "upgrade") == "There is nothing to do.\n"
    assert (home / "db" / "search.db").exists()


def test_an_index_that_lags_behind(home: Path) -> None:
    """The status counts the commits that an index lacks; an upgrade brings in just these."""
    database = Database(home / "db")
    head = git(database.store, "rev-parse", "main").strip()
    git(database.store, "update-ref", "refs/heads/main", "main~1")
    index.rebuild(database.path, database.store)
    git(database.store, "update-ref", "refs/heads/main", head)
    old = (home / "db" / LINK).resolve()
    assert "Behind     git by 1 commit, until the next sync\n" in run(home, "index", "status")
    assert run(home, "index", "upgrade") == "1 commit indexed.\n"
    assert run(home, "index", "upgrade") == "There is nothing to do.\n"
    assert (home / "db" / LINK).resolve() == old


@pytest.mark.parametrize("way", [("index", "upgrade"), ("index", "rebuild"), ("sync",)])
def test_an_older_index(home: Path, way: tuple[str, ...]) -> None:
    """An index of an earlier version says so, and is built anew; who reads the old one goes on with it."""
    before = tables(home / "db")
    with closing(Reader(home / "db")) as reader:
        set_version(home, VERSION - 1)
        said = run(home, "index", "status")
        assert f"Version    {VERSION - 1}, of an earlier program: this one makes {VERSION}, " in said
        assert re.search(r"^Rows       offtracfs_ticket +3$", said, re.MULTILINE)
        run(home, *way)
        assert reader.head()
        reader.refresh()
        assert reader.head()
    assert tables(home / "db") == before
    assert f"Version    {VERSION}, as this program makes it\n" in run(home, "index", "status")


def test_an_older_index_is_refused(home: Path) -> None:
    """A question to an index of an earlier version builds nothing: it names what does."""
    set_version(home, VERSION - 1)
    file = (home / "db" / LINK).resolve()
    for command in (["report", "1"], ["query", "id=1"], ["sql", "SELECT 1"], ["check"]):
        done = offtracfs(home, "--db", "db", *command)
        said = "The index is of an earlier version of offtracfs: "
        said += "`offtracfs --db db index upgrade` builds it anew.\n"
        assert (done.returncode, done.stdout + done.stderr) == (
            (1, said) if command == ["check"] else (65, f"offtracfs: {said}")
        )
    assert (home / "db" / LINK).resolve() == file


@pytest.mark.parametrize("command", [("index", "upgrade"), ("sync",), ("sql", "SELECT 1")])
def test_a_newer_index(home: Path, command: tuple[str, ...]) -> None:
    """An index of a later version is left alone, with a sentence; only a rebuild takes its place."""
    set_version(home, VERSION + 1)
    file = (home / "db" / LINK).resolve()
    done = offtracfs(home, "--db", "db", *command)
    assert done.returncode == 78
    assert re.fullmatch(r"offtracfs: The index was made by a later version of offtracfs: .*\n", done.stderr)
    assert (home / "db" / LINK).resolve() == file
    assert f"Version    {VERSION + 1}, of a later program" in run(home, "index", "status")
    assert run(home, "index", "rebuild") == "4 commits indexed.\n"
    run(home, *command)


def test_no_index(tmp_path: Path, trac: ServedTrac) -> None:
    """Before the first sync there is no index, and an upgrade makes an empty one."""
    user(tmp_path, trac)
    done = offtracfs(tmp_path, "--db", "db", "index", "status")
    assert (done.returncode, done.stderr) == (
        65,
        "offtracfs: There is no index: `offtracfs --db db sync` builds it.\n",
    )
    run(tmp_path, "index", "upgrade")
    assert "Stands at  no revision yet\nBehind     nothing\n" in run(tmp_path, "index")


def test_another_branch(home: Path) -> None:
    """Where git no longer has the index's commit, the status says so and an upgrade builds it anew."""
    git(Database(home / "db").store, "update-ref", "refs/heads/main", "main~1")
    assert "Behind     git's branch does not have that commit" in run(home, "index")
    assert run(home, "index", "upgrade") == "3 commits indexed.\n"


def test_wrong_usage(home: Path) -> None:
    """What does not go together is refused."""
    done = offtracfs(home, "--db", "db", "index", "rebuild", "--json")
    assert (done.returncode, done.stderr) == (64, "offtracfs: --json goes with status.\n")
    assert offtracfs(home, "--db", "db", "index", "destroy").returncode == 64


def test_one_writer(home: Path) -> None:
    """While another process writes, nothing is built, and it is named."""
    with Database(home / "db").writing("a test"):
        done = offtracfs(home, "--db", "db", "index", "rebuild")
    assert done.returncode == 75
    assert "a test" in done.stderr


def test_a_slow_tracker(home: Path, trac: ServedTrac) -> None:
    """While a sync waits for its tracker the index can be built anew; a second sync is refused."""
    trac.change(1, SPRING + timedelta(days=1), "bob", "news")
    trac.hold(b"ticket.changeLog")
    try:
        with started(home, "--db", "db", "sync", "--full") as process:
            assert trac.asked.wait(30)
            assert "4 commits indexed." in run(home, "index", "rebuild")
            done = offtracfs(home, "--db", "db", "sync")
            said = f"db is being synced by process {process.pid} (sync, since "
            assert done.returncode == 75
            assert said in done.stderr
            assert Database(home / "db").state().error == ""
            trac.gate.set()
            assert process.wait(30) == 0
    finally:
        trac.gate.set()
    assert "revision 5," in run(home, "index", "status")
    run(home, "check")
