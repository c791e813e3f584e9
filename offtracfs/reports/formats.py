"""What a report, a query or SQL gives, and how it is written: for people, and for programs.

csv and tsv are what Trac 1.6 sends for ``?format=csv`` and ``?format=tab``, without the byte order mark; json
is an array with an object a row. These three are written as the rows come, whatever their number.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal, NamedTuple, TextIO

Kind = Literal["text", "datetime", "date", "time"]
"""How a column's numbers are meant: all but "text" are microseconds since 1970 UTC."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    `name` is the key in json, and the heading in csv and tsv unless there is a `heading`; `label` is the
    heading for people. A `hidden` column is in all formats but the table.
    """

    name: str
    label: str
    kind: Kind = "text"
    hidden: bool = False
    heading: str = ""


class Row(NamedTuple):
    """A row: a cell for each column, as SQLite gave it (None, int, float, str or bytes).

    A cell of another kind than "text" is written as a moment if it is a number or None, and else as it is.
    For the table alone: `group`, the heading under which it stands (a new one where it differs from the row
    before), and `color`, Trac's 1 (most urgent) to 5.
    """

    cells: Sequence[Any]
    group: str | None = None
    color: int | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """Columns and rows, which can be read once; `zone` is the time zone of the table's dates."""

    title: str
    columns: Sequence[Column]
    rows: Iterable[Row]
    zone: tzinfo = field(default=UTC)


def write_csv(sheet: Sheet, out: TextIO) -> None:
    """As Trac's ``?format=csv``: quotes where needed, lines end in CR LF, dates are ISO in UTC."""
    _separated(sheet, out, ",")


def write_tsv(sheet: Sheet, out: TextIO) -> None:
    """As Trac's ``?format=tab``."""
    _separated(sheet, out, "\t")


def _separated(sheet: Sheet, out: TextIO, separator: str) -> None:
    writer = csv.writer(out, delimiter=separator)
    writer.writerow(column.heading or column.name for column in sheet.columns)
    converters = [_CONVERTERS[column.kind] for column in sheet.columns]
    for row in sheet.rows:
        writer.writerow([convert(cell) for convert, cell in zip(converters, row.cells, strict=True)])


def write_json(sheet: Sheet, out: TextIO) -> None:
    """An array with an object a row; moments are ISO in UTC or null, numbers are numbers."""
    raise NotImplementedError


def write_table(sheet: Sheet, out: TextIO, *, width: int | None = None, colored: bool = False) -> None:
    """For people: columns aligned, group headings. `width` is a terminal's, in cells; None cuts nothing."""
    raise NotImplementedError


FORMATS: dict[str, Callable[[Sheet, TextIO], None]] = {
    "table": write_table,
    "csv": write_csv,
    "tsv": write_tsv,
    "json": write_json,
}


def _text(value: Any) -> str:
    return "0" if value == 0 else str(value) if value else ""


def _iso(value: Any) -> str:
    if not isinstance(value, int | float | None):
        return str(value)
    moment = EPOCH + timedelta(microseconds=value or 0)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _iso_time(value: Any) -> str:
    text = _iso(value)
    return text.partition("T")[2] if isinstance(value, int | float | None) else text


_CONVERTERS: dict[Kind, Callable[[Any], str]] = {
    "text": _text,
    "datetime": _iso,
    "date": _iso,
    "time": _iso_time,
}
