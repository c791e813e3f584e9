"""`offtracfs show`, as a real process."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from offtracfs import records
from offtracfs.database import Database
from offtracfs.texts import Labels, address_part, log_part, ticket_part
from offtracfs.trackers import registry
from offtracfs.tree import Directory, File
from tests.mounting import SUMMER, append, new_database, ticket, tree_of
from tests.program import PROGRAM, offtracfs, surroundings
from tests.terminal import ROWS, seen_at_a_terminal
from tests.tickets import FIELDS, rows
from tests.tickets import database as made

COLORS = re.compile("\x1b\\[[0-9;]*m")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """The small tracker."""
    return made(tmp_path)


def text_of(database: Database, number: int) -> str:
    """The ticket's text, made from its records."""
    labels = Labels(FIELDS)
    with database.snapshot() as snapshot:
        record, log = (snapshot.load(f"{top}/{number}.json") for top in ("ticket", "changelog"))
    address = address_part(f"{database.settings.url.rstrip('/')}/ticket/{number}")
    return ticket_part(number, record, labels) + log_part(log, labels) + address


def told(database: Database, *arguments: str) -> bytes:
    """What it writes into a pipe; it must succeed without a word on stderr."""
    command = [*PROGRAM, "--db", str(database.path), "show", *arguments]
    env = surroundings(database.path.parent)
    done = subprocess.run(command, env=env, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def refused(database: Database, *arguments: str) -> str:
    """Its one sentence about something that cannot be."""
    done = offtracfs(database.path.parent, "--db", "db", "show", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (64, "", 1)
    return done.stderr


@pytest.mark.parametrize("number", [1, 2])
def test_text(database: Database, number: int) -> None:
    """Into a pipe go the bytes of the ticket's text, whatever is in it."""
    assert told(database, str(number)) == text_of(database, number).encode()
    assert told(database, f"#{number}") == told(database, str(number))


def test_as_in_the_mount(database: Database) -> None:
    """It is what the mount has in text/N.txt, now and then."""
    tree = tree_of(database, pages=registry.ticket_pages(database.settings.url))
    for at, number in (("", 1), ("", 2), ("@2011-05", 1), ("@2011-05", 3)):
        file = tree.lookup(Directory(at, "text"), f"{number}.txt")
        assert isinstance(file, File)
        arguments = ("--at", at) if at else ()
        assert told(database, str(number), *arguments) == tree.read(file.inode)


def test_a_change_without_a_word(database: Database) -> None:
    """A change of which the log has no more than the number of its comment is there as in the text."""
    log = rows(SUMMER, "eve", ("comment", "1", "")) + rows(SUMMER + 1, "eve", ("comment", "2", "Now."))
    append(database, (SUMMER * 2, {"changelog/2.json": records.dump(log)}))
    assert told(database, "2") == text_of(database, 2).encode()
    assert "eve, comment:1\n\n====" in text_of(database, 2)


def test_labels_are_those_of_the_time(database: Database) -> None:
    """A field that is called something else later keeps its name in what was there before."""
    before = told(database, "1")
    others = [field | {"label": f"New {field['label']}"} for field in FIELDS]
    append(database, (SUMMER * 2, {"fields.json": records.dump(others)}))
    assert told(database, "1") == before


def test_json(database: Database) -> None:
    """As JSON it is the record and the log, as the mount has them."""
    found = json.loads(told(database, "1", "--format", "json"))
    with database.snapshot() as snapshot:
        assert found == {
            "ticket": snapshot.load("ticket/1.json"),
            "changelog": snapshot.load("changelog/1.json"),
        }


def test_moment(database: Database) -> None:
    """With --at it is the ticket of then."""
    assert "closed" not in told(database, "1", "--at", "2011-05").decode()
    assert told(database, "3", "--at", "2011-05").startswith(b"#3 Gone soon\n")


def test_no_ticket(database: Database) -> None:
    """Where there is none, a sentence says since when, and what shows it."""
    assert refused(database, "4") == "offtracfs: There is no ticket 4, nor was there one.\n"
    sentence = refused(database, "3")
    assert "Ticket 3 was deleted, which was noticed on 2011-10-06 at 12:00:00:" in sentence
    at = re.search("`offtracfs --db db show 3 --at ([0-9a-f]+)`", sentence)
    assert at
    assert told(database, "3", "--at", at[1]).startswith(b"#3 Gone soon\n")
    append(database, (SUMMER * 2, ticket(7)))
    assert "There was no ticket 7 yet: it came on 2053" in refused(database, "7", "--at", "2012")
    for word in ("x", "-1", "1" * 19, "²"):
        assert "See `offtracfs --db db show --help`" in refused(database, "--", word)
    assert "2001" in refused(database, "1", "--at", "2001")


def test_colors(database: Database) -> None:
    """At a terminal it is the same text in colours, with NO_COLOR without them."""
    shown = seen_at_a_terminal(database.path.parent, "--db", "db", "show", "1", PAGER="cat")
    assert COLORS.sub("", shown).replace("\r\n", "\n") == text_of(database, 1)
    for colored in (
        "\x1b[1m#1 It crashes\x1b[0m",
        "\x1b[36mStatus:\x1b[0m     closed",
        "\x1b[33m---- Description (CRLF)\x1b[0m",
        "\x1b[33m==== 2011-07-08 12:00:00 bob, comment:1\x1b[0m",
        "\x1b[31m    - two\x1b[0m",
        "\x1b[32m    + 2\x1b[0m",
    ):
        assert colored in shown
    assert "\x1b[31m    - for good" not in shown  # which is said in a comment
    plain = seen_at_a_terminal(database.path.parent, "--db", "db", "show", "1", PAGER="cat", NO_COLOR="1")
    assert plain.replace("\r\n", "\n") == text_of(database, 1)


def test_pager(database: Database) -> None:
    """What is longer than the screen is shown in less, a screen at first."""
    log = [["2011-04-09T12:00:00", f"dev{n}", "comment", str(n), f"said {n}", 1] for n in range(90)]
    append(database, (SUMMER * 2, {"changelog/2.json": records.dump(log)}))
    home = database.path.parent
    text = seen_at_a_terminal(home, "--db", "db", "show", "2", keys=[("said 2", "q")], NO_COLOR="1")
    assert text.count("comment:") < ROWS / 4  # each takes four lines
    whole = seen_at_a_terminal(home, "--db", "db", "--no-pager", "show", "2", NO_COLOR="1")
    assert whole.count("said") == 90


def test_json_at_a_terminal(database: Database) -> None:
    """What would command a terminal does not reach it as JSON either."""
    text = seen_at_a_terminal(
        database.path.parent, "--db", "db", "show", "2", "--format", "json", PAGER="cat", NO_COLOR="1"
    )
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_nobody_reads(database: Database) -> None:
    """A closed stdout is no error."""
    command = f"{' '.join(PROGRAM)} --db {database.path} show 1 >&-"
    env = surroundings(database.path.parent)
    done = subprocess.run(["sh", "-c", command], env=env, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def test_before_the_first_sync(tmp_path: Path) -> None:
    """An empty database has no tickets, and says what to do."""
    new_database(tmp_path / "db")
    done = offtracfs(tmp_path, "--db", "db", "show", "1")
    assert (done.returncode, done.stdout) == (66, "")
    assert "offtracfs --db db sync" in done.stderr
