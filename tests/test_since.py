"""since: from a stored state of a ticket to what the tracker says now."""

from __future__ import annotations

import pytest

from offtracfs.records import microseconds
from offtracfs.sync.replay import TicketVersion
from tests.ticketlogs import DAY, SECOND, T1, T2, T3, T4, hold, row, since, ticket, told, values

STORED = (
    ticket(T1, status="open"),
    [row(T1, "bob", "comment", "1", "x"), row(T1, "bob", "status", "new", "open")],
)


def test_since_the_same_state_is_nothing() -> None:
    """What is stored already has no new versions."""
    assert list(since(*STORED, *STORED)) == []


def test_since_gives_only_what_is_new() -> None:
    """A new row leads on from what is stored."""
    log = [*STORED[1], row(T2, "cay", "status", "open", "closed")]
    record = ticket(T2, status="closed")
    [only] = since(record, log, *STORED)
    assert only == TicketVersion(microseconds(T2), "cay", "#42 status: open → closed", "", record, log)


def test_since_keeps_silent_differences_for_the_end() -> None:
    """What changed without a row is in the last version only, also where a change came after it."""
    log = [*STORED[1], row(T2, "cay", "status", "open", "closed")]
    old = ticket(T1, status="open", component="ui"), STORED[1]
    record = ticket(T2, status="closed", component="ui.core")
    versions = list(since(record, log, *old))
    hold(versions, record, log)
    assert values(versions, "component") == ["ui", "ui.core"]
    assert [v.moment for v in versions] == [microseconds(T2), None]


def test_since_an_edit_of_a_stored_comment() -> None:
    """An edit finds the comment's text as it was stored, and replaces it."""
    log = [
        row(T1, "bob", "_comment0", "x", str(microseconds(T2))),
        row(T1, "bob", "_comment1", "y", str(microseconds(T3))),
        row(T1, "bob", "comment", "1", "z"),
        STORED[1][1],
    ]
    versions = list(since(ticket(T3, status="open"), log, *STORED))
    hold(versions, ticket(T3, status="open"), log)
    assert [v.body for v in versions] == ["y", "z"]
    assert versions[0].changelog == [log[0], row(T1, "bob", "comment", "1", "y"), log[3]]


def test_since_a_row_that_arrives_late() -> None:
    """A change dated before what is stored does not undo it, and keeps its date."""
    late = row(f"{DAY}10:00:30", "cay", "status", "fresh", "new")
    other = row(f"{DAY}10:00:30", "cay", "keywords", "", "k")
    log = [late, other, *STORED[1]]
    record = ticket(T1, status="open", keywords="k")
    [only] = since(record, log, ticket(T1, status="open", keywords=""), STORED[1])
    assert (only.moment, only.author) == (microseconds(late[0]), "cay")
    assert (only.record, only.changelog) == (record, log)


def test_since_rows_that_are_gone() -> None:
    """A deleted attachment is noticed last; until then its row stands where it stood."""
    gone = row(T1, "bob", "attachment", "", "x.png", 0)
    new = row(T2, "cay", "comment", "2", "y")
    record, log = ticket(T2, status="open"), [*STORED[1], new]
    versions = list(since(record, log, STORED[0], [STORED[1][0], gone, STORED[1][1]]))
    hold(versions, record, log)
    assert [v.changelog for v in versions] == [[STORED[1][0], gone, STORED[1][1], new], log]
    assert [v.moment for v in versions] == [microseconds(T2), None]


def test_since_another_attachment_of_the_same_second() -> None:
    """Another name is another attachment, and its author's."""
    old, new = (row(T1, "bob", "attachment", "", name, 0) for name in ("x.png", "y.png"))
    versions = list(since(STORED[0], [new], STORED[0], [old]))
    assert told(versions) == [("bob", "#42 attachment: y.png"), ("", "#42 as the tracker says now")]
    assert versions[0].changelog == [old, new]


def test_since_a_row_beside_one_like_it() -> None:
    """Of two rows with one time and field, the one that is stored is known, wherever it stands."""
    stored = [row(SECOND, "bob", "comment", "1", "x")]
    log = [row(SECOND, "ann", "comment", "2", "y"), *stored]
    [only] = since(ticket(T2), log, ticket(T2), stored)
    assert (only.author, only.body) == ("ann", "y")


def test_since_a_log_in_another_order() -> None:
    """Stored rows take the order of the new log."""
    log = [*STORED[1], row(T2, "cay", "comment", "2", "y")]
    [only] = since(ticket(T2, status="open"), log, STORED[0], STORED[1][::-1])
    assert only.changelog == log


def test_since_a_field_that_had_no_value_before() -> None:
    """A field that the stored record lacks appears with the row that set it."""
    log = [*STORED[1], row(T2, "cay", "note", "", "n"), row(T3, "cay", "status", "open", "closed")]
    versions = list(since(ticket(T3, status="closed", note="n"), log, *STORED))
    assert values(versions, "note") == ["n", "n"]


def test_since_a_field_that_was_removed() -> None:
    """A field that the tracker no longer has follows its rows, and is gone at the end."""
    old = ticket(T1, status="open", note="n")
    log = [*STORED[1], row(T2, "cay", "note", "n", "")]
    versions = list(since(ticket(T2, status="open"), log, old, STORED[1]))
    assert [v.record[3].get("note", "gone") for v in versions] == ["gone"]
    log[-1] = row(T2, "cay", "note", "n", "m")
    versions = list(since(ticket(T2, status="open"), log, old, STORED[1]))
    assert [v.record[3].get("note", "gone") for v in versions] == ["m", "gone"]


def test_since_a_record_without_a_log() -> None:
    """A stored record whose log is missing has stored no row."""
    [only] = since(*STORED, STORED[0], None)
    assert (only.record, only.changelog) == STORED


def test_since_a_text_changed_in_place() -> None:
    """A row that was rewritten without a trace is noticed, not taken for a new one."""
    log = [row(T1, "bob", "comment", "1", "rewritten"), STORED[1][1]]
    [only] = since(STORED[0], log, *STORED)
    assert (only.moment, only.changelog) == (None, log)


def test_since_the_number_was_given_to_another_ticket() -> None:
    """Where a ticket is deleted and its number given anew, all versions of the new one come, no others."""
    log = [row(T3, "cay", "status", "new", "closed")]
    record = ticket(T3, created=T2, status="closed", summary="B")
    versions = list(since(record, log, *STORED))
    hold(versions, record, log)
    assert told(versions) == [("ann", "#42 created: B"), ("cay", "#42 status: new → closed")]
    assert values(versions, "status") == ["new", "closed"]
    assert versions[0].changelog == []


def test_since_the_number_was_given_to_a_ticket_with_an_unlogged_end() -> None:
    """What no row explains of another ticket with the same number is dated as for any ticket new here."""
    log = [row(T3, "cay", "status", "new", "closed")]
    versions = list(since(ticket(T4, created=T2, status="reopened"), log, *STORED))
    assert [v.moment for v in versions] == [microseconds(t) for t in (T2, T3, T4)]


@pytest.mark.parametrize("created", [f"{DAY}09:00:00", f"{DAY}10:00:30"])
def test_since_a_creation_time_that_was_corrected(created: str) -> None:
    """A ticket whose creation time changed without a trace is the same ticket: its life is not told again."""
    record = ticket(T1, created=created, status="open")
    [only] = since(record, STORED[1], *STORED)
    assert (only.moment, only.record, only.changelog) == (None, record, STORED[1])
