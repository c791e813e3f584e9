"""The search: words in the texts of tickets, the best ticket first."""

from __future__ import annotations

from itertools import islice

from offtracfs.errors import QueryRefused
from offtracfs.kinds import FIELDS_PATH
from offtracfs.kinds.ticket import OWN
from offtracfs.records import from_microseconds, iso
from offtracfs.reports.query import fields_in
from offtracfs.search import Hit, Query, hits, parse
from offtracfs.search.documents import FIELDS
from offtracfs.web import lists
from offtracfs.web.page import Asked, Data, Elsewhere, Page, Parameter

PAGE_SIZE, MAX_PAGE_SIZE = 20, 100  # tickets
MAX_LISTED = 1_000  # tickets of a search that the next one is looked for among


def view(asked: Asked) -> Data:
    """The tickets that a search finds. Raises Elsewhere, UsageError."""
    text = asked.args.get("q", "").strip()
    ticket = text.removeprefix("#")
    number = int(ticket) if ticket.isascii() and ticket.isdecimal() and len(ticket) < 19 else None
    if number is not None and text.startswith("#"):
        raise Elsewhere(f"/ticket/{number}")
    fields = fields_in(asked.snapshot.get(FIELDS_PATH))
    custom = {
        field["name"]: field.get("label") or field["name"] for field in fields if field["name"] not in OWN
    }
    size = lists.number(asked.args, "max", PAGE_SIZE, 1, MAX_PAGE_SIZE)
    page = lists.number(asked.args, "page", 1, 1, MAX_LISTED)
    found: list[Hit] = []
    no_fields: list[str] = []
    trouble = ""
    if text:
        try:
            query = _query(asked, text, custom)
            no_fields = query.no_fields
            with asked.database.search(query, asked.revision, asked.gone) as search:
                found = [*islice(hits(search, size * page + 1), size * (page - 1), None)]
        except QueryRefused as error:
            trouble = str(error)
    statuses = next((field.get("options") or [] for field in fields if field["name"] == "status"), [])
    return {
        "q": text,
        "within": asked.args.getlist("in"),
        "author": asked.args.get("author", ""),
        "status": asked.args.getlist("status"),
        "texts": {name: name.capitalize() for name in FIELDS} | custom,
        "statuses": [*statuses],
        "hits": [_hit(hit) for hit in found[:size]],
        "more": len(found) > size,
        "page": page,
        "max": size,
        "number": number,
        "no_fields": no_fields,
        "trouble": trouble,
    }


def tickets(asked: Asked) -> list[int]:
    """The first tickets that a search finds. Raises QueryRefused."""
    fields = fields_in(asked.snapshot.get(FIELDS_PATH))
    custom = {field["name"]: "" for field in fields if field["name"] not in OWN}
    query = _query(asked, asked.args.get("q", ""), custom)
    with asked.database.search(query, asked.revision, asked.gone) as search:
        return [*islice(search.tickets(), MAX_LISTED)]


def _query(asked: Asked, text: str, custom: Data) -> Query:
    within, statuses = asked.args.getlist("in"), asked.args.getlist("status")
    authors = [name for name in asked.args.getlist("author") if name]
    return parse(text, custom, authors=authors, within=within, statuses=statuses)


def _hit(hit: Hit) -> Data:
    return {
        "ticket": hit.number,
        "summary": hit.summary,
        "status": hit.status,
        "field": hit.field,
        "author": hit.author,
        "time": f"{iso(from_microseconds(hit.time))}Z",
        "text": hit.text,
    }


PAGE = Page(
    "search",
    "/search",
    view,
    "Tickets by words in their texts, the best first; each second part of `summary` and `text` was found.",
    label="Search",
    parameters=(
        Parameter(
            "q", "Words, beginnings as cra*, phrases in quotes, -word, field:value. #42 leads to the ticket."
        ),
        Parameter(
            "in", "A text to search: comment, description, summary, keywords or a custom field. Repeatable."
        ),
        Parameter("author", "Only in what this person wrote."),
        Parameter("status", "Only tickets with this status. Repeatable."),
        Parameter("max", f"How many tickets on a page: {PAGE_SIZE} unless given, {MAX_PAGE_SIZE} at most."),
        lists.PLACE,
    ),
    tickets=tickets,
)
