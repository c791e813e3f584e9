"""A Trac as a `Tracker`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import httpx

from offtracfs.errors import TrackerError, Unreachable
from offtracfs.names import MAX_NUMBER
from offtracfs.trackers import Metadata, Missing, Seen, Stored, Ticket, Value
from offtracfs.trackers.credentials import Credentials
from offtracfs.trackers.trac import batches, fields, reports, sweep, timeline, writing
from offtracfs.trackers.trac.faults import Fault
from offtracfs.trackers.trac.http import Http
from offtracfs.trackers.trac.rpc import Rpc, find
from offtracfs.trackers.tracrules import TracRules

SEES_TICKETS = "ticket.type.getAll"
"""A cheap method that Trac refuses to users without the permission TICKET_VIEW.

The methods that list tickets do not fail without it: their list is then empty.
"""


class TracTracker:
    """One Trac, as one user sees it. Made by `connect`; every method may raise TrackerError."""

    log_rules = TracRules()

    def __init__(self, rpc: Rpc, methods: frozenset[str]) -> None:
        self.problems: list[str] = []
        self.exact_text = rpc.codec.exact_text
        self._rpc = rpc
        self._http = rpc.http
        self._methods = methods

    @property
    def requests(self) -> int:
        """How many HTTP requests were made so far."""
        return self._http.requests

    @property
    def user(self) -> str:
        """The name that we are logged in with, "" for a visitor."""
        return self._http.credentials.user if self._http.credentials else ""

    def now(self) -> datetime:
        """The server's clock (UTC), as of its last answer."""
        return self._http.date or datetime.now(UTC)

    async def ids(self) -> list[int]:
        """The ids of all tickets that can be seen, ascending. One request, two where there are none.

        Raises PermissionMissing where none can be seen.
        """
        # Without "max=0" a query stops at a page; a query that names no status shows closed tickets too.
        found = _ids(await self._rpc.call("ticket.query", "max=0&order=id"))
        if not found:
            await self._rpc.call(SEES_TICKETS)
        return found

    async def changed_since(self, moment: datetime) -> list[int]:
        """Ids of the tickets changed at or after `moment`. One request.

        Raises PermissionMissing where no ticket can be seen any more.
        """
        method = "ticket.getRecentChanges"
        found, sees = await self._rpc.many([(method, [moment]), (SEES_TICKETS, [])])
        if isinstance(found, Fault):
            raise self._rpc.failed(method, found)
        if not found and isinstance(sees, Fault) and sees.forbidden:
            await self.ids()  # a site may let us see some tickets only, by rules for each of them
        return _ids(found)

    async def attached_since(self, moment: datetime) -> list[int]:
        """Ids of the tickets that got an attachment at or after `moment`, which moves no time of change.

        One request. The timeline reaches back 90 days at most; where it cannot be read, one of
        `problems` says so.
        """
        try:
            return sorted(await timeline.attached_since(self._http, moment, self.now()))
        except TrackerError as error:
            self._note(str(error))
            return []

    def tickets(
        self, numbers: Collection[int]
    ) -> AbstractAsyncContextManager[AsyncIterator[Ticket | Missing]]:
        """Each of `numbers` once, in any order, in batches behind the scenes."""
        return batches.tickets(self._rpc, numbers)

    async def metadata(self) -> Metadata:
        """Field definitions, the values of every field, and the reports."""
        parts = [await fields.fields(self._rpc, self._methods)]
        try:
            parts.append(await reports.reports(self._http))
        except Unreachable:
            raise
        except TrackerError as error:
            parts.append(Metadata({}, set(), [str(error)]))
        return Metadata(
            records={path: record for part in parts for path, record in part.records.items()},
            complete={path for part in parts for path in part.complete},
            problems=[problem for part in parts for problem in part.problems],
        )

    async def outdated(self, stored: Stored) -> list[int]:
        """The tickets whose stored record does not agree with Trac's table of tickets.

        Two requests, and a few more where Trac shows people by their full names.
        """
        return await sweep.outdated(self._rpc, await fields.definitions(self._rpc), stored)

    async def look(self, number: int) -> Seen | Missing:
        """A ticket, its change log and its actions. One request."""
        return await writing.look(self._rpc, number)

    async def update(self, number: int, comment: str, values: Mapping[str, Value], stamp: str) -> list[Any]:
        """Change a ticket, and give its record then. One request, which is never sent again."""
        return await writing.update(self._rpc, number, comment, values, stamp)

    async def create(self, values: Mapping[str, Value]) -> int:
        """Make a ticket, and give its number. One request, which is never sent again."""
        return await writing.create(self._rpc, values)

    async def default_owner(self, values: Mapping[str, str]) -> str:
        """The owner of the component; "" where there is none."""
        return await writing.default_owner(self._rpc, values)

    async def may_change(self, number: int) -> bool:
        """Whether Trac's own page of the ticket lets us change it. One request."""
        return await writing.may_change(self._http, number)

    async def aclose(self) -> None:
        """Give back the connections."""
        await self._http.aclose()

    def _note(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


def _ids(value: Any) -> list[int]:
    """`value` as ascending ids. Raises TrackerError if it is no list of ids."""
    if not isinstance(value, list) or not all(type(item) is int and 0 < item <= MAX_NUMBER for item in value):
        raise TrackerError("The tracker's list of tickets is not a list of numbers.")
    value.sort()  # in place: there may be very many
    twice = any(one == next_one for one, next_one in pairwise(value))
    return sorted(set(value)) if twice else value


async def connect(
    url: str, credentials: Credentials | None = None, *, transport: httpx.AsyncBaseTransport | None = None
) -> TracTracker:
    """The Trac at `url`, once its RPC plugin has answered: one request where it speaks JSON-RPC.

    Raises UsageError where `url` is not an address or holds a password, and TrackerError where there is no
    plugin, the login is refused, the permission XML_RPC is missing, or nothing answers.
    """
    http = Http(url, credentials, transport)
    try:
        return TracTracker(*await find(http))
    except BaseException:
        await http.aclose()
        raise
