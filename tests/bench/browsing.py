"""Tickets by the values of their fields: listed for the first time, while others ask for other things."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

from tests.bench.figures import Figure
from tests.bench.generate import LAST_DAY, PEOPLE, QUIET
from tests.bench.mounts import mounted
from tests.bench.processes import timed

TIMES = 5
MAX_TIME = 50  # ms
ALL = "query/id!=0"


def measure(size: int, database: Path) -> Iterator[Figure]:
    """The figures for a database of a generated Trac."""
    dice = random.Random(size)
    ever = [f"@{datetime.fromtimestamp(_moment(dice), UTC):%Y-%m-%dT%H:%M:%S}" for _ in range(TIMES)]
    values, then = [], []
    for at in ever:
        with mounted(database) as mountpoint:
            values.append(_listed(mountpoint, "by/owner"))
            then.append(_listed(mountpoint / at, "by/owner"))
    yield Figure(size, "`ls by/owner`, first time", min(values), "ms", most=MAX_TIME)
    yield Figure(size, "`ls @T/by/owner`, first time", min(then), "ms", most=MAX_TIME)
    with mounted(database) as mountpoint:
        now = [_listed(mountpoint, f"by/owner/{person}") for person in PEOPLE[:TIMES]]
        then = [_listed(mountpoint / at, f"by/owner/{PEOPLE[0]}") for at in ever]
        yield Figure(size, "`ls by/owner/NAME`, first time", min(now), "ms", most=MAX_TIME)
        yield Figure(size, "`ls @T/by/owner/NAME`, first time", min(then), "ms", most=MAX_TIME)
        yield from _meanwhile(size, mountpoint)


def _moment(dice: random.Random) -> float:
    """One at which all tickets are there, and some change later."""
    return dice.uniform(LAST_DAY - QUIET, LAST_DAY - QUIET / 2)


def _listed(place: Path, path: str) -> float:
    """Milliseconds of an `ls`."""
    return timed("ls", "-U", place / path) * 1000


def _meanwhile(size: int, mountpoint: Path) -> Iterator[Figure]:
    """How long others wait for an answer while all tickets are listed as links, beside when nothing is."""
    alone = _answers(mountpoint, lambda: time.sleep(1))
    seconds: list[float] = []
    busy = _answers(mountpoint, lambda: seconds.append(timed("ls", "-U", mountpoint / ALL)))
    yield Figure(size, f"`ls -U {ALL}`, first time", seconds[0], "s")
    for which, share in (("Median", 0.5), ("99 % of", 0.99), ("All", 1)):
        others, idle = (taken[round(share * (len(taken) - 1))] for taken in (busy, alone))
        yield Figure(size, f"{which} answers to others meanwhile", others, "ms", "when nothing is done", idle)


def _answers(mountpoint: Path, work: Callable[[], object]) -> list[float]:
    """Milliseconds that each answer took that was asked for while some work went on, sorted."""
    done, taken = Event(), []

    def ask() -> None:
        while not done.wait(0.002):
            began = time.perf_counter()
            (mountpoint / "@9999").exists()  # the kernel may not keep that it is missing
            taken.append((time.perf_counter() - began) * 1000)

    asking = Thread(target=ask)
    asking.start()
    try:
        work()
    finally:
        done.set()
        asking.join()
    return sorted(taken)
