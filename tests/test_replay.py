"""replay: from a ticket and its change log to every version it had."""

from __future__ import annotations

import pytest

from offtracfs.records import microseconds
from offtracfs.sync.changelog import MAX_CONNECTED, in_order
from offtracfs.sync.replay import TicketVersion
from offtracfs.trackers.changelog import Change
from tests.ticketlogs import DAY, SECOND, T0, T1, T2, T3, T4, played, row, ticket, told, values


def test_a_ticket_without_changes_has_one_version() -> None:
    """A ticket that nothing happened to is its creation, by its reporter."""
    record = ticket(T0)
    [only] = played(record, [])
    assert only == TicketVersion(microseconds(T0), "ann", "#42 created: A", "", record, [])


def test_every_field_is_rolled_back() -> None:
    """The first old value of a field is what it was created with; unchanged fields stay as they are."""
    log = [
        row(T1, "bob", "comment", "1", "Mine."),
        row(T1, "bob", "owner", "", "bob"),
        row(T1, "bob", "status", "new", "assigned"),
        row(T2, "cay", "comment", "2", ""),
        row(T2, "cay", "reporter", "anne", "ann"),
        row(T2, "cay", "resolution", "", "fixed"),
        row(T2, "cay", "status", "assigned", "closed"),
    ]
    versions = played(ticket(T2, status="closed", owner="bob", resolution="fixed", note="x"), log)
    assert told(versions) == [
        ("anne", "#42 created: A"),
        ("bob", "#42 status: new → assigned, owner: bob"),
        ("cay", "#42 status: assigned → closed, resolution: fixed, reporter: anne → ann"),
    ]
    assert [v.moment for v in versions] == [microseconds(t) for t in (T0, T1, T2)]
    assert [v.body for v in versions] == ["", "Mine.", ""]
    assert versions[0].record == ticket(T0, reporter="anne", owner="", resolution="", note="x")
    assert versions[1].record == ticket(
        T1, reporter="anne", owner="bob", resolution="", note="x", status="assigned"
    )
    assert [v.changelog for v in versions] == [[], log[:3], log]


def test_a_comment_edit_is_a_version_of_its_own() -> None:
    """An edit has the editor as author and its own moment; before it, the earlier text stands."""
    edits = [T2, T4]
    log = [
        row(T1, "bob", "_comment1", "two", str(microseconds(edits[1]))),
        row(T1, "bob", "comment", "4.5", "three"),
        row(T1, "cay", "_comment0", "one", str(microseconds(edits[0]))),
        row(T3, "dee", "comment", "6", "other"),
    ]
    versions = played(ticket(T4), log)
    assert told(versions)[1:] == [
        ("bob", "#42 comment"),
        ("cay", "#42 comment 5 edited"),
        ("dee", "#42 comment"),
        ("bob", "#42 comment 5 edited"),
    ]
    assert [v.moment for v in versions] == [microseconds(t) for t in (T0, T1, T2, T3, T4)]
    assert [v.body for v in versions] == ["", "one", "two", "other", "three"]
    assert [v.record for v in versions] == [ticket(t) for t in (T0, T1, T2, T3, T4)]
    one, two = row(T1, "bob", "comment", "4.5", "one"), row(T1, "bob", "comment", "4.5", "two")
    assert [v.changelog for v in versions] == [[], [one], [two, log[2]], [two, log[2], log[3]], log]


@pytest.mark.parametrize("when", ["", None, "soon", "-5", "9" * 5000, "9" * 18, "٣"])
def test_an_edit_without_a_moment_follows_its_comment(when: str | None) -> None:
    """Where the new value of a ``_commentN`` row is no moment, the edit still comes after the comment."""
    log = [row(T1, "bob", "_comment0", "one", when), row(T1, "bob", "comment", "1", "two")]
    versions = played(ticket(T1), log)
    assert [v.body for v in versions[1:3]] == ["one", "two"]


def test_edits_at_one_moment() -> None:
    """Edits whose moments are the same, or descend, follow each other by their numbers."""
    log = [
        row(T1, "ann", "_comment1", "two", str(microseconds(T2))),
        row(T1, "bob", "_comment0", "one", str(microseconds(T3))),
        row(T1, "bob", "comment", "1", "three"),
    ]
    assert [v.body for v in played(ticket(T3), log)] == ["", "one", "two", "three"]


def test_an_edit_of_no_comment_is_kept() -> None:
    """A ``_commentN`` row whose comment is gone changes nothing but the log."""
    log = [row(T1, "bob", "_comment0", "one", str(microseconds(T2)))]
    assert [v.record[3]["status"] for v in played(ticket(T1), log)] == ["new", "new"]


