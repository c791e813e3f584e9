"""A part of what a report gives: its rows in another order, or those of one page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count, islice
from typing import Any, NamedTuple, TextIO

import simplejson

from offtracfs.errors import QueryRefused
from offtracfs.reports.formats import Row, Sheet, keys, values


class Part(NamedTuple):
    """Which rows: sorted by a column ("" is the report's own order), `most` on a page (0: all)."""

    sort: str = ""
    descending: bool = False
    most: int = 0
    page: int = 1

    def ordered(self, sheet: Sheet) -> Sheet:
        """A sheet's rows in this order, all of them.

        Groups stay in the order in which they first come. Raises QueryRefused where there is no such column.
        """
        if not self.sort:
            return sheet
        names = [column.name for column in sheet.columns]
        if self.sort not in names:
            raise QueryRefused(f"There is no column {self.sort[:60]!r} to sort by, only {', '.join(names)}.")
        place, rows = names.index(self.sort), list(sheet.rows)
        groups: dict[str | None, int] = {}
        for row in rows:
            groups.setdefault(row.group, len(groups))
        rows.sort(key=lambda row: _key(row.cells[place]), reverse=self.descending)
        rows.sort(key=lambda row: groups[row.group])
        return replace(sheet, rows=rows)

    def of(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Those of the page, of rows in order."""
        start = self.most * (self.page - 1)
        return islice(rows, start, start + self.most if self.most else None)


def _key(cell: Any) -> tuple[int, Any, Any]:
    """SQLite's order of values; texts without regard to case."""
    match cell:
        case None:
            return 0, 0, 0
        case int() | float():
            return 1, cell, 0
        case str():
            return 2, cell.casefold(), cell
        case _:
            return 3, cell, 0


def head(sheet: Sheet) -> list[dict[str, Any]]:
    """A sheet's columns as JSON has them; a `key` is where a row has its cell."""
    return [
        {"name": column.name, "key": key, "label": column.label, "kind": column.kind,
         "hidden": column.hidden, "line": column.line}
        for key, column in zip(keys(sheet.columns), sheet.columns, strict=True)
    ]  # fmt: skip


def full(sheet: Sheet, rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """Some of a sheet's rows with all that a page shows of them, as JSON has them."""
    for row, cells in values(sheet, rows):
        yield {"cells": cells, "group": row.group, "color": row.color, "looks": row.looks}


def write_full(sheet: Sheet, part: Part, out: TextIO) -> None:
    """A part as JSON with what a page shows of it: columns, groups, colours, the number of all rows.

    The rows that are not of the part are counted, and not kept.
    """
    number = count(1)
    rows = (row for row, _ in zip(part.ordered(sheet).rows, number, strict=False))
    out.write(f'{{"columns": {_dumped(head(sheet))},\n"rows": [')
    before = "\n"
    for item in full(sheet, part.of(rows)):
        out.write(before + _dumped(item))
        before = ",\n"
    for _ in rows:
        pass
    out.write(f'\n],\n"total": {next(number) - 1}}}\n')


def _dumped(value: Any) -> str:
    return simplejson.dumps(value, ensure_ascii=False, ignore_nan=True)
