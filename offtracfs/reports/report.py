"""The tracker's own reports: which there are, and what one of them shows.

The rules are those of ``trac/ticket/report.py`` in Trac 1.2 and 1.6; `offtracfs.reports.variables` has those for
a report's variables, `offtracfs.reports.columns` those for its columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, tzinfo
from typing import NamedTuple

from offtracfs.errors import QueryRefused, UsageError
from offtracfs.reports import sandbox
from offtracfs.reports.columns import columns, rows
from offtracfs.reports.formats import Column, Row, Sheet
from offtracfs.reports.sandbox import Sandbox
from offtracfs.reports.variables import Bound, bound, defaults, filled

_ALL = "SELECT id, title, query, description FROM report ORDER BY id"
_ONE = "SELECT id, title, query, description FROM report WHERE id = ?"


class Report(NamedTuple):
    """A report as the tracker keeps it; `query` is SQL, or a saved query (``query:…``, ``?…``)."""

    number: int
    title: str
    query: str
    description: str


def reports(box: Sandbox) -> list[Report]:
    """All reports, by number."""
    return [_report(*row) for row in sandbox.run(box, _ALL).rows]


def report(box: Sandbox, number: int) -> Report:
    """One report. Raises UsageError where there is none of that number."""
    for row in sandbox.run(box, _ONE, [str(number)]).rows:
        return _report(*row)
    raise UsageError(f"There is no report {number} at that moment: `offtracfs report` lists those there are.")


def _report(number: int, title: str | None, query: str | None, description: str | None) -> Report:
    return Report(number, title or "", query or "", description or "")


def sheet(
    box: Sandbox, one: Report, given: Mapping[str, str], user: str, zone: tzinfo = UTC
) -> tuple[Sheet, list[str]]:
    """What a report shows where its variables have these values, and what is to be said about them.

    `user` is $USER unless that is given; `zone` is that of the dates that people read. Raises QueryRefused
    where the report cannot run here; reading the rows may, too.
    """
    given = {"USER": user} | dict(given)
    made = _bound(one, given)
    found = sandbox.run(box, made.sql, made.values)
    title = f"{{{one.number}}} {filled(one.title, defaults(one.query) | given)}"
    shown = Sheet(title, columns(found.columns, {}), rows(found.columns, found.rows), zone)
    return shown, [*_doubts(one, given, made)]


def trouble(box: Sandbox, one: Report) -> str:
    """Why a report cannot run here; "" where it can, as far as can be known without running it."""
    try:
        made = _bound(one, {})
        sandbox.check(box, made.sql, made.values)
    except QueryRefused as error:
        return str(error)
    return ""


def listing(box: Sandbox) -> Sheet:
    """The reports there are, and for each that cannot run here the reason."""
    heads = [Column("report", "Report"), Column("title", "Title"), Column("trouble", "Cannot run here")]
    return Sheet("Reports", heads, (Row([one.number, one.title, trouble(box, one)]) for one in reports(box)))


def _bound(one: Report, given: Mapping[str, str]) -> Bound:
    """The SQL with its variables, and with nothing at the marks that Trac fills in when people turn pages."""
    if not one.query.strip():
        raise QueryRefused(f"Report {one.number} has no SQL.")
    return bound(one.query.replace("@SORT_COLUMN@", "1").replace("@LIMIT_OFFSET@", ""), given)


def _doubts(one: Report, given: Mapping[str, str], made: Bound) -> Iterator[str]:
    for name in made.missing:
        yield f"The variable {name} has no value and counts as empty: `{name}=VALUE` gives it one."
    for name in given:
        if name not in (*made.names, "USER"):
            yield f"Report {one.number} has no variable {name}."
