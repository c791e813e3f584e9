"""Drafts are sent to real Tracs, each exactly once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from offtracfs import records
from offtracfs.drafts.checks import MAX_TEXT
from offtracfs.drafts.merging import normal
from offtracfs.errors import LoginRefused
from tests.drafting import Desk
from tests.standin import StandInTrac
from tests.tracclient import Trac, connected
from tests.tracservers import RealTrac, served

SPRING = datetime(2011, 4, 9, 21, 16, 7, tzinfo=UTC)
DAY = timedelta(days=1)

SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("legacy", "modern-xml")]
on_all = pytest.mark.parametrize("trac", ["standin", "modern", "legacy-xml", *SLOW], indirect=True)
on_real = pytest.mark.parametrize("trac", ["legacy-xml", "modern", *SLOW], indirect=True)
on_both = pytest.mark.parametrize("trac", ["modern", SLOW[0]], indirect=True)


@pytest.fixture
async def desk(tmp_path: Path, trac: Trac) -> Desk:
    """Somebody with a Trac of two tickets, synced."""
    words = "Since Monday.\r\n\r\nPoints stick\r\nwhen it rains."
    trac.create("Points stick", SPRING, author="fitter", owner="carol", cc="ann, bob", description=words)
    trac.create("Signal dark", SPRING, owner="dora", component="component1")
    if isinstance(trac, StandInTrac):
        trac.components["component1"] = "somebody"
    made = Desk(tmp_path / "db", trac)
    await made.sync()
    return made


def values(trac: Trac, number: int) -> dict[str, Any]:
    """What the tracker has in a ticket's fields now."""
    found: dict[str, Any] = trac.call("ticket.get", number)[3]
    return found


def comments(trac: Trac, number: int) -> list[str]:
    """The comments of a ticket, without those that say nothing; their lines end with LF."""
    rows = trac.call("ticket.changeLog", number)
    return [normal(row[4]) for row in rows if row[2] == "comment" and row[4]]


@on_all
async def test_a_change_arrives_and_the_draft_goes_with_the_next_sync(desk: Desk, trac: Trac) -> None:
    """Fields and comment are in the tracker, under the user's name; the mount shows them all the while."""
    words = "Since Tuesday.\r\n\r\nPoints stick\r\nwhen it rains.\r\n---- cut\r\n==== é \u2028 𝔘"
    desk.save(
        1, owner="bob", cc="ann, zoe", keywords="rain", description=words, comment="Oiled.\n\n  é <b>&amp;\n"
    )
    (result,) = await desk.push()
    assert (result.fate, result.number, result.sentences) == ("sent", 1, [])
    there = values(trac, 1)
    assert (there["owner"], there["cc"], there["keywords"]) == ("bob", "ann, zoe", "rain")
    assert there["description"].replace("\r\n", "\n") == words.replace("\r\n", "\n")
    assert comments(trac, 1) == ["Oiled.\n\n  é <b>&amp;"]
    assert {row[1] for row in trac.call("ticket.changeLog", 1)} == {"admin"}
    shown = records.load(desk.shown("ticket/1.json").encode())
    assert shown[3]["_ts"] == there["_ts"]
    assert shown[3]["owner"] == "bob"
    assert "comment" not in shown[3]
    assert desk.pending() == []
    await desk.sync()
    assert desk.shown("ticket/1.json") == ""
    assert await desk.push() == []


@on_all
async def test_what_others_changed_meanwhile_is_kept(desk: Desk, trac: Trac) -> None:
    """A push puts a change on top of what it finds: fields, members of lists, lines of the description."""
    words = "Since Tuesday.\n\nPoints stick\nwhen it rains."
    desk.save(1, cc="bob, zoe", priority="minor", description=words)
    other = "Since Monday.\r\n\r\nPoints stick\r\nwhen it snows."
    trac.change(1, SPRING + DAY, "eve", "Mine.", owner="eve", cc="ann, bob, eve", description=other)
    (result,) = await desk.push()
    assert result.fate == "sent"
    there = values(trac, 1)
    assert (there["owner"], there["cc"], there["priority"]) == ("eve", "bob, eve, zoe", "minor")
    assert there["description"].split() == ["Since", "Tuesday.", "Points", "stick", "when", "it", "snows."]


