"""A record's values as Trac's tables have them.

They are those that Trac 1.6 would have (its ``ticket/model.py``). A text that is empty is NULL; only
comments, authors and milestones' descriptions stay as they are. Times are in microseconds since 1970 UTC, and
0 stands for a date that is not set. Each function raises TypeError or ValueError for a value that it cannot
convert.
"""

from __future__ import annotations

from typing import Any

from offtracfs import records


def verbatim(value: Any) -> str | None:
    """A text as it is, empty or not; a number as text."""
    if value is None or value.__class__ is str:
        return value
    if isinstance(value, int | float):
        return str(value)
    raise TypeError


def text(value: Any) -> str | None:
    """A text as Trac stores most of them: NULL where it is empty."""
    return (value if value.__class__ is str else verbatim(value)) or None  # most are; it is asked very often


def custom(value: Any) -> str | None:
    """A custom field's value. A time is 18 characters, so that reports can sort it as text (Trac, seen)."""
    found = text(value)
    if found is None or not records.ISO.fullmatch(found):
        return found
    time = records.microseconds(found)
    return f"{time:018d}" if time >= 0 else f"{time:+017d}"


def date(value: Any) -> int:
    """A date of a milestone or a version."""
    return records.microseconds(value) if value else 0
