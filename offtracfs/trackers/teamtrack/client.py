"""A TeamTrack as a `Tracker`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Protocol, TypeVar

import trio

from offtracfs.errors import (
    LoginRefused,
    PermissionMissing,
    TeamTrackError,
    TrackerError,
    TSAPIError,
    Unreachable,
)
from offtracfs.names import MAX_NUMBER
from offtracfs.trackers import Metadata, Missing, Stored, Ticket, compared
from offtracfs.trackers.tasks import background
from offtracfs.trackers.teamtrack.fields import Site
from offtracfs.trackers.teamtrack.rules import TeamTrackRules

CASES = 200  # read at once
T = TypeVar("T")


class Source(Protocol):
    """Where cases are read. Every method blocks, and may raise TSAPIError and TeamTrackError."""

    problems: list[str]
    """What cannot be read at all, a sentence each."""

    @property
    def user(self) -> str | None:
        """The name by which the server knows us; None for a database, whose login is no user."""
        ...

    @property
    def requests(self) -> int:
        """How many HTTP requests were made so far."""
        ...

    def now(self) -> datetime:
        """The clock (UTC) that the times of changes come from, as far as it is known; this does not block."""
        ...

    def ids(self, since: int | None) -> Sequence[int]:
        """The ids of the cases changed at or after that second since 1970; of all cases for None."""
        ...

    def site(self) -> Site:
        """What must be known to read cases."""
        ...

    def metadata(self) -> Metadata:
        """Definitions and values of fields."""
        ...

    def cases(self, site: Site, numbers: Sequence[int]) -> list[Ticket | Missing]:
        """Each of these cases, which are not many, as all of them stood at one moment."""
        ...

    def close(self) -> None:
        """Give back the connections."""
        ...


class TeamTrack:
    """A TeamTrack. Every method may raise TrackerError."""

    exact_text = True
    log_rules = TeamTrackRules()

    def __init__(self, source: Source) -> None:
        self.problems: list[str] = []
        self._source = source

    @property
    def user(self) -> str | None:
        """As `Source.user`."""
        return self._source.user

    @property
    def requests(self) -> int:
        """How many HTTP requests were made so far."""
        return self._source.requests

    def now(self) -> datetime:
        """The clock (UTC) of a PostgreSQL server; for any other way to a TeamTrack that of this machine."""
        return self._source.now()

    async def ids(self) -> list[int]:
        """The ids of all cases, ascending."""
        for problem in self._source.problems:
            self._note(problem)
        return await self._ids(None)

    async def changed_since(self, moment: datetime) -> list[int]:
        """Ids of the cases whose LASTMODIFIEDDATE is `moment` or later."""
        return await self._ids(int(moment.timestamp() // 1))

    async def _ids(self, since: int | None) -> list[int]:
        found = await in_thread(self._source.ids, since)
        usable = [number for number in found if 0 < number <= MAX_NUMBER]
        if left_out := len(found) - len(usable):
            self._note(f"{left_out:,} cases have ids that no ticket can have.")
        return sorted(usable)

    async def attached_since(self, moment: datetime) -> list[int]:
        """None: where a TeamTrack keeps attachments is not known."""
        await trio.lowlevel.checkpoint()
        return []

    @asynccontextmanager
    async def tickets(self, numbers: Collection[int]) -> AsyncIterator[AsyncIterator[Ticket | Missing]]:
        """Each of `numbers` once. Some are read while those before them are looked at."""
        send, receive = trio.open_memory_channel[list[Ticket | Missing]](0)
        async with (
            receive,
            background() as nursery,
            aclosing(case async for some in receive for case in some) as stream,
        ):
            nursery.start_soon(self._read, numbers, send)
            yield stream

    async def _read(
        self, numbers: Collection[int], send: trio.MemorySendChannel[list[Ticket | Missing]]
    ) -> None:
        waiting = iter(numbers)
        site = await in_thread(self._source.site) if numbers else None
        while site and (some := list(islice(waiting, CASES))):
            found = await self._cases(site, some)
            failed = [case.reason for case in found if isinstance(case, Missing) and not case.gone]
            if len(failed) == CASES:  # so many at once are no bad values: the other thousands need no asking
                raise TSAPIError(f"Not one of {CASES} cases can be read: {failed[0]}")
            await send.send(found)
        await send.aclose()  # not after an error: the reader would take that for the end of the cases

    async def _cases(self, site: Site, numbers: list[int]) -> list[Ticket | Missing]:
        """As `Source.cases`. Where a value breaks the answer, each case is asked for by itself."""
        try:
            return await in_thread(self._source.cases, site, numbers)
        except (Unreachable, LoginRefused, PermissionMissing):
            raise
        except TrackerError as error:
            if len(numbers) == 1:
                return [Missing(numbers[0], f"Case {numbers[0]} cannot be read: {error}")]
            half = len(numbers) // 2
            return [
                *await self._cases(site, numbers[:half]),
                *await self._cases(site, numbers[half:]),
            ]

    async def metadata(self) -> Metadata:
        """Field definitions, and the values of every field that lists them."""
        return await in_thread(self._source.metadata)

    async def outdated(self, stored: Stored) -> list[int]:
        """The cases that are stored otherwise than the TeamTrack has them now: all of them are read."""
        return await compared(self, stored)

    async def aclose(self) -> None:
        """Give back the connections."""
        self._source.close()
        await trio.lowlevel.checkpoint()

    def _note(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


async def in_thread(function: Callable[..., T], *arguments: object) -> T:
    """What a blocking function returns. Raises TrackerError.

    When it is cancelled, the thread is left to itself: it only reads, and has a timeout of its own.
    """
    try:
        return await trio.to_thread.run_sync(partial(function, *arguments), abandon_on_cancel=True)
    except TeamTrackError as error:  # nothing that a user has asked for
        raise TSAPIError(str(error)) from None
