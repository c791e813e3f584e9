"""What pages that list tickets have in common: rows, pages, downloads; and the next ticket of a list.

A link in a list carries the list's address (`?list=/query?status=new`). A ticket's page asks the same list
for its numbers, at its own moment.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from tempfile import TemporaryFile
from threading import Lock
from typing import IO, Any, NamedTuple, TextIO
from urllib.parse import parse_qsl, urlsplit

from flask import current_app
from werkzeug.exceptions import HTTPException

from offtracfs.errors import OfftracfsError, UsageError
from offtracfs.querylanguage import is_true
from offtracfs.web.page import Asked, Data, Page, Parameter

PAGE_SIZE, MAX_PAGE_SIZE = 100, 1_000  # rows
MAX_KEPT = 32  # lists whose numbers are kept
PATIENCE = 4.0  # seconds that a ticket's page waits for the list one came from
MAX_PLACE = 1 << 31  # of a page
ELSEWHERE = (
    "page",
    "max",
    "col",
    "row",
    "add",
    "more",
    "list",
)  # what does not change which tickets there are

ROLES = {
    "ticket": "ticket", "id": "ticket", "summary": "summary", "report": "report", "description": "wiki",
    "owner": "person", "reporter": "person", "author": "person",
    "milestone": "milestone", "component": "component",
}  # fmt: skip
"""What the cells of a column hold, by its name; other columns are shown by their kind."""

FORMATS = {"csv": "csv", "tab": "tsv"}
"""Trac's names of formats in addresses, and ours."""

LIST = Parameter("list", "The address of a list of tickets; the next and the previous one there are named.")
SIZE = Parameter("max", f"How many rows on a page: {PAGE_SIZE} unless given, {MAX_PAGE_SIZE:,} at most.")
PLACE = Parameter("page", "Which page, from 1 on.")
DESCENDING = Parameter("desc", "1: the other way round.")

_kept: dict[tuple[Any, ...], Sequence[int]] = {}  # the one used last is last
_lock = Lock()  # around it


def number(args: Mapping[str, str], name: str, otherwise: int, least: int, most: int) -> int:
    """A number in an address's query; at most `most`. Raises UsageError."""
    text = args.get(name, "")
    if not text:
        return otherwise
    if not (text.isascii() and text.isdecimal() and least <= int(text[:20])):
        raise UsageError(f"{name}={text[:60]} is no number from {least} on.")
    return min(int(text[:20]), most)


def place(args: Mapping[str, str]) -> tuple[int, int]:
    """Which page of how many rows an address asks for. Raises UsageError."""
    size = number(args, "max", PAGE_SIZE, 0, MAX_PAGE_SIZE) or MAX_PAGE_SIZE
    return number(args, "page", 1, 1, MAX_PLACE), size


def descending(args: Mapping[str, str]) -> bool:
    """Whether an address asks for the other order, as Trac's do."""
    return is_true(args.get("desc", "")) or args.get("asc") == "0"


def pages(page: int, size: int, total: int) -> Data:
    """What a page says of its place among the pages of a list of `total` rows."""
    last = max(1, -(-total // size))
    return {"total": total, "page": min(page, last), "pages": last, "max": size}


class Run(NamedTuple):
    """Rows that follow each other in a list, and are of one group; None where there are no groups."""

    name: str | None
    rows: list[Data]


def runs(rows: Iterable[Data]) -> list[Run]:
    """The rows of a page by the headings under which they stand."""
    return [Run(name, [*some]) for name, some in groupby(rows, itemgetter("group"))]


def roles(columns: Iterable[Data]) -> dict[str, str]:
    """How the cells of each column are shown: by its name, as in Trac, or by its kind."""
    return {column["key"]: str(ROLES.get(column["name"].strip("_"), column["kind"])) for column in columns}


def written(write: Callable[[TextIO], None]) -> Iterator[str]:
    """The pieces of a text that is written at once, and kept in a file until it is read."""
    file = TemporaryFile("w+", encoding="utf-8", errors="replace", newline="")  # noqa: SIM115
    try:
        write(file)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return pieces(file)


def pieces(file: IO[Any]) -> Iterator[Any]:
    """What a file holds from here on, in pieces; then it is closed."""
    with file:
        while piece := file.read(1 << 16):
            yield piece


def ticket_in(cells: Mapping[str, Any]) -> int | None:
    """The ticket that a row is about, as Trac's reports have it."""
    if cells.get("realm", cells.get("_realm", "ticket")) != "ticket":
        return None
    for name in ("ticket", "id", "_id"):
        match cells.get(name):
            case int(found) if 0 < found < 1 << 63:
                return found
            case str(text) if text.isascii() and text.isdecimal() and len(text) < 19:
                return int(text)
    return None


def around(asked: Asked, ticket: int) -> Data | None:
    """Where a ticket stands in the list one came from: its neighbours, its place, the list's address.

    None where the address names no list, and where the list cannot be asked, or not at once.
    """
    end = time.monotonic() + PATIENCE
    where = asked.args.get("list", "")
    parts = urlsplit(where)
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        whole = replace(
            asked, path=parts.path, pairs=pairs, gone=lambda: asked.gone() or time.monotonic() > end
        )
        numbers = numbered(whole) if where else ()
    except (OfftracfsError, HTTPException, ValueError):
        return None
    if not numbers:
        return None
    at = numbers.index(ticket) if ticket in numbers else -1
    return {
        "address": where,
        "path": parts.path,
        "query": parts.query,
        "total": len(numbers),
        "place": at + 1,
        "previous": numbers[at - 1] if at > 0 else None,
        "next": numbers[at + 1] if 0 <= at < len(numbers) - 1 else None,
    }


def numbered(asked: Asked) -> Sequence[int]:
    """The numbers of all tickets in the list at an address, in order; of now, those of the last minute.

    Raises NotFound where there is no such page, and as its view does.
    """
    whole = replace(asked, pairs=tuple(pair for pair in asked.pairs if pair[0] not in ELSEWHERE))
    minute = 0 if asked.at else int(time.time()) // 60
    key = (asked.database.path, asked.revision.commit, asked.at, minute, whole.path, whole.pairs)
    with _lock:
        found = _kept.pop(key, None)
    if found is None:
        name, values = current_app.url_map.bind("").match(whole.path)
        page: Page = current_app.extensions["offtracfs"][name]
        found = array("q", dict.fromkeys(page.tickets(whole, **values) if page.tickets else (), 0))
    with _lock:
        _kept[key] = found
        while len(_kept) > MAX_KEPT:
            del _kept[next(iter(_kept))]
    return found
