"""What the client does when a Trac, a proxy or the network fails: all against the stand-in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
import trio

from offtracfs.errors import (
    NotATracker,
    OfftracfsError,
    PermissionMissing,
    TrackerError,
    Unreachable,
    UsageError,
)
from offtracfs.trackers import Missing, Ticket
from offtracfs.trackers.trac import Credentials, TracTracker, batches, connect, http, site
from tests import faults
from tests.standin import Answerer, StandInTrac

SPRING = datetime(2011, 4, 9, 21, 16, 7, tzinfo=UTC)


@pytest.fixture
def trac() -> StandInTrac:
    """A Trac with no tickets."""
    return StandInTrac()


async def connected(trac: StandInTrac) -> TracTracker:
    """A client of the stand-in."""
    return await connect(trac.url, trac.login(), transport=trac.transport)


async def table(tracker: TracTracker) -> list[tuple[int, Mapping[str, str]]]:
    """All columns of all tickets."""
    async with tracker.columns() as rows:
        return [row async for row in rows]


async def fetch(tracker: TracTracker, numbers: list[int]) -> dict[int, Ticket | Missing]:
    """What the tracker gives for these ids; each must come once."""
    async with tracker.tickets(numbers) as stream:
        items = [item async for item in stream]
    assert sorted(item.number for item in items) == sorted(numbers)
    return {item.number: item for item in items}


def asked_for(request: httpx.Request) -> list[int]:
    """The tickets that a multicall asks for."""
    calls = json.loads(request.content)["params"] if request.url.path.endswith("/rpc") else []
    return [call["params"][0] for call in calls if isinstance(call, dict) and call["method"] == "ticket.get"]


# Connecting.


@pytest.mark.parametrize(
    "answer",
    [
        faults.body(b"<html><title>Welcome</title></html>", "text/html"),
        faults.body(b"hello", "text/plain"),
        faults.status(404),
        faults.status(415),
    ],
)
async def test_no_plugin(trac: StandInTrac, answer: Answerer) -> None:
    """A page, a 404 or anything but RPC: the error doubts the address first and then the plugin."""
    trac.always = answer
    with pytest.raises(NotATracker, match=r"check the address.*XmlRpcPlugin"):
        await connected(trac)


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff garbage", b"{}", b"[]", b"[" * 100_000, b'{"result": NaN, "error": null}']
)
async def test_garbage(trac: StandInTrac, content: bytes) -> None:
    """An answer that claims to be JSON-RPC and is not is refused as such."""
    trac.always = faults.body(content)
    with pytest.raises(TrackerError, match="The answer is not JSON"):
        await connected(trac)


async def test_truncated_json(trac: StandInTrac) -> None:
    """JSON that ends early is refused."""
    trac.always = faults.cut(trac.honest)
    with pytest.raises(TrackerError, match="The answer is not JSON"):
        await connected(trac)


async def test_no_permission(trac: StandInTrac) -> None:
    """Without XML_RPC the error names the user and the command that grants it."""
    trac.lacks = {"XML_RPC"}
    with pytest.raises(PermissionMissing, match="permission add admin XML_RPC"):
        await connected(trac)


async def test_forbidden_by_the_web_server(trac: StandInTrac) -> None:
    """A 403 in front of the plugin is a missing permission too."""
    trac.always = faults.status(403)
    with pytest.raises(PermissionMissing, match="the web server forbids it"):
        await connected(trac)


async def test_redirect(trac: StandInTrac) -> None:
    """A redirection is named and not followed: nothing is sent to the other address."""
    trac.always = faults.status(301, Location="https://elsewhere.example.net/rpc")
    with pytest.raises(NotATracker, match=r"sends us on to https://elsewhere.example.net/rpc"):
        await connected(trac)
    assert {request.url.host for request in trac.requests} == {"trac.example.org"}


async def test_login_form_elsewhere(trac: StandInTrac) -> None:
    """A login form that would send the password to another site is not filled in."""
    anonymous = (
        b'{"result": null, "error": {"code": 1, "message": "Authentication information not available"}}'
    )
    form = b'<form action="https://evil.example.net/"><input name="u"><input type="password" name="p"></form>'
    trac.faults += [faults.body(anonymous), faults.body(form, "text/html")]
    with pytest.raises(OfftracfsError, match="elsewhere: not done"):
        await connected(trac)
    assert {request.url.host for request in trac.requests} == {"trac.example.org"}


@pytest.mark.parametrize(
    "url",
    [
        "trac.example.org",
        "ftp://trac.example.org",
        "https://",
        "",
        "http://[::1",
        "https://ann@trac.example.org",
    ],
)
async def test_no_address(url: str) -> None:
    """What is no web address is the user's mistake, and nothing is asked."""
    with pytest.raises(UsageError):
        await connect(url)


