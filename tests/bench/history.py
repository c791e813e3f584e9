"""The time machine on a tracker with very many revisions: `@DATE` at random dates."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

from offtracfs import index, records
from offtracfs.database import Database, Settings
from offtracfs.fastimport import Writer
from offtracfs.names import changelog_path, ticket_path
from tests.bench.figures import Figure
from tests.bench.generate import FIRST_DAY, LAST_DAY, PEOPLE, Writing
from tests.bench.mounts import mounted
from tests.bench.processes import timed

CHANGES = 50_000  # commits beside those that bring a ticket each
COMPLETE = 0.8  # of the time after which there is no new ticket
DATES = 400  # that are looked at, each for the first time
MOST = 50  # ms
TIMES = 3


def measure(size: int, cache: Path) -> Iterator[Figure]:
    """The figures for a tracker of so many tickets, and CHANGES revisions more, which the cache keeps."""
    path = cache / f"history-{size}"
    if not path.exists():
        _make(path, size)
    dice = random.Random(size)
    with mounted(path) as mountpoint:
        yield from _percentiles(size, "`ls @DATE`", lambda: list((mountpoint / _at(dice)).iterdir()))
        ticket = "ticket/42.json"
        cat = f"`cat @DATE/{ticket}`"
        yield from _percentiles(size, cat, lambda: (mountpoint / _at(dice) / ticket).read_bytes())
    now, then = [], []
    for _ in range(TIMES):
        with mounted(path) as mountpoint:
            now.append(timed("ls", mountpoint / "ticket"))
        with mounted(path) as mountpoint:
            then.append(timed("ls", mountpoint / _at(dice, COMPLETE) / "ticket"))
    yield Figure(size, "`ls @DATE/ticket`", min(then), "s", "`ls ticket`", min(now), 1.5)


def _percentiles(size: int, what: str, look: Callable[[], object]) -> Iterator[Figure]:
    taken = []
    for _ in range(DATES):
        began = time.perf_counter()
        look()
        taken.append((time.perf_counter() - began) * 1000)
    cuts = quantiles(taken, n=100)
    yield Figure(size, f"{what}, p50", cuts[49], "ms", most=MOST)
    yield Figure(size, f"{what}, p99", cuts[98], "ms", most=MOST)


def _at(dice: random.Random, after: float = 0.1) -> str:
    """The `@…` of a moment, after some share of the time from the first to the last commit."""
    moment = FIRST_DAY + dice.uniform(after, 1) * (LAST_DAY - FIRST_DAY)
    return f"@{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S}"


def _make(path: Path, size: int) -> None:
    part = path.with_name(path.name + ".unfinished")
    shutil.rmtree(part, ignore_errors=True)
    database = Database.create(part, Settings("http://trac.example.org"))
    with database.writing("benchmark"):
        with database.store.writer() as writer:
            _write(writer, size, random.Random(size))
        index.catch_up(part, database.store)
    part.rename(path)


def _write(writer: Writer, size: int, dice: random.Random) -> None:
    """Tickets come evenly until COMPLETE; changes to those that are there, evenly until the end."""
    writing = Writing(dice)
    ends = [(COMPLETE * n / size, n) for n in range(1, size + 1)]
    moments = sorted(ends + [((n + 1) / CHANGES, 0) for n in range(CHANGES)])
    newest = 0
    for share, number in moments:
        newest = number or newest
        if newest:
            moment = FIRST_DAY + int(share * (LAST_DAY - FIRST_DAY))
            _commit(writer, number or dice.randint(1, newest), moment, dice.choice(PEOPLE), writing)


def _commit(writer: Writer, number: int, moment: int, person: str, writing: Writing) -> None:
    when = records.iso(datetime.fromtimestamp(moment, UTC))
    props = {"summary": writing.text(50, 0.4), "description": writing.text(600, 0.9), "reporter": person}
    row = [when, person, "comment", "1", writing.text(250, 0.9), 1]
    files = [(changelog_path(number), [row]), (ticket_path(number), [number, when, when, props])]
    writer.commit(
        author=person,
        authored=moment,
        committed=moment,
        message=f"#{number}",
        files=[(path, writer.blob(records.dump(record))) for path, record in files],
    )
