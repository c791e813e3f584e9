"""Data as HTML or as JSON, and what templates may use."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, g, render_template, request
from jinja2 import StrictUndefined
from markupsafe import Markup, escape

from offtracfs import records, wiki
from offtracfs.records import SECOND, from_iso, from_microseconds, iso
from offtracfs.web.addresses import address, described, last_day
from offtracfs.web.page import Asked, Data
from offtracfs.web.wikilinks import resolver


def html(name: str, data: Data) -> Response:
    """A page by its template. What UTF-8 cannot hold becomes U+FFFD."""
    text = render_template(f"{name}.html", **data)
    return Response(_encoded(text), content_type="text/html; charset=utf-8")


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


def time_html(text: str) -> Markup:
    """A time as ISO text, for people: in the database's time zone, to the minute."""
    try:
        local = from_iso(text).astimezone(g.asked.database.settings.zone)
    except (ValueError, OverflowError):  # whatever a record holds
        return escape(text)
    return Markup('<time datetime="{}">{}</time>').format(text, f"{local:%Y-%m-%d %H:%M}")


def surroundings() -> dict[str, Any]:
    """What is around every page: where it is, at which moment, and from which sync."""
    asked: Asked | None = g.asked
    at = asked.at if asked else ""

    def here(at: str = at, form: str = "") -> str:
        """The address of this page at a moment, in a format."""
        return address(at, request.path, request.query_string.decode("ascii", "replace"), form)

    found = {"at": at, "here": here}
    if asked is None:
        return found
    zone = asked.database.settings.zone
    return found | {
        "moment": described(at, zone),
        "day": last_day(at, zone),
        "recent": asked.snapshot.recent,
        "commit": asked.revision.commit.hex(),
        "committed": iso(from_microseconds(asked.revision.committed * SECOND)),
    }


def prepare(app: Flask, **names: Any) -> None:
    """Set an application's templates up; `names` are what all of them know."""
    environment = app.jinja_env
    environment.undefined = StrictUndefined
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters.update(wiki=wiki_html, time=time_html)
    environment.globals.update(names)
    app.context_processor(surroundings)
