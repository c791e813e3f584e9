"""The time machine on a tracker with very many revisions: `@T` at random moments."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

from offtracfs.records import SECOND
from tests.bench import generate
from tests.bench.figures import Figure
from tests.bench.generate import FIRST_DAY, LAST_DAY, QUIET
from tests.bench.mounts import mounted
from tests.bench.processes import timed

MOMENTS = 400  # that are looked at, each for the first time
MAX_TIME = 50  # ms
TIMES = 3
COPIED = 10_000  # tickets: more are not copied to disk twice


def measure(size: int, database: Path, source: Path, scratch: Path) -> Iterator[Figure]:
    """The figures for a database of a generated Trac, whose own is `source`."""
    dice = random.Random(size)

    def cat() -> None:
        moment = _moment(dice)
        number = dice.randint(1, generate.newest(size, moment))
        (mountpoint / _at(moment) / f"ticket/{number}.json").read_bytes()

    with mounted(database) as mountpoint:
        yield from _percentiles(size, "`ls @T`", lambda: list((mountpoint / _at(_moment(dice))).iterdir()))
        yield from _percentiles(size, "`cat @T/ticket/N.json`", cat)
    now, then = [], []
    for _ in range(TIMES):
        with mounted(database) as mountpoint:
            now.append(timed("ls", mountpoint / "ticket"))
        with mounted(database) as mountpoint:
            complete = LAST_DAY - QUIET, LAST_DAY - QUIET / 2  # all tickets are there, some change later
            then.append(timed("ls", mountpoint / _at(dice.uniform(*complete)) / "ticket"))
    yield Figure(size, "`ls @T/ticket`", min(then), "s", "`ls ticket`", min(now), 1.5)
    if size <= COPIED:
        yield from _difference(size, database, source, scratch)


def _percentiles(size: int, what: str, look: Callable[[], object]) -> Iterator[Figure]:
    taken = []
    for _ in range(MOMENTS):
        began = time.perf_counter()
        look()
        taken.append((time.perf_counter() - began) * 1000)
    cuts = quantiles(taken, n=100)
    yield Figure(size, f"{what}, p50", cuts[49], "ms", most=MAX_TIME)
    yield Figure(size, f"{what}, p99", cuts[98], "ms", most=MAX_TIME)


def _moment(dice: random.Random) -> float:
    """A moment when there were tickets, in seconds since 1970 UTC."""
    return FIRST_DAY + dice.uniform(0.1, 1) * (LAST_DAY - FIRST_DAY)


def _at(moment: float) -> str:
    return f"@{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S}"


def _difference(size: int, database: Path, source: Path, scratch: Path) -> Iterator[Figure]:
    """`diff -r` of two moments between which one ticket changed, copied to `scratch` and in the mount."""
    moments = [_at(moment) for moment in _last_moments(source)]
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    with mounted(database) as mountpoint:
        for name in moments:
            timed("cp", "-r", mountpoint / name, scratch / name)
    on_disk = min(timed("diff", "-r", *moments, cwd=scratch) for _ in range(TIMES))
    seconds = []
    for _ in range(TIMES):
        with mounted(database) as mountpoint:
            seconds.append(timed("diff", "-r", *moments, cwd=mountpoint))
            brief = ("diff", "-rq", *moments)
            found = subprocess.run(brief, cwd=mountpoint, capture_output=True, text=True, check=False)
            assert found.stdout.count("\n") == 2, found  # the ticket and its change log
    yield Figure(size, "`diff -r @A @B`, one ticket differs", min(seconds), "s", "on disk", on_disk, 2)


def _last_moments(source: Path) -> tuple[float, float]:
    """When the last but one and the last but two changes were; the last brings ``db.json``, too."""
    query = "SELECT DISTINCT time FROM ticket_change ORDER BY time DESC LIMIT 3"
    with closing(sqlite3.connect(source)) as connection:
        _, second, third = (row[0] / SECOND for row in connection.execute(query))
    return third, second
