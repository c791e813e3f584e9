"""`offtracfs log`, as a real process."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from offtracfs.database import Database
from tests.mounting import SPRING, append, ticket
from tests.program import offtracfs, started
from tests.terminal import COLUMNS, ROWS, seen_at_a_terminal
from tests.tickets import database as made

LOG = r"""
Time              Ticket  Author  Change
2011-10-06 11:59      #2  ann     Assigned to: → eve
2011-10-06 11:59      #3  ann     deleted: Gone soon
2011-10-06 11:59          ann     milestone 1.0 Crocus: due
2011-10-06 11:59          ann     report 1 Mine: new
2011-07-08 11:59      #1  ann     Status: new → closed; Attachment: trace.txt; Cc: + eve; Description changed; comment: Fixed. …
2011-04-09 11:59      #1  ann     created: It crashes
2011-04-09 11:59      #2  ann     created: red \u001b[31m\u202e
2011-04-09 11:59      #3  ann     created: Gone soon
2011-04-09 11:59          ann     milestone 1.0 Crocus: new
2011-04-09 11:59          ann     definitions of fields: new
""".lstrip()  # noqa: E501
FULL = r"""
#2 red \u001b[31m\u202e

==== 2011-10-06 11:59:55 ann
Assigned to: → eve

#3 Gone soon

==== 2011-10-06 11:59:55 ann
deleted

milestone 1.0 Crocus

==== 2011-10-06 11:59:55 ann
due: 0 → 2011-10-06T12:00:00

report 1 Mine

==== 2011-10-06 11:59:55 ann
new

#1 It crashes

==== 2011-07-08 12:00:00 bob
Attachment: trace.txt

==== 2011-07-08 12:00:00 bob, comment:1
Cc: + eve
Description:
      one
    - two
    + 2
      three
