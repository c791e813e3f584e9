"""Many questions in few requests: multicalls, which grow while the server is fast, and shrink when not."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Generic, TypeVar

import trio

from offtracfs.errors import TrackerError
from offtracfs.kinds import check_changelog, check_ticket
from offtracfs.trackers import Missing, Ticket
from offtracfs.trackers.tasks import background
from offtracfs.trackers.trac.codec import Call
from offtracfs.trackers.trac.faults import Fault, Unusable
from offtracfs.trackers.trac.rpc import Rpc

IN_FLIGHT = 3  # multicalls at once: one is computed, one travels, one is decoded
FIRST_KEYS = 10  # keys in the first multicalls
MAX_KEYS = 400  # keys in a multicall
TARGET = 1.0  # seconds that a multicall should take
MAX_FAILURES = 5  # single keys in a row that fail, before the server counts as down

K = TypeVar("K")
V = TypeVar("V")


class _Batches(Generic[K, V]):
    """The keys (tickets' numbers, say) still to be asked for, and how many go into the next multicall."""

    def __init__(
        self, rpc: Rpc, keys: Collection[K], calls: Callable[[K], Sequence[Call]], make: Callable[..., V]
    ) -> None:
        self.rpc = rpc
        self.waiting = iter(keys)
        self.calls = calls
        self.make = make
        self.again: deque[list[K]] = deque()
        self.size = FIRST_KEYS
        self.failed_in_a_row = 0

    def take(self) -> list[K]:
        if self.again:
            return self.again.popleft()
        return [key for _, key in zip(range(self.size), self.waiting, strict=False)]

    async def run(self, send: trio.MemorySendChannel[V]) -> None:
        while keys := self.take():
            for value in await self.batch(keys):
                await send.send(value)
        await send.aclose()  # not after an error: the reader would take that for the end of the tickets

    async def batch(self, keys: list[K]) -> list[V]:
        """What `make` gives for each key; [] after a failure, when the halves are asked for later."""
        calls = [list(self.calls(key)) for key in keys]
        started = trio.current_time()
        try:
            flat = [call for group in calls for call in group]
            results = iter(await self.rpc.many(flat, patient=len(keys) == 1))
        except (Unusable, Fault) as error:
            if len(keys) == 1:
                return [self.make(keys[0], *self.failed(error, len(calls[0])))]
            self.size = len(keys) // 2
            self.again += [keys[: self.size], keys[self.size :]]
            return []
        self.failed_in_a_row = 0
        self.adapt(len(keys), trio.current_time() - started)
        return [
            self.make(key, *[next(results) for _ in group]) for key, group in zip(keys, calls, strict=True)
        ]

    def failed(self, error: TrackerError, count: int) -> list[TrackerError]:
        """The error as the answer to each call of one key. Raises it after MAX_FAILURES keys in a row."""
        self.failed_in_a_row += 1
        if self.failed_in_a_row >= MAX_FAILURES:
            raise error
        return [error] * count

    def adapt(self, count: int, seconds: float) -> None:
        if seconds > 2 * TARGET:
            self.size = max(1, count // 2)
        elif seconds < TARGET / 2 and count >= self.size:
            self.size = min(MAX_KEYS, self.size * 2)


@asynccontextmanager
async def answers(
    rpc: Rpc, keys: Collection[K], calls: Callable[[K], Sequence[Call]], make: Callable[..., V]
) -> AsyncIterator[AsyncIterator[V]]:
    """``make(key, result, …)`` for each of `keys` once, in any order, a result for each of its `calls`.

    A result is a TrackerError where its call failed. Raises TrackerError where the server is down. A slow
    reader slows the fetching down: at most a few batches wait in memory.
    """
    fetch = _Batches(rpc, keys, calls, make)
    send, receive = trio.open_memory_channel[V](0)
    async with receive, background() as nursery:
        async with send:
            for _ in range(IN_FLIGHT):
                nursery.start_soon(fetch.run, send.clone())
        yield receive


def tickets(
    rpc: Rpc, numbers: Collection[int]
) -> AbstractAsyncContextManager[AsyncIterator[Ticket | Missing]]:
    """Each of `numbers` once, in any order."""
    return answers(
        rpc,
        numbers,
        lambda number: [("ticket.get", [number]), ("ticket.changeLog", [number])],
        answered_ticket,
    )


def answered_ticket(number: int, record: Any, changelog: Any) -> Ticket | Missing:
    """The ticket in two answers; why it cannot be had where one of them is an error."""
    for answer in (record, changelog):
        if isinstance(answer, TrackerError):
            gone = isinstance(answer, Fault) and answer.gone
            return Missing(number, f"Ticket {number} cannot be had: {answer}", gone=gone)
    try:
        return Ticket(number, check_ticket(number, record), check_changelog(number, changelog))
    except TrackerError as error:
        return Missing(number, str(error))
