"""The custom query: Trac's query language, with a form that asks for all that it can say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from urllib.parse import urlencode

from offtracfs.kinds import FIELDS_PATH
from offtracfs.querylanguage import Fields, Query, no_field, parse, shown_columns
from offtracfs.reports import tickets as ticketlists
from offtracfs.reports.formats import FORMATS, Sheet
from offtracfs.reports.part import full, head
from offtracfs.reports.query import NOBODY, NoSuchPage, fields_in, listed, now_at
from offtracfs.reports.querysql import Asker
from offtracfs.web import lists, queryform
from offtracfs.web.page import Asked, Data, Elsewhere, Format, Page, Parameter
from offtracfs.web.rendering import feed

BEGINNING = (("status", "!closed"),)
"""What is asked where nothing is: Trac's own begins with open tickets, too."""


def view(asked: Asked) -> Data:
    """A page of what a query gives. Raises Elsewhere, UsageError."""
    asked.pairs = asked.pairs or BEGINNING  # so that the page's own links have it
    fields = _fields(asked)
    _send_elsewhere(asked, fields)
    query = _query(asked, fields)
    sheet, rows, place = _page(asked, query, fields, *query.rows)
    known = {field["name"]: field for field in fields}
    return {
        "columns": head(sheet),
        "chosen": bool(query.columns),
        "rows": rows,
        "order": query.order,
        "desc": query.descending,
        "group": query.group,
        "groupdesc": query.group_descending,
        "row": query.rows,
        "report": asked.args.get("report", ""),
        "clauses": queryform.rows(query, known, asked.pairs),
        "fields": queryform.choices(known),
        "modes": queryform.MODES,
        "unknown": [no_field(name, fields) for name in query.unknown],
        **place,
    }


def _page(asked: Asked, query: Query, fields: Fields, *more: str) -> tuple[Sheet, list[Data], Data]:
    """The tickets of a page, with more columns; and which page it is. Raises QueryRefused."""
    page, size = lists.place(asked.args)
    numbers = lists.numbered(asked)
    here = numbers[size * (page - 1) : size * page]
    if numbers and not here:
        raise NoSuchPage(f"There is no page {page}: there are {-(-len(numbers) // size)}.")
    shown = _those(query, here, shown_columns(query, fields))
    with ticketlists.asking(asked.database.path, asked.revision, asked.gone) as run:
        sheet = listed(run, shown, fields, _asker(asked), ("id", "status", *more))
        rows = [row | {"ticket": row["cells"]["id"]} for row in full(sheet, sheet.rows)]
    return sheet, rows, lists.pages(page, size, len(numbers))


def tickets(asked: Asked) -> list[int]:
    """All tickets that a query asks for, in order. Raises QueryRefused."""
    fields = _fields(asked)
    query = _query(asked, fields)
    context = ticketlists.Context(fields, _asker(asked))
    found = ticketlists.matching(asked.database, asked.revision, query, context, asked.gone)
    return [ticket.number for ticket in found]


def _those(query: Query, numbers: Sequence[int], columns: list[str]) -> Query:
    """A query for some of its own tickets, in its order: so a page costs no look at all the others."""
    ids = ",".join(map(str, numbers)) or "0"
    return replace(query, clauses=[{"id": [ids]}], columns=columns, most=0, page=1)


def _fields(asked: Asked) -> Fields:
    return fields_in(asked.snapshot.get(FIELDS_PATH))


def _asker(asked: Asked) -> Asker:
    now = now_at(asked.at, asked.revision, asked.database.settings.zone)
    return Asker(asked.database.user() or NOBODY, now)


def _query(asked: Asked, fields: Fields) -> Query:
    """What the address asks for. Raises QueryRefused."""
    pairs = [pair for pair in asked.pairs or BEGINNING if pair[0] not in ("add", "more", "list")]
    return parse(f"?{urlencode(pairs)}", fields)


def _send_elsewhere(asked: Asked, fields: Fields) -> None:
    """Raise Elsewhere where the address has another, better form."""
    formats = lists.FORMATS | {"rss": "rss"}
    if form := formats.get(asked.args.get("format", "")):
        raise Elsewhere(asked.path, [pair for pair in asked.pairs if pair[0] != "format"], form)
    if "form" in asked.args:
        raise Elsewhere(asked.path, queryform.sent(asked.pairs, fields) or [("order", "id")])


def _download(form: str, media_type: str) -> Format:
    """All tickets in a format of the command line's, or the page that the address names."""

    def write(asked: Asked) -> Iterator[str]:
        fields = _fields(asked)
        _send_elsewhere(asked, fields)
        query = _query(asked, fields)
        with ticketlists.asking(asked.database.path, asked.revision, asked.gone) as run:
            sheet = listed(run, query, fields, _asker(asked))
            return lists.written(partial(FORMATS[form], sheet))

    return Format(media_type, write)


def _rss(asked: Asked) -> list[str]:
    """A page of tickets as RSS 2.0, as Trac's query page has them."""
    asked.pairs = asked.pairs or BEGINNING
    fields = _fields(asked)
    told = dict.fromkeys(("summary", "description", "reporter", "time", "type"), "")
    known = {field["name"] for field in fields}
    _, rows, _ = _page(asked, _query(asked, fields), fields, *(known & told.keys()))
    return feed("query", tickets=[told | row["cells"] | {"number": row["ticket"]} for row in rows])


PAGE = Page(
    "query",
    "/query",
    view,
    "Tickets by Trac's query language: `status=new&owner=~bob` asks for both, `or` stands between groups.",
    label="Query",
    parameters=(
        Parameter("FIELD", "A value, with ! (not), ~ (contains), ^ (begins) or $ (ends) in front; START..END "
                  "for dates. One of several values must hold."),
        Parameter("or", "Stands between groups of constraints, of which one must hold."),
        Parameter("order", "The field to sort by: priority unless given."),
        lists.DESCENDING,
        Parameter("group", "The field by which tickets are grouped."),
        Parameter("groupdesc", "1: the groups the other way round."),
        Parameter("col", "A column; can be repeated."),
        Parameter("row", "A field that is shown below each ticket, such as description."),
        lists.SIZE,
        lists.PLACE,
    ),
    formats={
        "csv": _download("csv", "text/csv"),
        "tsv": _download("tsv", "text/tab-separated-values"),
        "rss": Format("application/rss+xml", _rss),
    },
    pure=lambda asked: bool(asked.at),  # "today" moves
    tickets=tickets,
)  # fmt: skip
