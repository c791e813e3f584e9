"""What every Trac gives through the client: the stand-in, real ones, and both of their protocols.

What goes for any tracker goes for a TeamTrack as well.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from offtracfs.errors import LoginRefused, PermissionMissing
from offtracfs.trackers import Missing, Ticket
from offtracfs.trackers.trac import connect
from tests.standinteamtrack import StandInTeamTrack
from tests.tracclient import (
    DAY,
    SPRING,
    OnlyXml,
    Site,
    Trac,
    connected,
    everywhere,
    fetch,
    in_both_protocols,
    of_every_kind,
    outdated,
    ticket,
    tracker_of,
)
from tests.tracservers import RealTrac


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


@of_every_kind
async def test_no_changes(trac: Site) -> None:
    """A ticket that never changed has an empty change log."""
    number = trac.create("x", SPRING)
    async with tracker_of(trac) as tracker:
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
@of_every_kind
async def test_strange_year(trac: Site, year: int) -> None:
    """Tickets from long before and long after now arrive like others."""
    number = trac.create("x", SPRING.replace(year=year))
    async with tracker_of(trac) as tracker:
        assert (await ticket(tracker, number)).record[1] == f"{year}-04-09T21:16:07"


@of_every_kind
async def test_ids(trac: Site) -> None:
    """All ids come, ascending, those of closed tickets too and more than fit on a page."""
    numbers = trac.fill(102, SPRING)
    trac.change(numbers[3], SPRING + DAY, status="closed", resolution="fixed")
    trac.delete(numbers[5])
    async with tracker_of(trac) as tracker:
        assert await tracker.ids() == [number for number in numbers if number != numbers[5]]


@everywhere
async def test_every_ticket_once(trac: Site) -> None:
    """Every ticket that is asked for arrives exactly once, in fewer requests than tickets."""
    numbers = trac.fill(45, SPRING)
    async with tracker_of(trac) as tracker:
        before = tracker.requests
        got = await fetch(tracker, numbers)
        assert tracker.requests - before <= 5
    assert sorted(got) == numbers
    assert all(isinstance(item, Ticket) for item in got.values())


@of_every_kind
async def test_no_tickets(trac: Site) -> None:
    """Asking for no tickets gives none, without a request."""
    async with tracker_of(trac) as tracker:
        before = tracker.requests
        assert await fetch(tracker, []) == {}
        assert tracker.requests == before
        assert await tracker.ids() == []
        assert await outdated(tracker, {}) == []


@everywhere
async def test_deleted(trac: Site) -> None:
    """A deleted ticket is reported as gone, and its neighbours arrive."""
    numbers = trac.fill(3, SPRING)
    trac.delete(numbers[1])
    async with tracker_of(trac) as tracker:
        got = await fetch(tracker, numbers)
    assert [isinstance(got[number], Ticket) for number in numbers] == [True, False, True]
    gone = got[numbers[1]]
    assert isinstance(gone, Missing)
    assert gone.gone
    what = "Case" if isinstance(trac, StandInTeamTrack) else "Ticket"
    assert f"{what} {numbers[1]} does not exist" in gone.reason


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
    """A ticket with a new attachment is found, although its time of change says nothing."""
    trac.create("without", SPRING)
    number = trac.create("with", SPRING)
    trac.attach(number, "log.txt")
    async with connected(trac) as tracker:
        assert await tracker.attached_since(tracker.now() - timedelta(minutes=1)) == [number]
        assert await tracker.attached_since(tracker.now() + DAY) == []


@everywhere
async def test_clock(trac: Site) -> None:
    """The tracker's clock is the server's, in UTC."""
    async with tracker_of(trac) as tracker:
        clock = datetime.now(UTC) if isinstance(trac, RealTrac) else trac.clock
        assert abs(tracker.now() - clock) < timedelta(seconds=30)
        assert tracker.now().tzinfo is UTC


@in_both_protocols
async def test_requests_of_a_look(trac: Trac) -> None:
    """Connecting, looking for changes and getting some tickets again takes five requests at most."""
    numbers = trac.fill(10, SPRING)
    async with connected(trac) as tracker:
        assert tracker.requests == (1 if tracker.exact_text else 2)
        assert await tracker.changed_since(SPRING + DAY) == []
        assert await tracker.attached_since(SPRING + DAY) == []
        assert len(await fetch(tracker, numbers)) == 10
        assert tracker.requests <= 5 + (not tracker.exact_text)
        before = tracker.requests
        await tracker.changed_since(SPRING + DAY)
        await tracker.attached_since(SPRING + DAY)
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
