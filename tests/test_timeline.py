"""What has changed, newest first and between two moments, beside what git says."""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from offtracfs.changes import Event, TicketChange, Timeline, opened
from offtracfs.changes.comparison import TicketState, compare, values
from offtracfs.changes.words import difference_lines, full_lines, sentence
from offtracfs.database import Database
from offtracfs.index import Reader
from offtracfs.kinds import path_in_git
from offtracfs.texts import Entry, entries
from tests.helpers import examples
from tests.mounting import AUTUMN, SPRING, SUMMER, append, ticket
from tests.mounting import new_database as empty_database
from tests.syncing import new_database, synced
from tests.truths import Life

REVISIONS = st.integers(1, 2_400)


@pytest.fixture(scope="module")
def database(demo_database: Database) -> Database:
    """The demo."""
    return demo_database


def git(database: Database, *arguments: str) -> str:
    command = ["git", f"--git-dir={database.path / 'git'}", "-c", "core.quotePath=false", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def of_tickets(paths: list[str]) -> tuple[list[int], list[str]]:
    """The tickets to which files in git belong, and the other files in the mount; in order."""
    shown = [path_in_git(path) for path in paths if path != "db.json"]
    found = [re.fullmatch(r"(?:ticket|changelog)/([0-9]+)\.json", path) for path in shown]
    numbers = {int(match[1]) for match in found if match}
    return sorted(numbers), sorted(path for path, match in zip(shown, found, strict=True) if not match)


def named(changes: list[object]) -> tuple[list[int], list[str]]:
    """The tickets and other files that some changes are about, in their order."""
    numbers = [change.number for change in changes if isinstance(change, TicketChange)]
    return numbers, [getattr(change, "path", "") for change in changes[len(numbers) :]]


def all_events(timeline: Timeline, reader: Reader) -> list[Event]:
    head = reader.head()
    assert head
    return list(timeline.log(1, head))


def test_log_is_what_git_says(database: Database) -> None:
    """Every commit is there once, newest first, with its author, its time and what it changed."""
    with opened(database) as (timeline, reader):
        found: dict[str, list[Event]] = defaultdict(list)
        for event in all_events(timeline, reader):
            found[event.revision.commit.hex()].append(event)
    told = git(database, "log", "-z", "--format=%x01%H %at %an", "--name-only").split("\x01")[1:]
    assert list(found) == [commit.split()[0] for commit in told]
    for commit in told:
        head, *paths = filter(None, commit.replace("\n", "\0").split("\0"))
        digits, time, author = head.split(" ", 2)
        assert named([event.change for event in found[digits]]) == of_tickets(paths)
        assert {(event.revision.authored, event.revision.author) for event in found[digits]} == {
            (int(time), author)
        }


@examples(8)
@given(REVISIONS, REVISIONS)
def test_between_is_what_git_says(database: Database, one: int, other: int) -> None:
    """Between two moments, in either order, those tickets and files differ that git says; and what is said
    of their fields leads from the one to the other.
    """
    with opened(database) as (timeline, reader):
        old, new = reader.revision(one), reader.revision(other)
        assert old
        assert new
        changes = list(timeline.between(old.horizon, new.horizon))
    paths = git(database, "diff", "--name-only", "-z", old.commit.hex(), new.commit.hex()).split("\0")
    assert named([*changes]) == of_tickets([path for path in paths if path])
    for change in changes:
        if isinstance(change, TicketChange) and not (change.created or change.deleted):
            before, after = values(change.before.record), values(change.after.record)
            applied = before | {name: text for name, _, text in change.fields}
            assert {name: text for name, text in applied.items() if text} == {
                name: text for name, text in after.items() if text
            }


def test_each_entry_is_told_once(database: Database) -> None:
    """The new entries of all changes of a ticket are its change log."""
    with opened(database) as (timeline, reader):
        head = reader.head()
        assert head
        for number in range(1, 301, 7):
            events = list(timeline.log(1, head, number))
            told = [entry for event in reversed(events) for entry in _entries(event)]
            log = entries(timeline.ticket(number, head.horizon).log)
            assert [entry.rows for entry in told] == [entry.rows for entry in log]


def _entries(event: Event) -> list[Entry]:
    assert isinstance(event.change, TicketChange)
    return event.change.entries


@examples(8)
@given(st.randoms(use_true_random=False), st.lists(st.integers(0, 25), min_size=1, max_size=3))
def test_changes_lead_on(random: Random, steps: list[int]) -> None:
    """Whatever happened in a tracker, a ticket's changes lead from one to the next, up to what it is now."""
    life = Life(random)
    with TemporaryDirectory() as place:
        database = new_database(Path(place) / "db", life)
        for count in steps:
            life.live(count, silently=True)
            trio.run(lambda: synced(database, life, full=True, accept_deletions=True))
        with opened(database) as (timeline, reader):
            last: dict[int, TicketState] = defaultdict(TicketState)
            for event in reversed(all_events(timeline, reader)):
                labels = timeline.labels(event.revision.horizon)
                lines = [*full_lines(event, labels), *difference_lines(event.change, labels)]
                for text in (sentence(event, labels), *(line.text for line in lines)):
                    assert not re.search("[\x00-\x08\x0a-\x1f\x7f-\x9f]", text)
                if isinstance(event.change, TicketChange):
                    assert event.change.before == last[event.change.number]
                    last[event.change.number] = event.change.after
            head = reader.head()
            assert head
            for number, state in last.items():
                assert state == timeline.ticket(number, head.horizon)


def test_work_is_for_what_is_asked(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first changes need few questions, however many there are; a comparison none for what is equal."""
    asked = 0
    rows = Reader._rows

    def counted(self: Reader, statement: str, most: int | None, **given: object) -> list[object]:
        nonlocal asked
        asked += 1
        return rows(self, statement, most, **given)

    monkeypatch.setattr(Reader, "_rows", counted)
    with opened(database) as (timeline, reader):
        head = reader.head()
        assert head
        events = timeline.log(1, head)
        for _ in range(20):
            next(events)
        assert asked < 20 * 8
        asked = 0
        assert list(timeline.between(head.horizon, head.horizon)) == []
        assert asked == 0


def row(
    field: str, old: str, new: str, *, time: str = "2011-04-09T12:00:00", permanent: int = 1
) -> list[object]:
    return [time, "bob", field, old, new, permanent]


def state(*log: list[object], **props: object) -> TicketState:
    return TicketState([1, "2011-04-09T12:00:00", "2011-04-09T12:00:00", props], list(log))


def test_what_is_not_logged() -> None:
    """A value is unlogged where no new entry ends with it."""
    before = state(owner="ann", status="new", cc="")
    after = state(
        row("status", "new", "closed"), row("owner", "x", "y"), owner="bob", status="closed", cc=None
    )
    change = compare(1, before, after)
    assert [field.name for field in change.fields] == ["owner", "status"]
    assert [field.name for field in change.unlogged] == ["owner"]


def test_edited_comments() -> None:
    """An edited comment is no new one; a row that comes late into a change is."""
    before = state(row("comment", "1", "old"))
    after = state(
        row("_comment0", "old", "1302350401000000"), row("comment", "1", "new"), row("status", "a", "b")
    )
    change = compare(1, before, after)
    assert [(edit.before.comment, edit.after.comment) for edit in change.edited] == [("old", "new")]
    assert [[late.field for late in entry.rows] for entry in change.entries] == [["status"]]
    assert not change.comments
    assert [entry.comment for entry in compare(1, after, before).gone] == []
    assert [entry.comment for entry in compare(1, before, state()).gone] == ["old"]


def test_only_times() -> None:
    """Where nothing but a time differs, that is said; whatever the shape of a record, nothing fails."""
    times = "2011-04-09T12:00:00", "2011-05-01T00:00:00"
    early, late = [1, times[0], times[0], {}], [1, times[0], times[1], {}]
    change = compare(1, TicketState(early, []), TicketState(late, []))
    assert change.fields == [("changetime", *times)]
    odds: list[Any] = [[], {}, "x", [1, 2, 3, 4], 0]
    for odd in odds:
        change = compare(1, TicketState(odd, odd), TicketState(late, [odd]))
        assert not change.created
        assert not change.deleted


def test_authors_and_fields(tmp_path: Path) -> None:
    """The log of an author, of a field, of a ticket is what is left of the whole."""
    made = empty_database(tmp_path / "db")
    closed = ticket(1, status="closed")
    append(made, (SPRING, ticket(1) | ticket(2)), (SUMMER, closed), (AUTUMN, {"ticket/2.json": None}))
    with opened(made) as (timeline, reader):
        head = reader.head()
        assert head
        assert [named([event.change]) for event in timeline.log(1, head)] == [([n], []) for n in (2, 1, 1, 2)]
        assert [event.revision.number for event in timeline.log(1, head, 1)] == [2, 1]
        assert [event.revision.number for event in timeline.log(2, head)] == [3, 2]
        assert list(timeline.log(1, head, author="bob")) == []
        assert len(list(timeline.log(1, head, author="ann"))) == 4
        assert list(timeline.log(1, head, field="owner")) == []
