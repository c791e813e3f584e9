"""replay by the rules that hold for any tracker: a row is time, author, field, old, new, no more."""

from __future__ import annotations

from typing import Any

import pytest

from offtracfs.records import Row, microseconds
from offtracfs.sync import replay
from offtracfs.trackers.changelog import LogRules
from tests.ticketlogs import SECOND, T0, T1, T2, T3, T4, hold, row, told, values


class PlainRules(LogRules):
    """A made-up kind of tracker, whose records repeat the time of the last change."""

    times = frozenset({"LASTMODIFIEDDATE"})

    def stamp(self, props: dict[str, Any], time: str, final: list[Any]) -> None:
        """Sets it."""
        props["LASTMODIFIEDDATE"] = time


def issue(changed: str, **fields: Any) -> list[Any]:
    """A record of that tracker."""
    return [7, T0, changed, {"TITLE": "A", "LASTMODIFIEDDATE": changed} | fields]


def played(record: list[Any], log: list[Row]) -> list[replay.TicketVersion]:
    """All versions of an issue."""
    versions = list(replay.replay(record, log, PlainRules()))
    hold(versions, record, log)
    return versions


def test_rows_of_one_author_at_one_moment_are_one_change() -> None:
    """Fields are rolled back through rows that say who set what, from what, when."""
    log = [
        row(T1, "bob", "STATE", "New", "Open"),
        row(T1, "bob", "OWNER", "", "bob"),
        row(T1, "ann", "SEVERITY", "low", "high"),
        row(T2, "bob", "STATE", "Open", "Closed"),
    ]
    versions = played(issue(T2, STATE="Closed", OWNER="bob", SEVERITY="high"), log)
    assert told(versions)[1:] == [
        ("bob", "#7 STATE: New → Open, OWNER: bob"),
        ("ann", "#7 SEVERITY: low → high"),
        ("bob", "#7 STATE: Open → Closed"),
    ]
    assert [v.record for v in versions[:2]] == [
        issue(T0, STATE="New", OWNER="", SEVERITY="low"),
        issue(T1, STATE="Open", OWNER="bob", SEVERITY="low"),
    ]
    assert [v.body for v in versions] == [""] * 4


@pytest.mark.parametrize("name", ["comment", "_comment0", "attachment", "time", "changetime", "_ts"])
def test_names_that_mean_something_to_trac_are_fields(name: str) -> None:
    """What Trac's rules take for a comment, an edit of one or a time is a field like any other."""
    log = [row(T1, "bob", name, "a", str(microseconds(T3))), row(T2, "bob", name, str(microseconds(T3)), "c")]
    versions = played(issue(T2, **{name: "c"}), log)
    assert values(versions, name) == ["a", str(microseconds(T3)), "c"]
    assert [v.moment for v in versions] == [microseconds(t) for t in (T0, T1, T2)]


def test_no_milestone_is_guessed_from_a_comment() -> None:
    """What a text says does not change what a row says."""
    log = [row(T1, "bob", "comment", "", "Milestone 1 deleted"), row(T1, "bob", "milestone", "", "")]
    versions = played(issue(T1, comment="Milestone 1 deleted", milestone=""), log)
    assert values(versions, "milestone") == ["", ""]


def test_a_field_that_comes_twice_in_one_second_is_set_twice() -> None:
    """A field that comes again belongs to another change, whatever the order of the fields' names."""
    log = [
        row(SECOND, "bob", "STATE", "New", "Open"),
        row(SECOND, "bob", "OWNER", "", "bob"),
        row(SECOND, "bob", "STATE", "Open", "Closed"),
    ]
    versions = played(issue(SECOND, STATE="Closed", OWNER="bob"), log)
    assert values(versions, "STATE") == ["New", "Open", "Closed"]
    assert [v.changelog for v in versions] == [[], log[:2], log]


def test_from_a_stored_state_to_the_present() -> None:
    """Only what is new comes; a row that was rewritten in place is no new one."""
    stored = [row(T1, "bob", "STATE", "New", "Open")]
    log = [row(T1, "bob", "STATE", "Fresh", "Open"), row(T2, "ann", "OWNER", "", "ann")]
    old, new = issue(T1, STATE="Open", OWNER=""), issue(T4, STATE="Open", OWNER="ann")
    versions = list(replay.since(new, log, old, stored, PlainRules()))
    hold(versions, new, log)
    assert told(versions) == [("ann", "#7 OWNER: ann"), ("", "#7 as the tracker says now")]
    assert versions[0].changelog == [stored[0], log[1]]
