"""The records and their canonical bytes, both ways.

A record is plain JSON data; one record is one file. The shapes are those of the first offtrac:

==============================  =====================================================================
``db.json``                     ``{"recent": isotime}``: what the last sync has seen for certain
``fields.json``                 what ``ticket.getTicketFields`` says
``report/{id}.json``            ``{"sql": text, "title": text}`` and, where there is one, ``description``
``ticket/{id}.json``            ``[id, created, changed, props]``, props as ``ticket.get`` returned them
``changelog/{id}.json``         rows ``[isotime, author, field, oldvalue, newvalue, permanent]``
``field/{field}/{name}.json``   component, milestone, version: an object; an enum: its value, text
==============================  =====================================================================

Times are ISO 8601 text in UTC without a zone, with six digits of a second's fraction where the source
gave them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, NamedTuple

import simplejson

from offtracfs.errors import DatabaseDamaged, TrackerError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?", re.ASCII)
_CANONICAL = simplejson.JSONEncoder(
    ensure_ascii=False,
    sort_keys=True,
    indent=1,
    separators=(",", ":"),
    allow_nan=False,
    namedtuple_as_object=False,
)
_DECODER = simplejson.JSONDecoder()
_LINE_END = re.compile(r"\r\n?")  # to every XML parser just \n
_NONCHARACTERS = "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17))
_LOST_IN_XML = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufdd0-\ufddf{_NONCHARACTERS}]")


class Row(NamedTuple):
    """A row of a change log, in the order of its file; the time as ISO text, '' and None for no value.

    A row of an attachment is not `permanent` (0).
    """

    time: str
    author: str | None
    field: str
    old: str | None
    new: str | None
    permanent: int


def rows(changelog: Iterable[list[Any]]) -> list[Row]:
    """The rows of a change log as `load` gives it; `dump` writes either the same."""
    return [Row(*row) for row in changelog]


def dump(value: Any) -> bytes:
    r"""Canonical bytes of a record: sorted keys, one space of indent, UTF-8, one newline at the end.

    A lone surrogate, which UTF-8 cannot hold, is written as its JSON escape ``\udXXX``; two that make
    a pair are one character. ``dump(load(dump(x))) == dump(x)`` for everything that JSON can say, which
    is neither infinite nor not a number: ValueError.
    """
    text = _CANONICAL.encode(value)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        paired = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        if paired != text:
            return dump(simplejson.loads(paired))  # keys with a pair in them have another place in the order
        return text.encode("utf-8", "backslashreplace") + b"\n"


def load(data: bytes) -> Any:
    """The record in some bytes. Raises DatabaseDamaged where they are not JSON."""
    try:
        return _DECODER.decode(data.decode())
    except (ValueError, RecursionError) as error:
        raise DatabaseDamaged(f"A record is not JSON: {error}.") from error


def iso(moment: datetime) -> str:
    """ISO text in UTC, without a zone: ``2011-04-09T21:16:07``, and ``.000123`` where there is a fraction."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat()


def microseconds(text: str) -> int:
    """Microseconds since 1970 of an ISO text as records hold them. Raises ValueError."""
    if not ISO.fullmatch(text):
        raise ValueError(f"{text!r} is no time")
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


def from_microseconds(value: int) -> datetime:
    """The moment that many microseconds after 1970, in UTC. Raises OverflowError beyond the years 1–9999."""
    return EPOCH + timedelta(microseconds=value)


def report_header(number: int, title: str, description: str) -> str:
    """The SQL comments that Trac puts before a report's query when it gives its SQL."""
    comment = "\n-- ".join(description.removesuffix("\n").split("\n"))
    return f"-- ## {number}: {title} ## --\n\n" + (f"-- {comment}\n\n" if description else "")


def merge(old: Any, new: Any, *, exact_text: bool = True) -> Any:
    """`new`, but with `old`'s value wherever `old` only says the same more precisely.

    Another protocol or plugin may cut times to seconds; XML-RPC (``exact_text=False``) also loses
    control characters, and through most XML parsers carriage returns. Neither is a change of the record.
    """
    if isinstance(old, str) and isinstance(new, str):
        return old if old == new or _says_less(new, old, exact_text) else new
    if isinstance(old, dict) and isinstance(new, dict):
        return {key: merge(old.get(key), value, exact_text=exact_text) for key, value in new.items()}
    if isinstance(old, list) and isinstance(new, list):
        pairs = zip(old, new, strict=False)
        return [merge(a, b, exact_text=exact_text) for a, b in pairs] + new[len(old) :]
    return new


def _says_less(new: str, old: str, exact_text: bool) -> bool:
    if ISO.fullmatch(old) and ISO.fullmatch(new):
        return len(new) < len(old) and old.startswith(new)
    kept = _LOST_IN_XML.sub("\ufffd", old)
    return not exact_text and new in (kept, _LINE_END.sub("\n", kept))  # our own parser keeps the line ends


def check_ticket(number: int, value: Any) -> list[Any]:
    """`value` if it is ticket `number`'s record. Raises TrackerError saying what is wrong with it."""
    match value:
        case [int(found), str(created), str(changed), dict(props)]:
            pass
        case _:
            raise TrackerError(f"Ticket {number} does not have the shape [id, created, changed, props].")
    if found != number:
        raise TrackerError(f"Asked for ticket {number}, the tracker answered with ticket {found}.")
    _check_times(f"Ticket {number}", [created, changed])
    wrong = [
        name for name, item in props.items() if not isinstance(item, str | int | None) and not _finite(item)
    ]
    if wrong:
        raise TrackerError(f"Ticket {number} has a value that is no text in its field {wrong[0]!r}.")
    return value  # type: ignore[no-any-return]  # the match has shown that it is a list


def check_changelog(number: int, value: Any) -> list[list[Any]]:
    """`value` if it is ticket `number`'s change log. Raises TrackerError saying what is wrong with it."""
    if not isinstance(value, list):
        raise TrackerError(f"The change log of ticket {number} is not a list.")
    for row in value:
        match row:
            case [str(), str() | None, str(), str() | None, str() | None, int()]:
                pass
            case _:
                shape = "[time, author, field, old, new, permanent]"
                raise TrackerError(f"The change log of ticket {number} has a row that is not {shape}.")
    _check_times(f"The change log of ticket {number}", (row[0] for row in value))
    return value


def _finite(item: Any) -> bool:
    return isinstance(item, float) and isfinite(item)


def _check_times(what: str, times: Iterable[str]) -> None:
    for text in times:
        try:
            microseconds(text)
        except ValueError:
            raise TrackerError(f"{what} has a time that cannot be read.") from None
