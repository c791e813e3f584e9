"""The custom query: Trac's query language, with a form that asks for all that it can say."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from urllib.parse import urlencode

from offtracfs.kinds import FIELDS_PATH
from offtracfs.querylanguage import Fields, Query, address, no_field, parse, shown_columns
from offtracfs.reports import tickets as ticketlists
from offtracfs.reports.formats import FORMATS
from offtracfs.reports.part import full, head
from offtracfs.reports.query import NOBODY, NoSuchPage, fields_in, listed, now_at
from offtracfs.reports.querysql import Asker
from offtracfs.web import lists
from offtracfs.web.page import Asked, Data, Elsewhere, Format, Page, Pair, Parameter

OPERATORS = {
    "~": "contains", "!~": "does not contain", "^": "begins with", "!^": "does not begin with",
    "$": "ends with", "!$": "does not end with", "": "is", "!": "is not",
}  # fmt: skip
"""As a value has them in front, and what the form calls them."""

EXACT = {"": "is", "!": "is not"}
MODES = {
    "text": OPERATORS,
    "choice": EXACT | OPERATORS,
    "flag": EXACT,
    "ids": EXACT,
    "time": {"": "between", "!": "not between"},
}
"""The operators for each kind of constraint."""

CHECKED = {"1": "yes", "0": "no"}
BEGINNING = (("status", "!closed"),)
"""What is asked where nothing is: Trac's own begins with open tickets, too."""

_TRAC_FORMATS = {"csv": "csv", "tab": "tsv", "rss": "rss"}
"""Trac's names of formats in addresses, and ours."""

_NEW_ROW = re.compile(r"add_\d{1,9}")
_OF_FORM = re.compile(rf"form|usual|rm|add|more|report|page|{_NEW_ROW.pattern}")
_ROW = re.compile(r"(\d{1,9})_(.+)", re.DOTALL)


def view(asked: Asked) -> Data:
    """A page of what a query gives. Raises Elsewhere, UsageError."""
    asked.pairs = asked.pairs or BEGINNING  # so that the page's own links have it
    fields = _fields(asked)
    _send_elsewhere(asked, fields)
    query = _query(asked, fields)
    page, size = lists.place(asked.args)
    numbers = lists.numbered(asked)
    here = numbers[size * (page - 1) : size * page]
    if numbers and not here:
        raise NoSuchPage(f"There is no page {page}: there are {-(-len(numbers) // size)}.")
    shown = _those(query, here, shown_columns(query, fields))
    with ticketlists.asking(asked.database.path, asked.revision, asked.gone) as run:
        sheet = listed(run, shown, fields, _asker(asked), ("id", "status", *query.rows))
        rows = [row | {"ticket": row["cells"]["id"]} for row in full(sheet, sheet.rows)]
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
        "clauses": _clauses(query, known, asked.pairs),
        "fields": _choices(known),
        "modes": MODES,
        "unknown": [no_field(name, fields) for name in query.unknown],
        **lists.pages(page, size, len(numbers)),
    }


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
    if form := _TRAC_FORMATS.get(asked.args.get("format", "")):
        raise Elsewhere(asked.path, [pair for pair in asked.pairs if pair[0] != "format"], form)
    if "form" in asked.args:
        raise Elsewhere(asked.path, _sent(asked.pairs, fields) or [("order", "id")])


def _sent(pairs: Sequence[Pair], fields: Fields) -> list[Pair]:
    """The address of what the form asks for: in it, a constraint is numbered, and its mode stands apart."""
    removed = {value for name, value in pairs if name == "rm"}
    removed |= {f"{row}{end}" for row in removed for end in ("_mode", "_end")}
    kept = [pair for pair in _filled_in(pairs, fields) if pair[0] not in removed]
    query = parse(f"?{urlencode([pair for pair in kept if not _OF_FORM.fullmatch(pair[0])])}", fields)
    if ("usual", " ".join(query.columns)) in pairs:  # they may be others for another query
        query.columns = []
    if query.most == lists.PAGE_SIZE:
        query.most = 0
    rows = [value for name, value in kept if name == "add" and value not in removed]
    rows += [
        f"{name.removeprefix('add_')}_{value}" for name, value in kept if value and _NEW_ROW.fullmatch(name)
    ]
    more = [value for name, value in kept if name == "more"]
    return [*address(query), *(("add", row) for row in rows), *(("more", row) for row in more)]


