"""Trac's tables in the index: held against the records that git has, and against a real Trac's database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, insert

from offtracfs import index, kinds, records, sync
from offtracfs.database import Database, Settings
from offtracfs.index import build, validity
from offtracfs.index.opening import LINK
from offtracfs.index.schema import TRAC, metadata
from offtracfs.index.steps import DataVersion, steps
from offtracfs.index.tables import OURS, VIEWS, views
from offtracfs.kinds import Row, record_id
from offtracfs.store import Store
from offtracfs.trackers import tracdb
from tests.helpers import Files, append, few, listed, loosen, rebuilt, tables
from tests.tracdbs import address, filled
from tests.tracservers import RealTrac

TICKET = "ticket/7.json"
LOG = "changelog/7.json"
AT = "2011-04-09T21:16:07"
STAMP = 1_302_383_767_000_000  # the same in microseconds


def rows(path: str, record: Any) -> dict[str, list[Row]]:
    """The rows of a record, by table."""
    if (known := record_id(path)) is None:
        return {}
    _, found = known.kind.read(known.key, records.dump(record))
    return {
        table.name: [row for name, row in found or () if name == table.name] for table in known.kind.tables
    }


def standing(directory: Path, revision: int) -> dict[str, list[Row]]:
    """The rows of every view at a revision, in some fixed order."""
    with closing(sqlite3.connect(directory / LINK)) as connection:
        for statement in views(revision):
            connection.execute(statement)
        found = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in (*VIEWS, *OURS)}
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def test_a_ticket() -> None:
    """A ticket is a row, its description another, and a row for each custom field; unset is NULL."""
    props = {"summary": "é", "owner": "", "severity": None, "description": "x\r\ny", "_ts": str(STAMP + 25)}
    props |= {"time": AT, "changetime": AT, "type": "task", "risk": "", "deadline": AT, "team": "ours"}
    found = rows(TICKET, [7, AT, AT, props])
    nothing = (None,) * 10
    assert found["ticket"] == [(7, "task", STAMP, STAMP + 25, *nothing, "é", None)]
    assert found["description"] == [(7, "x\r\ny")]
    assert found["ticket_custom"] == [
        (7, "deadline", f"{STAMP:018d}"),
        (7, "risk", None),
        (7, "team", "ours"),
    ]


@pytest.mark.parametrize(
    ("stamp", "changed", "expected"),
    [
        (str(STAMP + 999_999), AT, STAMP + 999_999),
        (str(STAMP + 1_000_000), AT, STAMP),
        ("nonsense", AT, STAMP),
        ("", AT + ".000025", STAMP + 25),
        (None, AT, STAMP),
        ("9" * 5000, AT, STAMP),
    ],
)
def test_times_of_change(stamp: str | None, changed: str, expected: int) -> None:
    """The time of change is as exact as the record says in any place, and never another one."""
    (ticket,) = rows(TICKET, [7, AT, changed, {"_ts": stamp}])["ticket"]
    assert ticket[2:4] == (STAMP, expected)


def test_a_change_log() -> None:
    """Attachments are no changes; '' is NULL, but not in comments; times are as Trac stores them."""
    log = [
        [AT, "ann", "attachment", None, "a.txt", 0],
        [AT, "ann", "comment", None, "an attachment's", 0],
        [AT, "ann", "comment", "1", "", 1],
        [AT, "bob", "_comment0", "", str(STAMP + 5), 1],
        [AT + ".000007", "", "milestone", "", "m1", 1],
        [AT, None, "deadline", "1969-12-31T23:59:59", AT, 1],
        [AT, "ann", "summary", AT, "", 1],
    ]
    assert rows(LOG, log)["ticket_change"] == [
        (7, STAMP, "ann", "comment", "1", ""),
        (7, STAMP, "bob", "_comment0", "", str(STAMP + 5)),
        (7, STAMP + 7, "", "milestone", None, "m1"),
        (7, STAMP, None, "deadline", "-0000000001000000", f"{STAMP:018d}"),
        (7, STAMP, "ann", "summary", AT, None),
    ]


@pytest.mark.parametrize(
    ("path", "record", "expected"),
    [
        ("field/type/task.json", "3", {"enum": [("ticket_type", "task", "3")]}),
        ("field/priority/a%2Fb+%C3%A9.json", "10", {"enum": [("priority", "a/b é", "10")]}),
        ("field/priority/%ED%A0%80.json", "1", {"enum": [("priority", "\ufffd", "1")]}),
        ("field/kind/x.json", 4, {"enum": [("kind", "x", "4")]}),
        ("field/status/new.json", "0", {}),
        (
            "field/component/ui.json",
            {"name": "ui", "owner": "", "description": "d"},
            {"component": [("ui", None, "d")]},
        ),
        (
            "field/milestone/m.json",
            {"name": "m", "due": AT, "completed": 0, "description": ""},
            {"milestone": [("m", STAMP, 0, "")]},
        ),
        ("field/version/1.json", {"name": "1", "time": 0}, {"version": [("1", 0, None)]}),
        (
            "report/3.json",
            {"title": "R", "sql": "-- ## 3: R ## --\n\n-- a\n-- b\n\nSELECT 1\n", "description": "a\nb\n"},
            {"report": [(3, None, "R", "SELECT 1\n", "a\nb\n")]},
        ),
        (
            "report/3.json",
            {"title": "R", "sql": "query:?status=new"},
            {"report": [(3, None, "R", "query:?status=new", None)]},
        ),
        ("ticket/x.json", [7, AT, AT, {}], {}),
        ("fields.json", [], {}),
        ("field/stray.json", {}, {}),
    ],
)
def test_other_records(path: str, record: Any, expected: dict[str, list[Row]]) -> None:
    """Enums, components, milestones, versions and reports are rows as Trac would have them."""
    found = rows(path, record)
    if path.startswith("field/"):
        assert all(row[0] == path for some in found.values() for row in some)
        found = {table: [row[1:] for row in some] for table, some in found.items()}
    assert found == expected


def test_a_long_name() -> None:
    """A name that is too long for a file is whole where the record has it."""
    name = "名" * 40
    assert rows(kinds.field_path("component", name), {"name": name})["component"][0][1] == name


TEXTS = st.sampled_from(["", "a", AT, AT + ".000001", "\ud800", "é\x00", "1" * 5000, "\U0001f600"]) | st.text(
    max_size=3
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(["summary", "type", "_ts", "description", "risk", "keywords", "time"])
TICKETS = st.tuples(st.just(7), TEXTS, TEXTS, st.dictionaries(KEYS, ANYTHING, max_size=4))
LOGS = st.lists(st.tuples(TEXTS, ANYTHING, ANYTHING, ANYTHING, ANYTHING, ANYTHING), max_size=3)
NAMED = st.fixed_dictionaries(
    {"name": ANYTHING},
    optional={"due": ANYTHING, "time": ANYTHING, "description": ANYTHING, "owner": ANYTHING},
)
PLACES = [TICKET, LOG, "report/7.json", "field/component/c.json", "field/milestone/m.json"]
PLACES += ["field/version/v.json", "field/priority/p.json", "field/status/s.json", "fields.json", "ticket/x"]


@given(path=st.sampled_from(PLACES), record=ANYTHING | TICKETS | LOGS | NAMED)
def test_odd_records(path: str, record: Any) -> None:
    """Whatever a record holds, it is rows that a database takes, or none."""
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        for table, some in rows(path, record).items():
            for row in some:
                connection.execute(insert(TRAC[table]).values((None, *row, 1, 2)))
    engine.dispose()


@given(path=st.sampled_from(PLACES), data=st.binary())
def test_no_records(path: str, data: bytes) -> None:
    """What is no JSON is no row."""
    record = record_id(path)
    assert not record or record.kind.read(record.key, b"[" + data)[1] in (None, [])


MOMENTS = [f"2011-04-09T21:16:0{second}" for second in range(3)]
LINES = st.tuples(
    st.sampled_from(MOMENTS),
    st.sampled_from(["ann", "bob"]),
    st.sampled_from(["comment", "_comment0", "status", "risk"]),
    st.just("1"),
    st.sampled_from(["", "x", "y"]),
    st.integers(0, 1),
)
VALUES = st.dictionaries(
    st.sampled_from(["summary", "description", "risk", "team"]), st.sampled_from(["", "x", "y"]), max_size=3
)
CONTENTS = {
    TICKET: st.tuples(st.just(7), st.just(AT), st.sampled_from(MOMENTS), VALUES),
    LOG: st.lists(LINES, max_size=4),
    "ticket/8.json": st.tuples(st.just(8), st.just(AT), st.just(AT), VALUES),
    "changelog/8.json": st.lists(LINES, max_size=2),
    "report/1.json": st.fixed_dictionaries({"title": st.just("R"), "sql": st.sampled_from(["a", "b"])}),
    "field/component/ui.json": st.fixed_dictionaries({"name": st.just("ui"), "owner": st.sampled_from("ab")}),
    "field/type/x.json": st.sampled_from(["1", "2"]),
    "field/milestone/m.json": st.fixed_dictionaries({"name": st.just("m"), "due": st.sampled_from([0, AT])}),
    "field/version/v.json": st.fixed_dictionaries({"name": st.sampled_from("vw")}),
}
ODD = st.sampled_from([None, b"", b"no JSON", b"[]\n", b"{}\n", b"[\n [\n ]\n]\n"])


@st.composite
def histories(draw: st.DrawFn) -> list[Files]:
    """Commits, in which the change log mostly grows."""
    found: list[Files] = []
    logs: dict[str, list[Any]] = {}
    for _ in range(draw(st.integers(1, 8))):
        files: dict[str, bytes | None] = {}
        for path in draw(st.lists(st.sampled_from(sorted(CONTENTS)), min_size=1, max_size=4)):
            if draw(st.integers(0, 9)) == 0:
                files[path] = draw(ODD)
                continue
            record: Any = draw(CONTENTS[path])
            if path in logs and draw(st.integers(0, 3)):
                record = logs[path] + record
            if isinstance(record, list):
                logs[path] = record
            files[path] = records.dump(record)
        found.append(files)
    return found


def expected(files: Files) -> dict[str, list[Row]]:
    """The rows of every view where these files stand."""
    found: dict[str, set[Row]] = {name: set() for name in TRAC}
    for path, data in files.items():
        record = record_id(path)
        for table, row in (record and data and record.kind.read(record.key, data)[1]) or ():
            found[table].add(row[1:] if isinstance(row[0], str) else row)
    texts: dict[int, str] = dict(found.pop("description"))
    found["ticket"] = {(*row[:-1], texts.get(row[0]), row[-1]) for row in found["ticket"]}
    return {name: sorted(some, key=repr) for name, some in found.items()}


@few
@given(batches=st.lists(histories(), min_size=1, max_size=3))
def test_every_revision(tmp_path_factory: pytest.TempPathFactory, batches: list[list[Files]]) -> None:
    """At each revision, the views hold the rows of the records that git has there, however they came."""
    directory = tmp_path_factory.mktemp("db")
    store = Store.create(directory / "git")
    files: dict[str, bytes | None] = {}
    states = []
    with patch.object(build, "COMMITS_A_TRANSACTION", 2), patch.object(validity, "ROWS_A_STATEMENT", 3):
        for number, batch in enumerate(batches):
            append(store, *batch, start=1_300_000_000 + 10_000 * number)
            index.catch_up(directory, store)
            for commit in batch:
                files |= commit
                states.append(expected(files))
    for number, state in enumerate(states, 1):
        assert standing(directory, number) == state
    assert standing(directory, 0) == expected({})
    assert tables(directory) == rebuilt(store)


ROW = b'[\n  "2011-04-09T21:16:07",\n  "ann",\n  "status",\n  "new",\n  "%s",\n  1\n ]'
ONE, TWO = (b"[\n " + b",\n ".join(ROW % name for name in some) + b"\n]\n" for some in ([b"a"], [b"a", b"b"]))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (ONE, TWO, "ab"),
        (TWO, ONE, "a"),
        (ONE, ONE.replace(b'"a"', b'"b"'), "b"),
        (ONE, ONE[:-3] + b",\n " + ROW % b"a" + b"\n]\n", "a"),
        (ONE, ONE[:-3] + b", oops\n]\n", ""),
        (b"[\n [oops\n ]\n]\n", b"[\n [oops\n ],\n " + ROW % b"b" + b"\n]\n", ""),
        (b"[\n]\n", b"[,\n " + ROW % b"b" + b"\n]\n", ""),
        (b"[]\n", TWO, "ab"),
        (TWO, None, ""),
    ],
)
def test_logs_that_grow(before: bytes, after: bytes | None, expected: str) -> None:
    """What is read of a change log is only what is new; it comes to the same as reading all of it."""
    record = record_id(LOG)
    assert record
    known = validity.no_rows(record)
    versions = [DataVersion(2, 1, before), DataVersion(3, 2, after)]
    list(validity.new_rows(steps(record, versions), known))
    assert "".join(row[-1] for row in known["ticket_change"]) == expected
    anew = validity.no_rows(record)
    brought = list(validity.new_rows(steps(record, versions[1:]), anew))
    assert known["ticket_change"].keys() == anew["ticket_change"].keys()
    assert len(brought) == len(expected)


def test_a_comment_costs_a_row(tmp_path: Path) -> None:
    """A change log that grows is not written again: rows that stay are there once, whatever comes."""
    log = [[AT, "ann", "comment", str(n), "text", 1] for n in range(30)]
    store = Store.create(tmp_path / "git")
    append(store, *({LOG: records.dump(log[:n])} for n in range(31)))
    index.catch_up(tmp_path, store)
    append(store, {LOG: records.dump([*log, [AT, "bob", "status", "new", "closed", 1]])})
    index.catch_up(tmp_path, store)
    assert len(tables(tmp_path)["offtracfs_ticket_change"]) == 31


def test_a_damaged_object(tmp_path: Path) -> None:
    """A record that git cannot read has no rows; all others have theirs."""
    store = Store.create(tmp_path / "git")
    lost = records.dump([7, AT, AT, {"summary": "lost"}])
    append(store, {TICKET: lost, "ticket/8.json": records.dump([8, AT, AT, {}])})
    loosen(store)
    blob = listed(store)[TICKET].hex()
    (store.path / "objects" / blob[:2] / blob[2:]).unlink()
    index.catch_up(tmp_path, Store(store.path))
    assert [row[0] for row in standing(tmp_path, 1)["ticket"]] == [8]


@pytest.mark.parametrize("portions", [1, 3])
def test_a_damaged_object_is_no_deletion(tmp_path: Path, portions: int) -> None:
    """Where git cannot read a version of a record, the one before it stands until the next."""
    store = Store.create(tmp_path / "git")
    revisions = [{TICKET: records.dump([7, AT, AT, {"summary": text}])} for text in ("one", "lost", "three")]
    append(store, *revisions[:portions])
    if portions == 1:
        index.catch_up(tmp_path, store)
        append(store, *revisions[1:])
    blob = listed(store, "main~1")[TICKET].hex()
    loosen(store)
    (store.path / "objects" / blob[:2] / blob[2:]).unlink()
    index.catch_up(tmp_path, Store(store.path))
    found = [standing(tmp_path, revision)["ticket"] for revision in (1, 2, 3)]
    assert [row[14] for rows in found for row in rows] == ["one", "one", "three"]


@pytest.fixture(params=["modern_trac", "legacy_trac"])
def trac(request: pytest.FixtureRequest) -> RealTrac:
    """A real Trac with something of everything, of either generation."""
    return filled(request.getfixturevalue(request.param))


def stored(trac: RealTrac) -> dict[str, list[Row]]:
    """The rows of a Trac's own tables."""
    with closing(sqlite3.connect(trac.environment / "db/trac.db")) as connection:
        return {
            name: connection.execute(f"SELECT {', '.join(columns)} FROM {name}").fetchall()
            for name, columns in VIEWS.items()
        }


