"""Every ticket's columns in one answer: how silent changes are noticed, such as a renamed component."""

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
from offtracfs.trackers import Columns
from offtracfs.trackers.trac.http import Http

HIGHEST = 2**31 - 1  # the largest id that every database below a Trac can hold
KINDS = ("text", "select", "radio")
REWRITTEN = ("cc", "owner", "reporter")
"""Columns in which Trac hides addresses, fills in "anonymous" or changes separators."""

LONGEST_ROW = 2**20  # characters; no ticket has that much in these columns
_CLOCK = re.compile(r"\d{1,2}:([0-5]\d):([0-5]\d)", re.ASCII)
_ID = re.compile("[0-9]{1,18}")


def comparable(definitions: Collection[Mapping[str, Any]]) -> dict[str, str]:
    """Labels, by name, of the fields whose column says just what a ticket's record says.

    Times are localised; a custom field without a stored value is empty here and has its default there.
    """
    return {
        item["name"]: item.get("label", item["name"])
        for item in definitions
        if item.get("type") in KINDS and not item.get("custom") and item["name"] not in REWRITTEN
    }


@asynccontextmanager
async def columns(
    http: Http, labels: Mapping[str, str], *, exact_text: bool
) -> AsyncIterator[AsyncIterator[Columns]]:
    """Each ticket's id and its values of the fields in `labels`. One request, never held whole.

    Raises TrackerError where the answer is not the table that was asked for.
    """
    # Without a constraint Trac runs its default query, which hides tickets (seen).
    params = [("id", f"1-{HIGHEST}"), ("format", "csv"), ("max", "0"), ("order", "id"), ("col", "id")]
    params += [("col", name) for name in (*labels, "changetime")]
    async with http.stream("query", params=params) as (status, chunks):
        if status != HTTPStatus.OK:
            raise TrackerError(f"The columns of all tickets cannot be had ({status}).")
        async with aclosing(_rows(chunks, labels, exact_text)) as rows:
            yield rows


async def _rows(
    chunks: AsyncIterator[bytes], labels: Mapping[str, str], exact_text: bool
) -> AsyncGenerator[Columns, None]:
    async with aclosing(_lines(chunks)) as lines:
        header: list[str] = await anext(lines, [])
        if len(header) != len(labels) + 2 or header[0].lower() not in ("id", "ticket"):
            raise TrackerError("The columns of all tickets are not those that were asked for.")
        pairs = zip(labels.items(), header[1:-1], strict=True)
        names = [name if title in (name, label) else None for (name, label), title in pairs]
        async for number, *values in lines:
            if not _ID.fullmatch(number) or len(values) != len(names) + 1:
                raise TrackerError("The columns of all tickets have a line that is no ticket's.")
            *values, changed = values
            told = zip(names, values, strict=True)
            comparable = {name: value for name, value in told if name and _told(value, exact_text)}
            yield Columns(int(number), comparable, _in_quarter(changed))


def _in_quarter(text: str) -> int | None:
    """Seconds since the last quarter of an hour, of a time in whatever format and zone its reader likes."""
    clock = _CLOCK.search(text)
    return int(clock[1]) % 15 * 60 + int(clock[2]) if clock else None


def _told(value: str, exact_text: bool) -> bool:
    """Whether the value came through as it is in a record."""
    return "\ufffd" not in value and (exact_text or not LOST_IN_XML.search(value))


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[list[str], None]:
    """The rows of a CSV file, one at a time: a row ends with the first line feed outside of quotes."""
    decoder = getincrementaldecoder("utf-8-sig")("replace")
    rest = ""
    async for chunk in chunks:
        rest += decoder.decode(chunk)
        *whole, rest = _split(rest)
        for line in whole:
            yield next(csv.reader([line]))
        if len(rest) > LONGEST_ROW:
            break
    if rest:
        raise TrackerError("The columns of all tickets break off in the middle of a line.")


def _split(text: str) -> list[str]:
    """`text` cut after each row; the last piece is the beginning of a row, or empty."""
    pieces, quotes, start, at = [], 0, 0, 0
    while (end := text.find("\n", at)) >= 0:
        quotes += text.count('"', at, end)
        at = end + 1
        if quotes % 2 == 0:
            pieces.append(text[start:at])
            start = at
    return [*pieces, text[start:]]