@pytest.mark.parametrize(
    "url", ["https://ann:hunter2@trac.example.org", "ann:hunter2@trac.example.org", "https://ann:hunter2/"]
)
async def test_password_in_address(url: str) -> None:
    """A password in an address is refused, and not repeated."""
    with pytest.raises(UsageError) as caught:
        await connect(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("tail", ["", "/", "/login/rpc", "/rpc", "/login", "/xmlrpc", "?x=y", "#top"])
def test_address_of_rpc(tail: str) -> None:
    """The address of a Trac's RPC or login page does for that of the Trac."""
    assert site.checked_url(f"https://example.org/trac{tail}") == "https://example.org/trac"


def test_password_stays_hidden() -> None:
    """Credentials do not show the password when they are printed."""
    assert "hunter2" not in repr(Credentials("ann", "hunter2"))


async def test_server_text(trac: StandInTrac) -> None:
    """A server's words are quoted short and without what would command a terminal."""
    message = "bad\x1b[31m \u202ered\n\n" + "x" * 1000
    trac.always = faults.body(json.dumps({"result": None, "error": {"code": 1, "message": message}}).encode())
    with pytest.raises(TrackerError) as caught:
        await connected(trac)
    assert "bad[31m red xxx" in str(caught.value)
    assert len(str(caught.value)) < 300


# Trying again. The clock of these tests jumps ahead whenever all wait.


@pytest.mark.parametrize(
    "answer",
    [faults.dies, faults.unreachable, *map(faults.status, (429, 500, 502, 503, 504))],
)
async def test_short_trouble(
    trac: StandInTrac, autojump_clock: trio.testing.MockClock, answer: Answerer
) -> None:
    """Trouble that ends within some seconds goes unnoticed."""
    trac.faults += [answer, answer]
    tracker = await connected(trac)
    assert tracker.requests == 3
    assert 1 < trio.current_time() < 10
    assert tracker.problems == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (faults.dies, Unreachable),
        (faults.unreachable, Unreachable),
        (faults.status(503), Unreachable),
        (faults.status(500), TrackerError),
    ],
)
async def test_long_trouble(
    trac: StandInTrac, autojump_clock: trio.testing.MockClock, answer: Answerer, error: type[TrackerError]
) -> None:
    """Trouble that stays is an error after some tries, with growing pauses between them."""
    trac.always = answer
    with pytest.raises(error) as caught:
        await connected(trac)
    assert "\x1b" not in str(caught.value)
    assert len(trac.requests) == 4
    assert 2 < trio.current_time() < 60


@pytest.mark.parametrize("as_date", [False, True])
async def test_retry_after(trac: StandInTrac, autojump_clock: trio.testing.MockClock, as_date: bool) -> None:
    """A busy server that says when to come back is left alone until then."""
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    trac.faults.append(faults.status(503, Retry_After=then if as_date else "30"))
    await connected(trac)
    assert 25 < trio.current_time() < 35


@pytest.mark.parametrize("wait", ["86400", "9" * 400])
async def test_retry_much_later(trac: StandInTrac, autojump_clock: trio.testing.MockClock, wait: str) -> None:
    """A server that asks for a day's patience gets an error at once."""
    trac.always = faults.status(503, Retry_After=wait)
    with pytest.raises(Unreachable, match="too busy"):
        await connected(trac)
    assert trio.current_time() < 1


async def test_endless_answer(trac: StandInTrac, autojump_clock: trio.testing.MockClock) -> None:
    """A server that never comes to an end is given up within minutes, all tries included."""
    trac.always = faults.endless
    with pytest.raises(Unreachable, match="did not answer within"):
        await connected(trac)
    assert trio.current_time() <= http.DEADLINE


