"""The result of a report, a query or SQL, and the formats in which it is written.

csv and tsv are what Trac 1.6 sends for ``?format=csv`` and ``?format=tab``, without the byte order mark; json
is an array with an object a row. These three are written as the rows come, whatever their number.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import chain, count, groupby, islice
from typing import Any, Literal, NamedTuple, TextIO

import simplejson
from rich.cells import cell_len, set_cell_size

from offtracfs.records import SECOND
from offtracfs.text import shown

Kind = Literal["text", "ticket", "datetime", "date", "time"]
"""How a column's numbers are meant: tickets are #42 in a table, times are microseconds since 1970 UTC."""

NUMBERS = ("text", "ticket")  # kinds of column whose numbers are no times

_NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # in UTC; arithmetic with a zone takes twice as long
PATTERNS: dict[Kind, str] = {"datetime": "%Y-%m-%d %H:%M", "date": "%Y-%m-%d", "time": "%H:%M:%S"}
MEASURED = 1_000  # rows that decide how wide a table's columns are
MAX_WIDTH = 60  # cells on the screen: a longer text pushes the rest of its row to the right, and no other row
MIN_WIDTH = 4
_EXACT = re.compile(r"[0-9TZ .,:/+-]{1,32}", re.ASCII)  # 1.5, 2011-04-09T21:16:07Z, 12:30
GAP = "  "
INDENT = "    "  # of a row's further lines
NO_GROUP = "(none)"
BOLD = "1"
COLORS = {"1": "31", "2": "33", "4": "36", "5": "90"}  # a terminal's red, yellow, cyan, grey; "3": its own


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    `name` is the key in json, and the heading in csv and tsv unless there is a `heading`; `label` is the
    heading for people. A `hidden` column is in all formats but the table. `line` is the number
    of its line, from 0, where a row of the table takes several lines.
    """

    name: str
    label: str
    kind: Kind = "text"
    hidden: bool = False
    heading: str = ""
    line: int = 0


class Row(NamedTuple):
    """A row: a cell for each column, as SQLite gave it (None, int, float, str or bytes).

    In a column of times, a number or None is written as a moment, and any other cell as it is.
    For the table alone: `group`, the heading under which it stands (a new one where it differs from the row
    before), and `color`, Trac's "1" (most urgent) to "5"; anything else is no colour. For pages alone:
    `looks`, what the columns say that only Trac's pages show, such as ``__bgcolor__``.
    """

    cells: Sequence[Any]
    group: str | None = None
    color: str = ""
    looks: Mapping[str, str] = {}


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
    writer.writerow([column.heading or column.name for column in sheet.columns])
    converters = [_CONVERTERS[column.kind] for column in sheet.columns]
    writer.writerows(
        [convert(cell) for convert, cell in zip(converters, row.cells, strict=True)] for row in sheet.rows
    )


def write_json(sheet: Sheet, out: TextIO) -> None:
    """An array with an object a row; moments are ISO in UTC or null, numbers are numbers."""
    before = "[\n"
    for _, item in values(sheet, sheet.rows):
        out.write(before + simplejson.dumps(item, ensure_ascii=False, ignore_nan=True))
        before = ",\n"
    out.write("[]\n" if before == "[\n" else "\n]\n")


def values(sheet: Sheet, rows: Iterable[Row]) -> Iterator[tuple[Row, dict[str, Any]]]:
    """Some of a sheet's rows, each with its cells as JSON has them."""
    names = keys(sheet.columns)
    converters = [_jsonable if column.kind in NUMBERS else _moment_or_null for column in sheet.columns]
    for row in rows:
        cells = (convert(cell) for convert, cell in zip(converters, row.cells, strict=True))
        yield row, dict(zip(names, cells, strict=True))


