"""Tickets from a Trac in trouble: what cannot be had is told, all else arrives, and batches adapt."""

from __future__ import annotations

import json

import httpx
import pytest
import trio

from offtracfs.errors import (
    TrackerError,
)
from offtracfs.trackers import Missing, Ticket
from offtracfs.trackers.trac import batches, http
from tests import faults
from tests.standin import Answerer, StandInTrac
from tests.tracclient import SPRING, client, fetch


@pytest.fixture
def trac() -> StandInTrac:
    """A Trac with no tickets."""
    return StandInTrac()


def asked_for(request: httpx.Request) -> list[int]:
    """The tickets that a multicall asks for."""
    calls = json.loads(request.content)["params"] if request.url.path.endswith("/rpc") else []
    return [call["params"][0] for call in calls if isinstance(call, dict) and call["method"] == "ticket.get"]


async def test_broken_ticket(trac: StandInTrac) -> None:
    """A ticket whose get fails is reported with the server's reason, and the others arrive."""
    numbers = trac.fill(20, SPRING)
    trac.broken = {7}
    got = await fetch(await client(trac), numbers)
    assert got[7] == Missing(7, "Ticket 7 cannot be had: 'NoneType' object has no attribute 'x'", gone=False)
    assert [number for number, item in got.items() if isinstance(item, Missing)] == [7]


async def test_misshapen_ticket(trac: StandInTrac) -> None:
    """A ticket whose data has the wrong shape is reported, and the others arrive."""
    numbers = trac.fill(20, SPRING)
    trac.misshapen = {7}
    got = await fetch(await client(trac), numbers)
    assert got[7] == Missing(7, "Ticket 7 does not have the shape [id, created, changed, props].")
    assert [number for number, item in got.items() if isinstance(item, Missing)] == [7]


POISON = {
    "dies": faults.dies,
    "500": faults.status(500),
    "garbage": faults.body(b"garbage"),
    "too large": faults.huge(40 * 2**20),
    "endless": faults.endless,
    "fault for all": faults.body(b'{"result": null, "error": {"code": 1, "message": "not serializable"}}'),
    "one short": faults.body(b'{"result": [], "error": null}'),
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
async def test_poisonous_ticket(
    trac: StandInTrac, autojump_clock: trio.testing.MockClock, poison: Answerer
) -> None:
    """A ticket that spoils every answer it is in is singled out and reported; the others arrive."""
    numbers = trac.fill(40, SPRING)
    tracker = await client(trac)
    trac.always = lambda request: (poison if 23 in asked_for(request) else trac.honest)(request)
    got = await fetch(tracker, numbers)
    assert [number for number, item in got.items() if isinstance(item, Missing)] == [23]
    missing = got[23]
    assert isinstance(missing, Missing)
    assert not missing.gone


@pytest.mark.parametrize(
    "answer",
    [faults.unreachable, faults.dies, faults.status(503), faults.body(b"")],
    ids=["unreachable", "dies", "503", "empty"],
)
async def test_server_goes_down(
    trac: StandInTrac, autojump_clock: trio.testing.MockClock, answer: Answerer
) -> None:
    """A server that fails on everything ends the stream with an error, within minutes and not in a group."""
    numbers = trac.fill(500, SPRING)
    tracker = await client(trac)
    received = []

    async def read() -> None:
        async with tracker.tickets(numbers) as stream:
            async for item in stream:
                received.append(isinstance(item, Ticket))
                trac.always = answer

    with pytest.raises(TrackerError):
        await read()
    assert 0 < sum(received) < 500
    assert trio.current_time() < 2 * http.DEADLINE


async def test_batches_grow(trac: StandInTrac) -> None:
    """A quick server is asked for more tickets at once, up to a limit."""
    numbers = trac.fill(3000, SPRING)
    await fetch(await client(trac), numbers)
    sizes = [len(asked_for(request)) for request in trac.requests if asked_for(request)]
    assert sizes[0] == batches.FIRST_KEYS
    assert max(sizes) == batches.MAX_KEYS


async def test_batches_shrink(trac: StandInTrac, autojump_clock: trio.testing.MockClock) -> None:
    """A slow server is asked for fewer tickets at once."""
    numbers = trac.fill(60, SPRING)
    tracker = await client(trac)
    trac.always = lambda request: faults.slow(2 * len(asked_for(request)), trac.honest)(request)
    got = await fetch(tracker, numbers)
    assert all(isinstance(item, Ticket) for item in got.values())
    assert [len(asked_for(request)) for request in trac.requests][-5:] == [1] * 5


async def test_slow_reader(trac: StandInTrac) -> None:
    """Only some batches are fetched ahead of a reader that is slow: memory does not grow."""
    numbers = trac.fill(3000, SPRING)
    tracker = await client(trac)
    async with tracker.tickets(numbers) as stream:
        await anext(aiter(stream))
        await trio.testing.wait_all_tasks_blocked()
        assert sum(len(asked_for(request)) for request in trac.requests) <= 10 * batches.FIRST_KEYS


async def test_large_tickets(trac: StandInTrac) -> None:
    """Answers are kept small where tickets are large: batches shrink before memory fills."""
    for number in range(40):
        trac.create(f"ticket {number}", SPRING, description="x" * 2**20)
    tracker = await client(trac)
    got = await fetch(tracker, await tracker.ids())
    assert all(isinstance(item, Ticket) for item in got.values())
    sizes = [len(asked_for(request)) for request in trac.requests if asked_for(request)]
    assert max(sizes) <= batches.FIRST_KEYS


async def test_reader_leaves(trac: StandInTrac) -> None:
    """A reader may leave before the end; then nothing more is fetched."""
    numbers = trac.fill(3000, SPRING)
    tracker = await client(trac)
    async with tracker.tickets(numbers) as stream:
        await anext(aiter(stream))
    before = tracker.requests
    await trio.testing.wait_all_tasks_blocked()
    assert tracker.requests == before


async def test_reader_fails(trac: StandInTrac) -> None:
    """An error of the reader comes out as it is, not within a group."""
    numbers = trac.fill(30, SPRING)
    tracker = await client(trac)

    async def read() -> None:
        async with tracker.tickets(numbers) as stream:
            await anext(aiter(stream))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await read()
