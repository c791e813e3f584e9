"""A first sync, a sync with nothing new, and one with ten changed tickets, from a real Trac."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench import generate
from tests.bench.figures import MB, Figure
from tests.bench.processes import Ran, create, offtracfs, run, times
from tests.tracservers import RealTrac

CHANGED = 10  # tickets
TIMES = 5  # repetitions of a small sync


def measure(size: int, trac: RealTrac, database: Path) -> Iterator[Figure]:
    """The figures for a Trac of that size; the database is made anew."""
    yield from _first(size, trac, database)
    done = [_sync(database) for _ in range(TIMES)]
    yield Figure(size, "Sync, nothing new: requests", max(each["requests"] for each, _ in done), "", most=5)
    yield Figure(size, "Sync, nothing new: commits", max(each["commits"] for each, _ in done), "", most=0)
    yield Figure(size, "Sync, nothing new", min(each["seconds"] for each, _ in done), "s", growth=2)
    dice, seconds = random.Random(size), []
    for _ in range(TIMES):
        generate.touch(trac.environment / "db/trac.db", dice.sample(range(1, size + 1), CHANGED))
        seconds.append(_sync(database)[0]["seconds"])
    yield Figure(size, f"Sync, {CHANGED} tickets changed", min(seconds), "s", growth=2)


def _first(size: int, trac: RealTrac, database: Path) -> Iterator[Figure]:
    references, syncs = [], []
    for _ in range(times(size)):
        bare = run(sys.executable, "-m", "tests.bench.bare", trac.url, "admin")
        references.append(float(bare.output))
        create(database, "--user", "admin", trac.url)
        outcome, ran = _sync(database)
        syncs.append(outcome["seconds"])
    what = "the same requests, nothing kept"
    yield Figure(size, "First sync, the past written too", min(syncs), "s", what, min(references))
    peak, least = (max(each.peaks.values()) / MB for each in (ran, bare))
    yield Figure(size, "First sync: most memory of a process (VmHWM)", peak, "MB", "nothing kept", least)
    what = "First sync: most memory of its own (RssAnon)"
    yield Figure(size, what, ran.own["offtracfs"] / MB, "MB", growth=1.2)
    yield Figure(size, f"{what}, git beside it", ran.own["git"] / MB, "MB")


def _sync(database: Path) -> tuple[dict[str, Any], Ran]:
    ran = run(*offtracfs(database, "sync", "--json"))
    return json.loads(ran.output), ran
