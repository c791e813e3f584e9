"""What every Trac gives through the client: the stand-in, real ones, and both of their protocols."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from offtracfs.errors import LoginRefused, PermissionMissing
from offtracfs.trackers import Missing, Ticket, Tracker
from offtracfs.trackers.trac import Credentials, TracTracker, connect
from tests.standin import StandInTrac
from tests.tracservers import RealTrac

SPRING = datetime(2011, 4, 9, 21, 16, 7, tzinfo=UTC)
DAY = timedelta(days=1)

Trac = StandInTrac | RealTrac


class OnlyXml(httpx.AsyncHTTPTransport):
    """The way to a site whose plugin does not speak JSON-RPC."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answers JSON-RPC as the plugin answers what it does not know."""
        if request.headers.get("content-type") == "application/json":
            return httpx.Response(415, text="No protocol matching Content-Type")
        return await super().handle_async_request(request)


@pytest.fixture(params=["standin", "modern", "legacy"])
def trac(request: pytest.FixtureRequest) -> Trac:
    """A Trac with no tickets."""
    kind, _, xml = request.param.partition("-")
    if kind == "standin":
        return StandInTrac()
    site: RealTrac = request.getfixturevalue(f"{kind}_trac").new()
    site.transport = OnlyXml() if xml else None
    return site


in_both_protocols = pytest.mark.parametrize(
    "trac", ["standin", "modern", "legacy", "modern-xml", "legacy-xml"], indirect=True
)


@asynccontextmanager
async def connected(trac: Trac, credentials: Credentials | None = None) -> AsyncIterator[TracTracker]:
    """A client of a Trac, by default its administrator's."""
    tracker = await connect(trac.url, credentials or trac.login(), transport=trac.transport)
    async with aclosing(tracker):
        yield tracker


async def fetched(tracker: Tracker, *numbers: int) -> dict[int, Ticket | Missing]:
    """What the tracker gives for these ids; each must come once."""
    async with tracker.tickets(numbers) as stream:
        items = [item async for item in stream]
    assert len(items) == len(numbers)
    return {item.number: item for item in items}


async def ticket(tracker: Tracker, number: int) -> Ticket:
    """One ticket that must be there."""
    found = (await fetched(tracker, number))[number]
    assert isinstance(found, Ticket)
    return found


async def table(tracker: Tracker) -> dict[int, dict[str, str]]:
    """All columns of all tickets."""
    async with tracker.columns() as rows:
        return {number: dict(values) async for number, values in rows}


@in_both_protocols
async def test_record(trac: Trac) -> None:
    """A ticket's record holds its id, both times as ISO text, every field and the version token."""
    number = trac.create("It crashes", SPRING, author="ann", component="component1", keywords="a, b")
    async with connected(trac) as tracker:
        found, created, changed, props = (await ticket(tracker, number)).record
    assert (found, created, changed) == (number, "2011-04-09T21:16:07", "2011-04-09T21:16:07")
    expected = {"summary": "It crashes", "reporter": "ann", "component": "component1", "keywords": "a, b"}
    assert props.items() >= expected.items()
    assert props["status"] == "new"
    assert props["milestone"] == ""
    assert props["time"] == created
    assert props["_ts"] == "1302383767000000"


@in_both_protocols
async def test_text(trac: Trac) -> None:
    """JSON-RPC keeps every character; XML-RPC all but control characters, and the client says so."""
    text = "one\r\ntwo\rthree\ttab \x0b \x1b[31m é 😀 \u2028 <b>&amp;</b> ]]>"
    number = trac.create("x", SPRING, description=text)
    async with connected(trac) as tracker:
        got = (await ticket(tracker, number)).record[3]["description"]
    lossy = text.replace("\x0b", "\ufffd").replace("\x1b", "\ufffd")
    assert got == (text if tracker.exact_text else lossy)
    assert tracker.exact_text != isinstance(trac.transport, OnlyXml)


@in_both_protocols
async def test_changelog(trac: Trac) -> None:
    """A change log has a row for each field and comment in order of time, "" for what was unset."""
    number = trac.create("x", SPRING)
    trac.change(number, SPRING + DAY, "bob", "because", keywords="slow")
    async with connected(trac) as tracker:
        log = (await ticket(tracker, number)).changelog
    assert sorted(log) == [
        ["2011-04-10T21:16:07", "bob", "comment", "1", "because", 1],
        ["2011-04-10T21:16:07", "bob", "keywords", "", "slow", 1],
    ]


@in_both_protocols
async def test_attachment_rows(trac: Trac) -> None:
    """An attachment is two rows of the change log that are marked as not permanent."""
    number = trac.create("x", SPRING)
    trac.attach(number, "log.txt", "the log")
    async with connected(trac) as tracker:
        log = (await ticket(tracker, number)).changelog
    assert [row[2:] for row in log] == [["attachment", "", "log.txt", 0], ["comment", "", "the log", 0]]