async def test_huge_answer(trac: StandInTrac, autojump_clock: trio.testing.MockClock) -> None:
    """An answer of hundreds of megabytes is dropped at the limit."""
    trac.always = faults.huge(500 * 2**20)
    with pytest.raises(TrackerError, match="over 32 MB"):
        await connected(trac)


# Tickets.


async def test_broken_ticket(trac: StandInTrac) -> None:
    """A ticket whose get fails is reported with the server's reason, and the others arrive."""
    numbers = trac.fill(20, SPRING)
    trac.broken = {7}
    got = await fetch(await connected(trac), numbers)
    assert got[7] == Missing(7, "Ticket 7 cannot be had: 'NoneType' object has no attribute 'x'", gone=False)
    assert [number for number, item in got.items() if isinstance(item, Missing)] == [7]


async def test_misshapen_ticket(trac: StandInTrac) -> None:
    """A ticket whose data has the wrong shape is reported, and the others arrive."""
    numbers = trac.fill(20, SPRING)
    trac.misshapen = {7}
    got = await fetch(await connected(trac), numbers)
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
    tracker = await connected(trac)
    trac.always = lambda request: (poison if 23 in asked_for(request) else trac.honest)(request)
    got = await fetch(tracker, numbers)
    assert [number for number, item in got.items() if isinstance(item, Missing)] == [23]
    missing = got[23]
    assert isinstance(missing, Missing)
    assert not missing.gone


@pytest.mark.parametrize("answer", [faults.unreachable, faults.dies, faults.status(503), faults.body(b"")])
async def test_server_goes_down(
    trac: StandInTrac, autojump_clock: trio.testing.MockClock, answer: Answerer
) -> None:
    """A server that fails on everything ends the stream with an error, within minutes and not in a group."""
    numbers = trac.fill(500, SPRING)
    tracker = await connected(trac)
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
    await fetch(await connected(trac), numbers)
    sizes = [len(asked_for(request)) for request in trac.requests if asked_for(request)]
    assert sizes[0] == batches.FIRST
    assert max(sizes) == batches.MOST


async def test_batches_shrink(trac: StandInTrac, autojump_clock: trio.testing.MockClock) -> None:
    """A slow server is asked for fewer tickets at once."""
    numbers = trac.fill(60, SPRING)
    tracker = await connected(trac)
    trac.always = lambda request: faults.slow(2 * len(asked_for(request)), trac.honest)(request)
    got = await fetch(tracker, numbers)
    assert all(isinstance(item, Ticket) for item in got.values())
    assert [len(asked_for(request)) for request in trac.requests][-5:] == [1] * 5


async def test_slow_reader(trac: StandInTrac) -> None:
    """Only some batches are fetched ahead of a reader that is slow: memory does not grow."""
    numbers = trac.fill(3000, SPRING)
    tracker = await connected(trac)
    async with tracker.tickets(numbers) as stream:
        await anext(aiter(stream))
        await trio.testing.wait_all_tasks_blocked()
        assert sum(len(asked_for(request)) for request in trac.requests) <= 10 * batches.FIRST


async def test_large_tickets(trac: StandInTrac) -> None:
    """Answers are kept small where tickets are large: batches shrink before memory fills."""
    for number in range(40):
        trac.create(f"ticket {number}", SPRING, description="x" * 2**20)
    tracker = await connected(trac)
    got = await fetch(tracker, await tracker.ids())
    assert all(isinstance(item, Ticket) for item in got.values())
    sizes = [len(asked_for(request)) for request in trac.requests if asked_for(request)]
    assert max(sizes) <= batches.FIRST


async def test_reader_leaves(trac: StandInTrac) -> None:
    """A reader may leave before the end; then nothing more is fetched."""
    numbers = trac.fill(3000, SPRING)
    tracker = await connected(trac)
    async with tracker.tickets(numbers) as stream:
        await anext(aiter(stream))
    before = tracker.requests
    await trio.testing.wait_all_tasks_blocked()
    assert tracker.requests == before


