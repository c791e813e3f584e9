"""Finds changes that no change log tells of, such as a renamed component, in a table of all tickets."""

from __future__ import annotations

import csv
import re
from codecs import getincrementaldecoder
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import aclosing, asynccontextmanager
from http import HTTPStatus
from typing import Any

from offtracfs.errors import TrackerError
from offtracfs.records import LOST_IN_XML
from offtracfs.trackers import Stored
from offtracfs.trackers.trac.batches import answers
from offtracfs.trackers.trac.http import Http
from offtracfs.trackers.trac.rpc import Rpc
from offtracfs.trackers.trac.shown import Alias, Definition, aliases

MAX_ID = 2**31 - 1  # that every database below a Trac can hold
MAX_ROW = 2**20  # characters; no ticket has that much in these columns
_ID = re.compile("[0-9]{1,18}")

TableRow = tuple[int, dict[str, str]]
"""A ticket's number, and what Trac shows of it, by the names of fields."""


async def outdated(rpc: Rpc, definitions: Collection[Definition], stored: Stored) -> list[int]:
    """The numbers of the tickets whose stored record does not agree with Trac's table of all tickets.

    One request, and a few more where Trac shows people by their full names: see `_confirmed`. Descriptions
    and custom text areas are not looked at. Raises TrackerError where the answer is no such table.
    """
    fields = {item["name"]: item for item in definitions if item.get("type") != "textarea"}
    fields.pop("id", None)  # is asked for anyway
    fields = {"changetime": {"name": "changetime", "type": "time", "label": "Modified"}} | fields
    own = {name: field for name, field in fields.items() if not field.get("custom")}
    try:
        return await _outdated(rpc, fields, stored)
    except TrackerError:
        if own == fields:
            raise
    # Trac fails (500, or nothing) where a custom field of type time holds a text that is no time, or where
    # there are more custom fields than its database can join. Then only Trac's own fields are compared.
    return await _outdated(rpc, own, stored)


async def _outdated(rpc: Rpc, fields: Mapping[str, Definition], stored: Stored) -> list[int]:
    found: set[int] = set()
    doubtful: dict[Alias, list[int]] = {}
    async with _rows(rpc.http, fields, exact_text=rpc.codec.exact_text) as rows:
        async for number, shown in rows:
            if record := stored(number):
                used = aliases(record, shown, fields)
                if used is None:
                    found.add(number)
                for alias in used or ():
                    doubtful.setdefault(alias, []).append(number)
    true = await _confirmed(rpc, {alias: numbers[0] for alias, numbers in doubtful.items()}, stored)
    return sorted(found.union(*(numbers for alias, numbers in doubtful.items() if alias not in true)))


async def _confirmed(rpc: Rpc, doubtful: Mapping[Alias, int], stored: Stored) -> set[Alias]:
    """The aliases that are real. `doubtful` has for each a ticket in which Trac seems to use it.

    Where bob is stored and "Bob Jones" is shown, the table does not say whether that is bob, or somebody who
    came after him. The RPC plugin gives names as records have them, so asking for one ticket with an
    alias settles it for all.
    """

    def made(alias: Alias, answer: Any) -> tuple[Alias, bool]:
        record = stored(doubtful[alias])
        match answer, record:
            case [_, _, _, dict(props)], [_, _, _, dict(known)]:
                return alias, props.get(alias.field) == known.get(alias.field)
        return alias, False

    async with answers(rpc, doubtful, lambda alias: [("ticket.get", [doubtful[alias]])], made) as stream:
        return {alias async for alias, true in stream if true}


@asynccontextmanager
async def _rows(
    http: Http, fields: Mapping[str, Definition], *, exact_text: bool
) -> AsyncIterator[AsyncIterator[TableRow]]:
    """What Trac shows of each ticket in these fields. One request, never held whole."""
    # Without a constraint Trac runs its default query, which hides tickets (seen).
    params = [("id", f"1-{MAX_ID}"), ("format", "csv"), ("max", "0"), ("order", "id"), ("col", "id")]
    params += [("col", name) for name in fields]
    async with http.stream("query", params=params) as (status, chunks):
        if status != HTTPStatus.OK:
            raise TrackerError(f"The columns of all tickets cannot be had ({status}).")
        async with aclosing(_parsed(chunks, fields, exact_text)) as rows:
            yield rows


async def _parsed(
    chunks: AsyncIterator[bytes], fields: Mapping[str, Definition], exact_text: bool
) -> AsyncGenerator[TableRow, None]:
    async with aclosing(_lines(chunks)) as lines:
        first, *titles = await anext(lines, [""])
        if len(titles) != len(fields) or first.lower() not in ("id", "ticket"):
            raise TrackerError("The columns of all tickets are not those that were asked for.")
        told_fields = zip(fields.items(), titles, strict=True)
        names = [name if title in (name, field.get("label")) else "" for (name, field), title in told_fields]
        async for number, *values in lines:
            if not _ID.fullmatch(number) or len(values) != len(names):
                raise TrackerError("The columns of all tickets have a line that is no ticket's.")
            told = zip(names, values, strict=True)
            yield int(number), {name: value for name, value in told if name and _told(value, exact_text)}


def _told(value: str, exact_text: bool) -> bool:
    """Whether no character of the value can have been lost on the way, so that it can be compared."""
    return "\ufffd" not in value and (exact_text or not LOST_IN_XML.search(value))


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[list[str], None]:
    """The rows of a CSV file, one at a time: a row ends with the first line feed outside of quotes.

    Each character is looked at once, however small the chunks are.
    """
    decoder = getincrementaldecoder("utf-8-sig")("replace")
    row: list[str] = []  # the pieces of the row that has begun
    size = quotes = 0  # characters and double quotes in these pieces
    async for chunk in chunks:
        for piece in re.split("(?<=\n)", decoder.decode(chunk)):
            row.append(piece)
            size += len(piece)
            quotes += piece.count('"')
            if size > MAX_ROW:
                raise TrackerError("The columns of all tickets break off: there is a line without an end.")
            if piece.endswith("\n") and quotes % 2 == 0:
                yield _cells("".join(row))
                row, size, quotes = [], 0, 0
    if size:
        raise TrackerError("The columns of all tickets break off in the middle of a line.")


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line]))
    except csv.Error:
        raise TrackerError("The columns of all tickets have a line that is no ticket's.") from None
