"""`offtracfs diff`, as a real process."""

from __future__ import annotations

from pathlib import Path

import pytest

from offtracfs.database import Database
from tests.mounting import AUTUMN, append
from tests.program import offtracfs
from tests.terminal import COLUMNS, seen_at_a_terminal
from tests.tickets import changed, rows
from tests.tickets import database as made

ALL = r"""
#1 It crashes
    Status: new → closed
    Description:
          one
        - two
        + 2
          three
    Cc: + eve
    2011-07-08 12:00:00 bob
        Attachment: trace.txt
    2011-07-08 12:00:00 bob, comment:1
        Fixed.
        - for good
        + red \u001b[31m\u202e

#2 red \u001b[31m\u202e
    Assigned to: → eve

#3 Gone soon
    deleted

milestone 1.0 Crocus
    due: 0 → 2011-10-06T12:00:00

report 1 Mine
    new
""".lstrip()
STAT = r"""
Ticket  Change   Fields  Comments  Summary
    #1                3         1  It crashes
    #2                1            red \x1b[31m\u202e
    #3  deleted                    Gone soon
                                   milestone 1.0 Crocus
        new                        report 1 Mine
                      4         1  3 tickets, 1 deleted, 2 other records
""".lstrip()


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """The small tracker."""
    return made(tmp_path)


def told(database: Database, *arguments: str) -> str:
    """What it prints; it must succeed without a word on stderr."""
    done = offtracfs(database.path.parent, "--db", "db", "diff", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(database: Database, *arguments: str) -> str:
    """Its one sentence about something that cannot be."""
    done = offtracfs(database.path.parent, "--db", "db", "diff", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (64, "", 1)
    return done.stderr


def test_all(database: Database) -> None:
    """Each ticket that differs is there with its fields and comments, and what is no ticket behind."""
    assert told(database, "2011-04") == ALL
    assert told(database, "2011-04", "now") == ALL
    assert told(database, "@2011-04-09", "HEAD") == ALL


def test_stat(database: Database) -> None:
    """--stat counts, per ticket and in total."""
    assert told(database, "2011-04", "--stat") == STAT


def test_two_moments(database: Database) -> None:
    """What came after B, or before A, is not there; where nothing changed there is nothing."""
    assert told(database, "2011-04", "2011-07") == ALL.partition("\n\n#2")[0] + "\n"
    assert told(database, "2011-07", "2011-08") == ""
    assert told(database, "2011-07", "2011-08", "--stat").split()[-2:] == ["0", "tickets"]


def test_backwards(database: Database) -> None:
    """From later to earlier, the later is undone."""
    lines = told(database, "now", "2011-07").splitlines()
    assert lines[:5] == [
        r"#2 red \u001b[31m\u202e",
        "    Assigned to: eve →",
        "",
        "#3 Gone soon",
        "    new, by anonymous",
    ]
    assert "    2011-07-08 12:00:00 bob, comment:1: gone" in told(database, "now", "2011-04")


def test_tickets(database: Database) -> None:
    """With numbers, just these tickets; a number that is no moment may follow A at once."""
    part = "#2" + ALL.partition("#2")[2].partition("\n\n")[0] + "\n"
    assert told(database, "2011-04", "2") == part
    assert told(database, "2011-04", "now", "2") == part
    assert told(database, "2011-04", "#2", "1") == ALL.partition("\n\n#3")[0] + "\n"
    assert told(database, "2011-04", "2011-07", "2") == ""


def test_changed_back(database: Database) -> None:
    """What was set and set back is told, since nothing else can be said of the ticket."""
    log = rows(AUTUMN + 10, "bob", ("status", "new", "closed"), ("comment", "1", ""))
    log += rows(AUTUMN + 20, "eve", ("status", "closed", "new"), ("comment", "2", ""))
    props = {"summary": "Twice", "owner": "eve"}
    append(
        database,
        (AUTUMN + 5, changed(5, AUTUMN, [], **props)),
        (AUTUMN + 20, changed(5, AUTUMN + 20, log, **props)),
    )
    assert told(database, "HEAD~1") == (
        "#5 Twice\n"
        "    2011-10-06 12:00:10 bob, comment:1\n"
        "        Status: new → closed\n"
        "    2011-10-06 12:00:20 eve, comment:2\n"
        "        Status: closed → new\n"
    )


def test_refused(database: Database) -> None:
    """What is no moment, no ticket, or never was, is one sentence."""
    assert "'noon' is no moment" in refused(database, "noon")
    assert "A has no moment" in refused(database, "")
    assert "'2011-13' is neither a moment nor a ticket's number" in refused(database, "2011-04", "2011-13")
    assert "There is no ticket 9, nor was there one." in refused(database, "2011-04", "9")
    assert "There was no tracker yet" in refused(database, "2001")
    assert "is in the future" in refused(database, "2011", "2999")
    assert "Missing argument 'A'" in refused(database)


def test_terminal(database: Database) -> None:
    """At a terminal it has colours; the table of --stat fits the screen."""
    home = database.path.parent
    shown = seen_at_a_terminal(home, "--db", "db", "diff", "2011-04", PAGER="cat")
    for colored in (
        "\x1b[1m#1 It crashes\x1b[0m",
        "\x1b[31m        - two\x1b[0m",
        "\x1b[36m    Status:\x1b[0m",
    ):
        assert colored in shown, shown
    plain = seen_at_a_terminal(home, "--db", "db", "diff", "2011-04", PAGER="cat", NO_COLOR="1")
    assert plain.replace("\r\n", "\n") == ALL
    stat = seen_at_a_terminal(home, "--db", "db", "diff", "2011-04", "--stat", PAGER="cat", NO_COLOR="1")
    assert max(map(len, stat.splitlines())) <= COLUMNS
