"""`offtracfs report`, as a real process."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from offtracfs import records
from offtracfs.database import Database
from tests.mounting import AUTUMN, SPRING, SUMMER, append, new_database, ticket
from tests.program import PROGRAM, Done, offtracfs, run, surroundings

MINE = """-- STATE = new
SELECT p.value AS __color__, t.owner AS __group__, t.id AS ticket, t.summary, t.time AS created,
    t.changetime AS _changetime
FROM ticket t LEFT JOIN enum p ON p.name = t.priority AND p.type = 'priority'
WHERE t.status = $STATE OR t.owner = $USER ORDER BY t.owner, t.id
"""
MIXED = """SELECT 'b' AS __group__, 4 AS ticket, 'é' AS value UNION ALL SELECT 'b', 1, 'E'
UNION ALL SELECT 'a', 3, 'B' UNION ALL SELECT 'a', 2, NULL UNION ALL SELECT 'a', 5, 10"""
REPORTS = {
    1: ("Of $USER", MINE),
    2: ("Broken", "SELECT * FROM tickets"),
    3: ("Saved", "query:status=new&col=id&col=summary&order=id"),
    4: ("Saved \x1b[2J", "query:nonsense"),
    5: ("", " \r\n"),
    6: ("Asks", "SELECT '$A' AS a, $B AS b, $A AS c"),
    7: ("Attacks", "DELETE FROM ticket"),
    12: ("Mixed", MIXED),
    9: ("Monster", "-- " + "x" * 200_000),
    8: ("For PostgreSQL", "SELECT $A::int + 1 AS n, '%$A%' ILIKE '%41%' AS is41"),
}
CSV = (
    "__group__,ticket,summary,created,_changetime\r\n"
    ",1,first,2011-04-09T12:00:00Z,2011-04-09T12:00:00Z\r\n"
    'bob,2,"second, ""é""",2011-04-09T12:00:00Z,2011-04-09T12:00:00Z\r\n'
)


