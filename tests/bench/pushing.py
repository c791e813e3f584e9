"""Saving 100 tickets, and pushing them to a real Trac, against the same calls without drafts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

import trio

from offtracfs.trackers import Seen
from tests.bench.figures import Figure
from tests.drafting import Desk, as_json, drafts_of
from tests.tracservers import RealTrac

DRAFTS = 100
ROUNDS = 2  # of each, in turn


def measure(trac: RealTrac, directory: Path) -> Iterator[Figure]:
    """The figures for a Trac without tickets; the database is made anew."""
    trac.fill(DRAFTS, datetime(2011, 4, 9, tzinfo=UTC))
    desk = Desk(directory, trac)
    trio.run(desk.sync)
    saves: list[float] = []
    pushes, references = [], []
    for turn in range(ROUNDS):
        references.append(trio.run(_bare, desk, f"bare {turn}"))
        saves += _save(desk, f"saved {turn}")
        pushes.append(trio.run(_push, desk))
    slow = quantiles(saves, n=100)[94]
    yield Figure(DRAFTS, "Saving one ticket in a database, 95 of 100 within", slow * 1000, "ms", most=30)
    what = "the same three requests a ticket, and nothing kept"
    yield Figure(DRAFTS, f"Pushing {DRAFTS} drafts", min(pushes), "s", what, min(references), most=1.2)


def _save(desk: Desk, comment: str) -> list[float]:
    """Seconds for each save."""
    found = []
    with drafts_of(desk.database) as drafts:
        for number in range(1, DRAFTS + 1):
            data = as_json(desk.database, number, comment=comment)
            began = time.monotonic()
            drafts.save(f"ticket/{number}.json", data)
            found.append(time.monotonic() - began)
    return found


async def _push(desk: Desk) -> float:
    async with aclosing(await desk.connect()) as tracker:
        began = time.monotonic()
        results = await desk.push_by(tracker)
        seconds = time.monotonic() - began
    assert [result.fate for result in results] == ["sent"] * DRAFTS
    await desk.sync()
    return seconds


async def _bare(desk: Desk, comment: str) -> float:
    async with aclosing(await desk.connect()) as tracker:
        began = time.monotonic()
        for number in range(1, DRAFTS + 1):
            seen = await tracker.look(number)
            assert isinstance(seen, Seen)
            await tracker.update(number, comment, {"action": "leave"}, seen.ticket.record[3]["_ts"])
            await tracker.look(number)
        seconds = time.monotonic() - began
    await desk.sync()
    return seconds
