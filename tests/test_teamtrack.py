"""Servers and records of a TeamTrack, read from its database."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from offtracfs import teamtrack
from offtracfs.errors import LoginRefused, NotATracker, Unreachable
from offtracfs.teamtrack import server as server_module
from offtracfs.teamtrack import sql
from offtracfs.teamtrack.server import Server
from offtracfs.teamtrack.sql import Database
from tests.teamtracks import KINDS, Teamtracks, connected, everything, writable


def _edited(address: str, *statements: str) -> None:
    """Some SQL, as a TeamTrack of another version would have left it."""
    with closing(sqlite3.connect(address.removeprefix("sqlite:///"))) as database, database:
        for statement in statements:
            database.execute(statement)


def test_import_is_cheap() -> None:
    """The import loads no library that is slow to load; connecting to a database does not load HTTP."""
    script = "import sys; from offtracfs import teamtrack; print(*(n for n in sys.modules if '.' not in n))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"sqlalchemy", "sqlglot", "httpx", "zeep", "trio"} & set(done.stdout.split())


@pytest.mark.parametrize(
    ("kind", "number", "name"), [("cases", 1, "TS_CASES"), ("issues", 1000, "TTT_ISSUES")]
)
def test_case_table(teamtracks: Teamtracks, kind: str, number: int, name: str) -> None:
    """The case table has the id 1, or its records are called Issue; CASES stands for either."""
    with teamtrack.connect("", "", teamtracks.new(f"sqlite-{kind}")) as server:
        assert (server.case_table_id(), server.case_table_name()) == (number, name)
        assert teamtrack.table["CASES"] == number
        assert teamtrack.table[name.removeprefix("TS_")] == number


def test_no_case_table(teamtracks: Teamtracks) -> None:
    """A TeamTrack without a table of cases says so when it is asked for it, and gives all else."""
    address = teamtracks.new("sqlite-issues")
    _edited(address, "UPDATE TS_TABLES SET TS_SNAME = 'Thing' WHERE TS_ID = 1000")
    with teamtrack.connect("", "", address) as server:
        with pytest.raises(teamtrack.tsapi_error, match="no table of cases"):
            server.case_table_id()
        assert "CASES" not in teamtrack.table
        assert len(server.query(server.tables["USERS"])) > 0


def test_tables_and_features_are_those_of_the_last_server(teamtracks: Teamtracks) -> None:
    """The dictionaries are the same objects for ever, and say what the last server has; each server keeps its
    own.
    """
    table, feature = teamtrack.table, teamtrack.feature
    with connected(teamtracks.new("sqlite-cases")) as first:
        assert (table["CASES"], feature.get("submit")) == (1, 1)
        with teamtrack.connect("", "", teamtracks.new("sqlite-issues")) as second:
            assert (table["CASES"], feature.get("submit")) == (1000, None)
            assert (first.tables["CASES"], second.tables["CASES"]) == (1, 1000)
            assert (first.features.get("submit"), second.features) == (1, {"system_tables": 1})
            assert first.read_record(first.case_table_id(), 17)["ID"] == 17


def test_all_databases_give_equal_records(teamtracks: Teamtracks) -> None:
    """SQLite and PostgreSQL, dates as numbers and native ones: the same values, but for the case table's
    id.
    """
    found: dict[str, list[Any]] = {}
    for kind in KINDS:
        with teamtrack.connect("", "", teamtracks.new(kind)) as server:
            cases = [dict(record) for record in server.query(server.case_table_id())]
            actions = server.query(server.tables["CHANGEACTIONS"])
            found[kind] = [cases, [dict(action) | {"TABLEID": 0} for action in actions]]
    assert found["sqlite-cases"] == found["sqlite-issues"] == found["postgresql-cases"]
    assert found["sqlite-cases"] == found["postgresql-issues"]
    assert found["sqlite-cases"][0][0]["SUBMITDATE"] == 1_365_235_200  # 2013-04-06T08:00:00Z


def test_dates_before_1970_and_parts_of_a_second(teamtracks: Teamtracks) -> None:
    """A native date is the second in which it lies, also before 1970."""
    address = teamtracks.new("postgresql-issues")
    with psycopg.connect(address) as database:
        database.execute(
            """UPDATE "TTT_ISSUES" SET "TS_SUBMITDATE" = '1969-12-31 23:59:58.75' WHERE "TS_ID" = 1"""
        )
    with teamtrack.connect("", "", address) as server:
        assert server.read_record(server.case_table_id(), 1)["SUBMITDATE"] == -2


def test_names_in_small_letters(teamtracks: Teamtracks) -> None:
    """A database whose tables and columns were made without quotes has them in small letters: it is the
    same.
    """
    address = teamtracks.new("postgresql-issues")
    with psycopg.connect(address) as database:
        columns = database.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        ).fetchall()
        for table, column in columns:
            database.execute(f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO {column.lower()}'.encode())
        for table in {table for table, _ in columns}:
            database.execute(f'ALTER TABLE "{table}" RENAME TO {table.lower()}'.encode())
    with connected(address) as server, teamtrack.connect("", "", teamtracks.new("sqlite-issues")) as other:
        clause = "TS_STATE IN (SELECT TS_ID FROM TS_STATES WHERE TS_OPENCLOSED = 0) ORDER BY TS_TITLE"
        assert list(server.query(1000, clause)) == list(other.query(1000, clause))
        case = server.new_record(1000)
        case["PROJECTID"] = 2
        number = case.submit("Joe")
        field = server.new_record(server.tables["FIELDS"])
        for name, value in {
            "TABLEID": 1000,
            "DBNAME": "Cost",
            "FLDTYPE": teamtrack.field_type["TEXT"],
        }.items():
            field[name] = value
        field.add_field()
        assert list(server.query(1000, "TS_COST IS NULL AND TS_SUBMITTER = 12"))[-1]["ID"] == number


def test_unknown_fields(teamtrack_server: Server) -> None:
    """A field that a record does not have is a KeyError, whether it is read or set."""
    record = teamtrack_server.read_record(teamtrack_server.case_table_id(), 1)
    with pytest.raises(KeyError, match="TS_TITLE"):
        record["TS_TITLE"]
    with pytest.raises(KeyError, match="NOSUCH"):
        record["NOSUCH"] = 1
    with pytest.raises(teamtrack.error, match="gives a record its ID"):
        record["ID"] = 2
    assert not record.has_key("NOSUCH")
    assert "NOSUCH" not in record
    assert record == teamtrack_server.read_record(teamtrack_server.case_table_id(), 1)


def test_records_know_their_table(teamtrack_server: Server) -> None:
    """A record that was read or is new tells its table; a new one has the fields of its table, not set."""
    users = teamtrack_server.tables["USERS"]
    read, new = teamtrack_server.read_record(users, 1), teamtrack_server.new_record(users)
    assert read.table() == new.table() == users
    assert new.keys() == read.keys() == ["ID", "LOGINID", "NAME", "EMAIL", "STATUS"]
    assert set(new.values()) == {None}


def test_unknown_tables(teamtrack_server: Server) -> None:
    """What is no id of a table is refused by every method that takes one."""
    tables: list[Any] = [-1, 0, 99, True, "1", "TS_CASES; --", None, 1.0, [1]]
    for table in tables:
        for ask in (
            lambda table=table: teamtrack_server.query(table, ""),
            lambda table=table: teamtrack_server.read_record(table, 1),
            lambda table=table: teamtrack_server.new_record(table),
            lambda table=table: teamtrack_server.delete_record(table, 1),
        ):
            with pytest.raises(teamtrack.error, match="no table"):
                ask()


def test_what_is_no_id_of_a_record(teamtrack_server: Server) -> None:
    """What is no whole number is no id; and an id that no record has is an error of the TeamTrack."""
    numbers: list[Any] = ["1", "1 OR 1=1", None, 1.5, True, [1], b"1"]
    for ask in (teamtrack_server.read_record, teamtrack_server.delete_record):
        for number in numbers:
            with pytest.raises(teamtrack.error, match="whole number"):
                ask(teamtrack_server.case_table_id(), number)
        for number in (0, -1, 2**62, 10**30):
            with pytest.raises(teamtrack.tsapi_error):
                ask(teamtrack_server.case_table_id(), number)


def test_found_records_are_used_like_a_list(teamtrack_server: Server) -> None:
    """What a query found has a length, places, slices and an order, and can be walked through twice."""
    found = teamtrack_server.query(teamtrack_server.case_table_id(), "TS_ID < 8 ORDER BY TS_ID DESC")
    assert len(found) == 7
    assert [record["ID"] for record in found] == [7, 6, 5, 4, 3, 2, 1]
    assert list(found) == list(found)
    assert (found[0]["ID"], found[-1]["ID"]) == (7, 1)
    assert [record["ID"] for record in found[1:3]] == [6, 5]
    assert found[2] in found
    assert list(reversed(found))[0]["ID"] == 1  # noqa: RUF015  # the whole of it
    with pytest.raises(IndexError):
        found[7]
    assert not teamtrack_server.query(teamtrack_server.case_table_id(), "1=0")


def test_a_record_deleted_meanwhile(teamtrack_server: Server) -> None:
    """It is left out of those that are walked through, and an error where it is asked for by its place."""
    users = teamtrack_server.tables["USERS"]
    found = teamtrack_server.query(users, "TS_ID < 4")
    teamtrack_server.delete_record(users, 2)
    assert [record["ID"] for record in found] == [1, 3]
    with pytest.raises(teamtrack.tsapi_error, match="no record with the id 2"):
        found[1]


def test_large_results_come_in_chunks(teamtrack_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query is one SELECT, and one more for each chunk of records when it is looked at: none before."""
    monkeypatch.setattr(server_module, "CHUNK", 7)
    teamtrack_server.new_record(teamtrack_server.case_table_id())  # the table has been looked at
    transport = teamtrack_server.transport
    assert isinstance(transport, Database)
    said: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement.split()[0])

    event.listen(transport._engines._reader, "before_cursor_execute", note)
    found = teamtrack_server.query(teamtrack_server.case_table_id())
    assert said.count("SELECT") == 1
    walked = iter(found)
    next(walked)
    assert said.count("SELECT") == 2
    list(walked)
    assert said.count("SELECT") == 1 + -(-len(found) // 7)


def test_the_database_itself_refuses_to_write(teamtrack_address: str) -> None:
    """Without ?write=1, and for reads with it, the connection is one that cannot write, whatever is sent over
    it.
    """
    for address in (teamtrack_address, writable(teamtrack_address)):
        with teamtrack.connect("", "", address) as server:
            transport = server.transport
            assert isinstance(transport, Database)
            with (
                transport._engines._reader.connect() as connection,
                pytest.raises(DBAPIError, match=r"read-?only"),
            ):
                connection.execute(text('DELETE FROM "TS_USERS"'))


def test_reading_only(teamtrack_address: str) -> None:
    """Every method that writes is refused, and says how it would be allowed; nothing has changed."""
    with teamtrack.connect("joe", "", teamtrack_address) as server:
        before = everything(server)
        case, new = (
            server.read_record(teamtrack.table["CASES"], 12),
            server.new_record(teamtrack.table["CASES"]),
        )
        case["TITLE"], new["PROJECTID"] = "other", 2
        user, field = server.new_record(server.tables["USERS"]), server.new_record(server.tables["FIELDS"])
        for name, value in {
            "TABLEID": case.table(),
            "DBNAME": "X",
            "FLDTYPE": teamtrack.field_type["TEXT"],
        }.items():
            field[name] = value
        for write in (
            case.update,
            user.add,
            field.add_field,
            lambda: new.submit("Joe"),
            lambda: case.transition("Joe", 3),
            lambda: server.delete_record(server.tables["USERS"], 1),
        ):
            with pytest.raises(teamtrack.error, match=r"\?write=1"):
                write()
        assert everything(server) == before


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("sqlite://", "three slashes"),
        ("sqlite:///:memory:?cache=shared", "three slashes"),
        ("sqlite://host/file", "three slashes"),
        ("sqlite:////tmp/x?mode=rwc", "three slashes"),
        ("sqlite:////tmp/x?write=yes", "0 or 1"),
        ("postgresql+psycopg2://h/d", "is one of sqlite://"),
        ("postgresql://h/d?write=1&write=1", "twice"),
        ("mssql://h/d", "is one of"),
        ("oracle+oracledb://h/d", "pip install 'oracledb'"),
        ("mssql+pyodbc://h/d", "pip install 'pyodbc'"),
        ("mysql://ann:hunter2@h/d", "neither a host"),
        ("https://ann:hunter2@h", "neither holds a user"),
        ("ftp://h", "neither a host"),
        ("a b", "neither a host"),
        ("h:80:80", "neither a host"),
        ("", "neither a host"),
        ("http://", "neither a host"),
    ],
)
def test_addresses_that_are_none(address: str, words: str) -> None:
    """Each is one sentence, in which no password is repeated."""
    with pytest.raises(teamtrack.error, match=words.replace("?", r"\?")) as refused:
        teamtrack.connect("ann", "hunter2", address)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("arguments", [(None, "", "h"), ("", b"", "h"), ("", "", 1)])
