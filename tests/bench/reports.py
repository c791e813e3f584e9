"""Trac's stock reports as CSV, beside the real Trac that gives the same from the same data."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from offtracfs.database import Database
from tests.bench.figures import Figure
from tests.bench.generate import LAST_DAY, PEOPLE, QUIET
from tests.bench.processes import offtracfs, timed
from tests.realreports import STOCK, Visitor, table, visiting, written
from tests.tracservers import RealTrac

USER = PEOPLE[0]
FASTER = 0.1  # of Trac's time
SLOWER = 3  # times as long may the same take at a moment in the past
TIMES = 3


def measure(size: int, directory: Path, trac: RealTrac) -> Iterator[Figure]:
    """The figures for a database of a generated Trac, which is served as `trac`."""
    database = Database(directory)
    moment = random.Random(size).uniform(LAST_DAY - QUIET, LAST_DAY - QUIET / 2)  # all tickets are there
    at = f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S}"
    with visiting() as client:
        visitor = Visitor(trac, client)
        for number in STOCK:
            theirs = partial(visitor.text, number, USER=USER)
            ours = partial(written, database, number, USER=USER)
            assert sorted(table(ours())) == sorted(table(theirs())), number
            reference, inside, past = (_least(make) for make in (theirs, ours, partial(ours, at=at)))
            command = offtracfs(directory, "report", str(number), f"USER={USER}", "--format", "csv")
            whole = _least(partial(timed, *command))
            yield Figure(size, f"Report {number}", inside, "s", "Trac 1.6", reference, FASTER)
            yield Figure(size, f"`report {number} --format csv`", whole, "s", "Trac 1.6", reference, FASTER)
            yield Figure(size, f"Report {number}, `--at T`", past, "s", "now", inside, SLOWER)


def _least(make: Callable[[], object]) -> float:
    """Seconds that something takes at best."""
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        make()
        taken.append(time.perf_counter() - began)
    return min(taken)
