"""The safe door to SQL: what comes through, and every attack that shall not."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, insert
from sqlalchemy.pool import NullPool

from offtracfs.errors import DatabaseDamaged, QueryRefused
from offtracfs.index.opening import LINK, VERSION
from offtracfs.index.schema import TRAC, metadata
from offtracfs.reports import sandbox
from offtracfs.reports.allowed import FUNCTIONS
from offtracfs.reports.dialects import translated
from offtracfs.reports.sandbox import Limits, Sandbox
from tests.helpers import fill, small_disk

NOW = 2**62
QUICK = Limits(seconds=0.3, rows=50)
COUNT = "SELECT count(*) FROM ticket"
WITH = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r)"
TWICE = ", ".join(
    f"a{n} AS (SELECT (SELECT x FROM a{n - 1}) + (SELECT x FROM a{n - 1}) x)" for n in range(1, 30)
)


def made(directory: Path) -> Path:
    """An index in which ticket 1 got a new summary at revision 2, and 100 tickets came at revision 3."""
    file = directory / "index.1.db"
    engine = create_engine(f"sqlite:///{file}", poolclass=NullPool)
    with engine.begin() as connection:
        metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version={VERSION}")
        connection.execute(insert(TRAC["ticket"]), [
            {"id": 1, "summary": "first", "keywords": "é", "since": 1, "until": 2},
            {"id": 1, "summary": "second", "keywords": "é", "since": 2, "until": NOW},
        ])  # fmt: skip
        many = [{"id": n, "summary": f"t{n}", "since": 3, "until": NOW} for n in range(2, 102)]
        connection.execute(insert(TRAC["ticket"]), many)
        values = {"ticket": 1, "field": "owner", "value": "ann", "since": 1, "until": NOW}
        connection.execute(insert(TRAC["ticket_value"]), [values])
        connection.execute(
            insert(TRAC["description"]), [{"ticket": 1, "description": "text", "since": 1, "until": NOW}]
        )
        connection.execute(
            insert(TRAC["version"]), [{"path": "x", "name": "1.0", "time": 5, "since": 1, "until": NOW}]
        )
    (directory / LINK).symlink_to(file.name)
    return directory


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of such an index; at the end not a byte of it may have changed."""
    place = made(tmp_path_factory.mktemp("sandbox"))
    before = sha256((place / LINK).read_bytes()).digest()
    yield place
    assert sha256((place / LINK).read_bytes()).digest() == before
    assert {file.name.partition("-")[0] for file in place.iterdir()} == {LINK, "index.1.db"}


@pytest.fixture
def box(directory: Path) -> Iterator[Sandbox]:
    """A sandbox at revision 3 with little time and few rows."""
    with closing(sandbox.connect(directory, 3, QUICK)) as made:
        yield made


def rows(box: Sandbox, sql: str, parameters: sandbox.Parameters = ()) -> list[tuple[Any, ...]]:
    return list(sandbox.run(box, sql, parameters).rows)