def test_arguments_of_connect(arguments: Any) -> None:
    """All three are texts."""
    with pytest.raises(teamtrack.error, match="are texts"):
        teamtrack.connect(*arguments)


def test_what_is_no_teamtrack(tmp_path: Path) -> None:
    """No file, a file that is no database, and a database of something else: each is told apart from an
    error.
    """
    (tmp_path / "text").write_text("no database, but a long enough text" * 100)
    with closing(sqlite3.connect(tmp_path / "other")) as database, database:
        database.execute("CREATE TABLE ticket (id)")
    for name, words in (
        ("none", "no such file"),
        ("text", "not a database"),
        ("other", "no table TS_TABLES"),
    ):
        with pytest.raises(teamtrack.tsapi_error, match=words) as refused:
            teamtrack.connect("", "", f"sqlite:///{tmp_path / name}")
        assert isinstance(refused.value, NotATracker)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE TS_TABLES SET TS_DBNAME = 'x\"; DROP TABLE TS_USERS; --' WHERE TS_ID = 1000",
        "UPDATE TS_TABLES SET TS_DBNAME = 'sqlite_master' WHERE TS_ID = 1000",
        "DROP TABLE TTT_ISSUES",
        "ALTER TABLE TTT_ISSUES RENAME COLUMN TS_ID TO TS_NUMBER",
    ],
)
def test_a_strange_list_of_tables(teamtracks: Teamtracks, statement: str) -> None:
    """What TS_TABLES lists need not be there: an error where it is asked for, and nothing else."""
    address = teamtracks.new("sqlite-issues")
    _edited(address, statement)
    with teamtrack.connect("", "", address) as server:
        with pytest.raises(teamtrack.tsapi_error):
            server.query(1000, "")
        assert len(server.query(server.tables["USERS"])) > 0


