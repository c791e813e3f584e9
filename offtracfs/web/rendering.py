"""Data as HTML or as JSON, and what templates may use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from email.utils import format_datetime
from typing import Any

from flask import Flask, Response, g, render_template, request
from jinja2 import StrictUndefined
from markupsafe import Markup, escape

from offtracfs import records, wiki
from offtracfs.records import SECOND, from_iso, from_microseconds, iso
from offtracfs.web import plots
from offtracfs.web.addresses import address, described, last_day
from offtracfs.web.events import KIND_NAMES
from offtracfs.web.inline import inline
from offtracfs.web.lists import roles, runs
from offtracfs.web.page import Asked, Data, Page
from offtracfs.web.wikilinks import resolver
from offtracfs.wiki.highlight import Highlighter

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def html(name: str, data: Data) -> Response:
    """A page by its template. What UTF-8 cannot hold becomes U+FFFD."""
    text = render_template(f"{name}.html", **data)
    return Response(_encoded(text), content_type="text/html; charset=utf-8")


def feed(name: str, **data: Any) -> list[str]:
    """A feed by its template, for readers of XML: what that may not hold becomes U+FFFD."""
    made = render_template(f"{name}.xml", root=request.host_url.rstrip("/"), **data)
    return [_NO_XML.sub("\ufffd", made)]


def json(data: Data) -> Response:
    """Data as JSON: an object with sorted keys."""
    return Response(records.dump(data), content_type="application/json")


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def wiki_html(text: str, prefix: str = "", ticket: int | None = None) -> Markup:
    """A wiki text of the tracker, of a ticket where `ticket` says so.

    `prefix` makes the names of its anchors unique on the page.
    """
    document = wiki.parse(text, newlines=True)
    found = wiki.html(document, resolver(g.asked, ticket), prefix=prefix)
    return Markup(found)  # noqa: S704  # it escapes all text


def code_html(text: str, language: str) -> Markup:
    """Code in a language of Pygments, highlighted where that does not take long."""
    return Markup(Highlighter().html(text, language) or escape(text))  # noqa: S704  # Pygments escapes


def time_html(text: str, pattern: str = "%Y-%m-%d %H:%M") -> Markup:
    """A time as ISO text, for people: in the database's time zone, to the minute."""
    try:
        local = from_iso(text).astimezone(g.asked.database.settings.zone)
    except (ValueError, OverflowError):  # whatever a record holds
        return escape(text)
    return Markup('<time datetime="{}">{}</time>').format(text, f"{local:{pattern}}")


def clock_html(text: str) -> Markup:
    """A time as ISO text, where its day stands above it: "21:16"."""
    shown = time_html(text)
    return Markup(re.sub(r">[^<]* ", ">", shown))  # noqa: S704  # a part of it is left out


def day_text(day: str) -> str:
    """A day as ISO text, in words: "Saturday, 9 April 2011"."""
    found = date.fromisoformat(day)
    return f"{found:%A}, {found.day} {found:%B %Y}"


def mail_time(text: str) -> str:
    """A time as ISO text, as RSS has it: as in mails (RFC 822)."""
    try:
        return format_datetime(from_iso(text), usegmt=True)
    except (ValueError, OverflowError):
        return ""


@dataclass(frozen=True)
class Site:
    """What is around every page; templates have it as `site`.

    `tracker` is what the tracker is called, and `digests` has those of the static files.
    """

    tracker: str
    pages: Sequence[Page]
    digests: Mapping[str, str]

    @property
    def at(self) -> str:
        """The moment in the page's address, "" for now."""
        return g.asked.at if g.asked else ""

    def has(self, name: str) -> bool:
        """Whether there is a page of that name."""
        return any(page.name == name for page in self.pages)

    def link(self, path: str, at: str | None = None) -> str:
        """The address of a page at the moment of this one, or at another."""
        return address(self.at if at is None else at, path)

    def here(self, at: str | None = None, form: str = "") -> str:
        """The address of this page, in a format, at its moment or another."""
        query = request.query_string.decode("ascii", "replace")
        return address(self.at if at is None else at, request.path, query, form)

    def static(self, name: str) -> str:
        """The address of a file, which changes with what is in it."""
        return f"/static/{name}?v={self.digests[name]}"

    def shown(self) -> dict[str, str]:
        """Which moment the page shows, in words and as a day; and from which sync and commit it comes."""
        asked: Asked = g.asked
        zone = asked.database.settings.zone
        return {
            "moment": described(asked.at, zone),
            "day": last_day(asked.at, zone),
            "recent": asked.snapshot.recent,
            "commit": asked.revision.commit.hex(),
            "committed": iso(from_microseconds(asked.revision.committed * SECOND)),
        }


def prepare(app: Flask, tracker: str, pages: Sequence[Page], digests: Mapping[str, str]) -> None:
    """Set an application's templates up; the arguments are those of `Site`."""
    environment = app.jinja_env
    environment.undefined = StrictUndefined
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters.update(wiki=wiki_html, code=code_html, inline=inline, roles=roles, runs=runs)
    environment.filters.update(
        time=time_html, clock=clock_html, day=day_text, roles=roles, runs=runs, mail_time=mail_time
    )
    environment.globals.update(site=Site(tracker, pages, digests), plots=plots, kind_names=KIND_NAMES)
