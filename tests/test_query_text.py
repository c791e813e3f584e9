"""What the text of a query asks for, before any ticket is looked at."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtracfs.errors import QueryRefused
from offtracfs.kinds.fields import FIRST, LAST
from offtracfs.querylanguage import MAX_LENGTH, Clause, no_field, parse, shown_columns

OWN = ("type", "status", "priority", "milestone", "component", "resolution")
FIELDS: list[dict[str, Any]] = [
    *FIRST,
    *({"name": name, "type": "select", "label": name.capitalize()} for name in OWN),
    *LAST,
    {"name": "flag", "type": "checkbox", "label": "Flag", "custom": True},
]

REFUSED = [
    "query:",
    "nonsense",
    "status",
    "=new",
    "~=new",
    "!=new",
    "status=new&",
    "status=new&&owner=bob",
    "max=-1",
    "max=many",
    "?max=1.5",
    "page=0",
    "?page=-3",
    "?status=%ff",
    "?%c3=1",
    "?status=%00",
]
TOO_ODD = ["", "a\0b=1", "status=\udcff", f"max={'9' * 5_000}", "x" * 5_000, "status=new&" * MAX_LENGTH]


def clauses(text: str) -> list[Clause]:
    """The clauses of a query."""
    return parse(text, FIELDS).clauses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status=new", {"status": ["new"]}),
        ("status=new|closed", {"status": ["new", "closed"]}),
        ("status!=new|closed", {"status": ["!new", "!closed"]}),
        ("summary~=a b", {"summary": ["~a b"]}),
        ("summary!~=a", {"summary": ["!~a"]}),
        ("summary^=a&keywords$=b", {"summary": ["^a"], "keywords": ["$b"]}),
        ("summary!^=a|b", {"summary": ["!^a", "!^b"]}),
        ("owner=a&owner=b", {"owner": ["a", "b"]}),
        ("owner=~a", {"owner": ["~a"]}),
        (r"summary=a\|b|c\&d=e", {"summary": ["a|b", "c&d=e"]}),
        ("milestone=", {"milestone": [""]}),
        ("created=2008..2009&modified=..today", {"time": ["2008..2009"], "changetime": ["..today"]}),
        ("flag=1&id=1,2-7", {"flag": ["1"], "id": ["1,2-7"]}),
        ("query:owner=$USER", {"owner": ["$USER"]}),
        ("query:\n status=new\r\n&\n owner=bob ", {"status": ["new"], "owner": ["bob"]}),
        ("0_owner=bob&status=new", {"status": ["new"]}),
    ],
)
def test_language(text: str, expected: Clause) -> None:
    """Operators, several values, escapes and synonyms of the query language."""
    assert clauses(text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("?status=new&status=closed", {"status": ["new", "closed"]}),
        ("?status=!new&owner=~bob", {"status": ["!new"], "owner": ["~bob"]}),
        ("query:?summary=a+b%26c%7Cd", {"summary": ["a b&c|d"]}),
        ("?summary=%C3%A9&keywords", {"summary": ["é"], "keywords": [""]}),
        ("??\nstatus=new\n&\nowner=bob&&", {"status": ["new"], "owner": ["bob"]}),
        (
            "?0_owner=bob&0_owner=ann&0_owner_mode=!~&0_status=new",
            {"owner": ["!~bob", "!~ann"], "status": ["new"]},
        ),
        (
            "?0_created=2008&0_created_end=2009&0_nosuch=1&0_owner=ann",
            {"time": ["2008..2009"], "owner": ["ann"]},
        ),
        ("?created=2008&owner=ann", {"owner": ["ann"]}),
    ],
)
def test_address(text: str, expected: Clause) -> None:
    """Repeated and numbered arguments, percent signs, and values with their mode in front."""
    assert clauses(text) == [expected]


@pytest.mark.parametrize("before", ["https://trac.example.org/query", "http://localhost:8000/a/b/query"])
def test_a_whole_address(before: str) -> None:
    """Of an address that somebody pasted, what stands before the question mark says nothing."""
    assert parse(f"{before}?status=new&summary=~a?b", FIELDS) == parse("?status=new&summary=~a?b", FIELDS)
    with pytest.raises(QueryRefused):
        parse(before, FIELDS)


def test_or() -> None:
    """Groups that are joined by "or" are clauses of their own, and those that ask for nothing are none."""
    wanted = [{"status": ["new"], "owner": ["ann"]}, {"owner": ["bob"]}]
    assert clauses("status=new&owner=ann&or&owner=bob&or&nosuch=1&or") == wanted
    assert clauses("?status=new&owner=ann&or&owner=bob&or&or=1") == wanted
    assert clauses("?1_owner=bob&0_status=new&0_owner=ann") == wanted


def test_layout() -> None:
    """Order, groups, pages and columns; the last order counts in the language, in an address the first."""
    asked = parse("status=new&order=id&order=created&desc=1&group=owner&groupdesc=yes&max=5&page=2", FIELDS)
    assert (asked.order, asked.descending, asked.group, asked.group_descending) == (
        "time",
        True,
        "owner",
        True,
    )
    assert (asked.most, asked.page) == (5, 2)
    assert parse("?order=id&order=owner", FIELDS).order == "id"
    assert parse("?max=none&page=", FIELDS).most == 0
    assert (
        parse("desc=0&groupdesc=off&verbose=1&row=description&rows=notes&format=csv&report=3", FIELDS).unknown
        == []
    )
    assert parse("col=created|owner|nosuch|id", FIELDS).columns == ["time", "owner", "id"]
    assert parse("?col=owner&col=nosuch", FIELDS).columns == ["id", "owner"]


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("order=nosuch&group=nosuch&stauts=new&~x=1", ["nosuch", "stauts", "~x"]),
        ("status=new&col=id|sumary|modified&order=created&group=type&row=nosuch", ["sumary"]),
        ("?status=new&stauts=new&col=sumary&order=id", ["stauts", "sumary"]),
        ("?0_owner=bob&0_owner_mode=~&0_created=2008&0_created_end=2009&0_ower=x", ["ower"]),
    ],
)
def test_unknown_names(text: str, unknown: list[str]) -> None:
    """Names that no field has are told, wherever they stand; Trac passes over them."""
    asked = parse(text, FIELDS)
    assert asked.unknown == unknown
    assert (asked.order in unknown, asked.group in unknown) == (False, False)
    assert not set(unknown).intersection(asked.columns, *asked.clauses)


def test_unknown_order_and_group() -> None:
    """An order or a group that no field has counts as none."""
    asked = parse("order=nosuch&group=nosuch&stauts=new&~x=1", FIELDS)
    assert (asked.order, asked.group) == ("priority", "")


def test_the_nearest_name() -> None:
    """A sentence about a name that no field has holds the nearest one, if any is near."""
    assert no_field("stauts", FIELDS) == "There is no field 'stauts': do you mean status?"
    assert no_field("modifed", FIELDS) == "There is no field 'modifed': do you mean modified?"
    assert no_field("xyz", FIELDS) == "There is no field 'xyz'."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id!=0", ["id", "summary", "owner", "type", "status", "priority", "milestone"]),
        ("status=new", ["id", "summary", "owner", "type", "priority", "milestone", "component"]),
        ("status!=closed", ["id", "summary", "status", "owner", "type", "priority", "milestone"]),
        ("status=closed", ["id", "summary", "owner", "type", "priority", "milestone", "component"]),
        ("status=new|closed&flag=1", ["id", "summary", "status", "owner", "type", "priority", "milestone"]),
        ("owner=$USER", ["id", "summary", "owner", "type", "status", "priority", "milestone"]),
        ("owner=a&or&owner=b", ["id", "summary", "type", "status", "priority", "milestone", "component"]),
        ("owner=a&or&owner~=b", ["id", "summary", "owner", "type", "status", "priority", "milestone"]),
        ("keywords~=a&cc=b", ["id", "summary", "keywords", "owner", "type", "status", "priority"]),
        ("id!=0&order=cc", ["id", "summary", "owner", "type", "status", "priority", "cc"]),
        (
            "id!=0&group=type&order=type",
            ["id", "summary", "owner", "status", "priority", "milestone", "component"],
        ),
        ("created=2008", ["id", "summary", "time", "owner", "type", "status", "priority"]),
        ("description~=x", ["id", "summary", "owner", "type", "status", "priority", "milestone"]),
        ("id!=0&col=cc", ["id", "cc"]),
        (
            "status=closed&group=owner",
            ["id", "summary", "type", "priority", "milestone", "component", "resolution"],
        ),
        ("status=new&group=owner", ["id", "summary", "type", "priority", "milestone", "component", "time"]),
    ],
)
def test_columns(text: str, expected: list[str]) -> None:
    """Seven columns, those that are constrained first, without what would say the same in each row."""
    assert shown_columns(parse(text, FIELDS), FIELDS) == expected


@pytest.mark.parametrize("text", [*REFUSED, *TOO_ODD])
def test_refused(text: str) -> None:
    """What Trac would not understand, or could not even receive, is refused with a sentence."""
    with pytest.raises(QueryRefused, match=r"^[^\n]{1,160}\.$"):
        parse(text, FIELDS)


@given(st.text(alphabet="?&=|\\!~^$0_%\n 1aorcdesmxpgupwn", max_size=60))
def test_any_text(text: str) -> None:
    """Any text is understood or refused, and has an id among its columns."""
    with suppress(QueryRefused):
        assert "id" in shown_columns(parse(text, FIELDS), FIELDS)
