"""Clients of Tracs, real ones and the stand-in, and what the tests ask through them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from offtracfs import records
from offtracfs.kinds import changelog_path, ticket_path
from offtracfs.trackers import Missing, Ticket, Tracker
from offtracfs.trackers.credentials import Credentials
from offtracfs.trackers.trac import TracTracker, connect
from tests.standin import StandInTrac
from tests.standinteamtrack import StandInTeamTrack
from tests.tracservers import RealTrac

SPRING = datetime(2011, 4, 9, 21, 16, 7, tzinfo=UTC)
DAY = timedelta(days=1)

Trac = StandInTrac | RealTrac
Site = Trac | StandInTeamTrack

TRACS = ("standin", "modern", "legacy")
in_both_protocols = pytest.mark.parametrize("trac", [*TRACS, "modern-xml", "legacy-xml"], indirect=True)
of_every_kind = pytest.mark.parametrize("trac", [*TRACS, "teamtrack"], indirect=True)
everywhere = pytest.mark.parametrize("trac", [*TRACS, "modern-xml", "legacy-xml", "teamtrack"], indirect=True)


class OnlyXml(httpx.AsyncHTTPTransport):
    """The way to a site whose plugin does not speak JSON-RPC."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answers JSON-RPC as the plugin answers what it does not know."""
        if request.headers.get("content-type") == "application/json":
            return httpx.Response(415, text="No protocol matching Content-Type")
        return await super().handle_async_request(request)


async def client(trac: Trac, credentials: Credentials | None = None) -> TracTracker:
    """A client of a Trac, by default its administrator's."""
    return await connect(trac.url, credentials or trac.login(), transport=trac.transport)


@asynccontextmanager
async def connected(trac: Trac, user: str = "admin") -> AsyncIterator[TracTracker]:
    """A client of one of a Trac's users, closed at the end."""
    async with aclosing(await client(trac, trac.login(user))) as tracker:
        yield tracker


@asynccontextmanager
async def tracker_of(site: Site) -> AsyncIterator[Tracker]:
    """The tracker at any kind of site, closed at the end."""
    async with aclosing(await (client(site) if isinstance(site, Trac) else site.connect())) as tracker:
        yield tracker


async def fetch(tracker: Tracker, numbers: Collection[int]) -> dict[int, Ticket | Missing]:
    """What the tracker gives for these ids; each must come once."""
    async with tracker.tickets(numbers) as stream:
        items = [item async for item in stream]
    assert sorted(item.number for item in items) == sorted(numbers)
    return {int(item.number): item for item in items}


async def ticket(tracker: Tracker, number: int) -> Ticket:
    """One ticket that must be there."""
    found = (await fetch(tracker, [number]))[number]
    assert isinstance(found, Ticket)
    return found


async def said(trac: Trac) -> dict[str, bytes]:
    """What the server says now of all its tickets."""
    files: dict[str, bytes] = {}
    async with connected(trac) as tracker:
        for number, found in (await fetch(tracker, await tracker.ids())).items():
            assert isinstance(found, Ticket)
            files[ticket_path(number)] = records.dump(found.record)
            files[changelog_path(number)] = records.dump(found.changelog)
    return files


async def stored(tracker: Tracker) -> dict[int, list[Any]]:
    """The record of every ticket, as a sync that has just ended would have stored it."""
    found = (await fetch(tracker, await tracker.ids())).values()
    return {
        item.number: records.load(records.dump(item.record)) for item in found if isinstance(item, Ticket)
    }


async def outdated(tracker: Tracker, known: dict[int, list[Any]], **changes: str) -> list[int]:
    """What is out of date of these records, if each of them had these values in its fields."""
    changed = {number: [*record[:3], record[3] | changes] for number, record in known.items()}
    return await tracker.outdated(changed.get)
