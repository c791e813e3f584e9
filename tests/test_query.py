"""What a query gives: rows, cells, groups and pages, at any moment."""

from __future__ import annotations

import io
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from offtracfs import records
from offtracfs.database import Database
from offtracfs.errors import QueryRefused
from offtracfs.index.moments import revision_chosen
from offtracfs.kinds.fields import FIRST, LAST
from offtracfs.querylanguage import parse
from offtracfs.reports import query, sandbox
from offtracfs.reports.formats import Row, Sheet, write_csv
from tests.mounting import AUTUMN, SPRING, SUMMER, append, new_database

NOW = datetime.fromtimestamp(AUTUMN, UTC)
KINDS = {"priority": "select", "status": "radio", "milestone": "select", "resolution": "radio"}
CUSTOM = [
    {"name": "flag", "type": "checkbox", "label": "Flag", "custom": True},
    {"name": "due", "type": "time", "label": "Due", "custom": True, "format": "datetime"},
    {"name": "day", "type": "time", "label": "Day", "custom": True, "format": "date"},
]
LISTED = [{"name": name, "type": kind, "label": name.title()} for name, kind in KINDS.items()]
FIELDS: list[dict[str, Any]] = [*FIRST, *LISTED, *LAST, *CUSTOM]


def ticket(number: int, **values: str) -> dict[str, bytes]:
    """Records of a ticket without changes."""
    moment = records.iso(records.from_microseconds(SPRING * 1_000_000 + number))
    props = {"status": "new", "priority": "major", "time": moment, "changetime": moment, **values}
    return {
        f"ticket/{number}.json": records.dump([number, moment, moment, props]),
        f"changelog/{number}.json": records.dump([]),
    }


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A database of four tickets, of which the last was made in summer."""
    made = new_database(tmp_path / "db")
    values = {"field/priority/blocker.json": "1", "field/priority/major.json": "7"}
    spring = {path: records.dump(value) for path, value in values.items()}
    spring |= {"fields.json": records.dump(FIELDS)}
    spring |= ticket(1, owner="bob; ann ,", cc=" carl", flag="1", due="2011-04-09T22:30:00", milestone="m1")
    spring |= ticket(
        2, reporter="eve", owner="", flag="0", day="2011-04-09T22:30:00", due="2011-04-09T22:30:01"
    )
    spring |= ticket(3, priority="blocker", status="closed", summary='It\'s 100% "odd"', milestone="m1")
    append(made, (SPRING, spring), (SUMMER, ticket(4, summary="late")))
    return made


def sheet(database: Database, text: str, at: str = "", now: datetime = NOW) -> tuple[Sheet, list[Row]]:
    """What a query gives to ann, and its rows."""
    with closing(database.reader()) as reader:
        revision = revision_chosen(reader, at)
    fields = query.fields_at(database, revision)
    with closing(sandbox.connect(database.path, revision.number)) as box:
        found = query.sheet(box, parse(text, fields), fields, "ann", now)
        return found, list(found.rows)


def rows(database: Database, text: str, at: str = "", now: datetime = NOW) -> list[list[Any]]:
    """The cells of what a query gives."""
    return [list(row.cells) for row in sheet(database, text, at, now)[1]]


def ids(database: Database, text: str, at: str = "", now: datetime = NOW) -> list[int]:
    """The tickets that a query gives, in order."""
    return [row[0] for row in rows(database, f"{text}&col=id", at, now)]


def test_people(database: Database) -> None:
    """Names are listed with commas between them; a ticket that nobody reported is by anonymous."""
    expected = [[1, "bob, ann", "carl", "anonymous"], [2, "", "", "eve"]]
    assert rows(database, "id=1,2&col=id|owner|cc|reporter") == expected


def test_dates(database: Database) -> None:
    """Times are moments, days are days of the asker's time zone, and what is unset is empty."""
    berlin = ZoneInfo("Europe/Berlin")
    found = rows(database, "id=1,2&col=id|due|day", now=NOW.astimezone(berlin))
    assert found == [[1, 1_302_388_200_000_000, ""], [2, 1_302_388_201_000_000, "2011-04-10"]]
    assert rows(database, "id=1&col=id|created") == [[1, SPRING * 1_000_000 + 1]]


def test_checkbox(database: Database) -> None:
    """A checkbox is 0 or 1, also where nothing is stored."""
    assert rows(database, "id=1-3&col=id|flag&order=id") == [[1, "1"], [2, "0"], [3, "0"]]


def test_custom_fields(database: Database) -> None:
    """Custom fields constrain and order like others; what has no value comes last, and first in reverse."""
    assert ids(database, "flag=1") == [1]
    assert ids(database, "due!=") == [1, 2]
    assert ids(database, "due=2011-04-09T22:30:01Z..&flag=0") == [2]
    assert ids(database, "id!=0&order=due") == [1, 2, 3, 4]
    assert ids(database, "id!=0&order=due&desc=1") == [3, 4, 2, 1]


def test_default_order(database: Database) -> None:
    """Tickets are ordered by the rank of their priority, and then by number."""
    assert ids(database, "id!=0") == [3, 1, 2, 4]


def test_headings(database: Database) -> None:
    """CSV has the labels of the fields as Trac has them, and an id."""
    out = io.StringIO(newline="")
    with closing(database.reader()) as reader:
        revision = revision_chosen(reader, "")
    with closing(sandbox.connect(database.path, revision.number)) as box:
        write_csv(query.sheet(box, parse("id=3&col=summary|due|time", FIELDS), FIELDS, "ann", NOW), out)
    assert out.getvalue() == 'id,Summary,Due,Created\r\n3,"It\'s 100% ""odd""",,2011-04-09T12:00:00Z\r\n'