@pytest.mark.parametrize(("revision", "found"), [(1, [("first", "text")]), (2, [("second", "text")])])
def test_a_revision(directory: Path, revision: int, found: list[tuple[str, str]]) -> None:
    """The tables are Trac's, as they stood at the revision."""
    with closing(sandbox.connect(directory, revision)) as box:
        assert rows(box, "SELECT summary, description FROM ticket") == found


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT * FROM version", [("1.0", 5, None)]),
        ("SELECT id FROM ticket WHERE id = 1 AND summary <> 'trac_ticket'", [(1,)]),
        ("SELECT 1 FROM version WHERE EXISTS (SELECT 1 FROM version)", [(1,)]),
        ("SELECT t.id FROM ticket AS t JOIN version v ON v.time = 5 WHERE t.id = 1", [(1,)]),
        ("WITH a AS (SELECT 2 AS x), b AS (SELECT x FROM a) SELECT count(*), x FROM b", [(1, 2)]),
        ("WITH ticket AS (SELECT 7 AS id) SELECT id FROM ticket", [(7,)]),
        ("SELECT value FROM json_each('[3,4]')", [(3,), (4,)]),
        ("SELECT count(*) FROM json_tree('[3,[4]]')", [(4,)]),
        (f"{WITH} SELECT sum(x) FROM (SELECT x FROM r LIMIT 3)", [(6,)]),
        ("SELECT id, row_number() OVER (ORDER BY id) FROM ticket LIMIT 1", [(1, 1)]),
        ("SELECT 'É' LIKE 'é', 'A' LIKE 'a', 'abc' GLOB 'a*'", [(0, 1, 1)]),
        ("-- a comment\n/* and\nanother */ SELECT keywords FROM ticket WHERE id = 1;  -- the end", [("é",)]),
        ("VALUES (1), (2)", [(1,), (2,)]),
        ("SELECT printf('%.*c', 10000001, 'x')", [(None,)]),  # too long: SQLite's own answer is NULL
        ("SELECT datetime(0, 'unixepoch'), CAST(x'ff' AS TEXT)", [("1970-01-01 00:00:00", "\ufffd")]),
        ("SELECT CAST(x'eda080' AS TEXT)", [("\ud800",)]),
    ],
)  # fmt: skip
def test_what_comes_through(box: Sandbox, sql: str, found: list[tuple[Any, ...]]) -> None:
    """SELECTs in all their forms, with SQLite's own functions."""
    assert rows(box, sql) == found


def test_parameters_are_bound(box: Sandbox) -> None:
    """Values are never part of the SQL, whatever quotes are in them; by place or by name."""
    nasty = "'; DROP TABLE ticket; --\"`$USER\x00é"
    assert rows(box, "SELECT ?, ?", [nasty, "2"]) == [(nasty, "2")]
    assert rows(box, "SELECT :A || :B || :A", {"A": "'", "B": nasty}) == [("'" + nasty + "'",)]


def test_names_of_columns(box: Sandbox) -> None:
    """The result has the columns' names in order, also those that are there twice, and for no rows."""
    assert sandbox.run(box, "SELECT id, id, 1 AS __color__ FROM ticket WHERE 0").columns == [
        "id",
        "id",
        "__color__",
    ]


WRITES = [
    ("INSERT INTO ticket(id) VALUES (9)", "INSERT"),
    ("INSERT INTO offtracfs_ticket(id) VALUES (9)", "INSERT"),
    ("WITH x AS (SELECT 9) INSERT INTO offtracfs_ticket(id) SELECT * FROM x", "INSERT"),
    ("REPLACE INTO offtracfs_ticket(id) VALUES (9)", "REPLACE"),
    ("INSERT INTO published VALUES (1) ON CONFLICT DO UPDATE SET revision = 1", "INSERT"),
    ("UPDATE offtracfs_ticket SET id = 9", "UPDATE"),
    ("UPDATE ticket SET id = 9", "UPDATE"),
    ("WITH x AS (SELECT 9) UPDATE offtracfs_ticket SET id = 9", "UPDATE"),
    ("DELETE FROM offtracfs_ticket RETURNING *", "DELETE"),
    ("EXPLAIN DELETE FROM path", "DELETE"),
    ("CREATE TABLE x (y)", "CREATE"),
    ("CREATE TEMP TABLE x AS SELECT 1", "CREATE"),
    ("CREATE TEMP VIEW x AS SELECT * FROM path", "CREATE"),
    ("CREATE VIRTUAL TABLE temp.x USING fts5(y)", "CREATE"),
    ("CREATE TEMP TRIGGER x INSTEAD OF INSERT ON ticket BEGIN SELECT 1; END", "CREATE"),
    ("CREATE INDEX x ON offtracfs_ticket(id)", "CREATE"),
    ("DROP VIEW ticket", "DROP"),
    ("DROP TABLE path", "DROP"),
    ("ALTER TABLE path RENAME TO x", "ALTER"),
    ("/* SELECT */ PRAGMA query_only = OFF", "PRAGMA"),
    ("PRAGMA writable_schema = ON", "PRAGMA"),
    ("PRAGMA hard_heap_limit = 0", "PRAGMA"),
    ("PRAGMA table_info(ticket)", "PRAGMA"),
    ("ATTACH '/etc/passwd' AS x", "ATTACH"),
    ("ATTACH ':memory:' AS x", "ATTACH"),
    ("DETACH main", "DETACH"),
    ("VACUUM", "VACUUM"),
    ("VACUUM INTO 'copy.db'", "VACUUM"),
    ("REINDEX", "REINDEX"),
    ("ANALYZE", "ANALYZE"),
    ("BEGIN", "BEGIN"),
    ("BEGIN EXCLUSIVE", "BEGIN"),
    ("COMMIT", "COMMIT"),
    ("ROLLBACK", "ROLLBACK"),
    ("SAVEPOINT x", "SAVEPOINT"),
    ("RELEASE x", "RELEASE"),
]