Status: new → closed

    Fixed.
    - for good
    + red \u001b[31m\u202e

""".lstrip()


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """The small tracker."""
    return made(tmp_path)


def told(database: Database, *arguments: str) -> str:
    """What it prints; it must succeed without a word on stderr."""
    done = offtracfs(database.path.parent, "--db", "db", "log", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def items(database: Database, *arguments: str) -> list[dict[str, Any]]:
    """The same as JSON."""
    found: list[dict[str, Any]] = json.loads(told(database, *arguments, "--format", "json"))
    return found


def test_lines(database: Database) -> None:
    """A change is a line, the newest first; what is no ticket comes behind."""
    assert told(database) == LOG
    assert told(database, "-n", "3").splitlines() == LOG.splitlines()[:4]
    assert told(database, "-n", "0").split() == LOG.split()[:4]


def test_full(database: Database) -> None:
    """With --full there is what a ticket's text says of each change."""
    assert told(database, "--full", "-n", "5") == FULL
    assert told(database, "--full", "1", "--until", "2011-05").startswith(
        "#1 It crashes\n\nReporter:   ann\n"
    )


def test_ticket(database: Database) -> None:
    """With a number there are the changes of that ticket, also of one that is gone."""
    assert [item["change"] for item in items(database, "3")] == ["deleted: Gone soon", "created: Gone soon"]
    assert [item["ticket"] for item in items(database, "1")] == [1, 1]
    done = offtracfs(database.path.parent, "--db", "db", "log", "9")
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == "offtracfs: There is no ticket 9, nor was there one.\n"


def test_programs_formats(database: Database) -> None:
    """CSV and JSON have numbers, moments, summaries and commits."""
    (item,) = items(database, "2", "-n", "1")
    with database.snapshot() as snapshot:
        assert snapshot.commit
        assert item == {
            "time": "2011-10-06T11:59:55Z",
            "ticket": 2,
            "author": "ann",
            "change": "Assigned to: → eve",
            "summary": "red \x1b[31m\u202e",
            "commit": snapshot.commit.hex(),
        }
    first, *_ = csv.DictReader(told(database, "2", "--format", "csv").splitlines())
    assert first == {name: str(value) for name, value in item.items()}


def test_moments(database: Database) -> None:
    """--since is from the begin of a moment, --until to the end of one; both take whatever --at takes."""

    def count(*arguments: str) -> int:
        return len(items(database, *arguments))

    assert count("--since", "2011-07-08") == 5
    assert count("--until", "2011-07-08") == 6
    assert count("--since", "2011-07", "--until", "2011-07") == 1
    assert count("--since", "2011-07-08 11:00", "--until", "2011-07-08 12:00") == 1
    assert count("--since", "2011-08", "--until", "2011-09") == 0
    assert count("--since", "HEAD~1") == 5
    assert count("--since", "HEAD", "--until", "@HEAD") == 4
    assert count("--since", "2001") == 10
    assert count("--until", "yesterday") == 10
    for arguments, words in {
        ("--since", "2999"): "2999 is in the future",
        ("--until", "2001"): "There was no tracker yet",
        ("--since", "noon"): "'noon' is no moment",
        ("--since", ""): "--since has no moment",
        ("--until", "@"): "--until has no moment",
    }.items():
        done = offtracfs(database.path.parent, "--db", "db", "log", *arguments)
        assert (done.returncode, done.stdout) == (64, "")
        assert words in done.stderr


def test_time_zone(tmp_path: Path) -> None:
    """Lines have times in the database's time zone, by which --since goes; --full has UTC, as a text."""
    database = made(tmp_path, timezone="Asia/Tokyo")
    assert "2011-07-08 20:59      #1" in told(database, "1")
    assert "2011-07-08 12:00:00 bob" in told(database, "1", "--full")


def test_field(database: Database) -> None:
    """--field takes a name or a label, and what else a log tells of; another is refused with the nearest."""
    for name, tickets in {
        "status": [1],
        "Cc": [1],
        "description": [1],
        "comment": [1],
        "attachment": [1],
        "reporter": [],
    }.items():
        assert [item["ticket"] for item in items(database, "--field", name)] == tickets, name
    done = offtracfs(database.path.parent, "--db", "db", "log", "--field", "statsu")
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == "offtracfs: There is no field 'statsu': do you mean status?\n"
    assert items(database, "--field", "Assigned to") == []  # nobody logged it, nor did a sync notice it


def test_author(database: Database) -> None:
    """--author names whom git has as the author."""
    assert len(items(database, "--author", "ann")) == 10
    assert items(database, "--author", "an") == []


def test_what_goes_with_what(database: Database) -> None:
    """--full is for people alone."""
    done = offtracfs(database.path.parent, "--db", "db", "log", "--full", "--format", "csv")
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == "offtracfs: --full goes with no --format.\n"


def test_eighty_columns(database: Database) -> None:
    """At a terminal a line is cut where the screen ends; into a pipe all of it goes."""
    text = seen_at_a_terminal(database.path.parent, "--db", "db", "log", PAGER="cat", NO_COLOR="1")
    lines = text.splitlines()
    assert max(map(len, lines)) == COLUMNS
    assert len(lines) == len(LOG.splitlines())
    assert lines[5] == LOG.splitlines()[5][: COLUMNS - 1] + "…"


def test_colors(database: Database) -> None:
    """At a terminal --full is in colours, of which NO_COLOR leaves nothing."""
    home = database.path.parent
    shown = seen_at_a_terminal(home, "--db", "db", "log", "--full", "-n", "5", PAGER="cat")
    assert "\x1b[1m#1 It crashes\x1b[0m" in shown
    assert "\x1b[31m    - two\x1b[0m" in shown
    plain = seen_at_a_terminal(home, "--db", "db", "log", "--full", "-n", "5", PAGER="cat", NO_COLOR="1")
    assert plain.replace("\r\n", "\n") == FULL


def test_the_first_screen_comes_at_once(database: Database) -> None:
    """What is read is what is shown: less has a screen before the past is gone through."""
    append(database, *((SPRING * 2 + n, ticket(1, summary=f"summary of {n}")) for n in range(300)))
    home = database.path.parent
    text = seen_at_a_terminal(home, "--db", "db", "log", keys=[("of 299", ""), ("of 278", "q")], NO_COLOR="1")
    assert text.count("→") == ROWS - 2
    process = started(home, "--db", "db", "log", stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline().startswith("Time")
    process.stdout.close()
    assert process.wait(60) == 1  # as for any command of which nobody reads the rest
    assert process.stderr
    assert process.stderr.read() == ""
    process.stderr.close()
