"""What a kind of record says of itself: the places of its files, the check of its shape, its rows.

Columns and patterns are plain data, so that whoever only reads loads neither SQLAlchemy nor git.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import simplejson

from offtracfs import records
from offtracfs.errors import DatabaseDamaged, TrackerError
from offtracfs.names import number_of

Key = int | str
"""What tells a record from others of its kind: the number in its name, else its path."""

Row = tuple[Any, ...]
"""A row of a table, in the order of `Table.columns`."""

Rows = list[tuple[str, Row]]
"""Rows, each with the name of its table."""

MISSHAPEN = "it does not have the shape of what is kept in that place"
NUMBER = "{number}"
TREES = "{trees}"
SHAPE_ERRORS = (AttributeError, DatabaseDamaged, LookupError, TypeError, ValueError)
"""What `Kind.rows` may raise for a record that does not have the shape of its kind."""

_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that the index keeps of a kind of record, as Trac has them in a table of the same name.

    `columns` maps each column's name to its type (int or str). The first column holds the record's key.
    `view` names the columns that reports see, in Trac's order; None means all columns but `path`, which
    Trac's own tables do not have. `apart` maps a column of the view to the name of another table that holds
    it: a long text that seldom changes would be repeated in each new row. `found_by` names columns by whose
    values rows are found, too. `ours` says that the view is for this program's own SQL alone, and no part of
    Trac's.
    """

    name: str
    columns: Mapping[str, type]
    view: tuple[str, ...] | None = None
    apart: Mapping[str, str] | None = None
    found_by: tuple[str, ...] = ()
    ours: bool = False

    @property
    def seen(self) -> tuple[str, ...]:
        """The columns that reports see; none where they are shown as another table's (`apart`)."""
        return tuple(name for name in self.columns if name != "path") if self.view is None else self.view


def _no_rows(_key: Key, _record: Any) -> Rows:
    return []


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of record.

    `path` is the pattern of its paths in the mount: ``ticket/{number}.json``, ``field/{field}/{name}.json``
    or just ``db.json``. `in_git` is the pattern of the path in git where that is another one, in small
    directories by number (`offtracfs.kinds.git_path`).

    `check` takes a key and a value, and raises TrackerError with one sentence that says why the value is no
    such record. `companion` is the path pattern of a record that must exist with the same number, and
    what `offtracfs check` says where there is none.

    `rows` takes a key and a record that may be of any shape. It gives the rows in `tables`, or raises one of
    `SHAPE_ERRORS`. `appended` takes the bytes of a version and of the one after it. If the second only adds
    something at the end, it gives a record with just that; else None.

    `history` says whether each file has a directory of its versions (``ticket/42.json@/``).
    """

    path: str
    check: Callable[[Any, Any], object]
    in_git: str = ""
    companion: tuple[str, str] | None = None
    tables: tuple[Table, ...] = ()
    rows: Callable[[Any, Any], Rows] = _no_rows
    appended: Callable[[bytes, bytes], bytes | None] | None = None
    history: bool = False

    @property
    def directory(self) -> str:
        """The pattern of the directory that its files are in; "" for the top."""
        return self.path.rpartition("/")[0]

    def numbered(self, number: int) -> str:
        """Path of the record of that number, for a kind whose records have one."""
        return self.path.replace(NUMBER, str(number))

    def key(self, path: str, name: str) -> Key | None:
        """The key of a file that is in the right directory; None where its name is no record's."""
        return number_of(name) if NUMBER in self.path else path

    def read(self, key: Key, data: bytes) -> tuple[Any, Rows | None]:
        """The record in some bytes, and its rows.

        The record is None where these are no JSON. There are no rows (None) where it does not have the shape
        of its kind.
        """
        value = None
        try:
            value = records.load(data)
            return value, self.rows(key, _for_sqlite(value) if b"\\u" in data else value)
        except SHAPE_ERRORS:
            return value, None


def is_scalar(value: Any) -> bool:
    """Whether `value` is a text, a number that JSON can say, true, false or null."""
    return isinstance(value, str | int | None) or (isinstance(value, float) and isfinite(value))


def misshapen() -> TrackerError:
    """The error of a value that is no record of its kind, where no more can be said."""
    return TrackerError(f"{MISSHAPEN}.")


def _for_sqlite(value: Any) -> Any:
    """A record, its texts such that SQLite can store them."""
    return simplejson.loads(whole(simplejson.dumps(value, ensure_ascii=False)))


def whole(text: str) -> str:
    """`text` with U+FFFD for each lone surrogate, which SQLite cannot store."""
    return _SURROGATE.sub("\ufffd", text)
