"""Trac's own tables: which rows a record is, and how they are seen as they stood at a revision.

The rows are those that Trac 1.6 would have (its ``ticket/model.py``): NULL for a text that is not set, but
comments, authors and milestones' descriptions as they came; times in microseconds since 1970 UTC, 0 for a
date that is not set. No record says who wrote a report: NULL.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import simplejson

from offtracfs import names, records
from offtracfs.errors import DatabaseDamaged

VIEWS: dict[str, tuple[str, ...]] = {
    "ticket": (
        "id", "type", "time", "changetime", "component", "severity", "priority", "owner", "reporter", "cc",
        "version", "milestone", "status", "resolution", "summary", "description", "keywords",
    ),
    "ticket_change": ("ticket", "time", "author", "field", "oldvalue", "newvalue"),
    "ticket_custom": ("ticket", "name", "value"),
    "enum": ("type", "name", "value"),  # Trac 1.4 adds a description: reports of 1.2 would find two
    "component": ("name", "owner", "description"),
    "milestone": ("name", "due", "completed", "description"),
    "version": ("name", "time", "description"),
    "report": ("id", "author", "title", "query", "description"),
}  # fmt: skip
"""Trac's tables and their columns, in Trac's order."""


def views(revision: int) -> list[str]:
    """Statements that make a temporary view of each of `VIEWS`, as it stood at a revision.

    They are for a connection to the index, before whatever is to see nothing but these views.
    """

    def stood(row: str) -> str:
        return f"{row}.since <= {revision:d} AND {row}.until > {revision:d}"

    texts = f"SELECT d.description FROM offtracfs_description AS d WHERE d.ticket = t.id AND {stood('d')}"  # noqa: S608
    elsewhere = {("ticket", "description"): f"({texts}) AS description"}
    return [
        f"CREATE TEMP VIEW {name} AS SELECT "  # noqa: S608
        + ", ".join(elsewhere.get((name, column), column) for column in columns)
        + f" FROM offtracfs_{name} AS t WHERE {stood('t')}"
        for name, columns in VIEWS.items()
    ]


Key = int | str
"""What finds a record's rows in a table: the id of a ticket or report, else the path."""

Row = tuple[Any, ...]
"""The columns of a table in `offtracfs.index.schema`, without `since` and `until`."""

_SECOND = 1_000_000  # microseconds
_LISTED = (
    "component", "severity", "priority", "owner", "reporter", "cc", "version", "milestone", "status",
    "resolution", "summary", "keywords",
)  # fmt: skip
_OWN = frozenset({"type", "time", "changetime", "description", "_ts", "comment", *_LISTED})
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?", re.ASCII)
_STAMP = re.compile("[0-9]{1,18}")
_LONE = re.compile("[\ud800-\udfff]")  # half a character
_ODD = (AttributeError, DatabaseDamaged, LookupError, TypeError, ValueError)  # what odd records lead to
_END = b"\n]\n"  # of a change log that is not empty
_microseconds = lru_cache(10_000)(records.microseconds)  # a log is read as often as it grows


class Place(NamedTuple):
    """Where a record has rows: in tables of these names, found by its key."""

    key: Key
    tables: tuple[str, ...]
    read: Callable[[Any, Any], list[tuple[str, Row]]]

    def rows(self, data: bytes) -> list[tuple[str, Row]] | None:
        """The rows that the record is, each with its table; None where it has not the shape of its place."""
        try:
            return self.read(self.key, _load(data))
        except _ODD:
            return None

    def grown(self, before: bytes, after: bytes) -> bytes | None:
        """What a change log that only grew has more, as a log of its own; None where it cannot be told.

        `before` must have had some row.
        """
        kept = len(before) - len(_END)
        if self.tables != ("ticket_change",) or not before.endswith(_END):
            return None
        return b"[" + after[kept + 1 :] if after.startswith(before[:kept] + b",") else None


def place(path: str) -> Place | None:
    """Where the record at `path` has rows, None where it has none."""
    directory, name = names.split(path)
    if directory in _NUMBERED:
        number = names.number_of(name)
        return None if number is None else Place(number, *_NUMBERED[directory])
    if not directory.startswith("field/") or directory == "field/status":  # which workflows define
        return None
    return Place(path, *_FIELDS.get(directory, _ENUM))


