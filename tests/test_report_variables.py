"""A report's variables: bound as parameters, by Trac's rules."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtracfs.reports.variables import bound, defaults, filled

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.fixture(scope="module")
def sqlite() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        yield connection


def answer(sqlite: sqlite3.Connection, sql: str, **given: str) -> tuple[object, ...]:
    """The first row of some SQL with its variables."""
    made = bound(sql, given)
    row: tuple[object, ...] = sqlite.execute(made.sql, made.values).fetchone()
    return row


@given(value=TEXT)
def test_any_text_is_only_a_value(sqlite: sqlite3.Connection, value: str) -> None:
    """Whatever a variable holds comes out as it is, beside a literal and within one."""
    value = value.removeprefix("$")
    assert answer(sqlite, "SELECT $X, 'it''s $X!', '$X$X'", X=value) == (
        value,
        f"it's {value}!",
        value * 2,
    )


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1 -- not $X, it's a comment\n", 1),
        ("SELECT /* $X ' */ 2", 2),
        ('SELECT "$X" FROM (SELECT 3 AS "$X")', 3),
        ("SELECT '$x' || '$1' || '$'", "$x$1$"),
        ("SELECT 7 %% 4", 3),
        ("SELECT '%%'", "%%"),
    ],
)
def test_what_is_no_variable_stays(sqlite: sqlite3.Connection, sql: str, expected: object) -> None:
    """Comments, quoted names and other dollars are no variables; a doubled percent sign is one."""
    made = bound(sql, {})
    assert (made.values, made.missing) == ([], [])
    assert sqlite.execute(made.sql).fetchone() == (expected,)


def test_defaults_stand_in_comments(sqlite: sqlite3.Connection) -> None:
    """A line `-- NAME = value` is a default: the first of that name, unless a value is given."""
    sql = "-- X = new \n  --Y=a b\r\n-- X = old\nSELECT $X, $Y"
    assert answer(sqlite, sql) == ("new ", "a b")
    assert answer(sqlite, sql, X="given") == ("given", "a b")
    assert answer(sqlite, sql, X="") == ("", "a b")


@pytest.mark.parametrize("line", ["\n", "--\n", " ", "\r", "--a = ", "\n--  "])
def test_defaults_are_found_at_once(line: str) -> None:
    """However many blanks and lines a text has, looking for defaults takes no time to speak of."""
    begun = time.process_time()
    defaults("--" + line * (200_000 // len(line)) + "x")
    assert time.process_time() - begun < 1


def test_a_value_may_name_another_variable(sqlite: sqlite3.Connection) -> None:
    """`$NAME` as a value is that variable's value, but not further; `$$` is a dollar."""
    sql = "-- OWNER = $USER\nSELECT $OWNER, $PRICE, $DEEP"
    given = {"USER": "ann", "PRICE": "$$5", "DEEP": "$OWNER"}
    assert answer(sqlite, sql, **given) == ("ann", "$5", "$USER")


def test_missing_variables_are_named_once() -> None:
    """A variable that nobody gave a value is empty, and told of in order of appearance."""
    made = bound("SELECT $B, '$A', $B, $C", {"C": "$NOBODY"})
    assert made.values == [""] * 4
    assert made.missing == ["B", "A", "C"]


def test_titles_hold_variables() -> None:
    """A title's variables are filled in where they are known."""
    assert filled("Of $USER, $OTHER", {"USER": "ann"}) == "Of ann, $OTHER"