def test_description_edits() -> None:
    """Long or many-lined texts are rolled back in full, and only named in the subject."""
    log = [row(T1, "bob", "comment", "1", ""), row(T1, "bob", "description", "a", "b\r\nc")]
    versions = played(ticket(T1, description="b\r\nc"), log)
    assert values(versions, "description") == ["a", "b\r\nc"]
    assert versions[1].subject == "#42 description changed"


def test_attachments_leave_the_changetime_alone() -> None:
    """An attachment is a version with its description as body, and the record stays as it was."""
    log = [
        row(T1, "bob", "attachment", "", "x.png", 0),
        row(T1, "bob", "comment", "", "A picture", 0),
        row(T2, "bob", "comment", "1", "See."),
        row(T3, "cay", "attachment", "", "y.png", 0),
        row(T3, "cay", "comment", "", "", 0),
    ]
    versions = played(ticket(T2), log)
    assert told(versions)[1:] == [
        ("bob", "#42 attachment: x.png"),
        ("bob", "#42 comment"),
        ("cay", "#42 attachment: y.png"),
    ]
    assert [v.body for v in versions] == ["", "A picture", "See.", ""]
    assert [v.record for v in versions] == [ticket(t) for t in (T0, T0, T2, T2)]


def test_an_attachment_is_no_part_of_a_change_at_the_same_moment() -> None:
    """A comment and an attachment by one author at one moment are two versions."""
    log = [
        row(T1, "bob", "attachment", "", "x.png", 0),
        row(T1, "bob", "comment", "", "A picture", 0),
        row(T1, "bob", "comment", "1", "See."),
    ]
    assert [v.body for v in played(ticket(T1), log)] == ["", "A picture", "See."]


def test_null_and_empty_are_the_same() -> None:
    """NULL in a row is '' in a record, and no difference at the end."""
    log = [row(T1, None, "comment", "1", None), row(T1, None, "keywords", None, "x")]
    log += [row(T2, "bob", "keywords", "x", None)]
    versions = played(ticket(T2, keywords=""), log)
    assert told(versions)[1:] == [("", "#42 keywords: x"), ("bob", "#42 keywords cleared")]
    assert values(versions, "keywords") == ["", "x", ""]
    assert versions[1].body == ""


def test_values_that_are_no_text() -> None:
    """A number that no row tells of stays as it is; a ticket may lack summary and reporter."""
    [first, _] = played(
        ticket(T1, weight=0, summary=None, reporter=None), [row(T1, "bob", "comment", "1", "")]
    )
    assert (first.author, first.subject) == ("", "#42 created:")
    assert first.record == ticket(T0, weight=0, summary=None, reporter=None)


def test_an_unset_time_is_null() -> None:
    """A custom field of type time that the log has as '' is null in the record."""
    due = "2012-01-01T00:00:00"
    log = [row(T1, "bob", "due", "", due)]
    assert values(played(ticket(T1, due=due), log), "due") == [None, due]
    log += [row(T2, "bob", "due", due, "")]
    assert values(played(ticket(T2, due=None), log), "due") == [None, due, None]


def test_fields_that_no_longer_exist() -> None:
    """Rows of a field that the record does not have stand in the log alone."""
    log = [row(T1, "bob", "severity", "low", "high"), row(T2, "bob", "severity", "high", "low")]
    versions = played(ticket(T2), log)
    assert told(versions)[1:] == [("bob", "#42 severity: low → high"), ("bob", "#42 severity: high → low")]
    assert values(versions, "severity") == [None, None, None]


@pytest.mark.parametrize("name", ["time", "changetime", "_ts", "comment", "attachment"])
def test_rows_never_set_what_is_no_field(name: str) -> None:
    """A row with the name of a time or of the comment does not reach the record."""
    log = [row(T1, "bob", name, "bad", "worse"), row(T2, "bob", "status", "old", "new")]
    versions = played(ticket(T2), log)
    assert versions[0].record == ticket(T0, status="old")
    assert versions[1].record == ticket(T1, status="old")


def test_rows_out_of_order() -> None:
    """Versions come in order of time, while each log keeps the order of the last."""
    log = [
        row(T2, "cay", "status", "open", "closed"),
        row(T1, "bob", "status", "new", "open"),
        row(T2, "cay", "comment", "2", "Done."),
        row(T1, "bob", "comment", "1", "Hm."),
    ]
    versions = played(ticket(T2, status="closed"), log)
    assert values(versions, "status") == ["new", "open", "closed"]
    assert versions[1].changelog == [log[1], log[3]]