@pytest.mark.parametrize(("sql", "verb"), WRITES, ids=[sql for sql, _ in WRITES])
def test_nothing_but_select(box: Sandbox, sql: str, verb: str) -> None:
    """Whatever would write, or change the connection, is refused by its name."""
    refused(box, sql, f"{verb} is not allowed here: only SELECT is.")


NAMED = [
    ("SELECT * FROM {}", "path"),
    ("SELECT count(*) FROM {}", "path"),
    ("SELECT count(*) FROM {}", "main.path"),
    ("SELECT 1 WHERE EXISTS (SELECT 1 FROM {})", "blob"),
    ("SELECT count(*) FROM main.{}", "version"),
    ("SELECT inode FROM main.{}", "version"),
    ("SELECT count(*) FROM {}", "published"),
    ("SELECT * FROM {}", "offtracfs_ticket"),
    ("SELECT count(*) FROM {}", "OFFTRACFS_Ticket"),
    ("WITH ticket AS (SELECT * FROM {}) SELECT * FROM ticket", "offtracfs_ticket"),
    ("WITH ticket AS (SELECT * FROM {}) SELECT * FROM ticket", '"offtracfs_ticket"'),
    ("SELECT * FROM (SELECT * FROM {}) AS ticket", "[offtracfs_ticket]"),
    ("SELECT * FROM (SELECT * FROM main.{}) AS ticket", "'offtracfs_ticket'"),
    ("WITH ticket AS MATERIALIZED (SELECT * FROM {} t) SELECT id FROM ticket", "`offtracfs_ticket`"),
    ("SELECT id FROM ticket WHERE id IN (SELECT id FROM {})", "offtracfs_ticket"),
    ("SELECT id FROM ticket UNION SELECT id FROM {}", "offtracfs_ticket"),
    ("SELECT id FROM ticket WHERE id IN {}", "offtracfs_ticket"),
    ("SELECT * FROM {}", "ticket_value"),
    ("SELECT count(*) FROM {}", "ticket_value"),
    ("SELECT count(*) FROM temp.{}", "ticket_value"),
    ("SELECT count(*) FROM {}, version", "ticket_value"),
    ("SELECT 1 FROM {}", "ticket_value"),
    ("WITH ticket AS (SELECT * FROM {}) SELECT 1 FROM ticket", "ticket_value"),
    ("SELECT id FROM ticket WHERE id IN (SELECT ticket FROM {})", "ticket_value"),
    ("SELECT id FROM ticket WHERE EXISTS (SELECT 1 FROM {} AS ticket)", '"ticket_value"'),
    ("SELECT sql FROM {}", "sqlite_master"),
    ("SELECT count(*) FROM {}", "sqlite_master"),
    ("SELECT sql FROM {}", "sqlite_temp_master"),
]


@pytest.mark.parametrize(("sql", "table"), NAMED)
def test_no_table_but_tracs(box: Sandbox, sql: str, table: str) -> None:
    """The index's own tables cannot be read, nor even counted, under no quotes and behind no other name."""
    bare = table.removeprefix("main.").strip("\"`[]'")
    refused(box, sql.format(table), f"There is no table {bare} here, only ticket, ")


