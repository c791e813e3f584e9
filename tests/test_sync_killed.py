"""A sync that is killed at any write, or finds the disk full, loses nothing and leaves nothing half done."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio

from offtracfs import check
from offtracfs.database import Database
from offtracfs.errors import DiskFull
from tests.helpers import small_disk
from tests.standin import StandInTrac
from tests.standinteamtrack import StandInTeamTrack
from tests.syncing import StandIn, expected, git, mirrored, new_database, synced

WRITES = {"os.rename", "os.remove", "os.symlink", "os.mkdir", "subprocess.Popen", "sqlite3.connect"}
T = TypeVar("T", bound=StandIn)
START = datetime(2020, 1, 1, tzinfo=UTC)


def killed_at(write: int, once: Callable[[], Awaitable[Any]]) -> int:
    """Sync in a process of its own, which kills itself before that write; how many it came to."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        count = 0

        def watch(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal count
            opened = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if event in WRITES or opened:
                if count == write:
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1

        sys.addaudithook(watch)
        try:
            trio.run(once)
            os.write(writing, str(count).encode())
        finally:
            os._exit(0)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    assert said or os.WTERMSIG(status) == signal.SIGKILL
    return int(said or -1)


def filled(trac: T) -> T:
    """A tracker of which everything is new."""
    for number in range(30):
        trac.create(f"ticket {number}", START + timedelta(hours=number), component="component1")
    if isinstance(trac, StandInTrac):
        trac.set_report(1, "Active", "SELECT 1")
    trac.clock = START + timedelta(days=10)
    return trac


def news(trac: StandIn) -> None:
    """Something of every kind happens."""
    for number in (3, 5, 8):
        trac.clock += timedelta(hours=1)
        trac.change(number, trac.clock, "bob", "done", status="closed")
    trac.delete(4)
    trac.rename_component(next(iter(trac.components)), "kernel")
    if isinstance(trac, StandInTrac):
        trac.set_report(1, "Active", "SELECT 2")
    trac.create("last", trac.clock)
    trac.clock += timedelta(hours=1)


@pytest.mark.parametrize(
    ("kind", "every"),
    [
        ("Trac", 7),
        ("TeamTrack", 15),
        pytest.param("Trac", 1, marks=pytest.mark.slow),
        pytest.param("TeamTrack", 1, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("first", [True, False], ids=["first sync", "later sync"])
def test_killed_at_any_write(tmp_path: Path, kind: str, first: bool, every: int) -> None:
    """Wherever a sync is killed, readers go on, and the next one makes the same branch, object for object."""
    trac = filled(StandInTrac() if kind == "Trac" else StandInTeamTrack(tmp_path))
    begun = new_database(tmp_path / "begun", trac)
    if not first:
        trio.run(lambda: synced(begun, trac))
        news(trac)
    whole = tmp_path / "whole"
    shutil.copytree(begun.path, whole, symlinks=True)
    writes = killed_at(-1, partial(synced, Database(whole), trac, full=True))
    branch = git(Database(whole), "log", "--format=%H", "main")
    assert writes > 15
    before = mirrored(begun) if not first else {}
    for write in range(0, writes, every):
        path = tmp_path / f"killed {write}"
        shutil.copytree(begun.path, path, symlinks=True)
        database = Database(path)
        killed_at(write, partial(synced, database, trac, full=True))
        if (path / "index.db").exists():
            assert mirrored(database) in (before, expected(trac)), f"half a sync after write {write}"
        trio.run(partial(synced, database, trac, full=True))
        assert git(database, "log", "--format=%H", "main") == branch, f"another branch after write {write}"
        assert mirrored(database) == expected(trac)
        assert list(check.check(database)) == []
        shutil.rmtree(path)


def test_disk_full(tmp_path: Path) -> None:
    """A full disk is said in a sentence, and when there is room again the sync goes through."""
    trac = filled(StandInTrac())
    for number in range(600):
        trac.create(f"{number} " + os.urandom(1000).hex(), START + timedelta(hours=30))
    with small_disk(tmp_path / "small", "2m") as room:
        database = new_database(room / "db", trac)
        with pytest.raises(DiskFull, match="full"):
            trio.run(lambda: synced(database, trac))
        assert database.store.head() is None
        larger = tmp_path / "db"
        shutil.copytree(database.path, larger, symlinks=True)
    trio.run(lambda: synced(Database(larger), trac))
    assert mirrored(Database(larger)) == expected(trac)
    assert list(check.check(Database(larger))) == []