def report(number: int, title: str, sql: str) -> dict[str, bytes]:
    """The record of a report."""
    return {f"report/{number}.json": records.dump({"title": title, "sql": sql})}


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A database of two tickets, of which a third comes in summer; in autumn report 1 is another."""
    made = new_database(tmp_path / "db", user="bob")
    spring = ticket(1, summary="first", priority="major") | ticket(
        2, summary='second, "é"', owner="bob", priority="blocker"
    )
    spring |= {f"field/priority/{name}.json": records.dump(value) for name, value in PRIORITIES.items()}
    for number, (title, sql) in REPORTS.items():
        spring |= report(number, title, sql)
    append(
        made,
        (SPRING, spring),
        (SUMMER, ticket(3, summary="third", owner="ann", status="closed")),
        (AUTUMN, report(1, "Another", "SELECT count(*) AS tickets FROM ticket")),
    )
    return made


PRIORITIES = {"blocker": "1", "major": "3"}


def said(database: Database, *arguments: str, at: str = "2011-04", **environment: str) -> Done:
    """How `offtracfs report` ends, by default on the tracker as it stood in spring."""
    home = database.path.parent
    return offtracfs(home, "--db", "db", "report", *arguments, "--at", at, **environment)


def test_list(database: Database) -> None:
    """The list has number and title of each report, and the reason for each that cannot run here."""
    done = said(database, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[int, dict[str, Any]] = {row["report"]: row for row in json.loads(done.stdout)}
    assert {number: row["title"] for number, row in found.items()} == {
        number: title for number, (title, _) in REPORTS.items()
    }
    reasons = {number: row["trouble"] for number, row in found.items() if row["trouble"]}
    assert reasons.keys() == {2, 4, 5, 7, 9}
    assert "tickets" in reasons[2]
    table = said(database).stdout
    assert re.search(r"^ +1  Of \$USER$", table, re.MULTILINE)
    assert re.search(r"^ +2  Broken +\S.*tickets", table, re.MULTILINE)
    assert r"Saved \x1b[2J" in table


def test_rows_in_another_order(database: Database) -> None:
    """Rows are sorted by a column as SQLite orders values, within their groups; a page is some of them."""

    def tickets(*options: str) -> list[int]:
        done = said(database, "12", "--format", "json", *options)
        assert done.returncode == 0, done.stderr
        return [row["ticket"] for row in json.loads(done.stdout)]

    assert tickets() == [4, 1, 3, 2, 5]
    assert tickets("--sort", "value") == [1, 4, 2, 5, 3]
    assert tickets("--sort", "value", "--desc") == [4, 1, 3, 5, 2]
    assert tickets("--max", "2", "--page", "2") == [3, 2]
    assert tickets("--max", "2", "--page", "3", "--sort=value") == [3]
    assert tickets("--max", "2", "--page", "4") == []
    done = said(database, "12", "--sort", "nothing")
    assert done.returncode == 64
    assert "no column 'nothing' to sort by, only __group__, ticket, value." in done.stderr


def test_all_that_a_page_shows(database: Database) -> None:
    """For pages, JSON has the columns, groups and colours as well, and counts the rows that it leaves out."""
    done = said(database, "1", "--format", "json", "--full", "--max", "1", "--page", "2")
    found = json.loads(done.stdout)
    assert [(column["name"], column["hidden"]) for column in found["columns"]] == [
        ("__group__", True), ("ticket", False), ("summary", False), ("created", False), ("_changetime", True)
    ]  # fmt: skip
    assert found["total"] == 2
    (row,) = found["rows"]
    assert (row["cells"]["ticket"], row["group"], row["color"]) == (2, "bob", "1")


def test_csv(database: Database) -> None:
    """CSV has every column that is not only a look, as the tracker would write it."""
    done = offtracfs_bytes(database, "report", "1", "--format", "csv", "--at", "2011-04")
    assert done.stdout.decode() == CSV


def offtracfs_bytes(database: Database, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """What a command prints, with its line ends; it must succeed without a word on stderr."""
    command = [*PROGRAM, "--db", str(database.path), *arguments]
    env = surroundings(database.path.parent)
    done = subprocess.run(command, env=env, capture_output=True, check=True, timeout=60)
    assert done.stderr == b""
    return done


def test_other_formats(database: Database) -> None:
    """TSV and JSON have the same cells."""
    rows = list(csv.DictReader(CSV.splitlines()))
    table = offtracfs_bytes(database, "report", "1", "--format", "tsv", "--at", "2011-04").stdout.decode()
    assert list(csv.DictReader(table.splitlines(), delimiter="\t")) == rows
    found = json.loads(said(database, "1", "--format", "json").stdout)
    assert [{name: str(value or "") for name, value in row.items()} for row in found] == rows


def test_table(database: Database) -> None:
    """People see title, groups and dates in their time zone, no hidden columns and, in a pipe, no colours."""
    config = database.path / "config.toml"
    config.write_text(config.read_text() + 'timezone = "Asia/Tokyo"\n')
    done = said(database, "1")
    assert done.stderr == ""
    lines = [line.split() for line in done.stdout.splitlines() if line]
    assert lines[0] == ["{1}", "Of", "bob"]
    assert lines[1] == ["Ticket", "Summary", "Created"]
    assert ["1", "first", "2011-04-09", "21:00"] in lines
    assert lines.index(["bob"]) == 1 + lines.index(["1", "first", "2011-04-09", "21:00"])
    assert "\x1b" not in done.stdout


def test_terminal(database: Database) -> None:
    """On a terminal a row has the colour of its urgency."""
    ours, theirs = pty.openpty()
    command = [*PROGRAM, "--db", str(database.path), "report", "1", "--at", "2011-04"]
    env = surroundings(database.path.parent, TERM="xterm-256color", COLUMNS="100", PAGER="cat")
    with subprocess.Popen(command, env=env, stdout=theirs, stdin=subprocess.DEVNULL) as process:
        os.close(theirs)
        text = b""
        while chunk := _read(ours):
            text += chunk
    os.close(ours)
    assert process.returncode == 0
    (line,) = (line for line in text.splitlines() if b"second" in line)
    assert line.startswith(b"\x1b[")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # nobody writes to it any more
        return b""


def test_variables(database: Database) -> None:
    """Values come from the command line, else from the report; $USER is the database's user."""
    for arguments, tickets in (((), "12"), (("USER=ann",), "132"), (("STATE=closed",), "32")):
        done = said(database, "1", "--format", "json", *arguments, at="2011-07")
        assert (done.returncode, done.stderr) == (0, "")
        assert "".join(str(row["ticket"]) for row in json.loads(done.stdout)) == tickets


