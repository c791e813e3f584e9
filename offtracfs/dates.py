"""Dates as people write them, in queries and for ``--at``: ISO 8601, "7 days ago", or month, day and year.

These are the texts that trac.util.datefmt.parse_date takes. Where Trac depends on the user's language,
this takes English.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from offtracfs.errors import QueryRefused

_ISO = re.compile(
    r"(\d{4})(?:-?(\d\d)(?:-?(\d\d))?)?"
    r"(?:[T ](\d\d)(?::?(\d\d)(?::?(\d\d)(?:[,.](\d{1,6}))?)?)?)?"
    r"(?:(Z)|([-+])(\d\d):?(\d\d)?)?",
    re.ASCII,
)
_DAYS = {"day": 1.0, "d": 1.0, "week": 7.0, "w": 7.0, "month": 30.0, "m": 30.0, "year": 365.0, "y": 365.0}
_DAYS |= {"hour": 1 / 24, "h": 1 / 24, "minute": 1 / 1440, "second": 1 / 86_400}  # "m" is a month
_LENGTH = rf"(\d+(?:\.\d*)?)\s*({'|'.join(_DAYS)})s?"
_AHEAD = re.compile(rf"(?:in|\+)\s*{_LENGTH}", re.ASCII)
_AGO = re.compile(rf"(?:-\s*)?{_LENGTH}\s*(?:ago)?", re.ASCII)
_PARTS = ("year", "month", "day", "hour", "minute", "second")  # as in a datetime
_BEGINNING = re.compile(rf"(this|last|next)\s*({'|'.join(_PARTS)}|week)", re.ASCII)
_NAMED_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_PIECES = re.compile("|".join(("[0-9]+", *_MONTHS, "am", "pm")), re.ASCII)


class Date(NamedTuple):
    """When a date begins (aware), and how long it is: a year, month, week, day, hour, minute or second.

    `unit` is "" for a point in time, such as "now" or "3 days ago".
    """

    begins: datetime
    unit: str


def start_of(text: str, now: datetime) -> datetime:
    """The moment at which a date begins; `now` is aware, and its time zone is that of the text.

    Raises QueryRefused.
    """
    found = parse(text, now)
    if found is None:
        raise QueryRefused(f"{text.strip()[:60]!r} is no date: write one like 2011-04-09, or '7 days ago'.")
    return found.begins


def parse(text: str, now: datetime) -> Date | None:
    """As `start_of`, with the length of the date; None where the text is none. Raises QueryRefused."""
    text = text.strip()
    try:
        return _iso(text, now) or _written(text.lower(), now) or _relative(text, now)
    except OverflowError:
        raise QueryRefused(f"The date {text[:60]!r} is too far away.") from None


def _local(wall: datetime, now: datetime) -> datetime:
    """The later of two readings in an autumn night, as everywhere in offtracfs."""
    return wall.replace(tzinfo=now.tzinfo, fold=1)


def _iso(text: str, now: datetime) -> Date | None:
    match = _ISO.fullmatch(text)
    if not match:
        return None
    parts = [int(part) for part in match.groups()[:6] if part]
    year, month, day, hour, minute, second = parts + [0] * (6 - len(parts))
    unit = _PARTS[len(parts) - 1]
    fraction, utc, sign, hours, minutes = match.groups()[6:]
    try:
        wall = datetime(year, month or 1, day or 1, hour, minute, second)  # noqa: DTZ001
        wall = wall.replace(microsecond=int((fraction or "").ljust(6, "0")))
        if utc:
            return Date(wall.replace(tzinfo=UTC), unit)
        if not sign:
            return Date(_local(wall, now), unit)
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
        return Date(wall.replace(tzinfo=timezone(-offset if sign == "-" else offset)), unit)
    except ValueError:
        return None


def _written(text: str, now: datetime) -> Date | None:
    """``Apr 9, 2011``, ``9 April 2011``, ``04/09/11 9:16 pm``; what stands between is passed over."""
    pieces = _PIECES.findall(text)
    halves = [piece for piece in pieces if piece in ("am", "pm")]
    pieces = [piece for piece in pieces if piece not in ("am", "pm")][:6]
    if len(pieces) < 3:
        return None
    if pieces[1] in _MONTHS:
        pieces[:2] = pieces[1::-1]
    if pieces[0] in _MONTHS:
        pieces[0] = str(_MONTHS.index(pieces[0]) + 1)
    try:
        month, day, year, hour, minute, second = (int(piece) for piece in pieces + ["0"] * (6 - len(pieces)))
        if halves and hour <= 12:
            hour = hour % 12 + (12 if halves[0] == "pm" else 0)
        wall = datetime(_full(year), month, day, hour, minute, second)  # noqa: DTZ001
        return Date(_local(wall, now), _PARTS[len(pieces) - 1])
    except ValueError:
        return None


def _full(year: int) -> int:
    """A year of two digits, as POSIX' strptime reads it."""
    return year if year > 99 else year + (1900 if year > 68 else 2000)


def _relative(text: str, now: datetime) -> Date | None:
    if text == "now":
        return Date(now, "")
    wall = now.replace(tzinfo=None)
    if text in _NAMED_DAYS:
        return Date(_local(_beginning(wall, "day", _NAMED_DAYS[text]), now), "day")
    if match := _BEGINNING.fullmatch(text):
        shift = {"last": -1, "this": 0, "next": 1}[match[1]]
        return Date(_local(_beginning(wall, match[2], shift), now), match[2])
    for pattern, direction in ((_AHEAD, 1), (_AGO, -1)):
        if match := pattern.fullmatch(text):
            length = timedelta(days=direction * float(match[1]) * _DAYS[match[2]])
            return Date((now.astimezone(UTC) + length).astimezone(now.tzinfo), "")
    return None


def _beginning(wall: datetime, unit: str, shift: int) -> datetime:
    """When the unit of time in which `wall` lies began, or one that is so many later."""
    if unit == "week":
        return _beginning(wall, "day", 0) + timedelta(days=7 * shift - wall.weekday())
    kept = _PARTS.index(unit) + 1
    begun = datetime(*wall.timetuple()[:kept], *(1, 1)[kept - 1 :])  # type: ignore[arg-type]  # noqa: DTZ001
    if unit == "year":
        return begun.replace(year=begun.year + shift)
    if unit == "month":
        years, months = divmod(begun.month - 1 + shift, 12)
        return begun.replace(year=begun.year + years, month=months + 1)
    return begun + timedelta(**{f"{unit}s": shift})
