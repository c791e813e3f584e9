"""Columns as a database has them, and the values of records: one type for each, which goes both ways.

A date is a whole number in records: seconds since 1970, GMT. Older schemas store that number; later ones
have native dates, which are GMT, too. A text that is NULL is "" in records, and any other NULL is None.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, types
from sqlalchemy.engine import Dialect

from offtracfs.errors import TeamTrackError

PREFIX = "TS_"
MAX_INT = 2**63


class Epoch(types.TypeDecorator[int]):
    """A native date as seconds since 1970, GMT; a where clause may also give an ISO date as text."""

    impl = types.DateTime
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> datetime | None:
        """As the database wants it. Raises TeamTrackError."""
        if value is None:
            return None
        found = moment(value)
        return found if getattr(self.impl_instance, "timezone", False) else found.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> int | None:
        """The second in which it lies."""
        if value is None:
            return None
        return int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() // 1)


def moment(value: int | str) -> datetime:
    """A date in UTC, from seconds since 1970 or an ISO text. Raises TeamTrackError where it is none."""
    try:
        if not isinstance(value, str):
            return datetime.fromtimestamp(value, UTC)
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (OverflowError, ValueError, OSError):
        raise TeamTrackError(
            f"{value!r:.60} is no date: seconds since 1970 are wanted, or an ISO date."
        ) from None


class Filled(types.TypeDecorator[str]):
    """A text, "" for NULL."""

    impl = types.String
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], str]:
        """What makes the text; it is called for each text that is read, and so is as short as can be."""
        return _filled


def _filled(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def record_type(found: types.TypeEngine[Any]) -> types.TypeEngine[Any]:
    """The type to read and write a reflected column by."""
    match found:
        case types.DateTime():
            return Epoch(timezone=found.timezone)
        case types.Date():
            return Epoch()
        case types.Boolean():
            return types.SmallInteger()
        case types.Integer():
            return found
        case types.Numeric():  # FLOAT and REAL, too
            return types.Float() if found.scale != 0 else types.BigInteger()
        case types.String():
            return Filled(found.length)
    return found


def field_name(column: str) -> str:
    """The name of a column in records: without its TS_. Databases differ in the case of names."""
    return column.upper().removeprefix(PREFIX)


def checked(column: Column[Any], value: Any) -> Any:
    """A value that may stand in a column. Raises TeamTrackError."""
    kind = column.type
    match kind:
        case Epoch() | types.Integer():
            wanted, fits = "a whole number", _whole(value)
            if isinstance(kind, Epoch) and fits:
                moment(value)
        case types.Float():
            wanted, fits = "a number", isinstance(value, (int, float)) and not isinstance(value, bool)
        case Filled():
            length = getattr(kind.impl_instance, "length", None)
            wanted = f"a text of at most {length} characters" if length else "a text"
            fits = isinstance(value, str) and (not length or len(value) <= length) and "\0" not in value
        case _:
            wanted, fits = "what it can hold", isinstance(value, (str, int, float, bytes))
    if fits or (value is None and column.nullable):
        return value
    raise TeamTrackError(f"{field_name(column.name)} is {wanted}: {value!r:.60} is none.")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -MAX_INT <= value < MAX_INT