def _filled_in(pairs: Sequence[Pair], fields: Fields) -> Iterator[Pair]:
    """What was sent without what was left empty: numbers, and texts of which there are several."""
    listed = {field["name"] for field in fields if _options(field)}
    counts = Counter(name for name, _ in pairs)
    for name, value in pairs:
        row = _ROW.fullmatch(name)
        if value or not row or (row[2] != "id" and (counts[name] == 1 or row[2] in listed)):
            yield name, value


def _clauses(query: Query, known: Mapping[str, Data], pairs: Sequence[Pair]) -> list[list[Data]]:
    """The rows of the form, by the groups of which one must hold; with those that have no value yet."""
    clauses = [
        {name: _constraint(name, values, known) for name, values in clause.items()}
        for clause in query.clauses
    ]
    for kind, value in pairs:
        row = _ROW.fullmatch(value) if kind in ("add", "more") else None
        if row is None or row[2] not in {*known, "id"}:
            continue
        place = min(int(row[1]), len(clauses))
        clauses += [{}] * (place == len(clauses))
        one = clauses[place].setdefault(row[2], _constraint(row[2], [], known))
        if kind == "more" and one["kind"] == "text":
            one["texts"].append("")
    return [[*clause.values()] for clause in clauses]


def _constraint(name: str, values: Sequence[str], known: Mapping[str, Data]) -> Data:
    """A row of the form: how a field is compared, and with what; the mode of the first value counts."""
    field = known.get(name, {"label": "Ticket"})
    negated = values[0].startswith("!") if values else False
    mode = values[0][: negated + (values[0][negated : negated + 1] in ("~", "^", "$"))] if values else ""
    texts = [value[len(mode) :] for value in values]
    options = _options(field)
    row = {"name": name, "label": field.get("label") or name, "mode": mode, "texts": texts or [""]}
    if name == "id":
        return row | {"kind": "ids"}
    if field.get("type") == "time":
        return row | {"kind": "time", "texts": [[*text.partition("..")[::2]] for text in row["texts"]]}
    if options and mode in EXACT:
        others = {text: text for text in texts if text not in options}
        kind = "flag" if options is CHECKED else "choice"
        return row | {"kind": kind, "texts": texts, "options": options | others}
    return row | {"kind": "text", "mode": mode if values else "~"}


def _options(field: Data) -> dict[str, str]:
    """The values of a field from which one chooses, and what they are called."""
    if field.get("type") == "checkbox":
        return CHECKED
    options = [option for option in field.get("options") or [] if option]
    return {option: option for option in options} | ({"": "(none)"} if options else {})


def _choices(known: Mapping[str, Data]) -> list[dict[str, str]]:
    """The fields that one can ask for, by their labels."""
    found = [
        {"name": name, "label": str(field.get("label") or name), "type": str(field.get("type", ""))}
        for name, field in known.items()
    ]
    found.sort(key=lambda one: one["label"].casefold())
    return [{"name": "id", "label": "Ticket", "type": "id"}, *found]


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


PAGE = Page(
    "query",
    "/query",
    view,
    "Tickets by Trac's query language: `status=new&owner=~bob` asks for both, `or` stands between groups.",
    label="Custom query",
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
    formats={"csv": _download("csv", "text/csv"), "tsv": _download("tsv", "text/tab-separated-values")},
    pure=lambda asked: bool(asked.at),  # "today" moves
    tickets=tickets,
)  # fmt: skip