@on_all
async def test_a_conflict_is_shown_and_not_sent_until_it_is_settled(desk: Desk, trac: Trac) -> None:
    """Nothing is sent; the file shows the tracker's value and mine; saved without that line, it is sent."""
    desk.save(1, owner="bob", comment="I take it.")
    trac.change(1, SPRING + DAY, "eve", "", owner="eve")
    before = values(trac, 1)
    (result,) = await desk.push()
    assert result.fate == "conflict"
    assert "owner" in result.sentences[0]
    assert values(trac, 1) == before
    assert comments(trac, 1) == []
    (waits,) = desk.pending()
    assert waits["conflicts"] == {"owner": {"tracker": "eve", "yours": "bob"}}
    record = records.load(desk.shown("ticket/1.json").encode())
    assert record[3].pop("conflict") == {"owner": {"tracker": "eve", "yours": "bob"}}
    assert (record[3]["owner"], record[3]["_ts"]) == ("eve", before["_ts"])
    with_mine = [*record[:3], record[3] | {"owner": "bob"}]
    desk.save_bytes("ticket/1.json", records.dump(with_mine))
    (result,) = await desk.push()
    assert result.fate == "sent"
    assert values(trac, 1)["owner"] == "bob"
    assert comments(trac, 1) == ["I take it."]


@on_all
async def test_the_workflow_is_the_trackers(desk: Desk, trac: Trac) -> None:
    """Status and resolution change by actions with their inputs; what cannot be is refused, in words."""
    desk.save(1, status="closed", resolution="fixed", comment="Done.")
    (result,) = await desk.push()
    assert (result.fate, result.values["action"]) == ("sent", "resolve")
    assert (values(trac, 1)["status"], values(trac, 1)["resolution"]) == ("closed", "fixed")
    await desk.sync()
    desk.save(1, status="accepted")
    (result,) = await desk.push()
    assert result.fate == "refused"
    assert "closed to accepted" in result.sentences[0]
    assert "reopen" in result.sentences[0]
    desk.save(1, status="reopened")
    (result,) = await desk.push()
    assert (result.fate, result.sentences) == ("sent", [])
    assert (values(trac, 1)["status"], values(trac, 1)["resolution"]) == ("reopened", "")
    desk.change(2, status="assigned", owner="zoe")
    desk.change(2, "Yours.")
    (result,) = await desk.push()
    assert (result.fate, result.values["action"], result.sentences) == ("sent", "reassign", [])
    assert (values(trac, 2)["status"], values(trac, 2)["owner"]) == ("assigned", "zoe")
    await desk.sync()
    desk.change(2, "", "resolve", resolution="invalid")
    (result,) = await desk.push()
    assert (result.fate, values(trac, 2)["resolution"]) == ("sent", "invalid")
    await desk.sync()
    desk.change(2, "", "explode")
    (result,) = await desk.push()
    assert result.fate == "refused"
    assert "no action 'explode'" in result.sentences[0]


@on_all
async def test_a_new_ticket_is_created_once_with_its_components_owner(desk: Desk, trac: Trac) -> None:
    """The name stands for the ticket that it became, also for an editor that stayed open."""
    path = "ticket/new-crossing.json"
    fields = {
        "summary": "Crossing dark",
        "component": "component1",
        "description": "Not a light\nis on.",
        "cc": "ann",
    }
    desk.save_bytes(path, records.dump(fields))
    (result,) = await desk.push()
    assert (result.fate, result.number, result.sentences) == ("sent", 3, [])
    there = values(trac, 3)
    assert (there["owner"], there["reporter"], there["status"]) == ("somebody", "admin", "new")
    assert await desk.push() == []
    assert desk.became("new-crossing") == 3
    assert desk.save_bytes(path, records.dump(fields)) is None
    saved = desk.save_bytes(path, records.dump(fields | {"priority": "minor"}))
    assert saved
    assert (saved.ticket, saved.fields) == ("3", {"priority": "minor"})
    (result,) = await desk.push()
    assert (result.fate, values(trac, 3)["priority"]) == ("sent", "minor")
    assert values(trac, 3)["owner"] == "somebody"


@on_both
async def test_an_editor_that_stays_open_sends_its_comment_once(desk: Desk, trac: Trac) -> None:
    """Saved again after the push, before and after a sync, the same text sends only what is new in it."""
    text = desk.text(1) + "==== Comment\nI shall look.\n"
    desk.save_bytes("text/1.txt", text.encode())
    assert [result.fate for result in await desk.push()] == ["sent"]
    assert desk.save_bytes("text/1.txt", text.encode()) is None
    await desk.sync()
    desk.save_bytes("text/1.txt", text.replace("major", "minor").encode())
    assert [result.fate for result in await desk.push()] == ["sent"]
    desk.save_bytes("text/1.txt", f"{text}\nAnd I did.\n".replace("major", "minor").encode())
    assert [result.fate for result in await desk.push()] == ["sent"]
    assert comments(trac, 1) == ["I shall look.", "And I did."]
    assert values(trac, 1)["priority"] == "minor"


