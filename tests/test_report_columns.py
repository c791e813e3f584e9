"""What the names of a report's columns mean."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from offtracfs.reports.columns import heads, rows
from offtracfs.reports.formats import Row


def cells(names: list[str], *values: Any) -> Row:
    """One row of a report with these columns."""
    (row,) = rows(names, [values])
    return row


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("summary", False),
        ("_summary", True),
        ("summary_", False),
        ("_summary_", False),
        ("__summary__", True),
        ("__summary", True),
        ("summary__", False),
        ("__group__", True),
        ("_", False),
        ("__", True),
        ("", False),
    ],
)
def test_hidden_columns(name: str, hidden: bool) -> None:
    """A name that begins with an underscore hides a column from people, unless it ends with just one, too."""
    (column,) = heads([name], {})
    assert (column.name, column.hidden) == (name, hidden)


@pytest.mark.parametrize(
    ("names", "lines"),
    [
        ("a b", [["a", "b"]]),
        ("a b_ c", [["a", "b_"], ["c"]]),
        ("a _b_ c", [["a"], ["_b_"], ["c"]]),
        ("_b_ c", [["_b_"], ["c"]]),
        ("__group__ a _h _b_ _c_ d_ __e__ f", [["a"], ["_b_"], ["_c_"], ["d_"], ["f"]]),
    ],
)
def test_lines(names: str, lines: list[list[str]]) -> None:
    """After `x_` a row goes on on another line, and `_x_` has one of its own."""
    seen = [column for column in heads(names.split(), {}) if not column.hidden]
    parts = itertools.groupby(seen, lambda column: column.line)
    assert [[column.name for column in part] for _, part in parts] == lines


@pytest.mark.parametrize("name", ["bgcolor", "class", "color", "fgcolor", "grouplink", "style"])
def test_columns_that_are_only_looks(name: str) -> None:
    """How a row shall look is no column in any format."""
    names = ["id", f"__{name}__", "summary"]
    assert [column.name for column in heads(names, {})] == ["id", "summary"]
    assert cells(names, 1, "3", "text").cells == [1, "text"]


def test_labels() -> None:
    """A column has the label of the ticket's field of that name, or else its own name."""
    labels: Mapping[str, str] = {"due": "Due by"}
    found = heads(["due", "_due", "any THING_", "__group__"], labels)
    assert [column.label for column in found] == ["Due by", "Due", "Any thing", "Group"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("time", "time"),
        ("_time", "time"),
        ("date", "date"),
        *((name, "datetime") for name in ("created", "modified", "changetime", "datetime", "_changetime_")),
        *((name, "text") for name in ("due", "completed", "Time", "timer")),
    ],
)
def test_dates(name: str, kind: str) -> None:
    """Columns of some names hold moments."""
    assert heads([name], {})[0].kind == kind


def test_groups_and_colors() -> None:
    """`__group__` says under which heading a row stands, and `__color__` 1 to 5 how urgent it is."""
    names = ["__color__", "__group__", "id"]
    assert cells(names, "1", "ours", 7) == Row(["ours", 7], "ours", "1")
    assert cells(names, 5, None, 7) == Row([None, 7], "", "5")
    assert cells(names, "6", 0, 7) == Row([0, 7], "0", "6")
    assert cells(["id"], 7) == Row([7])


@pytest.mark.parametrize("name", ["cc", "owner", "reporter", "_reporter"])
def test_lists_of_people(name: str) -> None:
    """Lists of people are written in one way, whatever stood between them."""
    assert cells([name], " a@b ;c,,d e ").cells == ["a@b, c, d e"]
    assert cells([name], None).cells == [None]
    assert cells([name], 5).cells == [5]
    assert cells(["author"], "a;b").cells == ["a;b"]
