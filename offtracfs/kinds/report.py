"""``report/{id}.json``: ``{"sql": text, "title": text}`` and, where there is one, ``description``."""

from __future__ import annotations

from typing import Any

from offtracfs.kinds.kind import Key, Kind, Rows, Table, is_scalar, misshapen
from offtracfs.kinds.values import text


def report_header(number: int, title: str, description: str) -> str:
    """The SQL comments that Trac puts before a report's query when it gives its SQL."""
    comment = "\n-- ".join(description.removesuffix("\n").split("\n"))
    return f"-- ## {number}: {title} ## --\n\n" + (f"-- {comment}\n\n" if description else "")


def _check(_key: Key, value: Any) -> None:
    match value:
        case {"title": str(), "sql": str()} if all(map(is_scalar, value.values())):
            return
    raise misshapen()


def told(number: int, record: Any) -> tuple[str | None, str | None, str | None]:
    """A report's title, its SQL or saved query without the comments in front, and its description."""
    title, description = text(record.get("title")), text(record.get("description"))
    header = report_header(number, title or "", description or "")
    return title, text(record["sql"].removeprefix(header)), description


def _rows(number: int, record: Any) -> Rows:
    """No record says who wrote a report: NULL."""
    title, query, description = told(number, record)
    return [("report", (number, None, title, query, description))]


_TABLE = Table("report", {"id": int, "author": str, "title": str, "query": str, "description": str})

KIND = Kind("report/{number}.json", _check, tables=(_TABLE,), rows=_rows)
