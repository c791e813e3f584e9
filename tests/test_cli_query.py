"""`offtracfs query`, as a real process."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from offtracfs import records
from offtracfs.database import Database
from tests.mounting import AUTUMN, SPRING, append, new_database
from tests.program import PROGRAM, Done, offtracfs, surroundings
from tests.test_query import FIELDS, ticket


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A database of two tickets in spring and a third in autumn, whose user is bob."""
    made = new_database(tmp_path / "db", user="bob", timezone="Europe/Berlin")
    spring = {"fields.json": records.dump(FIELDS)} | ticket(1, summary="é", owner="bob")
    spring |= ticket(2, summary="\x1b[31m", status="closed", milestone="m1")
    append(made, (SPRING, spring), (AUTUMN, ticket(3, summary="late")))
    return made


def said(database: Database, *arguments: str) -> Done:
    """How `offtracfs query` ends."""
    return offtracfs(database.path.parent, "--db", database.path, "query", *arguments)


def test_formats(database: Database) -> None:
    """The same tickets as a table, csv, tsv and json."""
    asked = "id=1,3&col=id|summary|owner&order=id"
    table = said(database, asked)
    assert (table.returncode, table.stderr) == (0, "")
    assert [line.split() for line in table.stdout.splitlines()] == [
        ["Ticket", "Summary", "Owner"],
        ["1", "é", "bob"],
        ["3", "late"],
    ]
    assert said(database, asked, "--format", "csv").stdout == "id,Summary,Owner\n1,é,bob\n3,late,\n"
    assert said(database, asked, "--format", "tsv").stdout == "id\tSummary\tOwner\n1\té\tbob\n3\tlate\t\n"
    assert json.loads(said(database, asked, "--format", "json").stdout) == [
        {"id": 1, "summary": "é", "owner": "bob"},
        {"id": 3, "summary": "late", "owner": ""},
    ]


def test_moment(database: Database) -> None:
    """With --at there are the tickets of then, and today was then, in the database's time zone."""
    asked = ("created=today..&col=id&order=id", "--format", "csv")
    assert said(database, *asked).stdout == "id\n"
    assert said(database, *asked, "--at", "2011-04-09").stdout == "id\n1\n2\n"
    assert said(database, *asked, "--at", "@2011-04-10").stdout == "id\n"
    berlin = ("created=2011-04-09T14:00..2011-04-09T14:01&col=id&order=id", "--format", "csv")
    assert said(database, *berlin, "--at", "2011-05").stdout == "id\n1\n2\n"


def test_user(database: Database) -> None:
    """$USER is the database's user."""
    assert said(database, "?owner=$USER&col=id", "--format", "csv").stdout == "id\n1\n"


def test_groups(database: Database) -> None:
    """A table has the groups' headings, and a tracker's text commands no terminal."""
    done = said(database, "id=1,2&group=milestone&col=id|summary")
    assert "Milestone: m1" in done.stdout
    assert "Milestone: None" in done.stdout
    assert "\x1b" not in done.stdout


def test_unknown_field(database: Database) -> None:
    """What is no field is refused, with the nearest one; like Trac, it is told and passed over."""
    done = said(database, "stauts\x1b=new&id=1&col=id", "--format", "csv")
    assert (done.returncode, done.stdout) == (64, "")
    sentence = "There is no field 'stauts\\x1b': do you mean status?"
    assert done.stderr == f"offtracfs: {sentence} Trac would pass over it, and so does --like-trac.\n"
    done = said(database, "stauts\x1b=new&id=1&col=id", "--format", "csv", "--like-trac")
    assert (done.returncode, done.stdout) == (0, "id\n1\n")
    assert done.stderr == "offtracfs: There is no field stauts\\x1b, and Trac passes over it.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["nonsense"], 64, "status=new"),
        ([""], 64, "status=new"),
        (["created=31 feb 2011"], 64, "2011-04-09"),
        (["id=one"], 64, "1,5-7"),
        (["id=1-9&max=1&page=7"], 64, "page 7"),
        (["summary~=" + "|".join("a" * 5_000)], 64, "SQLite"),
        (["status=new", "--at", "noon"], 64, "yesterday"),
        (["status=new", "--at", "2001"], 64, "2001"),
        (["status=new", "--format", "rss"], 64, "rss"),
        ([], 64, "QUERY"),
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
    command = [*PROGRAM, "--db", str(database.path), "query", os.fsdecode(b"summary~=\xff")]
    home = database.path.parent
    done = subprocess.run(command, env=surroundings(home), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (64, 1)
    assert "UTF-8" in done.stderr


def test_empty_database(tmp_path: Path) -> None:
    """Before the first sync there is nothing to ask."""
    done = said(new_database(tmp_path / "db"), "status=new")
    assert (done.returncode, done.stderr.count("\n")) == (66, 1)
