"""Where the links in wiki text lead: to pages here, at the moment of the page that they stand on."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlencode

from flask import url_for

from offtracfs.changes.comparison import values
from offtracfs.errors import QueryRefused
from offtracfs.index import counts
from offtracfs.kinds import FIELDS_PATH, report_path, ticket_path
from offtracfs.names import parse_at
from offtracfs.querylanguage import address as query_arguments
from offtracfs.querylanguage import parse
from offtracfs.reports.query import fields_in
from offtracfs.web.page import Asked
from offtracfs.wiki import Resolver, Target
from offtracfs.wiki.nodes import Link

_NUMBERS = re.compile(r"[0-9]{1,18}(?:[,-][0-9]{1,18}){1,100}")
_NUMBER = re.compile(r"[0-9]{1,18}")
_COMMENT = re.compile(r"(?P<comment>description|[0-9]{1,9})(?::ticket:(?P<ticket>[0-9]{1,18}))?")


def resolver(asked: Asked, ticket: int | None = None) -> Resolver:
    """Says where links lead from a page; `ticket` is the one in whose texts they stand."""

    def resolve(link: Link) -> Target | None:
        find = REALMS.get(link.realm)
        return find(asked, link.target, ticket) if find else None

    return resolve


def _ticket(asked: Asked, target: str, _within: int | None) -> Target | None:
    number, _, fragment = target.partition("#")
    if _NUMBERS.fullmatch(number):
        return Target(url_for("query", id=number), "", "query")
    return _to_ticket(asked, int(number), fragment) if _NUMBER.fullmatch(number) else None


def _comment(asked: Asked, target: str, within: int | None) -> Target | None:
    match = _COMMENT.fullmatch(target)
    number = int(match["ticket"]) if match and match["ticket"] else within
    if match is None or number is None:
        return None
    name = match["comment"]
    return _to_ticket(asked, number, f"comment:{name}" if name.isdecimal() else name)


def _to_ticket(asked: Asked, number: int, fragment: str) -> Target:
    """As Trac has it: the summary as the title; closed tickets, and those that are not there, look so."""
    record = asked.timeline.record(ticket_path(number), asked.revision.horizon)
    address = url_for("ticket", number=number, _anchor=fragment or None)
    if record is None:
        return Target(address, "", "missing ticket")
    found = values(record)
    about = ": ".join(filter(None, (found.get("resolution") or found.get("status"), found.get("type"))))
    title = f"{about}: {found.get('summary', '')}" if about else found.get("summary", "")
    return Target(address, title, "closed ticket" if found.get("status") == "closed" else "ticket")


def _report(asked: Asked, target: str, _within: int | None) -> Target | None:
    number, _, query = target.partition("?")
    if not _NUMBER.fullmatch(number):
        return None
    there = asked.snapshot.has(report_path(int(number)))
    address = url_for("report", number=int(number)) + (f"?{query}" if query else "")
    return Target(address, "", "report" if there else "missing report")


def _query(asked: Asked, target: str, _within: int | None) -> Target | None:
    try:
        query = parse(target, fields_in(asked.snapshot.get(FIELDS_PATH)))
    except QueryRefused:
        return None
    return Target(f"{url_for('query')}?{urlencode(query_arguments(query) or [('order', 'id')])}", "", "query")


def _search(_asked: Asked, target: str, _within: int | None) -> Target | None:
    return Target(url_for("search", q=target.partition("?")[0]), "", "search") if target else None


def _milestone(asked: Asked, target: str, _within: int | None) -> Target | None:
    name, _, fragment = target.partition("#")
    found = counts.records(asked.reader, "milestone", "completed", asked.revision, name) if name else []
    completed = any(completed for (completed,) in found)
    style = "closed milestone" if completed else "milestone" if found else "missing milestone"
    return Target(url_for("milestone", name=name, _anchor=fragment or None), "", style) if name else None


def _timeline(asked: Asked, target: str, _within: int | None) -> Target | None:
    """The timeline up to a moment, ``timeline:2008-01-29T15:48``."""
    if parse_at(f"@{target}", asked.database.settings.zone) is None:
        return None
    return Target(url_for("timeline", until=target), "", "timeline")


REALMS: dict[str, Callable[[Asked, str, int | None], Target | None]] = {
    "comment": _comment,
    "milestone": _milestone,
    "query": _query,
    "report": _report,
    "search": _search,
    "ticket": _ticket,
    "timeline": _timeline,
}
"""Realm of a TracLink → what finds the page for a target; None makes the link text."""