async def test_reader_fails(trac: StandInTrac) -> None:
    """An error of the reader comes out as it is, not within a group."""
    numbers = trac.fill(30, SPRING)
    tracker = await connected(trac)

    async def read() -> None:
        async with tracker.tickets(numbers) as stream:
            await anext(aiter(stream))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await read()


# The rest.


@pytest.mark.parametrize("result", [b"[1, null]", b'{"a": 1}', b'"all"', b'["1"]'])
async def test_ids_of_no_shape(trac: StandInTrac, result: bytes) -> None:
    """A list of tickets that is none is refused."""
    tracker = await connected(trac)
    trac.always = faults.body(b'{"error": null, "result": ' + result + b"}")
    with pytest.raises(TrackerError, match="not a list of numbers"):
        await tracker.ids()


async def test_no_timeline(trac: StandInTrac) -> None:
    """Without TIMELINE_VIEW changes are still found, and one problem is noted, once."""
    number = trac.create("x", SPRING)
    trac.lacks = {"TIMELINE_VIEW"}
    tracker = await connected(trac)
    assert await tracker.changed_since(SPRING) == [number]
    assert await tracker.changed_since(SPRING) == [number]
    assert len(tracker.problems) == 1
    assert "TIMELINE_VIEW" in tracker.problems[0]


@pytest.mark.parametrize(
    "feed",
    [
        b"",
        b"<rss",
        b"<html></html><p>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><rss>&b;</rss>",
        b"<rss><item><link>/attachment/ticket/1/a</link><pubDate>never</pubDate></item></rss>",
    ],
)
async def test_broken_timeline(trac: StandInTrac, feed: bytes) -> None:
    """A timeline that cannot be read is a problem, and changes are still found."""
    number = trac.create("x", SPRING)
    tracker = await connected(trac)
    trac.faults += [trac.honest, trac.honest, faults.body(feed, "application/rss+xml")]
    assert await tracker.changed_since(SPRING) == [number]
    assert tracker.problems == ["New attachments stay unnoticed: the timeline's feed cannot be read."]


async def test_timeline_reaches_back(trac: StandInTrac) -> None:
    """The timeline is asked for as far back as the moment, and no farther than Trac looks."""
    tracker = await connected(trac)
    for days in (-1, 0, 10, 5000):
        await tracker.changed_since(trac.clock - timedelta(days=days))
    asked = [request.url.params["daysback"] for request in trac.requests if "timeline" in request.url.path]
    assert asked == ["1", "2", "12", "90"]


async def test_no_reports(trac: StandInTrac) -> None:
    """Without REPORT_VIEW fields are still found; reports count as unknown, not as gone."""
    trac.set_report(1, "Mine", "SELECT 1")
    trac.lacks = {"REPORT_VIEW"}
    metadata = await (await connected(trac)).metadata()
    assert "fields.json" in metadata.records
    assert "report" not in metadata.complete
    assert "field/component" in metadata.complete
    assert len(metadata.problems) == 1
    assert "REPORT_VIEW" in metadata.problems[0]


async def test_no_sql(trac: StandInTrac) -> None:
    """Where a report's SQL is not for us to see, those that can be read arrive and one problem is noted."""
    trac.set_report(1, "Mine", "SELECT 1")
    trac.set_report(2, "Open", "query:?status=new")
    trac.lacks = {"REPORT_MODIFY"}
    metadata = await (await connected(trac)).metadata()
    assert [path for path in metadata.records if path.startswith("report")] == ["report/2.json"]
    assert "report" not in metadata.complete
    assert len(metadata.problems) == 1
    assert "REPORT_SQL_VIEW" in metadata.problems[0]


async def test_component_vanishes(trac: StandInTrac) -> None:
    """A component that is deleted while it is asked for is gone; the list still counts as complete."""
    tracker = await connected(trac)

    def delete_then_answer(request: httpx.Request) -> httpx.Response:
        listed = trac.honest(request)
        del trac.components["component2"]
        return listed

    trac.faults.append(delete_then_answer)
    metadata = await tracker.metadata()
    assert "field/component/component1.json" in metadata.records
    assert "field/component/component2.json" not in metadata.records
    assert "field/component" in metadata.complete


