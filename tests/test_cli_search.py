"""`offtracfs search`, as a real process."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from offtracfs.database import Database
from tests.mounting import SPRING, SUMMER, append, new_database
from tests.program import PROGRAM, Done, offtracfs, surroundings
from tests.terminal import COLUMNS, seen_at_a_terminal
from tests.test_search import record


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """Two tickets about crashes; one is renamed in summer."""
    made = new_database(tmp_path / "db", timezone="Europe/Berlin")
    sentence = "Then came a crash \x1b[31m of the engine that pulls the long train to the coast!"
    long = f"It began well. {sentence} And so on."
    spring = record(1, ("bob", long), summary="Trains", status="new") | record(
        2, summary="Crash test", status="closed"
    )
    append(made, (SPRING, spring), (SUMMER, record(2, summary="Cräsh tests", status="closed")))
    return made


def said(database: Database, *arguments: str) -> Done:
    """How `offtracfs search` ends."""
    return offtracfs(database.path.parent, "--db", database.path, "search", *arguments)


def test_for_people(database: Database) -> None:
    """A ticket is a line with its summary and status, then the sentence, then who and when, in local time."""
    done = said(database, "crash")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "#2 Cräsh tests (closed)\n"
        "    ann, 2011-07-08 13:59, summary\n"
        "\n"
        "#1 Trains (new)\n"
        "    Then came a crash \\x1b[31m of the engine that pulls the long train to the coast!\n"
        "    bob, 2011-04-09 14:00, comment\n"
    )


def test_at_a_terminal(database: Database) -> None:
    """At a terminal what was found is coloured, and lines are cut between words."""
    home = database.path.parent
    text = seen_at_a_terminal(home, "--db", "db", "search", "train engine", PAGER="cat")
    assert "\x1b[1m#1 \x1b[0m\x1b[1mTrains" not in text
    assert "the \x1b[1;31mengine\x1b[0m that pulls the long \x1b[1;31mtrain\x1b[0m to" in text
    plain = seen_at_a_terminal(home, "--db", "db", "search", "train engine", PAGER="cat", NO_COLOR="1")
    assert "\x1b" not in plain
    lines = plain.splitlines()
    assert lines[0] == "#1 Trains (new)"
    assert max(map(len, lines)) <= COLUMNS
    assert [line[:4] for line in lines[1:]] == ["    "] * 3


def test_formats(database: Database) -> None:
    """Programs get the same as csv, tsv and json, times in UTC."""
    assert said(database, "test", "--at", "2011-05", "--format", "csv").stdout == (
        "ticket,summary,status,field,author,time,text\n"
        "2,Crash test,closed,summary,ann,2011-04-09T11:59:55Z,Crash test\n"
    )
    (hit,) = json.loads(said(database, "engine", "--format", "json").stdout)
    assert (hit["ticket"], hit["field"], hit["author"], hit["time"]) == (
        1,
        "comment",
        "bob",
        "2011-04-09T12:00:00Z",
    )
    assert json.loads(said(database, "nowhere", "--format", "json").stdout) == []


def test_options(database: Database) -> None:
    """Options say what words in the text can say, too; words may be several arguments."""
    one, two = "1,Trains", "2,Cräsh tests"
    for arguments, wanted in {
        ("crash", "--in", "comments"): [one],
        ("crash", "--author", "bob"): [one],
        ("crash", "--status", "closed"): [two],
        ("crash", "--status", "closed", "--status", "new"): [two, one],
        ("crash", "--status", "closed", "--in", "comments"): [],
        ("crash", "engine"): [one],
        ("crash", "-n", "1"): [two],
        ("crash", "-n", "0"): [two, one],
    }.items():
        lines = said(database, *arguments, "--format", "csv").stdout.splitlines()[1:]
        assert [",".join(line.split(",")[:2]) for line in lines] == wanted, arguments


def test_there_are_more(database: Database) -> None:
    """Where not all are shown that is said, and so is that there is none."""
    done = said(database, "crash", "-n", "1")
    assert done.stdout.endswith("\n\nThere are more: -n 10 shows more of them, -n 0 all.\n")
    done = said(database, "nowhere")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "offtracfs: No ticket has that.\n")


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["..."], 64, "cra*"),
        (["status:new"], 64, "no word"),
        (["crash", "--in", "nowhere"], 64, "nowhere"),
        (["crash", "--at", "noon"], 64, "yesterday"),
        (["crash", "-n", "-1"], 64, "-1"),
        (["x" * 2_000], 64, "1,000"),
        ([], 64, "WORDS"),
    ],
)
def test_refused(database: Database, arguments: list[str], code: int, word: str) -> None:
    """What cannot be is one sentence and an exit code."""
    done = said(database, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.count("\n") == 1
    assert word in done.stderr


def test_no_text(database: Database) -> None:
    """Bytes that are no UTF-8 are refused."""
    command = [*PROGRAM, "--db", str(database.path), "search", os.fsdecode(b"\xff")]
    done = subprocess.run(
        command, env=surroundings(database.path.parent), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.count("\n")) == (64, 1)
    assert "UTF-8" in done.stderr


def test_empty_database(tmp_path: Path) -> None:
    """Before the first sync there is nothing to search."""
    done = said(new_database(tmp_path / "db"), "crash")
    assert (done.returncode, done.stderr.count("\n")) == (66, 1)


def test_a_database_without_a_search_index(database: Database) -> None:
    """One that an earlier version of this program made gets it when somebody searches, or by a sync."""
    (database.path / "search.db").unlink()
    assert "#1 Trains" in said(database, "engine").stdout
    assert (database.path / "search.db").exists()