def test_our_own_statements(box: Sandbox) -> None:
    """SQL of our own making sees our own view, too, and the next statement of others does not."""
    statement = "SELECT field, value FROM ticket_value WHERE ticket = 1"
    assert list(sandbox.run_ours(box, statement).rows) == [("owner", "ann")]
    refused(box, statement, "There is no table ticket_value here, only ticket, ")


@pytest.mark.parametrize(
    "table",
    ["pragma_table_info('ticket')", "pragma_database_list", "pragma_function_list()", "dbstat", "fts5vocab"],
)
@pytest.mark.parametrize("what", ["*", "count(*)"])
def test_no_virtual_tables(box: Sandbox, what: str, table: str) -> None:
    """The tables that SQLite makes up cannot be read either: they would show the schema and the file."""
    refused(box, f"SELECT {what} FROM {table}", r"virtual tables|There is no table|no such")


@pytest.mark.parametrize("table", ["wiki", "permission", "attachment", "Session", "revision", "auth_cookie"])
def test_tables_that_are_not_kept(box: Sandbox, table: str) -> None:
    """A table of Trac's that is not here is named as such, also where the index has one of that name."""
    refused(box, f"SELECT count(*) FROM {table}", f"Trac's table {table} is not kept offline.")


@pytest.mark.parametrize(
    "call",
    [
        "load_extension('x')",
        "fts3_tokenizer('simple')",
        "sqlite_log(1, 'x')",
        "last_insert_rowid()",
        "changes()",
    ],
)
def test_no_function_with_effects(box: Sandbox, call: str) -> None:
    """Functions that do more than compute are refused by name."""
    refused(box, f"SELECT {call}", f"The function {call.partition('(')[0]} is not offered here.")


def test_every_function_is_known() -> None:
    """Whatever SQLite offers on this machine is offered here too, or is on the list of what shall not be."""
    words = """
    bm25 changes fts3_tokenizer fts5 fts5_get_locale fts5_insttoken fts5_locale fts5_source_id highlight
    last_insert_rowid load_extension match matchinfo
    offsets optimize rtreecheck rtreedepth rtreenode snippet sqlite_compileoption_get
    sqlite_compileoption_used sqlite_log sqlite_source_id subtype total_changes
    """
    with closing(sqlite3.connect(":memory:")) as connection:
        offered = {name for (name,) in connection.execute("SELECT name FROM pragma_function_list")}
    assert offered - FUNCTIONS <= set(words.split())


LIMITED = [
    (f"{WITH} SELECT count(*) FROM r", "longer than 0.3 seconds"),
    (f"{WITH} SELECT x FROM r WHERE x < 0", "longer than 0.3 seconds"),
    (f"{COUNT} a, ticket b, ticket c, ticket d, ticket e", "longer than 0.3 seconds"),
    (f"{COUNT} a, " + ", ".join(f"ticket t{n}" for n in range(63)), "longer than 0.3 seconds"),
    (f"{COUNT} a, " + ", ".join(f"ticket t{n}" for n in range(64)), "at most 64 tables in a join"),
    (f"{WITH} SELECT x FROM r", "more than 50 rows"),
    ("SELECT a.id FROM ticket a, ticket b", "more than 50 rows"),
    ("SELECT zeroblob(1000000000)", "10,000,000 bytes"),
    ("SELECT randomblob(1000000000)", "10,000,000 bytes"),
    ("SELECT hex(zeroblob(6000000))", "10,000,000 bytes"),
    ("SELECT replace(hex(zeroblob(4000000)), '0', '00000')", "10,000,000 bytes"),
    ("WITH RECURSIVE r(x) AS (SELECT 'x' UNION ALL SELECT x || x FROM r) SELECT max(x) FROM r", "10,000,000"),
    ("SELECT length(group_concat(hex(zeroblob(9000)))) FROM ticket a, ticket b", "10,000,000 bytes"),
    ("SELECT 'a' LIKE '" + "%a" * 600 + "'", "pattern too complex"),
    ("SELECT 'a' GLOB '" + "*a" * 600 + "'", "pattern too complex"),
    ("SELECT " + "abs(" * 3_000 + "1" + ")" * 3_000, "parser stack overflow|too large"),
    ("SELECT " + "+".join(["1"] * 2_000), "too large"),
    ("SELECT " + "NOT " * 3_000 + "1", "parser stack overflow|too large"),
    (" UNION ALL ".join(["SELECT 1"] * 101), "too many terms in compound SELECT"),
    ("SELECT " + ",".join(["1"] * 501), "too many columns"),
    ("SELECT '" + "x" * 200_001 + "'", "too large"),
    ("SELECT 1 IN (" + ",".join(["?"] * 10_001) + ")", "too many SQL variables"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "words"), LIMITED, ids=[f"{sql[:40]}…{sql[-20:]}" for sql, _ in LIMITED])