def test_postgresql_logins(teamtracks: Teamtracks, caplog: pytest.LogCaptureFixture) -> None:
    """User and password log in where the address names nobody else; a password is in no message and no
    log.
    """
    caplog.set_level(logging.DEBUG)
    address = teamtracks.new("postgresql-cases")
    url = make_url(address)
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS guarded")
        admin.execute("CREATE ROLE guarded LOGIN PASSWORD 'hunter2'")
        admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO guarded")
    nobody = address.replace("admin@", "")
    guarded = url.set(username="guarded", password="hunter2").render_as_string(hide_password=False)
    for userid, password, where in (("guarded", "hunter2", nobody), ("", "", guarded), ("joe", "x", guarded)):
        with teamtrack.connect(userid, password, where) as server:
            assert len(server.query(teamtrack.table["CASES"]))
            with pytest.raises(teamtrack.tsapi_error):
                server.read_record(1, 10**30)
    for password in ("hunter3", ""):
        with pytest.raises(teamtrack.tsapi_error) as refused:
            teamtrack.connect("guarded", password, nobody)
        assert isinstance(refused.value, LoginRefused)
        assert "hunter" not in str(refused.value) + repr(refused.value)
    assert "hunter" not in caplog.text


def test_postgresql_that_does_not_answer(tmp_path: Path) -> None:
    """A server that is not there can be tried again later."""
    with pytest.raises(teamtrack.tsapi_error) as refused:
        teamtrack.connect("ann", "hunter2", f"postgresql:///teamtrack?host={tmp_path}")
    assert isinstance(refused.value, Unreachable)