async def test_no_changes(trac: Trac) -> None:
    """A ticket that never changed has an empty change log."""
    number = trac.create("x", SPRING)
    async with connected(trac) as tracker:
        assert (await ticket(tracker, number)).changelog == []


@in_both_protocols
async def test_fraction(trac: Trac) -> None:
    """A time with a fraction of a second is given to the microsecond or cut to the second, never rounded."""
    number = trac.create("x", SPRING + timedelta(microseconds=987_654))
    async with connected(trac) as tracker:
        _, created, _, props = (await ticket(tracker, number)).record
    assert created in ("2011-04-09T21:16:07", "2011-04-09T21:16:07.987654")
    assert props["_ts"] == "1302383767987654"


@pytest.mark.parametrize("year", [1901, 2099])
async def test_strange_year(trac: Trac, year: int) -> None:
    """Tickets from long before and long after now arrive like others."""
    number = trac.create("x", SPRING.replace(year=year))
    async with connected(trac) as tracker:
        assert (await ticket(tracker, number)).record[1] == f"{year}-04-09T21:16:07"


async def test_ids(trac: Trac) -> None:
    """All ids come, ascending, those of closed tickets too and more than fit on a page."""
    numbers = trac.fill(102, SPRING)
    trac.change(numbers[3], SPRING + DAY, status="closed", resolution="fixed")
    trac.delete(numbers[5])
    async with connected(trac) as tracker:
        assert await tracker.ids() == [number for number in numbers if number != numbers[5]]


@in_both_protocols
async def test_every_ticket_once(trac: Trac) -> None:
    """Every ticket that is asked for arrives exactly once, in fewer requests than tickets."""
    numbers = trac.fill(45, SPRING)
    async with connected(trac) as tracker:
        before = tracker.requests
        got = await fetched(tracker, *numbers)
        assert tracker.requests - before <= 5
    assert sorted(got) == numbers
    assert all(isinstance(item, Ticket) for item in got.values())


async def test_no_tickets(trac: Trac) -> None:
    """Asking for no tickets gives none, without a request."""
    async with connected(trac) as tracker:
        before = tracker.requests
        assert await fetched(tracker) == {}
        assert tracker.requests == before
        assert await tracker.ids() == []
        assert await table(tracker) == {}


@in_both_protocols
async def test_deleted(trac: Trac) -> None:
    """A deleted ticket is reported as gone, and its neighbours arrive."""
    numbers = trac.fill(3, SPRING)
    trac.delete(numbers[1])
    async with connected(trac) as tracker:
        got = await fetched(tracker, *numbers)
    assert [isinstance(got[number], Ticket) for number in numbers] == [True, False, True]
    gone = got[numbers[1]]
    assert isinstance(gone, Missing)
    assert gone.gone
    assert f"Ticket {numbers[1]} does not exist" in gone.reason


@in_both_protocols
async def test_changed_since(trac: Trac) -> None:
    """A change counts from its very moment on, to the microsecond, and earlier ones do not."""
    moment = SPRING + timedelta(microseconds=500_000)
    trac.create("before", SPRING)
    at = trac.create("at", moment)
    after = trac.create("after", SPRING)
    trac.change(after, SPRING + DAY, comment="new")
    async with connected(trac) as tracker:
        assert await tracker.changed_since(moment if tracker.exact_text else SPRING + DAY) == (
            [at, after] if tracker.exact_text else [after]
        )
        assert tracker.problems == []


async def test_new_attachment(trac: Trac) -> None:
    """A ticket with a new attachment counts as changed, although its time of change says nothing."""
    trac.create("without", SPRING)
    number = trac.create("with", SPRING)
    trac.attach(number, "log.txt")
    async with connected(trac) as tracker:
        assert await tracker.changed_since(tracker.now() - timedelta(minutes=1)) == [number]
        assert await tracker.changed_since(tracker.now() + DAY) == []


@in_both_protocols
async def test_definitions(trac: Trac) -> None:
    """fields.json says what fields there are, with labels and the order of options."""
    async with connected(trac) as tracker:
        metadata = await tracker.metadata()
    fields = {item["name"]: item for item in metadata.records["fields.json"]}
    assert fields["priority"]["options"] == ["blocker", "critical", "major", "minor", "trivial"]
    assert fields["changetime"]["label"] == "Modified"
    assert metadata.problems == []


