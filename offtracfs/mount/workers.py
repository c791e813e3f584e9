"""Worker threads of a mount: for what would hold up the event loop, while readers wait for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Event
from weakref import WeakValueDictionary

import trio

from offtracfs.errors import DatabaseError
from offtracfs.reports.outputs import POLL, Outputs, is_killed
from offtracfs.tree import Work

MAX_THREADS = 4  # at once; more of them would only share the same processors

Needed = Callable[[], Work | None]
"""What must be done now; None where nothing is left to do."""


class Workers:
    """Does the work of computed directories; those who need the same wait for one thread.

    A thread cannot be ended from outside. Where nobody waits for it any more, it is left alone: it asks
    now and then whether that is so, and ends by itself. Until then it counts as one of `MAX_THREADS`.
    """

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs
        self._threads = trio.CapacityLimiter(MAX_THREADS)
        self._locks: WeakValueDictionary[Hashable, trio.Lock] = WeakValueDictionary()
        self._waiting: set[trio.CancelScope] = set()
        self._ended = False

    def end(self) -> None:
        """Start nothing any more: whoever waits gets an error now."""
        self._ended = True
        for scope in self._waiting:
            scope.cancel()

    async def finish(self, needed: Needed, reader: int) -> None:
        """Do what is `needed`, until nothing is; `reader` is the thread that waits for it.

        When this returns, nothing was awaited since `needed` gave None. Raises InterruptedError as soon as
        the reader is seen to be killed, DatabaseError when the mount ends, and what the work raises.
        """
        while work := needed():
            if self._ended:
                raise DatabaseError("The mount ends.")
            if is_killed(reader):
                raise InterruptedError
            await self._watched(work, needed, reader)

    async def _watched(self, work: Work, needed: Needed, reader: int) -> None:
        """Do one piece of work, or leave it when the reader is killed or the mount ends."""
        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            self._waiting.add(nursery.cancel_scope)
            nursery.start_soon(_watch, reader, nursery.cancel_scope)
            try:
                # Another reader's thread may be at it, and nothing is left to do when it is done.
                async with self._locks.setdefault(work.key, trio.Lock()):
                    if needed() == work:
                        await self._do(work, reader)
            except Exception as error:  # it would leave the nursery as a group of exceptions
                failure = error
            finally:
                self._waiting.discard(nursery.cancel_scope)
            nursery.cancel_scope.cancel()
        if failure:
            raise failure

    async def _do(self, work: Work, reader: int) -> None:
        numbers = await self._outputs.tickets(work.report, reader) if work.report else []
        abandoned = Event()
        try:
            await trio.to_thread.run_sync(
                work.run, numbers, abandoned.is_set, limiter=self._threads, abandon_on_cancel=True
            )
        finally:
            abandoned.set()


async def _watch(reader: int, scope: trio.CancelScope) -> None:
    """Cancel a scope when the reader is killed."""
    while not is_killed(reader):  # noqa: ASYNC110  # the kernel tells nobody
        await trio.sleep(POLL)
    scope.cancel()