def test_another_schema(teamtracks: Teamtracks) -> None:
    """?schema= names the schema that the tables are in."""
    address = teamtracks.new("postgresql-cases")
    with psycopg.connect(address) as admin:
        admin.execute('ALTER SCHEMA public RENAME TO "Team Track"')
    with pytest.raises(teamtrack.tsapi_error, match="no table TS_TABLES"):
        teamtrack.connect("", "", address)
    with connected(f"{address}&schema=Team%20Track") as server:
        case = server.read_record(1, 2)
        case["TITLE"] = "in a schema"
        assert case.update() == list(server.query(1, "TS_TITLE = 'in a schema'"))[0]  # noqa: RUF015


def test_states(teamtrack_server: Server) -> None:
    """A workflow has its own states, and where that is asked for those of the workflows above it."""

    def names(workflow: int, *include_parent: int) -> list[str]:
        return [state["NAME"] for state in teamtrack_server.read_state_list(workflow, *include_parent)]

    assert names(3) == names(3, 0) == ["In test"]
    assert names(3, 1) == ["In test", "New", "Assigned", "Resolved", "Closed"]
    assert names(4, 1) == names(3, 1)
    (state,) = teamtrack_server.read_state_list(3, 0)
    assert state == teamtrack_server.read_record(state.table(), state["ID"])
    assert state.table() == teamtrack_server.tables["STATES"]