def _load(data: bytes) -> Any:
    """A record in texts that a database takes."""
    value = records.load(data)
    if b"\\u" not in data:
        return value
    return simplejson.loads(_LONE.sub("\ufffd", simplejson.dumps(value, ensure_ascii=False)))


def _ticket(number: Key, record: Any) -> list[tuple[str, Row]]:
    _, created, changed, props = record
    moment = _microseconds(changed)
    stamp = props.get("_ts", "")  # the same to the microsecond, where the protocol cuts times
    if isinstance(stamp, str) and _STAMP.fullmatch(stamp) and int(stamp) // _SECOND == moment // _SECOND:
        moment = int(stamp)
    texts = [_text(props.get(name)) for name in _LISTED]
    found: list[tuple[str, Row]] = [
        ("ticket", (number, _text(props.get("type")), _microseconds(created), moment, *texts))
    ]
    if description := _text(props.get("description")):
        found.append(("description", (number, description)))
    return found + [
        ("ticket_custom", (number, name, _custom(props[name]))) for name in sorted(props.keys() - _OWN)
    ]


def _changes(number: Key, log: Any) -> list[tuple[str, Row]]:
    if not isinstance(log, list):
        raise TypeError
    found: list[tuple[str, Row]] = []
    for row in log:
        try:
            time, author, field, old, new, permanent = row
            if permanent:  # the others are attachments, which Trac has in a table of their own
                values = _values(field, old, new)
                found.append(("ticket_change", (number, _microseconds(time), _said(author), field, *values)))
        except _ODD:
            continue
    return found


def _values(field: str, old: Any, new: Any) -> tuple[str | None, str | None]:
    """A change's values: of comments as they came, of Trac's own fields, of custom fields."""
    if field == "comment" or field.startswith("_comment"):
        return _said(old), _said(new)
    convert = _text if field in _OWN else _custom
    return convert(old), convert(new)


def _said(value: Any) -> str | None:
    """A text as it came. Raises TypeError where it is none."""
    if value is None or value.__class__ is str:
        return value
    if isinstance(value, int | float):
        return str(value)
    raise TypeError


def _text(value: Any) -> str | None:
    """A text as Trac stores most of them. Raises TypeError where it is none."""
    return _said(value) or None


def _custom(value: Any) -> str | None:
    """A custom field's value; the type `time` has 18 characters, for reports to sort (Trac, seen)."""
    text = _text(value)
    if text is None or not _TIME.fullmatch(text):
        return text
    moment = _microseconds(text)
    return f"{moment:018d}" if moment >= 0 else f"{moment:+017d}"


def _date(value: Any) -> int:
    return _microseconds(value) if value else 0


def _report(number: Key, record: Any) -> list[tuple[str, Row]]:
    title, description = _text(record.get("title")), _text(record.get("description"))
    header = records.report_header(int(number), title or "", description or "")
    query = _text(record["sql"].removeprefix(header))
    return [("report", (number, None, title, query, description))]


def _component(path: Key, record: Any) -> list[tuple[str, Row]]:
    owner, description = _text(record.get("owner")), _text(record.get("description"))
    return [("component", (path, _text(record["name"]), owner, description))]


def _milestone(path: Key, record: Any) -> list[tuple[str, Row]]:
    due, completed = _date(record.get("due")), _date(record.get("completed"))
    return [("milestone", (path, _text(record["name"]), due, completed, _said(record.get("description"))))]


def _version(path: Key, record: Any) -> list[tuple[str, Row]]:
    description = _text(record.get("description"))
    return [("version", (path, _text(record["name"]), _date(record.get("time")), description))]


def _enum(path: Key, record: Any) -> list[tuple[str, Row]]:
    """The name is that of the file: where it was too long for one, it is cut."""
    _, field, file = str(path).split("/")
    name = _LONE.sub("\ufffd", unquote_plus(file.removesuffix(names.SUFFIX), errors="surrogatepass"))
    kind = "ticket_type" if field == "type" else field
    return [("enum", (path, kind, name, _text(record)))]


_NUMBERED = {
    "ticket": (("ticket", "description", "ticket_custom"), _ticket),
    "changelog": (("ticket_change",), _changes),
    "report": (("report",), _report),
}
_FIELDS = {
    "field/component": (("component",), _component),
    "field/milestone": (("milestone",), _milestone),
    "field/version": (("version",), _version),
}
_ENUM = (("enum",), _enum)
