"""`offtracfs sql`, as a process."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from offtracfs.database import Database
from tests.mounting import AUTUMN, SPRING, SUMMER, append, new_database, ticket
from tests.program import PROGRAM, Done, offtracfs, surroundings

NASTY = "é \x1b[2J\u202e\nand \x85more"
ALL = "SELECT id, status, summary FROM ticket ORDER BY id"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A ticket of spring, which was closed in summer, and an odd one of autumn."""
    made = new_database(tmp_path / "db")
    append(
        made,
        (SPRING, ticket(1)),
        (SUMMER, ticket(1, status="closed")),
        (AUTUMN, ticket(2, summary=NASTY)),
    )
    return made


def said(database: Database, *arguments: str) -> Done:
    """How `offtracfs sql` ends."""
    return offtracfs(database.path.parent, "--db", "db", "sql", *arguments)


def told(database: Database, *arguments: str) -> bytes:
    """What it prints into a pipe; it must succeed without a word on stderr."""
    command = [*PROGRAM, "--db", str(database.path), "sql", *arguments]
    env = surroundings(database.path.parent)
    done = subprocess.run(command, env=env, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def test_formats(database: Database) -> None:
    """The same rows as a table for people, and as csv, tsv and json for programs, which lose nothing."""
    assert told(database, ALL).decode() == (
        "id  status  summary\n"
        " 1  closed  ticket 1\n"
        " 2  new     é \\x1b[2J\\u202e\\nand \\x85more\n"
    )  # fmt: skip
    csv = f'id,status,summary\r\n1,closed,ticket 1\r\n2,new,"{NASTY}"\r\n'
    assert told(database, ALL, "--format", "csv").decode() == csv
    assert told(database, ALL, "--format", "tsv").decode() == csv.replace(",", "\t")
    assert json.loads(told(database, ALL, "--format", "json"))[1] == {
        "id": 2,
        "status": "new",
        "summary": NASTY,
    }


@pytest.mark.parametrize(
    ("at", "found"),
    [
        ("2011-04-09", [(1, "new")]),
        ("@2011-04-09", [(1, "new")]),
        ("HEAD~1", [(1, "closed")]),
        ("2011-07-08T12:00:00Z", [(1, "closed")]),
        ("HEAD", [(1, "closed"), (2, "new")]),
    ],
)
def test_at(database: Database, at: str, found: list[tuple[int, str]]) -> None:
    """The tables are as they stood at a moment, said as after the @ in the mount."""
    rows = json.loads(told(database, ALL, "--format", "json", "--at", at))
    assert [(row["id"], row["status"]) for row in rows] == found


def test_other_databases_sql(database: Database) -> None:
    """What only PostgreSQL or MySQL would take is translated."""
    sql = "SELECT id::int, to_timestamp(time/1000000)::date FROM ticket WHERE status ILIKE 'CLOS%'"
    assert told(database, sql, "--format", "csv") == b"id,to_timestamp\r\n1,2011-04-09\r\n"
    assert (
        told(database, "SELECT IF(`id` = 1, 'a', 'b') AS x FROM ticket", "--format", "csv")
        == b"x\r\na\r\nb\r\n"
    )
    for sql in ("CURRENT_DATE - INTERVAL '7 days' < now()", "date '2011-04-09' < now()"):
        assert told(database, f"SELECT {sql} AS x", "--format", "csv") == b"x\r\n1\r\n"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["DELETE FROM ticket"], 64, "DELETE is not allowed here: only SELECT is."),
        (["SELECT * FROM path"], 64, "There is no table path here, only ticket, .* and report."),
        (["SELECT * FROM wiki"], 64, "Trac's table wiki is not kept offline."),
        (["SELECT load_extension('x')"], 64, "The function load_extension is not offered here."),
        (["SELECT summary ~ 'x' FROM ticket"], 64, "PostgreSQL's .* SQLite has no regular expressions."),
        (["SELECT '\x1b[2J"], 64, r".*\\x1b\[2J.*\."),
        ([""], 64, "There is no SELECT in it."),
        (["SHOW TABLES"], 64, 'SQLite does not take it: near "SHOW": syntax error.'),
        (["SELECT 1", "--at", ""], 64, "--at has no moment: .*"),
        (["SELECT 1", "--at", "@"], 64, "--at has no moment: .*"),
        (
            ["SELECT 1", "--at", "2010"],
            64,
            "There was no tracker yet at 2010: it begins on .*",
        ),
        (["SELECT 1", "--at", "soon"], 64, "'soon' is no moment: .*"),
        (["SELECT 1", "--format", "xml"], 64, "Invalid value for '--format': 'xml' is not one of .*"),
        ([], 64, "Missing argument 'SQL'. .*"),
    ],
)
def test_refused(database: Database, arguments: list[str], code: int, sentence: str) -> None:
    """A refusal is one sentence on stderr, and an exit code."""
    done = said(database, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert re.fullmatch(rf"offtracfs: {sentence}\n", done.stderr), done.stderr


def test_no_database(tmp_path: Path) -> None:
    """Where there is no database, or nothing in it yet, it says what to do: 66."""
    done = offtracfs(tmp_path, "--db", "db", "sql", "SELECT 1")
    assert done.returncode == 66
    assert "`offtracfs --db db init URL` makes one" in done.stderr
    new_database(tmp_path / "db")
    done = offtracfs(tmp_path, "--db", "db", "sql", "SELECT 1")
    assert done.returncode == 66
    assert (
        done.stderr
        == "offtracfs: The database is still empty: `offtracfs --db db sync` fetches the tracker.\n"
    )


STUCK = """
import functools
from offtracfs_cli import main
from offtracfs.reports import process
from offtracfs.reports.sandbox import Limits, connect
process.connect = functools.partial(connect, limits=Limits(seconds=0.2))
process.GRACE = 0.1
main.main()
"""
SLOW = [
    "SELECT trim(hex(zeroblob(4000000)), replace(hex(zeroblob(300000)), '0', '1') || '0')",
    "SELECT instr(hex(zeroblob(4900000)), hex(zeroblob(2400000)) || '1')",
    "SELECT replace(hex(zeroblob(4900000)), hex(zeroblob(2400000)) || '1', '')",
    "SELECT printf('%.*c', 2000000000, 'x') || printf('%.*c', 2000000000, 'x')",
    "SELECT 1" + "::int" * 2_000,
]


@pytest.mark.parametrize("sql", SLOW)
def test_stuck_in_one_function(database: Database, sql: str) -> None:
    """A call that SQLite cannot be interrupted in ends with the process, and with the same sentence."""
    command = [sys.executable, "-c", STUCK, "--db", str(database.path), "sql", sql]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == "offtracfs: It takes longer than 0.2 seconds, which is the limit.\n"


INTERRUPTED = """
import signal
from offtracfs_cli import main
signal.signal(signal.SIGVTALRM, signal.default_int_handler)  # what Ctrl-C does
signal.setitimer(signal.ITIMER_VIRTUAL, 3)
main.main()
"""


def test_interrupted(database: Database) -> None:
    """Ctrl-C in the midst of SQLite's work ends it as any other command."""
    sql = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT count(*) FROM r"
    command = [sys.executable, "-c", INTERRUPTED, "--db", str(database.path), "sql", sql]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\n")


STUCK_IN_PYTHON = """
from offtracfs.reports import process
from offtracfs_cli import main, sql
process.FOR_WRITING = -31
def run(*_):
    while True:
        pass
sql.run = run
main.main()
"""


def test_stuck_in_python(database: Database) -> None:
    """Whatever else would take for ever is ended by the kernel."""
    command = [sys.executable, "-c", STUCK_IN_PYTHON, "--db", str(database.path), "sql", "SELECT 1"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGXCPU


def test_nobody_listens(database: Database) -> None:
    """Where stdout is closed it ends without a word."""
    command = ["sh", "-c", 'exec "$@" >&-', "sh", *PROGRAM, "--db", str(database.path), "sql", ALL]
    env = surroundings(database.path.parent)
    done = subprocess.run(command, env=env, stderr=subprocess.PIPE, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


HUGE = """
from offtracfs.reports import process
from offtracfs_cli import main
process.MAX_WRITTEN = 1 << 20
main.main()
"""


@pytest.mark.parametrize("sql", ["SELECT hex(zeroblob(2000000))", "SELECT zeroblob(600000)"])
def test_no_disk_is_filled(database: Database, tmp_path: Path, sql: str) -> None:
    """A result that is too long for a file is refused; a pipe may take it."""
    command = [sys.executable, "-c", HUGE, "--db", str(database.path), "sql", sql]
    with (tmp_path / "result").open("wb") as file:
        done = subprocess.run(
            command, stdout=file, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    assert done.returncode == 64
    assert done.stderr == "offtracfs: It gives more than 1 MB, which is the limit.\n"
    piped = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert piped.stdout.endswith(b"\n")
    assert len(piped.stdout) > 1 << 20


def test_rows_come_at_once(database: Database) -> None:
    """Whoever reads only the first rows of many gets them, and the program ends without a word."""
    sql = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT x FROM r"
    command = [*PROGRAM, "--db", str(database.path), "sql", sql, "--format", "csv"]
    with subprocess.Popen(
        command, env=surroundings(database.path.parent), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert [process.stdout.readline() for _ in range(3)] == [b"x\r\n", b"1\r\n", b"2\r\n"]
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def on_a_terminal(database: Database, *arguments: str, **environment: str) -> str:
    """What somebody at a terminal sees."""
    ours, theirs = pty.openpty()
    command = [*PROGRAM, "--db", str(database.path), "sql", *arguments]
    env = surroundings(database.path.parent, TERM="xterm", PAGER="cat", **environment)
    with subprocess.Popen(command, env=env, stdout=theirs, stdin=subprocess.DEVNULL) as process:
        os.close(theirs)
        text = b""
        try:
            while chunk := os.read(ours, 65536):
                text += chunk
        except OSError:  # Linux' way to say that nobody has it open any more
            pass
    os.close(ours)
    assert process.returncode == 0
    return text.decode()


def test_a_table_fits_the_terminal(database: Database) -> None:
    """On a terminal a table is as wide as that, and has colours unless NO_COLOR is there."""
    sql = "SELECT id, 'long ' || summary AS s FROM ticket WHERE id = 1"
    text = on_a_terminal(database, sql, COLUMNS="16")
    assert text == "\x1b[1mid  s\x1b[0m\r\n 1  long ticket…\r\n"
    assert on_a_terminal(database, sql, NO_COLOR="1") == "id  s\r\n 1  long ticket 1\r\n"


@pytest.mark.parametrize("form", ["table", "csv", "tsv", "json"])
def test_nothing_commands_the_terminal(database: Database, form: str) -> None:
    """On a terminal no format lets the tracker's text command it."""
    text = on_a_terminal(database, ALL, "--format", form, NO_COLOR="1")
    assert "[2J" in text
    assert not re.search("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", text)