@on_both
async def test_what_the_tracker_refuses_stays_with_its_reason(desk: Desk, trac: Trac) -> None:
    """A milestone that is gone, a missing permission: the draft waits, and says what for."""
    desk.save(1, milestone="milestone1")
    trac.call("ticket.milestone.delete", "milestone1")
    (result,) = await desk.push()
    assert result.fate == "refused"
    assert "milestone1" in result.sentences[0]
    (waits,) = desk.pending()
    assert "milestone1" in waits["reason"]
    trac.call("ticket.milestone.create", "milestone1", {})
    assert [result.fate for result in await desk.push()] == ["sent"]
    await desk.sync()
    reader = Desk(desk.database.path.with_name("reader"), trac, "reader")
    await reader.sync()
    reader.change(2, "May I?")
    (result,) = await reader.push()
    assert result.fate == "refused"
    assert comments(trac, 2) == []
    assert reader.pending()[0]["comment"] == "May I?"
    reader.save_bytes("ticket/new-x.json", b'{"summary": "Mine"}')
    assert [result.fate for result in await reader.push("new-x")] == ["waits"]
    assert "TICKET_CREATE" in reader.pending()[1]["reason"]


@on_both
async def test_a_deleted_ticket_and_a_wrong_password_keep_the_draft(desk: Desk, trac: Trac) -> None:
    """Nothing is lost where the ticket is gone, or the tracker lets nobody in."""
    desk.change(1, "For nobody.")
    desk.change(2, "For somebody.")
    trac.delete(1)
    results = {result.ticket: result.fate for result in await desk.push()}
    assert results == {"1": "waits", "2": "sent"}
    await desk.sync()
    (waits,) = desk.pending()
    assert (waits["ticket"], waits["comment"]) == (1, "For nobody.")
    assert "no ticket 1 any more" in waits["reason"]
    desk.user = "nobody"
    with pytest.raises(LoginRefused):
        await desk.push()
    assert len(desk.pending()) == 1


@on_both
async def test_a_tracker_tells_whether_tickets_can_be_changed(desk: Desk, trac: RealTrac) -> None:
    """Its page of a ticket has a form for whoever may."""
    for permissions, may in (([], False), (["TICKET_APPEND"], True), (["TICKET_CHGPROP"], True)):
        trac.permit("reader", "XML_RPC", "TICKET_VIEW", *permissions)
        async with connected(trac, "reader") as tracker:
            assert await tracker.may_change(1) == may


@on_both
async def test_a_dry_run_changes_nothing(desk: Desk, trac: Trac) -> None:
    """It says what would be sent; neither the tracker nor the drafts move."""
    desk.save(1, status="closed", resolution="fixed", comment="Done.")
    before, version = values(trac, 1), desk.version()
    (result,) = await desk.push(dry_run=True)
    assert result.fate == "would send"
    assert result.values == {"action": "resolve", "action_resolve_resolve_resolution": "fixed"}
    assert result.comment == "Done."
    assert (values(trac, 1), desk.version()) == (before, version)


@pytest.mark.parametrize("trac", ["modern"], indirect=True)
async def test_a_change_costs_three_requests(desk: Desk, trac: Trac) -> None:
    """One to look, one to change, one to read the log afterwards."""
    desk.change(1, "Once.")
    desk.change(2, "Twice.", owner="bob")
    tracker = await desk.connect()
    before = tracker.requests
    await desk.push_by(tracker)
    assert tracker.requests - before == 6
    await tracker.aclose()


@pytest.mark.parametrize("trac", ["standin"], indirect=True)
async def test_a_ticket_that_is_saved_while_it_is_sent(desk: Desk, trac: StandInTrac) -> None:
    """The first text is sent as it was, and the second one sends what is new in it, once."""
    text = desk.text(1) + "==== Comment\nOne.\n"
    desk.save_bytes("text/1.txt", text.encode())

    def saved_meanwhile(request: httpx.Request) -> httpx.Response:
        again = text.replace("major", "minor") + "Two.\n"
        desk.save_bytes("text/1.txt", again.encode())
        return trac.honest(request)

    trac.faults.extend([trac.honest, trac.honest, saved_meanwhile])
    assert [result.fate for result in await desk.push()] == ["sent"]
    assert comments(trac, 1) == ["One."]
    (waits,) = desk.pending()
    assert (waits["comment"], list(waits["fields"])) == ("Two.", ["priority"])
    assert [result.fate for result in await desk.push()] == ["sent"]
    assert comments(trac, 1) == ["One.", "Two."]
    assert values(trac, 1)["priority"] == "minor"


