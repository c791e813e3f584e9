"""Lists, fields, reports, columns and new attachments of a Trac in trouble."""

from __future__ import annotations

from contextlib import aclosing
from datetime import timedelta

import httpx
import pytest
import trio

from offtracfs.errors import (
    TrackerError,
    Unreachable,
)
from tests import faults
from tests.standin import StandInTrac
from tests.tracclient import SPRING, client, outdated, stored


@pytest.fixture
def trac() -> StandInTrac:
    """A Trac with no tickets."""
    return StandInTrac()


@pytest.mark.parametrize("result", [b"[1, null]", b'{"a": 1}', b'"all"', b'["1"]', b"[1000000000000000000]"])
async def test_ids_of_no_shape(trac: StandInTrac, result: bytes) -> None:
    """A list of tickets that is none is refused."""
    tracker = await client(trac)
    trac.always = faults.body(b'{"error": null, "result": ' + result + b"}")
    with pytest.raises(TrackerError, match="not a list of numbers"):
        await tracker.ids()


async def test_method_fails(trac: StandInTrac) -> None:
    """A method that fails is named with the server's reason."""
    tracker = await client(trac)
    trac.always = faults.body(b'{"result": null, "error": {"code": -32603, "message": "database is locked"}}')
    with pytest.raises(TrackerError, match=r"fails at ticket\.query: database is locked"):
        await tracker.ids()


async def test_no_timeline(trac: StandInTrac) -> None:
    """Without TIMELINE_VIEW one problem is noted, once."""
    trac.create("x", SPRING)
    trac.lacks = {"TIMELINE_VIEW"}
    tracker = await client(trac)
    assert await tracker.attached_since(SPRING) == []
    assert await tracker.attached_since(SPRING) == []
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
    """A timeline that cannot be read is a problem, not a failure."""
    tracker = await client(trac)
    trac.faults += [trac.honest, faults.body(feed, "application/rss+xml")]
    assert await tracker.attached_since(SPRING) == []
    assert tracker.problems == ["New attachments stay unnoticed: the timeline's feed cannot be read."]


async def test_timeline_with_an_impossible_id(trac: StandInTrac) -> None:
    """A number of more than 18 digits in the timeline is no ticket's: all others are found."""
    tracker = await client(trac)
    date = "<pubDate>Wed, 01 Jan 2099 00:00:00 GMT</pubDate>"
    items = "".join(
        f"<item><link>/attachment/ticket/{number}/a</link>{date}</item>"
        for number in (7, 10**18 - 1, 10**18, 2**64)
    )
    trac.faults += [trac.honest, faults.body(f"<rss>{items}</rss>".encode(), "application/rss+xml")]
    assert await tracker.attached_since(SPRING) == [7, 10**18 - 1]


async def test_timeline_reaches_back(trac: StandInTrac) -> None:
    """The timeline is asked for as far back as the moment, and no farther than Trac looks."""
    tracker = await client(trac)
    for days in (-1, 0, 10, 5000):
        await tracker.attached_since(trac.clock - timedelta(days=days))
    asked = [request.url.params["daysback"] for request in trac.requests if "timeline" in request.url.path]
    assert asked == ["1", "2", "12", "90"]


async def test_no_reports(trac: StandInTrac) -> None:
    """Without REPORT_VIEW fields are still found; reports count as unknown, not as gone."""
    trac.set_report(1, "Mine", "SELECT 1")
    trac.lacks = {"REPORT_VIEW"}
    metadata = await (await client(trac)).metadata()
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
    metadata = await (await client(trac)).metadata()
    assert [path for path in metadata.records if path.startswith("report")] == ["report/2.json"]
    assert "report" not in metadata.complete
    assert len(metadata.problems) == 1
    assert "REPORT_SQL_VIEW" in metadata.problems[0]


async def test_component_vanishes(trac: StandInTrac) -> None:
    """A component that is deleted while it is asked for is gone; the list still counts as complete."""
    tracker = await client(trac)

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
    tracker = await client(trac)
    known = await stored(tracker)
    assert known[1][3]["summary"] == 'a "b",\r\nc é'
    assert await outdated(tracker, known) == []
    trac.always = lambda request: faults.in_bytes(trac.honest)(request)
    assert await outdated(tracker, known) == []
    assert await outdated(tracker, known, keywords='"') == [2]


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
    tracker = await client(trac)
    trac.faults += [trac.honest, trac.honest, faults.body(content, "text/csv")]
    with pytest.raises(TrackerError, match="The columns of all tickets"):
        await outdated(tracker, {})


async def test_table_without_lines(trac: StandInTrac) -> None:
    """A table that is one line of megabytes is given up early."""
    tracker = await client(trac)
    trac.faults += [trac.honest, trac.honest, faults.huge(500 * 2**20)]
    with pytest.raises(TrackerError, match="break off"):
        await outdated(tracker, {})


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
    tracker = await client(trac)
    broken = faults.body(listing, "text/plain")
    trac.always = lambda request: (broken if "report" in request.url.path else trac.honest)(request)
    metadata = await tracker.metadata()
    assert "report" not in metadata.complete
    assert "fields.json" in metadata.records
    assert ["The list of reports" in problem for problem in metadata.problems] == [True]


async def test_down_for_reports(trac: StandInTrac, autojump_clock: trio.testing.MockClock) -> None:
    """A server that goes down while reports are read is an error, not a problem."""
    tracker = await client(trac)
    trac.always = lambda r: (faults.unreachable if "report" in r.url.path else trac.honest)(r)
    with pytest.raises(Unreachable):
        await tracker.metadata()


async def test_table_breaks_off(trac: StandInTrac) -> None:
    """A table that ends in the middle of a line is refused: its end would look like deleted tickets."""
    trac.fill(50, SPRING)
    tracker = await client(trac)
    trac.faults += [trac.honest, trac.honest, faults.cut(trac.honest)]
    with pytest.raises(TrackerError, match="break off"):
        await outdated(tracker, {})


async def test_reader_of_columns_leaves(trac: StandInTrac) -> None:
    """A reader of the columns may leave before the end, and what it raises comes out as it is."""
    trac.fill(50, SPRING)
    tracker = await client(trac)

    def leave(_: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await tracker.outdated(leave)
    assert await outdated(tracker, await stored(tracker), summary="another") == list(range(1, 51))


async def test_columns_die(trac: StandInTrac) -> None:
    """A connection that is lost in the middle of the columns is an error."""
    tracker = await client(trac)
    trac.faults += [trac.honest, trac.honest, faults.dies]
    with pytest.raises(Unreachable):
        await outdated(tracker, {})


async def test_no_table(trac: StandInTrac) -> None:
    """A Trac that does not give the table says so by an error, not by an empty table."""
    tracker = await client(trac)
    trac.faults += [trac.honest, trac.honest, faults.status(403)]
    with pytest.raises(TrackerError, match="403"):
        await outdated(tracker, {})


async def test_closing(trac: StandInTrac) -> None:
    """A closed tracker makes no more requests."""
    tracker = await client(trac)
    async with aclosing(tracker):
        pass
    with pytest.raises(RuntimeError):
        await tracker.ids()
