"""Records to canonical bytes and back; and the times and texts in records.

A record is plain JSON data; one record is one file. Their shapes are in `offtracfs.kinds`.

Times are ISO 8601 text in UTC without a zone, with six digits of a second's fraction where the source
gave them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import simplejson

from offtracfs.errors import DatabaseDamaged, TrackerError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = EPOCH.replace(tzinfo=None)
SECOND = 1_000_000  # microseconds
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
_LINE_END = re.compile(r"\r\n?")  # XML parsers turn these into \n
_NONCHARACTERS = "".join(chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17))
LOST_IN_XML = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufdd0-\ufddf{_NONCHARACTERS}]")
"""Characters that come as U+FFFD over XML-RPC."""


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
    """The rows of a change log as `load` gives it. `dump` writes the same bytes for lists and for Rows."""
    return [Row(*row) for row in changelog]


def dump(value: Any) -> bytes:
    r"""Canonical bytes of a record: sorted keys, one space of indent, UTF-8, one newline at the end.

    A lone surrogate, which UTF-8 cannot hold, is written as its JSON escape ``\udXXX``; two that make
    a pair are one character. ``dump(load(dump(x))) == dump(x)`` for everything that JSON can say.
    Raises ValueError for an infinite number or NaN, which JSON does not have.
    """
    text = _CANONICAL.encode(value)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        paired = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        if paired != text:
            return dump(simplejson.loads(paired))  # again, because such a key sorts differently now
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


def from_iso(text: str) -> datetime:
    """The inverse of `iso`. Raises ValueError."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@lru_cache(10_000)  # a log is read as often as it grows
def microseconds(text: str) -> int:
    """Microseconds since 1970 of an ISO text as records hold them. Raises ValueError."""
    if not ISO.fullmatch(text):
        raise ValueError(f"{text!r} is no time")
    since = datetime.fromisoformat(text) - _NAIVE_EPOCH
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds


def from_microseconds(value: int) -> datetime:
    """The moment that many microseconds after 1970, in UTC. Raises OverflowError beyond the years 1–9999."""
    return EPOCH + timedelta(microseconds=value)


def merge(old: Any, new: Any, *, exact_text: bool = True) -> Any:
    """`new`, but with the value of `old` wherever that is the same value with more detail.

    Another protocol or plugin may cut times to seconds. XML-RPC (``exact_text=False``) also loses control
    characters, and most XML parsers lose carriage returns. A record that differs only so has not changed.
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
    kept = LOST_IN_XML.sub("\ufffd", old)
    return not exact_text and new in (
        kept,
        _LINE_END.sub("\n", kept),
    )  # old records may come from a parser that lost line ends


def check_times(what: str, times: Iterable[str]) -> None:
    """Raises TrackerError where one of the times cannot be read. `what` begins its message."""
    for text in set(times):  # most rows of a log have the time of another
        try:
            microseconds(text)
        except ValueError:
            raise TrackerError(f"{what} has a time that cannot be read.") from None