def test_limits(box: Sandbox, sql: str, words: str) -> None:
    """Endless recursion, huge joins, bombs and monsters are refused with the limit that they meet."""
    refused(box, sql, words)


MISTAKES = [
    ("", "There is no SELECT in it"),
    (" ; -- nothing", "There is no SELECT in it"),
    ("SELECT 1; SELECT 2", "more than one statement"),
    ("SELECT 1; DROP TABLE path", "more than one statement"),
    ("SELECT ?", "placeholder"),
    ("SELECT :USER", "placeholder"),
    ("SELECT nosuch FROM ticket", "no such column: nosuch"),
    ("SELECT rowid2 FROM ticket", "no such column: rowid2"),
    ("SELECT since FROM ticket", "no such column: since"),
    ("SELECT * FROM hours", "There is no table hours here, only ticket, ticket_change, .* and report"),
    ("SELECT 1 FORM ticket", 'near "ticket": syntax error'),
    ("SELECT 'open", "unrecognized token"),
    ("SELECT nosuch(1)", "no such function: nosuch"),
    ("SELECT '\ud800'", "lone surrogates"),
    ("SELECT 1 \x00", "null character"),
    ("SELECT abs(-9223372036854775808)", "integer overflow"),
    ("SELECT json('{')", "malformed JSON"),
]


@pytest.mark.parametrize(("sql", "words"), MISTAKES)
def test_mistakes(box: Sandbox, sql: str, words: str) -> None:
    """What is simply wrong is told in one sentence."""
    refused(box, sql, words)


def refused(box: Sandbox, sql: str, words: str) -> None:
    """It is refused in one sentence with these words, and the sandbox is as good as before."""
    with pytest.raises(QueryRefused, match=words) as caught:
        rows(box, sql)
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert rows(box, COUNT) == [(101,)]


def test_rows_may_just_reach_the_limit(box: Sandbox) -> None:
    """As many rows as are allowed come, and the refusal of one more comes behind them."""
    assert len(rows(box, "SELECT id FROM ticket LIMIT 50")) == 50
    found = sandbox.run(box, "SELECT id FROM ticket").rows
    assert len([next(found) for _ in range(50)]) == 50
    with pytest.raises(QueryRefused, match="more than 50 rows, which is the limit"):
        next(found)


def test_a_reader_may_take_its_time(box: Sandbox) -> None:
    """Only SQLite's own work counts against the time, not what is done with the rows."""
    found = sandbox.run(box, "SELECT id FROM ticket LIMIT 40").rows
    next(found)
    spent, until = box.spent, box.spent + 2 * QUICK.seconds
    with closing(sqlite3.connect(":memory:")) as other:
        busy = Sandbox(other, [], Limits(seconds=until))
        with pytest.raises(QueryRefused, match="longer"):
            rows(busy, f"{WITH} SELECT count(*) FROM r")
    assert len(list(found)) == 39
    assert box.spent - spent < QUICK.seconds