@in_both_protocols
async def test_values(trac: Trac) -> None:
    """Every value of a field is a record: an object for a component, its place as text for an enum."""
    trac.rename_component("component2", "web/app é")
    async with connected(trac) as tracker:
        metadata = await tracker.metadata()
    records = metadata.records
    component = records["field/component/web%2Fapp+%C3%A9.json"]
    assert component.keys() == {"name", "owner", "description"}
    assert component["name"] == "web/app é"
    assert "field/component/component2.json" not in records
    assert records["field/priority/critical.json"] == "2"
    assert records["field/status/new.json"] == "0"
    kinds = {"component", "priority", "resolution", "severity", "status", "type"}
    assert {f"field/{kind}" for kind in kinds} <= set(metadata.complete)


SQL = "\n  SELECT id AS ticket, summary\n  FROM ticket t -- é <b>&amp;</b>\n  WHERE status <> 'closed'\n"


async def test_report(trac: Trac) -> None:
    """A report's SQL has title and description as comments before it, as Trac itself exports it."""
    trac.set_report(9, "Mine & “yours”", SQL, "What is open.\n\nAll of it.\n")
    async with connected(trac) as tracker:
        metadata = await tracker.metadata()
    assert metadata.records["report/9.json"] == {
        "title": "Mine & “yours”",
        "description": "What is open.\n\nAll of it.\n",
        "sql": "-- ## 9: Mine & “yours” ## --\n\n-- What is open.\n-- \n-- All of it.\n\n" + SQL,
    }
    assert "report" in metadata.complete


async def test_report_without_description(trac: Trac) -> None:
    """A report without a description has none in its record."""
    trac.set_report(9, "Short", "SELECT 1")
    async with connected(trac) as tracker:
        record = (await tracker.metadata()).records["report/9.json"]
    assert record == {"title": "Short", "sql": "-- ## 9: Short ## --\n\nSELECT 1"}


async def test_saved_query(trac: Trac) -> None:
    """A report that is a saved query is kept as a query."""
    trac.set_report(9, "Open", "query:?status=new&status=reopened&order=id")
    async with connected(trac) as tracker:
        metadata = await tracker.metadata()
    assert metadata.records["report/9.json"] == {
        "title": "Open",
        "sql": "query:?status=new&status=reopened&order=id",
    }


async def test_columns(trac: Trac) -> None:
    """Columns say of every ticket, closed ones too, just what its record says."""
    trac.create('a "quoted", summary\nin two lines é', SPRING, component="component1", cc="a,b", keywords="k")
    closed = trac.create("closed", SPRING, component="component2", reporter="")
    trac.change(closed, SPRING + DAY, status="closed", resolution="fixed")
    async with connected(trac) as tracker:
        rows = await table(tracker)
        tickets = await fetched(tracker, *await tracker.ids())
    assert rows.keys() == tickets.keys()
    for number, item in tickets.items():
        assert isinstance(item, Ticket)
        props: dict[str, Any] = item.record[3]
        assert {"summary", "component", "status", "resolution", "keywords"} & props.keys() <= rows[
            number
        ].keys()
        assert {name: props[name] for name in rows[number]} == rows[number]


async def test_silent_change(trac: Trac) -> None:
    """A renamed component, of which no change log tells, shows in the columns."""
    number = trac.create("x", SPRING, component="component1")
    trac.rename_component("component1", "engine")
    async with connected(trac) as tracker:
        assert await tracker.changed_since(SPRING + DAY) == []
        assert (await table(tracker))[number]["component"] == "engine"


@in_both_protocols
async def test_clock(trac: Trac) -> None:
    """The tracker's clock is the server's, in UTC."""
    async with connected(trac) as tracker:
        clock = trac.clock if isinstance(trac, StandInTrac) else datetime.now(UTC)
        assert abs(tracker.now() - clock) < timedelta(seconds=30)
        assert tracker.now().tzinfo is UTC


@in_both_protocols
async def test_requests_of_a_look(trac: Trac) -> None:
    """Connecting, looking for changes and getting some tickets again takes five requests at most."""
    numbers = trac.fill(10, SPRING)
    async with connected(trac) as tracker:
        assert tracker.requests == (1 if tracker.exact_text else 2)
        assert await tracker.changed_since(SPRING + DAY) == []
        assert len(await fetched(tracker, *numbers)) == 10
        assert tracker.requests <= 5 + (not tracker.exact_text)
        before = tracker.requests
        await tracker.changed_since(SPRING + DAY)
        assert tracker.requests == before + 2


@in_both_protocols
async def test_wrong_password(trac: Trac) -> None:
    """A wrong password is refused in words that name the user and not the password."""
    with pytest.raises(LoginRefused, match="'admin'") as caught:
        await connect(trac.url, trac.login(password="hunter2"), transport=trac.transport)
    assert "hunter2" not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"


async def test_no_user(trac: Trac) -> None:
    """Without a user, where anonymous has no XML_RPC, the error names the permission and the remedy."""
    with pytest.raises(PermissionMissing, match=r"permission add anonymous XML_RPC"):
        await connect(trac.url, transport=trac.transport)
