"""How results are written: as Trac writes them for programs, and as tables for people."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtracfs.reports.formats import (
    MAX_WIDTH,
    MEASURED,
    Column,
    Row,
    Sheet,
    write_csv,
    write_json,
    write_table,
    write_tsv,
)

NOON = 1_302_350_400_123_456  # 2011-04-09, in microseconds
ODD = [
    "",
    "a",
    '"',
    "a,b",
    "tab\there",
    "two\nlines",
    "CR\r",
    " spaces ",
    "é 漢字 😀",
    "\x1b[2J",
    "'",
    None,
    0,
    7,
]


def sheet(names: Sequence[object], *rows: Row | Sequence[Any], title: str = "", **more: Any) -> Sheet:
    columns = [
        name if isinstance(name, Column) else Column(str(name), str(name).capitalize()) for name in names
    ]
    return Sheet(title, columns, (row if isinstance(row, Row) else Row(row) for row in rows), **more)


def written(write: Any, of: Sheet, **options: Any) -> str:
    out = io.StringIO(newline="")
    write(of, out, **options)
    return out.getvalue()


def test_csv() -> None:
    """As Trac's csv: lines end in CR LF, quotes where needed, "" for nothing, and 0 is no nothing."""
    text = written(
        write_csv, sheet(["a", "b"], (1, 'x "y"'), (0, None), (0.0, "a,b"), (2.5, "l\nm"), ("", "é"))
    )
    assert text == 'a,b\r\n1,"x ""y"""\r\n0,\r\n0,"a,b"\r\n2.5,"l\nm"\r\n,é\r\n'


def test_tsv() -> None:
    """As Trac's tab: the same with tabs between."""
    assert written(write_tsv, sheet(["a", "b"], (1, "x,y"), (2, "x\ty"))) == 'a\tb\r\n1\tx,y\r\n2\t"x\ty"\r\n'


@given(rows=st.lists(st.lists(st.one_of(st.text(), st.sampled_from(ODD)), min_size=1), min_size=1))
@pytest.mark.parametrize(("write", "separator"), [(write_csv, ","), (write_tsv, "\t")])
def test_quotes_as_the_csv_module_has_them(write: Any, separator: str, rows: list[list[Any]]) -> None:
    """Whatever stands in a row, it is written as Python's csv writer, which is Trac's, writes it."""
    for row in rows:
        out = io.StringIO(newline="")
        writer = csv.writer(out, delimiter=separator)
        writer.writerow(map(str, range(len(row))))
        writer.writerow("0" if cell == 0 else cell for cell in row)
        assert written(write, sheet(range(len(row)), row)) == out.getvalue()


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("datetime", NOON, "2011-04-09T12:00:00Z"),
        ("date", NOON, "2011-04-09T12:00:00Z"),
        ("time", NOON, "12:00:00Z"),
        ("datetime", None, "1970-01-01T00:00:00Z"),
        ("time", 0, "00:00:00Z"),
        ("datetime", -62135596800000000, "0001-01-01T00:00:00Z"),
        ("datetime", 2**62, str(2**62)),
        ("time", float("inf"), "inf"),
        ("datetime", "yesterday", "yesterday"),
        ("text", NOON, str(NOON)),
    ],
)
def test_dates_in_csv(kind: Any, value: Any, text: str) -> None:
    """Dates are ISO in UTC, an unset one is 1970 as in Trac, and what is no date stays what it is."""
    assert written(write_csv, sheet([Column("x", "X", kind)], (value,))) == f"x\r\n{text}\r\n"


def test_columns_in_csv() -> None:
    """Hidden columns are in it, and a heading of its own goes before the name."""
    columns = [Column("a", "A", hidden=True), Column("b", "B", heading="The B")]
    assert written(write_csv, sheet(columns, (1, 2))) == "a,The B\r\n1,2\r\n"


@given(st.lists(st.lists(st.text(st.characters(exclude_characters="\0")), min_size=2, max_size=2)))
def test_csv_is_read_back(rows: list[list[str]]) -> None:
    """Whatever is in the cells, csv and tsv can be read back."""
    for write, delimiter in ((write_csv, ","), (write_tsv, "\t")):
        text = written(write, sheet(["a", "b"], *rows))
        assert list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)) == [["a", "b"], *rows]