def test_checking_runs_nothing(box: Sandbox) -> None:
    """A check tells what is refused for what it is, and not what would take too long."""
    sandbox.check(box, f"{COUNT} a, ticket b, ticket c, ticket d, ticket e WHERE a.id = ?", ["1"])
    with pytest.raises(QueryRefused, match="no table path"):
        sandbox.check(box, "SELECT * FROM path")
    with pytest.raises(QueryRefused, match="PRAGMA"):
        sandbox.check(box, "PRAGMA query_only = OFF")


def test_a_translation_takes_of_the_time(directory: Path) -> None:
    """What a translation took is not given again to what has been translated."""
    sql = "SELECT " + ", ".join(["1::int"] * 100)
    translated(sql)
    begun = time.process_time()
    translated(sql)
    needed = time.process_time() - begun
    with closing(sandbox.connect(directory, 3)) as box:
        assert rows(box, sql) == [(1,) * 100]
        assert box.spent > needed / 2
        rows(box, COUNT)
        assert box.spent < needed / 2


@pytest.mark.parametrize("nothing", ["/**/", "--\n", "\ufeff", " "])
def test_a_long_beginning(box: Sandbox, nothing: str) -> None:
    """However much stands before its first word, a statement is judged at once."""
    many = nothing * (60_000 // len(nothing))
    begun = time.process_time()
    refused(box, f"{many}\ufeffDROP VIEW ticket", "DROP is not allowed here")
    assert time.process_time() - begun < 1


BOMBS = [
    f"{WITH} SELECT x FROM r ORDER BY x DESC",
    f"{WITH} SELECT count(DISTINCT hex(randomblob(500))) FROM r",
    f"{WITH} SELECT json_group_array(hex(zeroblob(500))) FROM r",
    f"{WITH} SELECT sum(x) OVER (ORDER BY x DESC) FROM r",
    f"{WITH}, s AS MATERIALIZED (SELECT x, hex(zeroblob(500)) FROM r) SELECT * FROM s a, s b",
    f"WITH a0 AS (SELECT 1 x), {TWICE} SELECT x FROM a29",
]
IN_A_PROCESS = """
import sys
from contextlib import closing
from pathlib import Path
from offtracfs.errors import QueryRefused
from offtracfs.reports import sandbox
from offtracfs.reports.allowed import FUNCTIONS
with closing(sandbox.connect(Path(sys.argv[1]), 3, sandbox.Limits(memory=40 << 20))) as box:
    for sql in sys.argv[2:]:
        try:
            print(list(sandbox.run(box, sql).rows))
        except QueryRefused as error:
            print(error)
"""


def test_memory(directory: Path) -> None:
    """What would take more memory than is allowed is refused, and the same process goes on."""
    command = [sys.executable, "-c", IN_A_PROCESS, str(directory), *BOMBS, COUNT]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    sentence = "It needs more than 40 MB of memory, which is the limit."
    assert done.stdout.splitlines() == [sentence] * len(BOMBS) + ["[(101,)]"]


def test_on_a_full_disk(tmp_path: Path) -> None:
    """It works where nothing can be written, not even SQLite's notes for other processes."""
    with small_disk(tmp_path / "disk", "4m") as disk:
        made(disk)
        fill(disk)
        with closing(sandbox.connect(disk, 3)) as box:
            assert rows(box, COUNT) == [(101,)]
            assert rows(box, "SELECT max(summary) FROM ticket ORDER BY hex(randomblob(1000))") == [("t99",)]


def test_no_index(tmp_path: Path) -> None:
    """Where there is no index, or one of another version, that is said."""
    with pytest.raises(DatabaseDamaged, match="There is no index"):
        sandbox.connect(tmp_path, 1)
    made(tmp_path)
    with closing(sqlite3.connect(tmp_path / LINK)) as connection:
        connection.execute("PRAGMA user_version=1")
    with pytest.raises(DatabaseDamaged, match="version"):
        sandbox.connect(tmp_path, 1)
    (tmp_path / LINK).write_bytes(b"no database" * 1_000)
    with pytest.raises(DatabaseDamaged, match="cannot be used"):
        sandbox.connect(tmp_path, 1)
