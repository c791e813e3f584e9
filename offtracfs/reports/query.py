"""A query of Trac's, run on the index: what its text asks for, as SQL on Trac's own tables.

Which tickets it gives, in which order and in which columns is as in trac/ticket/query.py of Trac 1.6. Only
where a query has no constraint at all, Trac's page puts the site's default query in its place, which its
trac.ini alone knows: here that is all tickets, as in the rest of Trac.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from offtracfs import records
from offtracfs.database import Database
from offtracfs.errors import DatabaseDamaged, QueryRefused
from offtracfs.index import Revision
from offtracfs.index.moments import meaning
from offtracfs.kinds import FIELDS_PATH
from offtracfs.kinds.fields import PEOPLE, is_definition, of_every_trac
from offtracfs.names import Period
from offtracfs.querylanguage import Fields, Query, is_true, shown_columns
from offtracfs.reports.columns import shown_people
from offtracfs.reports.formats import Column, Kind, Row, Sheet
from offtracfs.reports.querysql import Asker, Known, Sql, select
from offtracfs.reports.sandbox import Sandbox, run_ours

NOBODY = "anonymous"  # as Trac calls whoever has not logged in

_UNUSABLE = re.compile("[\0\ud800-\udfff]")  # in SQL

Cell = Callable[[Any], Any]
Run = Callable[..., Iterable[Any]]
"""Gives the rows of a statement, with what is bound to its placeholders."""


class NoSuchPage(QueryRefused):
    """A query's ``page`` is behind its last one."""


def fields_at(database: Database, revision: Revision) -> Fields:
    """The definitions of all fields at a revision; where the tracker gave none, those that every Trac has.

    Items that define no field are left out; an earlier version of this program may have stored some. So are
    fields that neither SQL nor a query can name: UTF-8 has no surrogates, and SQL no NUL.

    Raises as `Database.reader` does.
    """
    with database.snapshot(revision, few=True) as snapshot:
        return fields_in(snapshot.get(FIELDS_PATH))


def fields_in(data: bytes | None) -> Fields:
    """The definitions in the bytes of a ``fields.json``, as `fields_at`. Raises DatabaseDamaged."""
    try:
        fields = records.load(data) if data else None
    except DatabaseDamaged as error:
        raise DatabaseDamaged(f"{FIELDS_PATH}: {error}") from error
    if isinstance(fields, list) and (known := [field for field in fields if _is_usable(field)]):
        return known
    return of_every_trac()


def _is_usable(field: Any) -> bool:
    return is_definition(field) and not _UNUSABLE.search(field["name"])


def now_at(at: str, revision: Revision, zone: tzinfo, clock: Callable[[], float] = time.time) -> datetime:
    """What "now" is for a query: with `at`, the period's last second or the commit's time; else now."""
    seconds = float(revision.committed) if at else clock()
    match at and meaning(at.removeprefix("@"), zone, clock):
        case Period(_, end):
            seconds = min(end - 1, clock())
    return datetime.fromtimestamp(seconds, zone)


def sheet(box: Sandbox, query: Query, fields: Fields, user: str, now: datetime) -> Sheet:
    """What a query gives, as the CSV of Trac's query page has it; groups are the table's.

    `user` stands for $USER; `now` is aware, and dates are in its time zone. Raises QueryRefused; reading the
    rows may, too.
    """
    asker = Asker(user, now)
    return listed(lambda sql, values: run_ours(box, sql, values).rows, query, fields, asker)


def listed(run: Run, query: Query, fields: Fields, asker: Asker, more: Sequence[str] = ()) -> Sheet:
    """As `sheet`, by anything that runs SQL of our own; `more` are columns that are hidden in a table.

    Raises QueryRefused, and as `run` does.
    """
    known = {field["name"]: field for field in fields}
    shown = shown_columns(query, fields)
    hidden = [name for name in more if name not in shown]
    zone = asker.now.tzinfo or UTC
    heads = [_head(name, known.get(name, {}), hidden=name in hidden) for name in (*shown, *hidden)]
    cells = [_cell(name, known.get(name, {}), zone) for name in (*shown, *hidden)]
    made = select(query, [*shown, *hidden], known, asker)
    found = iter(run(paged(made, query, run), made.values))
    return Sheet("", heads, _rows(found, cells, _grouping(query.group, known, zone)), zone)


def paged(made: Sql, query: Query, run: Run) -> str:
    """The part of the statement that ``max`` and ``page`` ask for; where one page holds all, it is all.

    With groups, Trac's own CSV has one ticket too many: its page needs it to see whether a group goes on.
    That ticket is left out here. Raises NoSuchPage.
    """
    if not query.most:
        return made.text
    for (count,) in run(f"SELECT count(*) FROM ({made.text})", made.values):  # noqa: S608
        if count > query.most:
            pages = -(-count // query.most)
            if query.page > pages:
                raise NoSuchPage(f"There is no page {query.page}: there are {pages}.")
            return f"{made.text} LIMIT {query.most} OFFSET {query.most * (query.page - 1)}"
    return made.text


def _head(name: str, field: dict[str, Any], *, hidden: bool) -> Column:
    label = "Ticket" if name == "id" else field.get("label", name)
    kind: Kind = "datetime" if _is_datetime(field) else "text"
    return Column(name, label, kind, hidden, heading="id" if name == "id" else label)


def _is_datetime(field: dict[str, Any]) -> bool:
    return field.get("type") == "time" and field.get("format") != "date"


def _cell(name: str, field: dict[str, Any], zone: tzinfo) -> Cell:
    """How a stored value becomes a cell."""
    if name in PEOPLE:
        unset = "anonymous" if name == "reporter" else ""
        return lambda value: shown_people(value or unset)
    if field.get("type") == "checkbox":
        return lambda value: "1" if is_true(value or "") else "0"
    if field.get("type") == "time":
        return lambda value: _time(value, zone, whole=_is_datetime(field))
    return lambda value: "" if value is None else value


def _time(value: Any, zone: tzinfo, *, whole: bool) -> Any:
    """Microseconds, or a day's ISO text; what is no time in a custom field stays as it is."""
    try:
        number = int(value or 0)
        if not value or whole:
            return number or ""
        return f"{records.from_microseconds(number).astimezone(zone):%Y-%m-%d}"
    except (ValueError, OverflowError):
        return value


def _grouping(name: str, known: Known, zone: tzinfo) -> Cell | None:
    """What stands above the tickets of a group, by the value of the field that groups them; times by day."""
    if not name:
        return None
    label, cell = known[name].get("label", name), _cell(name, known[name] | {"format": "date"}, zone)
    return lambda value: f"{label}: {cell(value) or 'None'}"


def _rows(found: Iterator[tuple[Any, ...]], cells: list[Cell], grouping: Cell | None) -> Iterator[Row]:
    """Behind the columns come the value of the group, if there are groups, and the priority's number."""
    for *values, priority in found:
        group = grouping(values.pop()) if grouping else None
        yield Row([cell(value) for cell, value in zip(cells, values, strict=True)], group, priority or "")