def write_table(
    sheet: Sheet, out: TextIO, *, width: int | None = None, colored: bool = False, measured: int = MEASURED
) -> None:
    """For people: columns aligned, group headings. `width` is a terminal's, in cells; None cuts nothing.

    Only the first `measured` rows decide how wide a column is: so the rest takes no memory.
    """
    rows = iter(sheet.rows)
    first = list(islice(rows, measured))
    seen = [number for number, column in enumerate(sheet.columns) if not column.hidden]
    parts = groupby(seen, lambda number: sheet.columns[number].line)
    lines = [_line(sheet, [*places], first, width, INDENT * (n > 0)) for n, (_, places) in enumerate(parts)]

    def styled(text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if colored and style else text

    def write(texts: Iterable[str], style: str) -> None:
        out.writelines(f"{styled(text, style)}\n" for text in texts)

    if sheet.title:
        write([shown(sheet.title)], BOLD)
        out.write("\n")
    write((line.set(line.labels) for line in lines), BOLD)
    group = None
    for row in chain(first, rows):
        if row.group is not None and row.group != group:
            group = row.group
            out.write("\n")
            write([shown(group) or NO_GROUP], BOLD)
        write(chain.from_iterable(line.texts(row) for line in lines), COLORS.get(row.color, ""))


class _Line(NamedTuple):
    """One of the lines that each row takes in a table, and how it is set."""

    converters: dict[int, Callable[[Any], str]]  # by number of the column
    labels: list[str]
    widths: list[int]  # cells on the screen
    right: list[bool]  # whether a column stands at the right
    cut: list[bool]  # whether a text of a column may be cut
    indent: str

    def texts(self, row: Row) -> list[str]:
        """What is to be seen of a row; a text that has the line to itself takes as many as it needs."""
        cells = [convert(row.cells[number]) for number, convert in self.converters.items()]
        if self.indent and len(cells) == 1:
            return [self.indent + shown(text) for text in cells[0].splitlines()]
        return [self.set([shown(cell) for cell in cells])]

    def set(self, cells: Sequence[str]) -> str:
        """Cells side by side."""
        placed = map(_placed, cells, self.widths, self.right, self.cut)
        return (self.indent + GAP.join(placed)).rstrip()


def _placed(text: str, width: int, right: bool, cut: bool) -> str:
    text = _cut(text, width) if cut else text
    padding = " " * (width - cell_len(text))
    return padding + text if right else text + padding


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


def _line(sheet: Sheet, places: Sequence[int], first: Sequence[Row], width: int | None, indent: str) -> _Line:
    columns = {number: sheet.columns[number] for number in places}
    converters = {number: _for_people(column.kind, sheet.zone) for number, column in columns.items()}
    labels = [shown(column.label) for column in columns.values()]
    filled = [
        max((cell_len(shown(convert(row.cells[number]))) for row in first), default=0)
        for number, convert in converters.items()
    ]
    widths = [max(cell_len(label), cells) for label, cells in zip(labels, filled, strict=True)]
    numbers = [all(_is_number(row.cells[number]) for row in first) for number in columns]
    right = [
        counted and column.kind in NUMBERS for counted, column in zip(numbers, columns.values(), strict=True)
    ]
    exact = [all(_is_exact(row.cells[number]) for row in first) for number in columns]
    cut = [width is not None and not whole for whole in exact]
    least = [cells * whole for cells, whole in zip(filled, exact, strict=True)]
    fitting = _fitting(widths, least, None if width is None else width - len(indent))
    if width is not None:
        labels = [_cut(label, most) for label, most in zip(labels, fitting, strict=True)]
    return _Line(converters, labels, fitting, right, cut, indent)


def _fitting(widths: list[int], least: list[int], width: int | None) -> list[int]:
    """Widths of the columns: where they do not fit on a line, the widest give way, as far as they may.

    What is left over goes to the one that has lost most.
    """

    def at_most(most: int) -> list[int]:
        return [max(min(wanted, most), needed) for wanted, needed in zip(widths, least, strict=True)]

    if width is None:
        return at_most(MAX_WIDTH)
    room = width - len(GAP) * (len(widths) - 1)
    some = (at_most(most) for most in range(width, MIN_WIDTH - 1, -1))
    fitting = next((found for found in some if sum(found) <= room), None)
    if fitting is None:
        return at_most(MIN_WIDTH)
    lost = [wanted - given for wanted, given in zip(widths, fitting, strict=True)]
    widest = max(range(len(widths)), key=lost.__getitem__)
    fitting[widest] += min(lost[widest], room - sum(fitting))
    return fitting


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | float) or not cell


def _is_exact(cell: Any) -> bool:
    """Whether a cell would be wrong if it were cut: a number or a moment, also as text."""
    return _is_number(cell) or (isinstance(cell, str) and _EXACT.fullmatch(cell) is not None)


def keys(columns: Iterable[Column]) -> list[str]:
    """Names of the columns, each once: a second column of one name is ``name_2``, or JSON would lose it."""
    found: list[str] = []
    for column in columns:
        others = (f"{column.name}_{number}" for number in count(2))
        found.append(next(key for key in chain([column.name], others) if key not in found))
    return found


def _jsonable(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def _moment_or_null(value: Any) -> str | None:
    return _iso(value) if value else None


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return "0" if value == 0 else str(value) if value else ""


def _moment(value: Any) -> datetime | None:
    """The second, in UTC, in which a number of microseconds lies; None where no calendar has it."""
    try:
        return _NAIVE_EPOCH + timedelta(0, (0 if value is None else value) // SECOND)
    except (OverflowError, TypeError, ValueError):
        return None


def _iso(value: Any) -> str:
    moment = _moment(value)
    return f"{moment.isoformat()}Z" if moment else _text(value)


def _iso_time(value: Any) -> str:
    moment = _moment(value)
    return f"{moment.time().isoformat()}Z" if moment else _text(value)


def _for_people(kind: Kind, zone: tzinfo) -> Callable[[Any], str]:
    if kind == "text":
        return _text
    if kind == "ticket":
        return lambda number: f"#{number}" if number else ""

    def written(value: Any) -> str:
        moment = _moment(value) if value else None
        if moment is None:
            return _text(value or "")
        try:
            return moment.replace(tzinfo=UTC).astimezone(zone).strftime(PATTERNS[kind])
        except (OverflowError, ValueError):
            return _text(value)

    return written


_CONVERTERS: dict[Kind, Callable[[Any], str]] = {
    "text": _text,
    "ticket": _text,
    "datetime": _iso,
    "date": _iso,
    "time": _iso_time,
}

FORMATS: dict[str, Callable[[Sheet, TextIO], None]] = {
    "table": write_table,
    "csv": write_csv,
    "tsv": write_tsv,
    "json": write_json,
}
