"""A report of the tracker's: what its SQL gives, in the groups and colours that it asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import IO

import simplejson

from offtracfs.errors import QueryRefused
from offtracfs.kinds import FIELDS_PATH
from offtracfs.querylanguage import address, parse
from offtracfs.reports.query import NOBODY, fields_in
from offtracfs.reports.report import Report, check_length
from offtracfs.reports.variables import NAME, bound, defaults, filled
from offtracfs.web import lists
from offtracfs.web.page import Asked, Data, Elsewhere, Format, Missing, Page, Pair, Parameter
from offtracfs.web.pages.reports import report
from offtracfs.web.runs import Wanted

_VALUE = {
    "color": re.compile(r"#[0-9a-fA-F]{3,8}|[a-zA-Z]{3,24}"),
    "background-color": re.compile(r"#[0-9a-fA-F]{3,8}|[a-zA-Z]{3,24}"),
    "font-weight": re.compile(r"bold|normal|[1-9]00"),
    "font-style": re.compile(r"italic|normal"),
    "text-decoration": re.compile(r"underline|line-through|none"),
}
"""What a report may say of how a row looks: nothing that fetches anything, or covers the page."""


def view(asked: Asked, number: int) -> Data:
    """A page of a report as it stood. Raises Missing, Elsewhere, UsageError."""
    one = _one(asked, number)
    if form := lists.FORMATS.get(asked.args.get("format", "")):
        raise Elsewhere(asked.path, [pair for pair in asked.pairs if pair[0] != "format"], form)
    given = _given(asked)
    page, size = lists.place(asked.args)
    found: Data = {"columns": [], "rows": [], "total": 0}
    variables: list[Data] = []
    trouble = ""
    try:
        check_length(one)
        if one.is_query:
            raise Elsewhere("/query", _query(asked, one))
        variables = _variables(one, given)
        with _output(asked, number, "json", "--full", f"--page={page}", f"--max={size}") as file:
            found = simplejson.loads(file.read())
    except QueryRefused as error:
        trouble = str(error)
    return {
        "number": number,
        "title": filled(one.title, defaults(one.text) | given),
        "description": one.description,
        "sql": one.text,
        "variables": variables,
        "columns": found["columns"],
        "rows": [
            row | {"ticket": lists.ticket_in(row["cells"]), "place": place}
            for place, row in enumerate(found["rows"], 1)
        ],
        "sort": asked.args.get("sort", ""),
        "desc": lists.descending(asked.args),
        "trouble": trouble,
        **lists.pages(page, size, found["total"]),
    }


def tickets(asked: Asked, number: int) -> Iterator[int]:
    """The tickets in all rows, in order. Raises as `view`."""
    one = _one(asked, number)
    check_length(one)
    with _output(asked, number, "json") as file:
        for line in file:  # an object each, and the brackets around all of them
            with suppress(ValueError):
                if found := lists.ticket_in(simplejson.loads(line.rstrip(b",\n"))):
                    yield found


def _one(asked: Asked, number: int) -> Report:
    if one := report(asked, number):
        return one
    raise Missing(f"There is no report {number} at that moment.")


def _query(asked: Asked, one: Report) -> list[Pair]:
    """The address at which a saved query is shown. Raises QueryRefused."""
    query = parse(one.text, fields_in(asked.snapshot.get(FIELDS_PATH)))
    return [*address(query), ("report", str(one.number))]


def _given(asked: Asked) -> dict[str, str]:
    """The variables with a value: names in capitals in the address, and $USER."""
    named = {name: value for name, value in asked.pairs if NAME.fullmatch(f"${name}")}
    return {"USER": asked.database.user() or NOBODY} | named


def _variables(one: Report, given: Mapping[str, str]) -> list[Data]:
    """The variables in a report's SQL, each with its value."""
    known = {**defaults(one.text), **given}
    names = bound(one.text, given).names
    return [{"name": name, "value": known.get(name, "")} for name in dict.fromkeys(names)]


def _output(asked: Asked, number: int, form: str, *options: str) -> IO[bytes]:
    """What `offtracfs report` gives for this address. Raises as `Runs.output` does."""
    order = [f"--sort={asked.args['sort']}"] if asked.args.get("sort") else []
    order += ["--desc"] if lists.descending(asked.args) else []
    variables = [f"{name}={value}" for name, value in _given(asked).items()]
    wanted = Wanted(number, asked.revision.commit, (f"--format={form}", *order, *options), tuple(variables))
    return asked.runs.output(wanted, asked.gone)


def _download(form: str) -> Format:
    media_type = {"csv": "text/csv", "tsv": "text/tab-separated-values"}[form]

    def write(asked: Asked, number: int) -> Iterator[bytes]:
        one = _one(asked, number)
        if one.is_query:
            raise Elsewhere("/query", _query(asked, one))
        check_length(one)
        return lists.pieces(_output(asked, number, form))

    return Format(media_type, write)


def _sql(asked: Asked, number: int) -> list[str]:
    return [_one(asked, number).text]


def _style(asked: Asked, number: int) -> Iterator[str]:
    """The looks of a page's rows as a style sheet, since the page itself may hold no style."""
    for row in view(asked, number)["rows"]:
        if found := _declarations(row["looks"]):
            said = "; ".join(f"{name}: {value}" for name, value in found.items())
            yield f'tr[data-row="{row["place"]}"] :is(td, td a) {{ {said} }}\n'


def _declarations(looks: Mapping[str, str]) -> dict[str, str]:
    """What a row's columns say of its style, as far as it may say that."""
    pairs = [each.partition(":") for each in looks.get("__style__", "").lower().split(";")]
    wanted = {name.strip(): value.strip() for name, _, value in pairs}
    wanted["background-color"] = looks.get("__bgcolor__") or wanted.get("background-color", "")
    wanted["color"] = looks.get("__fgcolor__") or wanted.get("color", "")
    found = {name: wanted[name] for name, value in _VALUE.items() if value.fullmatch(wanted.get(name, ""))}
    return {"color": "#222"} | found if "background-color" in found else found  # in the dark, too


PAGE = Page(
    "report",
    "/report/<int:number>",
    view,
    "A report of the tracker's: its rows, and its SQL.",
    parameters=(
        Parameter("sort", "The column by which to sort, within groups."),
        lists.DESCENDING,
        lists.SIZE,
        lists.PLACE,
        Parameter("USER", "A value for the variable $USER; so for each variable of the report, in capitals."),
    ),
    formats={
        "csv": _download("csv"),
        "tsv": _download("tsv"),
        "sql": Format("text/plain", _sql),
        "style": Format("text/css", _style),
    },
    pure=lambda _asked: False,  # SQL can ask for the time
    tickets=tickets,
)