def told(table: str, row: Row) -> Row | None:
    """As much of a row as a record can tell, None for what no record tells at all.

    That is an undeclared custom field without a value, and what is no time in one of type time. An unset time
    or author cannot be told from 0 and '', nor '' from NULL in descriptions that Trac did not write itself. A
    report's pages have other line ends, and say in other words what a saved query asks for.
    """
    match table, row:
        case ("ticket_custom", (_, "gone", "") | (_, "seen", _)) | ("ticket_change", (_, _, _, "seen", _, _)):
            return None
        case "ticket", (number, kind, time, *rest):
            return (number, kind, time or 0, *rest)
        case "ticket_change", (number, time, author, *rest):
            return (number, time, author or "", *rest)
        case "component" | "milestone" | "version", (*rest, description):
            return (*rest, description or "")
        case "report", (number, author, title, str(query), description):
            saved = query.startswith(("?", "query:"))
            texts = ("a query" if saved else query, description or "")
            return (number, author, title, *(text.replace("\r\n", "\n") for text in texts))
    return row


async def test_as_trac_has_them(trac: RealTrac, tmp_path: Path) -> None:
    """Every row of every table is that of the real Trac's database."""
    database = Database.create(tmp_path / "db", Settings(url=address(trac)))
    outcome = await sync.once(database, partial(tracdb.connect, address(trac)))
    found, real = standing(database.path, outcome.commits), stored(trac)
    for name in VIEWS:
        ours, theirs = (
            sorted(filter(None, (told(name, row) for row in some[name])), key=repr) for some in (found, real)
        )
        assert theirs
        assert ours == theirs
