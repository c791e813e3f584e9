"""Many tickets, in multicalls that suit the server: large while it is quick, down to one where it fails."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import trio

from offtracfs.errors import TrackerError
from offtracfs.records import check_changelog, check_ticket
from offtracfs.trackers import Missing, Ticket
from offtracfs.trackers.trac.faults import Fault, Unusable
from offtracfs.trackers.trac.rpc import Rpc

IN_FLIGHT = 3  # multicalls at once: one is computed, one travels, one is decoded
FIRST = 10  # tickets in the first multicalls
MOST = 400  # tickets in a multicall
GOAL = 1.0  # seconds that a multicall should take
HOPELESS = 5  # tickets in a row that a server fails on before it counts as down


class _Fetch:
    """The tickets still to be asked for, and how many to ask for at once."""

    def __init__(self, rpc: Rpc, numbers: Collection[int]) -> None:
        self.rpc = rpc
        self.waiting = iter(numbers)
        self.again: deque[list[int]] = deque()
        self.size = FIRST
        self.failed_in_a_row = 0

    def next(self) -> list[int]:
        if self.again:
            return self.again.popleft()
        return [number for _, number in zip(range(self.size), self.waiting, strict=False)]

    async def run(self, send: trio.MemorySendChannel[Ticket | Missing]) -> None:
        async with send:
            while numbers := self.next():
                for item in await self.batch(numbers):
                    await send.send(item)

    async def batch(self, numbers: list[int]) -> list[Ticket | Missing]:
        """The tickets, or [] where the batch must be asked for in halves."""
        calls = [(method, [number]) for number in numbers for method in ("ticket.get", "ticket.changeLog")]
        started = time.monotonic()
        try:
            results = await self.rpc.many(calls, patient=len(numbers) == 1)
        except (Unusable, Fault) as error:
            self.size = max(1, len(numbers) // 2)
            if len(numbers) > 1:
                self.again += [numbers[: self.size], numbers[self.size :]]
                return []
            self.failed_in_a_row += 1
            if self.failed_in_a_row >= HOPELESS:
                raise
            return [Missing(numbers[0], str(error))]
        self.failed_in_a_row = 0
        self.adapt(len(numbers), time.monotonic() - started)
        return [_item(*three) for three in zip(numbers, results[::2], results[1::2], strict=True)]

    def adapt(self, count: int, seconds: float) -> None:
        if seconds > 2 * GOAL:
            self.size = max(1, count // 2)
        elif seconds < GOAL / 2 and count >= self.size:
            self.size = min(MOST, self.size * 2)


def _item(number: int, record: Any, changelog: Any) -> Ticket | Missing:
    for answer in (record, changelog):
        if isinstance(answer, Fault):
            return Missing(number, f"Ticket {number}: {answer}", gone=answer.gone)
    try:
        return Ticket(number, check_ticket(number, record), check_changelog(number, changelog))
    except TrackerError as error:
        return Missing(number, str(error))


@asynccontextmanager
async def tickets(rpc: Rpc, numbers: Collection[int]) -> AsyncIterator[AsyncIterator[Ticket | Missing]]:
    """Each of `numbers` once, in any order. Raises TrackerError where the server is down.

    What has arrived and is not yet taken is a few batches at most: a slow reader slows the fetching.
    """
    fetch = _Fetch(rpc, numbers)
    send, receive = trio.open_memory_channel[Ticket | Missing](0)
    try:
        async with trio.open_nursery() as nursery, receive:
            async with send:
                for _ in range(IN_FLIGHT):
                    nursery.start_soon(fetch.run, send.clone())
            yield receive
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise _first(group) from None


def _first(error: BaseException) -> BaseException:
    """The error within the groups that a nursery wraps around it: callers expect it bare."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