def test_groups(database: Database) -> None:
    """A group has its field's label and value above it; tickets have the colour of their priority, if any."""
    _, found = sheet(database, "id!=0&group=milestone&order=id&col=id")
    assert [(row.group, row.cells[0], row.color) for row in found] == [
        ("Milestone: m1", 1, "7"),
        ("Milestone: m1", 3, "1"),
        ("Milestone: None", 2, "7"),
        ("Milestone: None", 4, "7"),
    ]


def test_groups_by_time(database: Database) -> None:
    """Tickets that are grouped by a time have its day above them."""
    _, found = sheet(
        database, "id!=0&group=due&order=id&col=id", now=NOW.astimezone(ZoneInfo("Europe/Berlin"))
    )
    assert [(row.group, row.cells[0]) for row in found] == [
        ("Due: 2011-04-10", 1),
        ("Due: 2011-04-10", 2),
        ("Due: None", 3),
        ("Due: None", 4),
    ]


def test_pages(database: Database) -> None:
    """A page has as many tickets as asked for; where all fit on one, it is every page."""
    assert ids(database, "id!=0&order=id&max=3") == [1, 2, 3]
    assert ids(database, "id!=0&order=id&max=3&page=2") == [4]
    assert ids(database, "id!=0&order=id&max=4&page=2") == [1, 2, 3, 4]
    assert ids(database, "id=7&max=3&page=9") == []
    with pytest.raises(QueryRefused, match="There is no page 3: there are 2"):
        sheet(database, "id!=0&max=3&page=3")


def test_user(database: Database) -> None:
    """$USER is whoever asks, also within a value."""
    assert ids(database, "owner~=$USER") == [1]
    assert ids(database, "summary~=$USER|lat") == [4]


def test_no_constraint(database: Database) -> None:
    """A query that constrains nothing gives all tickets, whatever a site's own page would show then."""
    assert ids(database, "order=id") == [1, 2, 3, 4]
    assert ids(database, "summary~=&nosuch=1") == [3, 1, 2, 4]


@pytest.mark.parametrize(
    "text", ['"', "'", "`", "]", "\\", ";--", "%", "_", "/", "x' OR '1'='1", "?", ":a", "$1", "é"]
)
def test_quotes(database: Database, text: str) -> None:
    """Whatever stands in a value is only text."""
    found = {number: text in summary for number, summary in ((3, 'It\'s 100% "odd"'), (4, "late"))}
    assert set(ids(database, f"id=3,4&summary~={text}")) == {number for number, has in found.items() if has}
    for mode in ("", "!", "~", "^", "$"):
        assert ids(database, f"id=3&summary{mode}={text}|x&order=id") in ([], [3])


def test_past(database: Database) -> None:
    """At a moment in the past there are the tickets of then, and words such as today mean that moment."""
    assert ids(database, "id!=0", at="2011-04-09") == [3, 1, 2]
    assert ids(database, "created=today..", at="2011-04-09", now=datetime.fromtimestamp(SPRING, UTC)) == [
        3,
        1,
        2,
    ]
    assert ids(database, "created=today..") == []


def test_now(database: Database) -> None:
    """Now is a period's last second, but not in the future, or the moment of a commit."""
    with closing(database.reader()) as reader:
        revision = revision_chosen(reader, "HEAD")
    at = {
        text: query.now_at(text, revision, UTC, lambda: AUTUMN + 0.5)
        for text in ("", "2011-04-09", "@2011", "HEAD~1")
    }
    assert at[""] == datetime.fromtimestamp(AUTUMN + 0.5, UTC)
    assert at["2011-04-09"] == datetime(2011, 4, 9, 23, 59, 59, tzinfo=UTC)
    assert at["@2011"] == at[""]
    assert at["HEAD~1"] == datetime.fromtimestamp(SUMMER, UTC)


def test_no_definitions(tmp_path: Path) -> None:
    """Where the tracker never gave its fields, Trac's own are there."""
    made = new_database(tmp_path / "bare")
    append(made, (SPRING, ticket(1, status="new") | ticket(2, status="closed")))
    assert ids(made, "status=closed") == [2]


@pytest.mark.parametrize("bad", [{"name": ["x"]}, {"name": "x", "label": {}}, "x", {}, None])
def test_definitions_without_shape(tmp_path: Path, bad: object) -> None:
    """What defines no field, and was stored all the same, is passed over; alone, Trac's own are there."""
    for stored in ([*FIELDS, bad], [bad], bad):
        made = new_database(tmp_path / f"{type(stored).__name__}{len(str(stored))}")
        fields = {"fields.json": records.dump(stored)}
        append(made, (SPRING, fields | ticket(1, status="new") | ticket(2, status="closed")))
        assert ids(made, "status=closed") == [2]


@pytest.mark.parametrize(
    "text",
    [
        "id=x",
        "time=never",
        "|".join(["summary~=a"] * 2_000),
        "summary~=" + "a" * 5_000,
        "id=" + "1-2," * 3_000,
    ],
)
def test_refused(database: Database, text: str) -> None:
    """What is wrong or too much is refused with a sentence, and the next query runs."""
    with pytest.raises(QueryRefused, match=r"^[^\n]{1,160}\.$"):
        sheet(database, text)
    assert ids(database, "id=1") == [1]