@pytest.mark.parametrize(
    ("steps", "final"),
    [
        ([("ann", "new", "open"), ("bob", "open", "closed")], "closed"),
        ([("ann", "open", "closed"), ("bob", "new", "open")], "closed"),
        ([("ann", "a", "b"), ("bob", "c", "d"), ("cay", "b", "c")], "d"),
        ([("ann", "a", "b"), ("bob", "b", "a")], "a"),
        ([("ann", "b", "a"), ("bob", "a", "b")], "b"),
        ([("ann", "a", "b"), ("bob", "b", "a")], "b"),
        ([("ann", "open", "closed"), ("bob", "new", "open")], "renamed"),
    ],
)
def test_one_second_is_ordered_by_what_connects(steps: list[tuple[str, str, str]], final: str) -> None:
    """Where two changes have the same time, each begins with the value that the one before left."""
    log = [row(SECOND, author, "status", old, new) for author, old, new in steps]
    versions = played(ticket(SECOND, status=final), log)
    pairs = {author: (old, new) for author, old, new in steps}
    before = values(versions, "status")[0]
    for version in versions[1 : 1 + len(steps)]:
        old, new = pairs[version.author]
        assert (before, version.record[3]["status"]) == (old, new)
        before = new


def test_a_time_cut_to_its_second_may_be_a_later_one() -> None:
    """Of two rows of one second, one of them cut, what connects is what came first."""
    exact = SECOND + ".500000"
    log = [row(SECOND, "bob", "status", "open", "closed"), row(exact, "ann", "status", "new", "open")]
    versions = played(ticket(exact, status="closed"), log)
    assert values(versions, "status") == ["new", "open", "closed"]


