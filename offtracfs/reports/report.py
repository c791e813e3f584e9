"""The tracker's own reports: which there are, and what one of them shows.

The rules are those of ``trac/ticket/report.py`` in Trac 1.2 and 1.6. Those for a report's variables stand in
`offtracfs.reports.variables`, and those for its columns in `offtracfs.reports.columns`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from offtracfs import querylanguage
from offtracfs.errors import QueryRefused, UsageError
from offtracfs.kinds import report_told
from offtracfs.querylanguage import Fields
from offtracfs.reports import columns, query, sandbox
from offtracfs.reports.allowed import MAX_SQL
from offtracfs.reports.formats import Column, Row, Sheet
from offtracfs.reports.querysql import Asker, select
from offtracfs.reports.sandbox import Sandbox
from offtracfs.reports.variables import Bound, bound, defaults, filled

_ALL = "SELECT id, title, query, description FROM report ORDER BY id"
_ONE = "SELECT id, title, query, description FROM report WHERE id = ?"


class Report(NamedTuple):
    """A report as the tracker keeps it; `text` is SQL, or a saved query (``query:…``, ``?…``)."""

    number: int
    title: str
    text: str
    description: str

    @property
    def is_query(self) -> bool:
        """Whether it is a query of Trac's, which some user saved, and no SQL."""
        return "".join(map(str.strip, self.text.splitlines())).startswith(("?", "query:"))


class Context(NamedTuple):
    """What a report needs besides its text: the tracker's fields, who $USER is, and what "now" is.

    `now` is aware, and people read dates in its time zone.
    """

    fields: Fields
    user: str
    now: datetime


def reports(box: Sandbox) -> list[Report]:
    """All reports, by number."""
    return [_report(*row) for row in sandbox.run(box, _ALL).rows]


def get(box: Sandbox, number: int) -> Report:
    """One report. Raises UsageError where there is none of that number."""
    for row in sandbox.run(box, _ONE, [str(number)]).rows:
        return _report(*row)
    raise UsageError(f"There is no report {number} at that moment: `offtracfs report` lists those there are.")


def of_record(number: int, record: Any) -> Report:
    """The report that a record of the store holds."""
    return _report(number, *report_told(number, record))


def sheet(box: Sandbox, one: Report, context: Context, given: Mapping[str, str]) -> tuple[Sheet, list[str]]:
    """What a report shows where its variables have these values, and what is to be said about them.

    Raises QueryRefused where the report cannot run here; reading the rows may, too.
    """
    check_length(one)
    values = {"USER": context.user} | dict(given)
    title = f"{{{one.number}}} {filled(one.title, defaults(one.text) | values)}"
    if one.is_query:
        asked = querylanguage.parse(one.text, context.fields)
        shown = query.sheet(box, asked, context.fields, values["USER"], context.now)
        return replace(shown, title=title), [*_unknown(one, given, [])]
    made = _bound(one, values)
    found = sandbox.run(box, made.sql, made.values)
    labels = {field["name"]: field.get("label", "") for field in context.fields}
    heads, rows = columns.heads(found.columns, labels), columns.rows(found.columns, found.rows)
    missing = [f"The variable {name} has no value: `{name}=VALUE` gives it one." for name in made.missing]
    return Sheet(title, heads, rows, context.now.tzinfo or UTC), [*missing, *_unknown(one, given, made.names)]


def _unknown(one: Report, given: Mapping[str, str], names: Collection[str]) -> Iterator[str]:
    return (f"Report {one.number} has no variable {name}." for name in given if name not in (*names, "USER"))


def trouble(box: Sandbox, one: Report, context: Context) -> str:
    """Why a report cannot run here; "" where it can, as far as can be known without running it."""
    try:
        check_length(one)
        if one.is_query:
            asked = querylanguage.parse(one.text, context.fields)
            known = {field["name"]: field for field in context.fields}
            shown = querylanguage.shown_columns(asked, context.fields)
            select(asked, shown, known, Asker(context.user, context.now))
        else:
            made = _bound(one, {"USER": context.user})
            sandbox.check(box, made.sql, made.values)
    except QueryRefused as error:
        return str(error)
    return ""


def listing(box: Sandbox, context: Context) -> Sheet:
    """The reports there are, and for each that cannot run here the reason."""
    heads = [Column("report", "Report"), Column("title", "Title"), Column("trouble", "Cannot run here")]
    found = (Row([one.number, one.title, trouble(box, one, context)]) for one in reports(box))
    return Sheet("Reports", heads, found)


def _report(number: int, title: str | None, text: str | None, description: str | None) -> Report:
    return Report(number, title or "", text or "", description or "")


def check_length(one: Report) -> None:
    """Refuse a text that is too long, before any pattern is searched in it."""
    if len(one.text) > MAX_SQL:
        raise QueryRefused(f"Report {one.number} is longer than {MAX_SQL:,} bytes, which is the limit.")


def _bound(one: Report, given: Mapping[str, str]) -> Bound:
    """The SQL with its variables bound.

    The marks that Trac replaces for sorting and paging get neutral values.
    """
    if not one.text.strip():
        raise QueryRefused(f"Report {one.number} has no SQL.")
    return bound(one.text.replace("@SORT_COLUMN@", "1").replace("@LIMIT_OFFSET@", ""), given)
