"""A first import that is killed, wherever it has come to, is made again as if nothing had been."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random

import pytest
import trio

from offtracfs import check
from offtracfs.database import Database
from offtracfs.errors import DatabaseError
from offtracfs.store import fastimport
from offtracfs.store.fastimport import Writer
from tests.syncing import expected, git, mirrored, new_database, synced
from tests.test_sync_killed import killed_at
from tests.truths import Life

COMMITS = 25  # in one git fast-import, so that several are needed
NEVER = KILLED = -1


@pytest.fixture
def life(monkeypatch: pytest.MonkeyPatch) -> Life:
    """A tracker whose past takes several imports."""
    monkeypatch.setattr(fastimport, "COMMITS_AN_IMPORT", COMMITS)
    life = Life(Random(7))
    life.live(4 * COMMITS)
    life.live(10, silently=True)
    life.clock += timedelta(hours=1)
    return life


def branch(database: Database) -> list[str]:
    """The commits, each of which names all that is below it."""
    return git(database, "log", "--format=%H", "main").split()


def hold(database: Database, whole: Database, life: Life) -> None:
    """Synced once more, the database is as if it had never been disturbed."""
    assert database.store.head() in (None, whole.store.head())
    trio.run(partial(synced, database, life))
    assert branch(database) == branch(whole)
    assert mirrored(database) == expected(life)
    assert list(check.check(database)) == []


@pytest.fixture
def whole(life: Life, tmp_path: Path) -> Database:
    """The tracker's copy, made undisturbed."""
    database = new_database(tmp_path / "whole", life)
    trio.run(partial(synced, database, life))
    assert len(branch(database)) > 3 * COMMITS
    return database


@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_any_write_of_several_imports(
    life: Life, whole: Database, tmp_path: Path, every: int
) -> None:
    """Killed before any write of a first sync with several imports, it is the same branch in the end."""
    counted = new_database(tmp_path / "counted", life)
    writes = killed_at(NEVER, partial(synced, counted, life, full=True))
    assert writes > 15
    for write in range(0, writes, every):
        database = new_database(tmp_path / f"killed {write}", life)
        assert killed_at(write, partial(synced, database, life, full=True)) == KILLED
        hold(database, whole, life)


def disturbed(monkeypatch: pytest.MonkeyPatch, pieces: int, disturb: Callable[[Writer], None]) -> None:
    """Something happens when so many blobs and commits have been written to git fast-import."""
    count, write = 0, Writer._write

    def counted(self: Writer, data: bytes) -> None:
        nonlocal count
        write(self, data)
        count += 1
        if count == pieces:
            disturb(self)

    monkeypatch.setattr(Writer, "_write", counted)


@pytest.mark.parametrize("tries", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_killed_while_git_imports(life: Life, whole: Database, tmp_path: Path, tries: int) -> None:
    """Killed at random while git fast-import is at work, and started again beside what is left of that."""
    for number in range(tries):
        database = new_database(tmp_path / f"killed {number}", life)
        with pytest.MonkeyPatch.context() as patch:
            disturbed(patch, life.random.randrange(1, 600), lambda _: os.kill(os.getpid(), signal.SIGKILL))
            assert killed_at(NEVER, partial(synced, database, life, full=True)) == KILLED
        hold(database, whole, life)
        shutil.rmtree(database.path)


@pytest.mark.parametrize("pieces", [1, 300, 600])
def test_git_is_killed(life: Life, whole: Database, tmp_path: Path, pieces: int) -> None:
    """Where git fast-import itself is killed, the sync says so, and the next one does it all."""

    def kill(writer: Writer) -> None:
        assert writer._process is not None
        writer._process.kill()

    database = new_database(tmp_path / "db", life)
    with pytest.MonkeyPatch.context() as patch:
        disturbed(patch, pieces, kill)
        with pytest.raises(DatabaseError, match="fast-import"):
            trio.run(partial(synced, database, life))
    hold(database, whole, life)
