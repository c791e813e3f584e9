"""Kinds of record: one table says where each one is, what it looks like, and which rows it has."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from offtracfs import kinds, records
from offtracfs.errors import TrackerError
from offtracfs.index import opening
from offtracfs.index.schema import metadata
from offtracfs.index.tables import VIEWS, views
from offtracfs.texts import Labels, log_part, ticket_part

AT = "2011-04-09T21:16:07"
LATER = "2011-04-09T21:16:07.000123"
PROPS = {
    "summary": "é \ud800", "type": "defect", "status": "new", "owner": "", "reporter": "ann", "cc": None,
    "component": "a b", "severity": "s", "priority": "p", "version": "1", "milestone": "m", "votes": 3,
    "resolution": "fixed", "keywords": "k", "description": "long\r\n", "deadline": LATER, "risk": "",
    "_ts": "1302383767000123", "time": AT, "changetime": AT, "comment": "none",
}  # fmt: skip
LOG = [
    [AT, "ann", "attachment", None, "a.txt", 0],
    [AT, None, "comment", "1", "", 1],
    [AT, "bob", "_comment0", "so far", "1302383767000123", 1],
    [LATER, "", "milestone", "", "m", 1],
    [LATER, "ann", "deadline", "1969-12-31T23:59:59", AT, 1],
    [LATER, "ann", "votes", 2, 3, 1],
]
SQL = "-- ## 3: R ## --\n\n-- d\n\nSELECT 1"
GOLDEN: dict[str, Any] = {
    "ticket/7.json": [7, AT, AT, PROPS],
    "changelog/7.json": LOG,
    "report/3.json": {"title": "R", "sql": SQL, "description": "d"},
    "field/component/a+b.json": {"name": "a b", "owner": "ann", "description": "d"},
    "field/milestone/m.json": {"name": "m", "due": AT, "completed": 0, "description": ""},
    "field/version/1.json": {"name": "1", "time": AT, "description": None},
    "field/status/new.json": "0",
    "field/type/b%2F%C3%A9.json": "1",
    "fields.json": [{"name": "summary", "label": "Summary", "type": "text"}],
    "db.json": {"recent": AT},
}
"""A record of each kind, with something of everything that its rows are made from."""


def test_every_kind_has_a_golden_record() -> None:
    """Each kind is in these tests, and in its own place in the table."""
    tested = [found.kind for path in GOLDEN if (found := kinds.record_id(path))]
    assert {kind.path for kind in tested} == {kind.path for kind in kinds.KINDS}


def test_golden_rows() -> None:
    """What the index holds of a record, and how, changes only together with the index's version."""
    written: list[Any] = [
        [name, [[column.name, str(column.type)] for column in table.columns]]
        for name, table in sorted(metadata.tables.items())
    ]
    written += sorted(views(1))
    for path, record in GOLDEN.items():
        if found := kinds.record_id(path):
            written.append([path, found.kind.read(found.key, records.dump(record))[1]])
    # The index has the sizes of the texts.
    labels = Labels(GOLDEN["fields.json"])
    written += [ticket_part(7, GOLDEN["ticket/7.json"], labels), log_part(LOG, labels)]
    digest = sha256(records.dump(written)).hexdigest()
    assert digest == opening.CONTENT, (
        f"An index that is made now differs from those of version {opening.VERSION}, which are in use: raise"
        f" VERSION in offtracfs/index/opening.py by one, and set CONTENT beside it to {digest}."
    )


@pytest.mark.parametrize("path", GOLDEN)
def test_places(path: str) -> None:
    """A path leads to git and back, and to a kind whose check takes the record of that place."""
    assert kinds.path_in_git(kinds.git_path(path)) == path
    kinds.check(path, GOLDEN[path] if path != "changelog/7.json" else LOG[:-1])


@pytest.mark.parametrize(
    "path",
    [
        "other.json",
        "ticket/x.json",
        "report/1.txt",
        "ticket/1/1.json",
        "field/x.json",
        "field/a/b/c.json",
        "",
    ],
)
def test_no_place(path: str) -> None:
    """Where no kind of record is kept, nothing has the right shape, and git has the same path."""
    assert kinds.record_id(path) is None
    assert kinds.git_path(path) == path
    with pytest.raises(TrackerError, match="does not have the shape"):
        kinds.check(path, {})


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("report/3.json", {"title": "R", "sql": 1}, "does not have the shape"),
        ("db.json", {"recent": 1}, "does not have the shape"),
        ("field/component/a.json", "3", "does not have the shape"),
        ("field/version/a.json", {"name": "b"}, "its name is 'b'"),
        ("field/type/a.json", None, "does not have the shape"),
        ("fields.json", {}, "does not have the shape"),
        ("db.json", {"recent": "yesterday"}, "has a time that cannot be read"),
        ("report/3.json", {"title": "R", "sql": "", "description": ["d"]}, "does not have the shape"),
        ("field/component/a.json", {"name": "a", "owner": float("inf")}, "does not have the shape"),
        ("fields.json", ["summary"], "cannot be used: 'summary'"),
        ("fields.json", [{"name": ["a"]}], "cannot be used: {'name'"),
        ("fields.json", [{"name": "a"}, {"name": "b", "label": {}}], "cannot be used: {'name': 'b'"),
        ("fields.json", [{"name": "a", "options": "abc"}], "cannot be used: {'name': 'a'"),
        ("fields.json", [{"name": "a", "options": [1]}], "cannot be used: {'name': 'a'"),
        ("fields.json", [{"name": "a", "order": []}], "cannot be used: {'name': 'a'"),
    ],
)
def test_no_record(path: str, value: Any, says: str) -> None:
    """What a kind's check does not take is named in a sentence that goes on after the path."""
    with pytest.raises(TrackerError, match=rf"{says}.*\.$"):
        kinds.check(path, value)


def test_numbers_in_git() -> None:
    """Git holds a change log beside its ticket, in small trees; other trees of that form are left alone."""
    assert kinds.git_path("ticket/13842.json") == "ticket/13/8/4/13842.json"
    assert kinds.git_path("changelog/13842.json") == "ticket/13/8/4/13842.changelog.json"
    for path in ("ticket/13/8/4/13842.other.json", "report/13/8/4/13842.json", "ticket/13/8/4/x.json"):
        assert kinds.path_in_git(path) == path


def test_views_have_tracs_columns() -> None:
    """Reports see Trac's tables and columns, in Trac's order, and nothing of how they are kept."""
    assert VIEWS.items() >= {
        "ticket": (
            "id", "type", "time", "changetime", "component", "severity", "priority", "owner", "reporter",
            "cc", "version", "milestone", "status", "resolution", "summary", "description", "keywords",
        ),
        "ticket_change": ("ticket", "time", "author", "field", "oldvalue", "newvalue"),
        "ticket_custom": ("ticket", "name", "value"),
        "enum": ("type", "name", "value"),
        "component": ("name", "owner", "description"),
        "milestone": ("name", "due", "completed", "description"),
        "version": ("name", "time", "description"),
        "report": ("id", "author", "title", "query", "description"),
    }.items()  # fmt: skip