def test_transitions(teamtrack_server: Server) -> None:
    """A project has the transitions of its workflow; the nearest of a name hides those above it."""

    def ids(project: int) -> list[int]:
        return [transition["ID"] for transition in teamtrack_server.read_transition_list(project)]

    assert ids(1) == [1, 2, 3, 4, 5]
    assert ids(5) == [8, 9, 10, 1, 2, 4, 5]  # its own Resolve, 8, hides 3
    assert ids(6) == [11, 8, 9, 1, 2, 4, 5]  # and there Fail, 11, hides 10
    transition = teamtrack_server.read_transition_list(6)[0]
    assert transition.table() == teamtrack_server.tables["TRANSITIONS"]


def test_no_such_project_or_workflow(teamtrack_server: Server) -> None:
    """Neither a list of states nor of transitions is made up for what is not there."""
    injected: Any = "1 OR 1=1"
    for number in (99, injected):
        with pytest.raises(teamtrack.error):
            teamtrack_server.read_state_list(number, 1)
        with pytest.raises(teamtrack.error):
            teamtrack_server.read_transition_list(number)


def test_ids_take_eight_bytes_each(teamtrack_server: Server) -> None:
    """What a query keeps is an array of numbers, so that memory hardly depends on how many it finds."""
    found = teamtrack_server.query(teamtrack_server.case_table_id())
    assert found.ids.itemsize == 8  # type: ignore[attr-defined]
    assert sql.IDS < 100_000