def test_json() -> None:
    """An object a row, a row a line: numbers are numbers, text is readable, moments ISO, unset ones null."""
    columns = ["a", "b", Column("c", "C", "datetime"), Column("d", "D", "date", hidden=True)]
    text = written(write_json, sheet(columns, (1, "é\x1b", NOON, 0), (None, 2.5, None, "soon")))
    assert text == (
        '[\n{"a": 1, "b": "é\\u001b", "c": "2011-04-09T12:00:00Z", "d": null},\n'
        '{"a": null, "b": 2.5, "c": null, "d": "soon"}\n]\n'
    )
    assert written(write_json, sheet(["a"])) == "[]\n"


def test_json_loses_nothing() -> None:
    """Columns of one name all have a key; bytes are hexadecimal; what JSON has no number for is null."""
    columns = ["a", "a", "a_2", "a"]
    (found,) = json.loads(written(write_json, sheet(columns, (1, b"\xff", float("inf"), 2**62))))
    assert found == {"a": 1, "a_2": "ff", "a_2_2": None, "a_3": 2**62}


@given(
    st.lists(st.one_of(st.none(), st.text(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
)
def test_json_is_read_back(cells: list[Any]) -> None:
    """Whatever is in the cells, the JSON holds."""
    text = written(write_json, sheet(["a"], *((cell,) for cell in cells)))
    assert [row["a"] for row in json.loads(text)] == cells


@pytest.mark.parametrize("write", [write_csv, write_tsv, write_json, write_table])
def test_streaming(write: Any) -> None:
    """Rows are written as they come: of a million, no more are held than decide a table's columns."""
    out = io.StringIO(newline="")

    def rows() -> Iterator[Row]:
        for number in range(3 * MEASURED):
            if number == 2 * MEASURED:
                assert str(number - 1) in out.getvalue()
            yield Row((number,))

    write(Sheet("", [Column("a", "A")], rows()), out)
    assert str(3 * MEASURED - 1) in out.getvalue()


def lines(of: Sheet, **options: Any) -> list[str]:
    return written(write_table, of, **options).splitlines()


def test_table() -> None:
    """Columns stand under their labels, numbers at the right, and hidden ones are left out."""
    columns = ["id", Column("x", "X", hidden=True), "summary", "n"]
    assert lines(sheet(columns, (7, "-", "short", 1), (13842, "-", "longer", None))) == [
        "   Id  Summary  N",
        "    7  short    1",
        "13842  longer",
    ]


def test_a_title_and_groups() -> None:
    """A group's heading stands above its rows, once, also where a group has no name."""
    rows = [Row((1,), group="ui"), Row((2,), group="ui"), Row((3,), group=""), Row((4,), group="ui")]
    found = lines(sheet(["id"], *rows, title="{1} All"))
    assert found == ["{1} All", "", "Id", "", "ui", " 1", " 2", "", "(none)", " 3", "", "ui", " 4"]


def test_rows_of_several_lines() -> None:
    """A row can take several lines: the others are indented, and a text alone on one is there in full."""
    columns = [
        "id",
        Column("b", "B"),
        Column("c", "Text", line=1),
        Column("d", "D", line=2),
        Column("e", "E", line=2),
    ]
    rows = [(1, "x", "first\r\nsec\x1b[2Jond " + "long " * 20, 2, "y"), (10, "x", None, 20, "yy")]
    assert lines(sheet(columns, *rows), width=20) == [
        "Id  B",
        "    Text",
        "     D  E",
        " 1  x",
        "    first",
        "    sec\\x1b[2Jond " + "long " * 20,
        "     2  y",
        "10  x",
        "    20  yy",
    ]


def test_display_width() -> None:
    """Wide characters take two cells, combining ones none."""
    rows = [("漢字", "x"), ("e\u0301", "x"), ("abc", "x")]
    assert lines(sheet(["a", "b"], *rows)) == ["A     B", "漢字  x", "e\u0301     x", "abc   x"]


def test_nothing_commands_the_terminal() -> None:
    """Controls in titles, labels, groups and cells are shown, and a cell stays on its line."""
    nasty = "\x1b[2J\u202e\n"
    columns = [Column("a", nasty)]
    text = written(write_table, sheet(columns, Row((nasty,), group=nasty), title=nasty))
    assert text.count("\\x1b[2J\\u202e\\n") == 4
    assert not any(char in text for char in "\x1b\u202e")


def test_dates_for_people() -> None:
    """Dates are in the database's time zone, and an unset one is empty."""
    columns = [Column("a", "A", "datetime"), Column("b", "B", "date"), Column("c", "C", "time")]
    rows = [(NOON, NOON, NOON), (0, None, "soon")]
    assert lines(sheet(columns, *rows, zone=ZoneInfo("Asia/Tokyo"))) == [
        "A                 B           C",
        "2011-04-09 21:00  2011-04-09  21:00:00",
        "                              soon",
    ]


def test_long_texts_in_a_file() -> None:
    """Where there is no terminal nothing is cut, and one long text does not push all others apart."""
    long = "x" * 300
    found = lines(sheet(["a", "b"], (long, 1), ("short", 2)))
    assert found == ["A" + " " * (MAX_WIDTH + 1) + "B", f"{long}  1", "short" + " " * (MAX_WIDTH - 3) + "2"]


def test_a_narrow_terminal() -> None:
    """On a terminal no line is wider than it; the widest columns give way first, wide characters whole."""
    rows = [(1, "s" * 100, "漢" * 100), (2, "short", "字")]
    found = lines(sheet(["id", "summary", "owner"], *rows), width=40)
    assert found[1] == " 1  " + "s" * 16 + "…  " + "漢" * 8 + "…"
    assert found[2] == " 2  short" + " " * 14 + "字"


def test_numbers_and_moments_are_never_cut() -> None:
    """On a terminal that is too narrow texts and labels give way, and what is exact is there in full."""
    columns = ["ticket", "summary", Column("created", "Created", "datetime"), "votes of all"]
    first, later = (15042, "s" * 90, NOON, 7), (123456789, "t", "", None)
    found = lines(sheet(columns, *[first] * MEASURED, later), width=35)
    assert found[:2] == ["Tick…  Sum…  Created           Vot…", "15042  sss…  2011-04-09 12:00     7"]
    assert found[-1] == "123456789  t"


def test_bytes() -> None:
    """What is no text is hexadecimal, in each format and kind of column."""
    columns = ["a", Column("b", "B", "datetime"), Column("c", "C", "time")]
    for write in (write_csv, write_tsv, write_json, write_table):
        assert written(write, sheet(columns, (b"\xff\0", b"\1", b"\2"))).count("ff00") == 1
    assert written(write_csv, sheet(columns, (b"", b"\1", b"\2"))).endswith("\r\n,01,02\r\n")


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5), st.integers(15, 60))
def test_no_line_is_too_wide(rows: list[tuple[str, str]], width: int) -> None:
    """Whatever is in the cells, a table fits on the terminal."""
    from rich.cells import cell_len

    assert all(cell_len(line) <= width for line in lines(sheet(["a", "b"], *rows), width=width))


def test_colors() -> None:
    """Trac's five priorities have their colours on a terminal, and nowhere else."""
    rows = [Row((number,), color=str(number)) for number in range(1, 7)]
    assert lines(sheet(["a"], *rows), colored=True) == [
        "\x1b[1mA\x1b[0m",
        "\x1b[31m1\x1b[0m",
        "\x1b[33m2\x1b[0m",
        "3",
        "\x1b[36m4\x1b[0m",
        "\x1b[90m5\x1b[0m",
        "6",
    ]
    assert lines(sheet(["a"], *rows)) == ["A", "1", "2", "3", "4", "5", "6"]


def trac_writes(names: Iterable[str], rows: Iterable[Sequence[Any]], separator: str) -> str:
    """A report's rows as Trac 1.6 writes them (``trac/ticket/report.py``), in Python's own csv."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, quoting=csv.QUOTE_MINIMAL)
    writer.writerow(names)
    writer.writerows([["" if cell is None else cell for cell in row] for row in rows])
    return out.getvalue()


def test_odd_cells_as_trac_has_them() -> None:
    """Every odd text is quoted as Python's csv quotes it in Trac."""
    rows = [(cell, other) for cell in ODD for other in ODD]
    assert written(write_csv, sheet(["a", "b"], *rows)) == trac_writes("ab", rows, ",")
    assert written(write_tsv, sheet(["a", "b"], *rows)) == trac_writes("ab", rows, "\t")