def test_very_many_changes_of_one_second() -> None:
    """So many changes of one second that do not connect are taken in the order of the log.

    To look for what connects takes quadratic time, so there is a bound: how often values are compared is
    counted.
    """
    looked = 0

    class Counting(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            nonlocal looked
            looked += 1
            return super().__eq__(other)

        __hash__ = str.__hash__

    def compared(count: int) -> int:
        nonlocal looked
        found = [
            Change(microseconds(SECOND), f"u{n}", None, {}, {"cc": (Counting(f"a{n}"), Counting(f"b{n}"))})
            for n in range(count)
        ]
        looked = 0
        ordered, _ = in_order(found, {"cc": "z"})
        assert len(ordered) == count
        assert count <= MAX_CONNECTED or ordered[MAX_CONNECTED:] == found[MAX_CONNECTED:]
        return looked

    most = compared(MAX_CONNECTED)
    assert compared(4 * MAX_CONNECTED) <= most + 8 * MAX_CONNECTED


def test_one_second_without_fields_keeps_the_order_of_the_log() -> None:
    """Changes of one second that no value orders come as the log has them."""
    log = [
        row(SECOND, author, "comment", str(n), str(n))
        for n, author in enumerate(["bob", "ann", "bob", "ann"], start=1)
    ]
    assert [v.body for v in played(ticket(SECOND), log)] == ["", "1", "2", "3", "4"]


def test_two_changes_by_one_author_in_one_second() -> None:
    """A field that comes twice belongs to two changes, told apart where the fields' names begin anew."""
    log = [
        row(SECOND, "bob", "comment", "1", "one"),
        row(SECOND, "bob", "status", "new", "open"),
        row(SECOND, "bob", "cc", "", "cay"),
        row(SECOND, "bob", "comment", "2", "two"),
        row(SECOND, "bob", "status", "open", "closed"),
    ]
    versions = played(ticket(SECOND, status="closed", cc="cay"), log)
    assert [v.changelog for v in versions] == [[], log[:2], log]
    assert [v.body for v in versions] == ["", "one", "two"]


def test_an_edit_among_two_comments_of_one_second() -> None:
    """An edit stands before its comment in the log, as Trac sorts by author and field."""
    log = [
        row(SECOND, "bob", "comment", "1", "first"),
        row(SECOND, "bob", "_comment0", "secnod", str(microseconds(T2))),
        row(SECOND, "bob", "comment", "2", "second"),
    ]
    assert [v.body for v in played(ticket(T2), log)] == ["", "first", "secnod", "second"]


def test_an_edit_is_never_one_of_an_attachment() -> None:
    """An attachment's description at the same time is not what an edit replaced."""
    log = [
        row(T1, "bob", "_comment0", "one", str(microseconds(T2))),
        row(T1, "bob", "attachment", "", "x.png", 0),
        row(T1, "bob", "comment", "", "A picture", 0),
        row(T1, "bob", "comment", "1", "two"),
    ]
    assert [v.body for v in played(ticket(T2), log)] == ["", "A picture", "one", "two"]


def test_a_chain_that_does_not_connect() -> None:
    """The past is what the log says; what the tracker says comes last, at the changetime, by nobody."""
    log = [row(T1, "bob", "milestone", "m1", "m2"), row(T2, "bob", "milestone", "M2", "m3")]
    for changed in T2, T3:
        record = ticket(changed, milestone="M3")
        versions = played(record, log)
        assert values(versions, "milestone") == ["m1", "m2", "m3", "M3"]
        what = "#42 changed, the log does not say how"
        assert versions[-1] == TicketVersion(microseconds(changed), "", what, "", record, log)


@pytest.mark.parametrize(
    ("old", "new", "comment", "before"),
    [
        (None, None, "Milestone 0.10 deleted", "0.10"),
        (None, None, "Milestone 0.10 is late", ""),
        (None, "0.20", "Milestone 0.10 deleted", ""),
        ("m1", None, "Milestone 0.10 deleted", "m1"),
    ],
)
def test_a_deleted_milestone(old: str | None, new: str | None, comment: str, before: str) -> None:
    """The last milestone of a site is named only in the comment that Trac makes when it is deleted."""
    log = [row(T1, "bob", "comment", "1", comment), row(T1, "bob", "milestone", old, new)]
    versions = played(ticket(T1, milestone=new or ""), log)
    assert values(versions, "milestone") == [before, new or ""]


def test_a_changetime_that_moved_alone() -> None:
    """A changetime later than all that is logged is dated by itself: something happened then."""
    log = [row(T1, "bob", "status", "new", "open")]
    versions = played(ticket(T3, status="open"), log)
    assert versions[1].record == ticket(T1, status="open")
    assert told(versions)[2:] == [("", "#42 changed, the log does not say how")]
    assert versions[2].moment == microseconds(T3)


def test_a_changetime_that_moved_before_an_attachment() -> None:
    """A changetime that nothing explains comes last, and no earlier than what came before."""
    log = [row(T3, "bob", "attachment", "", "x.png", 0), row(T3, "bob", "comment", "", "", 0)]
    assert [v.moment for v in played(ticket(T2), log)] == [microseconds(t) for t in (T0, T3, T3)]


def test_a_changetime_before_the_log() -> None:
    """Where the changetime went back (a back-dated change), the last version is not before the last row."""
    log = [row(T2, "bob", "status", "new", "open")]
    assert [v.moment for v in played(ticket(T1, status="open"), log)] == [
        microseconds(t) for t in (T0, T2, T2)
    ]


def test_a_clock_that_ran_backwards() -> None:
    """A change dated before the ticket follows the creation, at its moment."""
    log = [row(T1, "bob", "status", "new", "open")]
    versions = played(ticket(T2, created=T2, status="open"), log)
    assert [v.moment for v in versions] == [microseconds(T2)] * 2


def test_ts_where_times_are_cut() -> None:
    """Where the source cuts times to seconds, earlier versions have no ``_ts``, but edits say theirs."""
    log = [
        row(f"{DAY}10:00:01", "bob", "_comment0", "one", str(microseconds(T2))),
        row(f"{DAY}10:00:01", "bob", "comment", "1", "two"),
        row(f"{DAY}10:09:00", "bob", "comment", "2", ""),
    ]
    last = f"{DAY}10:09:00"
    record = ticket(last, created=f"{DAY}10:00:00", ts=str(microseconds(last) + 5))
    assert values(played(record, log), "_ts") == [None, None, str(microseconds(T2)), record[3]["_ts"]]
    assert values(played(record, [*log[:2], row(last, "bob", "comment", "2", "")]), "_ts")[0] is None


def test_ts_where_times_are_whole_seconds() -> None:
    """Times without a fraction are exact where the last one equals ``_ts``."""
    record = ticket(f"{DAY}10:01:00", created=f"{DAY}10:00:00")
    versions = played(record, [row(f"{DAY}10:01:00", "bob", "comment", "1", "x")])
    assert values(versions, "_ts")[0] == str(microseconds(record[1]))


def test_records_without_times_among_their_fields() -> None:
    """A tracker that gives no ``_ts`` and no changetime among the fields gets none."""
    record = ticket(T1, ts=None)
    del record[3]["changetime"]
    versions = played(record, [row(T1, "bob", "comment", "1", "x")])
    assert versions[0].record == [42, T0, T0, record[3]]


@pytest.mark.parametrize(
    ("summary", "subject"),
    [
        ("a\x00b\r\nc\td\x1b[31m\x85e\u2028f\ud800g", "#42 created: a b c d [31m e f g"),
        ("", "#42 created:"),
        ("é" * 59, "#42 created: " + "é" * 59),
        ("é" * 60, "#42 created: " + "é" * 58 + "…"),
        ("x" * 57 + " " + "y" * 9, "#42 created: " + "x" * 57 + "…"),
    ],
)
def test_subjects_are_one_short_printable_line(summary: str, subject: str) -> None:
    """Controls, line ends and lone surrogates become spaces; what is too long is cut."""
    [only] = played(ticket(T0, summary=summary), [])
    assert only.subject == subject
    assert len(subject) <= 72
