"""The index: built anew, brought up to ten changes, and Trac's tables read as they are and as they were."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from offtracfs import index
from offtracfs.index.opening import LINK
from offtracfs.index.tables import views
from offtracfs.store import BRANCH, Store
from offtracfs.store.git import git
from tests.bench import search
from tests.bench.figures import MB, Figure
from tests.bench.importing import FEW, SLOWER

CHANGES = 10  # the last ones of a generated tracker, each of another ticket
TIMES = 5
MOMENTS = (0.9, 0.5, 0.1)  # as parts of all revisions
LONGER = 3  # times as long may the past take
READING = {
    "all tickets": "SELECT count(*), max(summary), max(changetime) FROM ticket",
    "all descriptions": "SELECT sum(length(description)) FROM ticket",
    "all changes": "SELECT count(*), sum(length(newvalue)) FROM ticket_change",
    "the comments of open tickets": "SELECT t.id, count(*) FROM ticket AS t JOIN ticket_change AS c"
    " ON c.ticket = t.id WHERE t.status <> 'closed' AND c.field = 'comment' GROUP BY t.id",
}


def measure(size: int, database: Path, scratch: Path) -> Iterator[Figure]:
    """The figures for a database, which is left as it is; `scratch` is made anew."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    store = _beside(database / "git", scratch / "git")
    tip = store.head()
    assert tip
    git(store.path, "update-ref", BRANCH, f"{tip.hex()}~{CHANGES}")
    began = time.perf_counter()
    commits = index.rebuild(scratch, store)
    seconds = time.perf_counter() - began
    each = seconds / commits * 1e6
    yield Figure(size, "Index built anew: time of a change", each, "µs", growth=SLOWER, base=FEW)
    file = (scratch / LINK).resolve()
    kept = sum(file.stat().st_size for file in (database / "git/objects").rglob("*")) / MB
    yield Figure(size, "Index", file.stat().st_size / MB, "MB", "the git repository", kept)
    yield from search.built(size, scratch, seconds)
    git(store.path, "update-ref", BRANCH, tip.hex())
    yield Figure(size, f"Index update, {CHANGES} tickets changed", _update(file, store), "ms", most=50)
    yield from search.updated(size, scratch, CHANGES)
    yield from search.searched(size, scratch)
    for name, statement in READING.items():
        now, *then = (_read(file, int(commits * part), statement) for part in (1, *MOMENTS))
        yield Figure(size, f"Reading {name}, as of any moment", max(then), "ms", "now", now, LONGER)


def _beside(path: Path, place: Path) -> Store:
    """A store with the objects of another, and a branch of its own."""
    head = Store(path).head()
    assert head
    store = Store.create(place)
    (place / "objects/info/alternates").write_text(f"{path.absolute()}/objects\n")
    git(place, "update-ref", BRANCH, head.hex())
    return store


def _update(file: Path, store: Store) -> float:
    before = file.with_name("before")
    shutil.copy(file, before)
    taken = []
    for _ in range(TIMES):
        shutil.copy(before, file)
        began = time.perf_counter()
        assert index.catch_up(file.parent, store) == CHANGES
        taken.append((time.perf_counter() - began) * 1000)
    return min(taken)


def _read(file: Path, revision: int, statement: str) -> float:
    taken = []
    with closing(sqlite3.connect(file)) as connection:
        for view in views(revision):
            connection.execute(view)
        for _ in range(TIMES):
            began = time.perf_counter()
            connection.execute(statement).fetchall()
            taken.append((time.perf_counter() - began) * 1000)
    return min(taken)