def test_what_is_to_be_said_of_variables(database: Database) -> None:
    """A variable without a value is empty, one that no report has is passed over; both are told."""
    done = said(database, "6", "--format", "csv", "B==x", "b=1", "C=2")
    assert done.returncode == 0
    assert done.stdout == "a,b,c\n,=x,\n"
    assert [re.sub("[`'].*", "", line) for line in done.stderr.splitlines()] == [
        "offtracfs: The variable A has no value: ",
        "offtracfs: Report 6 has no variable b.",
        "offtracfs: Report 6 has no variable C.",
    ]
    assert said(database, "3", "C=2").stderr == "offtracfs: Report 3 has no variable C.\n"


def test_variables_in_the_sql_of_other_databases(database: Database) -> None:
    """A report that is translated has its variables where they were."""
    assert json.loads(said(database, "8", "A=41", "--format", "json").stdout) == [{"n": 42, "is41": 1}]


def test_moments(database: Database) -> None:
    """A report is that of the moment, on the tickets of the moment."""
    assert offtracfs(database.path.parent, "--db", "db", "report", "1").stdout.split()[-1] == "3"
    assert said(database, "1", at="2011-04").stdout.startswith("{1} Of bob")
    assert "third" in said(database, "1", "USER=ann", at="2011-07").stdout
    assert "third" not in said(database, "1", "USER=ann", at="2011-04").stdout


def test_saved_query(database: Database) -> None:
    """A report that is a saved query gives what the query gives."""
    rows = list(csv.reader(said(database, "3", "--format", "csv").stdout.splitlines()))
    assert rows == [["id", "Summary"], ["1", "first"], ["2", 'second, "é"']]
    assert said(database, "3").stdout.startswith("{3} Saved\n")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("10", 64, "no report 10"),
        ("1 USER", 64, "'USER' is no variable: write NAME=VALUE"),
        ("1 =x", 64, "'=x' is no variable"),
        ("one", 64, "'one' is no report's number: `offtracfs --db db report` lists"),
        ("1 --format xml", 64, "'xml' is not one of"),
        ("2", 64, "no table tickets"),
        ("4", 64, "nonsense"),
        ("9", 64, "Report 9 is longer than 200,000 bytes"),
        ("5", 64, "Report 5 has no SQL"),
        ("7", 64, "only SELECT|no SELECT|SELECT"),
    ],
)
def test_wrong_inputs(database: Database, arguments: str, code: int, words: str) -> None:
    """Whatever cannot be is told in one sentence, and nothing is written to stdout."""
    done = said(database, *arguments.split())
    assert (done.returncode, done.stdout) == (code, ""), done
    assert re.fullmatch(rf"offtracfs: .*({words}).*\n", done.stderr), done.stderr


def test_before_the_first_record(database: Database) -> None:
    """There is no report of a moment at which there was no tracker."""
    done = said(database, "1", at="2010")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (64, "", 1)


def test_before_the_first_sync(tmp_path: Path) -> None:
    """An empty database has no reports, and says what to do."""
    new_database(tmp_path / "db")
    done = offtracfs(tmp_path, "--db", "db", "report")
    assert (done.returncode, done.stdout) == (66, "")
    assert "offtracfs --db db sync" in done.stderr


def test_user_of_no_name(tmp_path: Path) -> None:
    """Where the database has no user, $USER is "anonymous", as for a site's visitors."""
    append(new_database(tmp_path / "db"), (SPRING, report(1, "", "SELECT $USER AS user")))
    assert run(tmp_path, "report", "1", "--format", "csv") == "user\nanonymous\n"