async def test_columns_in_pieces(trac: StandInTrac) -> None:
    """The table of columns is read rightly wherever the network cuts it."""
    trac.create('a "b",\r\nc é', SPRING, keywords='"')
    trac.create("plain", SPRING)
    tracker = await connected(trac)
    whole = await table(tracker)
    trac.always = lambda request: faults.in_bytes(trac.honest)(request)
    assert await table(tracker) == whole
    assert whole[0][1]["summary"] == 'a "b",\r\nc é'
    assert whole[0][1]["keywords"] == '"'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><title>Error</title></html>",
        b"id,Summary\r\n1,x\r\n",
        b"Summary,id\r\n",
    ],
)
async def test_table_of_no_shape(trac: StandInTrac, content: bytes) -> None:
    """A table with other columns than those asked for is refused."""
    tracker = await connected(trac)
    trac.faults += [trac.honest, trac.honest, faults.body(content, "text/csv")]
    with pytest.raises(TrackerError, match="The columns of all tickets"):
        await table(tracker)


async def test_table_without_lines(trac: StandInTrac) -> None:
    """A table that is one line of megabytes is given up early."""
    tracker = await connected(trac)
    trac.faults += [trac.honest, trac.honest, faults.huge(500 * 2**20)]
    with pytest.raises(TrackerError, match="break off"):
        await table(tracker)


@pytest.mark.parametrize(
    "listing",
    [
        b"",
        b"number\ttitle\r\n1\tMine\r\n",
        b"report\ttitle\r\nx\tMine\r\n",
        b"report\ttitle\r\n1\t" + b"x" * 200_000,
    ],
    ids=["empty", "other columns", "no number", "200,000 characters"],
)
async def test_list_of_reports_of_no_shape(trac: StandInTrac, listing: bytes) -> None:
    """A list of reports that is none is a problem: it must not look like deleted reports."""
    tracker = await connected(trac)
    broken = faults.body(listing, "text/plain")
    trac.always = lambda request: (broken if "report" in request.url.path else trac.honest)(request)
    metadata = await tracker.metadata()
    assert "report" not in metadata.complete
    assert "fields.json" in metadata.records
    assert ["The list of reports" in problem for problem in metadata.problems] == [True]


async def test_down_for_reports(trac: StandInTrac, autojump_clock: trio.testing.MockClock) -> None:
    """A server that goes down while reports are read is an error, not a problem."""
    tracker = await connected(trac)
    trac.always = lambda r: (faults.unreachable if "report" in r.url.path else trac.honest)(r)
    with pytest.raises(Unreachable):
        await tracker.metadata()


async def test_table_breaks_off(trac: StandInTrac) -> None:
    """A table that ends in the middle of a line is refused: its end would look like deleted tickets."""
    trac.fill(50, SPRING)
    tracker = await connected(trac)
    trac.faults += [trac.honest, trac.honest, faults.cut(trac.honest)]
    with pytest.raises(TrackerError, match="break off"):
        await table(tracker)


async def test_reader_of_columns_leaves(trac: StandInTrac) -> None:
    """A reader of the columns may leave before the end, and what it raises comes out as it is."""
    trac.fill(50, SPRING)
    tracker = await connected(trac)

    async def read() -> None:
        async with tracker.columns() as rows:
            await anext(aiter(rows))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await read()
    assert len(await table(tracker)) == 50


async def test_columns_die(trac: StandInTrac) -> None:
    """A connection that is lost in the middle of the columns is an error."""
    tracker = await connected(trac)
    trac.faults += [trac.honest, trac.honest, faults.dies]
    with pytest.raises(Unreachable):
        await table(tracker)


async def test_no_table(trac: StandInTrac) -> None:
    """A Trac that does not give the table says so by an error, not by an empty table."""
    tracker = await connected(trac)
    trac.faults += [trac.honest, trac.honest, faults.status(403)]
    with pytest.raises(TrackerError, match="403"):
        await table(tracker)


async def test_closing(trac: StandInTrac) -> None:
    """A closed tracker makes no more requests."""
    tracker = await connected(trac)
    async with aclosing(tracker):
        pass
    with pytest.raises(RuntimeError):
        await tracker.ids()