@pytest.mark.parametrize("trac", ["standin"], indirect=True)
async def test_a_change_that_slips_in_is_told(desk: Desk, trac: StandInTrac) -> None:
    """Trac's check is not atomic: what came between our look and our change is in the log, and is said."""
    desk.change(1, "Mine.", owner="bob")

    def slips_in(request: httpx.Request) -> httpx.Response:
        trac.change(1, SPRING + DAY, "eve", "Hers.", priority="minor")
        trac.tickets[1].changed = SPRING  # as if both had read the same
        return trac.honest(request)

    trac.faults.extend([trac.honest, trac.honest, slips_in])
    (result,) = await desk.push()
    assert result.fate == "sent"
    assert result.sentences == ["Meanwhile eve changed it, too (comment, priority): have a look at it."]


@on_real
async def test_custom_fields_and_long_texts(tmp_path: Path, trac: RealTrac) -> None:
    """A time is sent as one; texts may be as long as Trac's limit; `_ts` may go back."""
    trac.configure("ticket-custom", **{"due": "time", "due.label": "Due", "note": "textarea"})
    trac.create("Points stick", datetime.now(UTC) + DAY, owner="carol")
    desk = Desk(tmp_path / "db", trac)
    await desk.sync()
    desk.save(1, due="2019-05-01T00:00:00", note="one\ntwo")
    assert [(result.fate, result.sentences) for result in await desk.push()] == [("sent", [])]
    assert values(trac, 1)["due"].startswith("2019-05-01T00:00:00")
    await desk.sync()
    long = ("points stick " * MAX_TEXT)[: MAX_TEXT - 1] + "."
    desk.save(1, description=long, comment=long)
    trac.change(1, SPRING, "eve", "Long ago.", priority="minor")
    assert [result.fate for result in await desk.push()] == ["sent"]
    assert values(trac, 1)["description"] == long
    assert sorted(map(len, comments(trac, 1))) == [len("Long ago."), MAX_TEXT]


@on_both
async def test_six_writers_at_once(tmp_path: Path, trac: RealTrac) -> None:
    """Six people comment on one ticket and change it at the same time: each comment is there once."""
    trac.create("Points stick", SPRING, owner="carol")
    desks = [Desk(tmp_path / f"db{place}", trac) for place in range(6)]
    for place, one in enumerate(desks):
        await one.sync()
        one.save(1, cc=f"user{place}", comment=f"Said by {place}.")

    async def push(one: Desk) -> None:
        for _ in range(6):
            if all(result.fate == "sent" for result in await one.push()):
                break

    async with trio.open_nursery() as nursery:
        for one in desks:
            nursery.start_soon(push, one)
    assert sorted(comments(trac, 1)) == [f"Said by {place}." for place in range(6)]
    assert not any(one.pending() for one in desks)


@pytest.mark.slow
async def test_a_trac_in_another_language(tmp_path: Path) -> None:
    """Hints of actions and faults are French: actions are found, and a collision is no refusal."""
    with served("modern", packages=["Babel"]) as server:
        trac = server.new()
        trac.configure("trac", default_language="fr")
        trac.create("Points stick", SPRING, owner="carol")
        actions = trac.call("ticket.getActions", 1)
        assert any("prochain" in action[2].casefold() for action in actions), actions
        desk = Desk(tmp_path / "db", trac)
        await desk.sync()
        desk.save(1, status="closed", resolution="fixed", comment="Done.")
        (result,) = await desk.push()
        assert (result.fate, result.sentences) == ("sent", [])
        assert values(trac, 1)["resolution"] == "fixed"
        desk.change(1, "More.", milestone="milestone1")
        trac.call("ticket.milestone.delete", "milestone1")
        assert [result.fate for result in await desk.push()] == ["refused"]
        desk.change(1, milestone="milestone2")
        behind = replace(trac, transport=_Overtaken(lambda: trac.change(1, SPRING + DAY, "eve", "Hers.")))
        desk.trac = behind
        assert [result.fate for result in await desk.push()] == ["sent"]
        assert comments(trac, 1) == ["Hers.", "Done.", "More."]


class _Overtaken(httpx.AsyncHTTPTransport):
    """The way to a site on which somebody else is faster, once."""

    def __init__(self, other: Callable[[], None]) -> None:
        super().__init__()
        self._others = [other]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Lets the other one change something just before our update."""
        if b"ticket.update" in await request.aread() and self._others:
            await trio.to_thread.run_sync(self._others.pop())
        return await super().handle_async_request(request)
