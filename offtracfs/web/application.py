"""The WSGI application: from an address to an answer, the same way for all pages.

1. `addresses.Taken` takes the moment and the format off the address, and Flask finds the page's rule.
2. `guard` says whether this request is answered at all.
3. `readers` gives the tracker at that moment, as of the newest sync.
4. `caching` compares the commit with what the browser has.
5. The page's view makes data of it, and `rendering` HTML or JSON of that.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from importlib.resources import files
from itertools import chain, islice
from mimetypes import guess_type
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, NotFound

from offtracfs.database import Database
from offtracfs.errors import DatabaseBusy, NotADatabase, OfftracfsError, UsageError
from offtracfs.web import caching, openapi, rendering
from offtracfs.web.addresses import AT, FORMAT, Taken, address, canonical
from offtracfs.web.asking import Named
from offtracfs.web.guard import HEADERS, Guard
from offtracfs.web.page import Asked, Elsewhere, Missing, Page
from offtracfs.web.pages import PAGES
from offtracfs.web.readers import Readers
from offtracfs.web.runs import Runs

STATUSES = ((NotADatabase, 503), (DatabaseBusy, 503), (UsageError, 400), (OfftracfsError, 500))
"""What an error of ours is in HTTP; the first that fits."""

BUG = "This is a bug in offtracfs: what `offtracfs web` printed tells more."

log = logging.getLogger(__name__)


def application(directory: Path, guard: Guard, runs: Runs | None = None) -> Flask:
    """What answers requests about the tracker of a database; `runs` are its reports that run.

    Raises as `Database` does.
    """
    app = Flask(__package__, static_folder=None)
    app.url_map.strict_slashes = app.url_map.merge_slashes = False
    formats = {"html", "json"}.union(*(page.formats for page in PAGES))
    settings = Database(directory).settings
    statics = _statics()
    digests = {name: caching.digest(body) for name, body in statics.items()}
    rendering.prepare(app, _name(settings.url), PAGES, digests)
    serve = partial(_serve, Readers(directory, runs or Runs(directory)), caching.fingerprint(settings))
    app.url_map.converters["named"] = type("Named", (Named,), {"formats": formats})
    for page in PAGES:
        app.add_url_rule(page.rule, page.name, partial(serve, page), provide_automatic_options=False)
    app.extensions["offtracfs"] = {page.name: page for page in PAGES}
    app.add_url_rule("/api", "api", lambda: rendering.json(openapi.description(PAGES)))
    app.add_url_rule("/static/<name>", "static", partial(_static, statics))
    app.before_request(partial(_begin, guard))
    app.after_request(_guarded)
    app.register_error_handler(Exception, _failed)
    app.wsgi_app = Taken(app.wsgi_app, formats)  # type: ignore[method-assign]  # as Flask's manual has it
    return app


def _name(url: str) -> str:
    """What a tracker is called: host and path of its address, or the last part of another kind of address."""
    rest = url.partition("?")[0].rstrip("/")
    scheme, _, place = rest.partition("://")
    return place if scheme in ("http", "https") else rest.rpartition("/")[2].rstrip(":")


def _begin(guard: Guard) -> Response | None:
    g.asked = g.page = None
    return guard.check(request)


def _serve(readers: Readers, made_by: str, page: Page, **values: Any) -> Response:
    """The answer of a page to the request, whatever page it is."""
    form = request.environ[FORMAT] or "html"
    if form not in ("html", "json", *page.formats):
        raise NotFound(f"This page does not come as .{form}.")
    asked = _asked(readers)
    if isinstance(asked, Response):
        return asked
    g.asked, g.page = asked, page
    kept = caching.headers(asked, made_by) if page.pure(asked) else {}
    if kept and caching.is_known(request, kept["ETag"]):
        return Response(status=304, headers=kept)
    if form in page.formats:
        media_type, write = page.formats[form]
        pieces: Iterator[Any] = iter(write(asked, **values))
        first = [*islice(pieces, 1)]  # what is missing says so before the status is sent
        response = Response(chain(first, pieces), content_type=f"{media_type}; charset=utf-8")
    else:
        data = page.view(asked, **values)
        response = rendering.json(data) if form == "json" else rendering.html(page.name, data)
    response.headers.update(kept)
    return response


def _asked(readers: Readers) -> Asked | Response:
    """The tracker at the moment of the address, or at the one that a form has sent as "at".

    Where that moment has another name in addresses, a redirect to the one with that name.
    """
    query = parse_qsl(request.query_string.decode("ascii", "replace"), keep_blank_values=True)
    pairs = [(name, value) for name, value in query if name != "at"]
    at, wanted = request.environ[AT], [value for name, value in query if name == "at"]
    try:
        name = canonical(wanted[-1] if wanted else at, readers.zone)
        if wanted or name != at:
            where = address(name, request.path, urlencode(pairs), request.environ[FORMAT])
            return Response(status=302, headers={"Location": where})
        gone = request.environ.get("waitress.client_disconnected", lambda: False)
        return readers.asked(at, request.path, pairs, gone)
    except NotADatabase:
        raise
    except UsageError as error:
        raise NotFound(str(error)) from None


def _statics() -> dict[str, bytes]:
    """The files that pages need, by their names. No other name leads to a file."""
    return {file.name: file.read_bytes() for file in files(__package__).joinpath("static").iterdir()}


def _static(statics: dict[str, bytes], name: str) -> Response:
    """A file, which a browser may keep: its address has its digest as a query."""
    if name not in statics:
        raise NotFound("There is no such file.")
    response = Response(statics[name], content_type=guess_type(name)[0] or "application/octet-stream")
    response.headers["Cache-Control"] = caching.IMMUTABLE
    return response


def _guarded(response: Response) -> Response:
    """What all answers have in common."""
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", caching.NOT_KEPT)
    return response


def _failed(error: Exception) -> Response:
    """A page that says what is wrong in one sentence, with the status that HTTP has for it."""
    if isinstance(error, Elsewhere):
        where = address(request.environ[AT], error.path, error.query, error.form or request.environ[FORMAT])
        return Response(status=error.code, headers={"Location": where})
    if isinstance(error, HTTPException):
        response = error.get_response()
        sentence, status = error.description or "", error.code or 500
        if sentence == NotFound.description:
            sentence = "There is no such page."
    elif isinstance(error, OfftracfsError):
        response = Response()
        sentence, status = str(error), next(status for kind, status in STATUSES if isinstance(error, kind))
    else:
        response = Response()
        sentence, status = BUG, 500
        log.error("%s cannot be answered", request.full_path, exc_info=error)
    last = address(error.last, request.path) if isinstance(error, Missing) and error.last else ""
    data = {"error": sentence, "status": status, "last": last}
    as_json = request.environ[FORMAT] == "json"
    made = rendering.json(data) if as_json else rendering.html("error", data)
    made.status_code = status
    for name in ("Allow", "WWW-Authenticate", "Location", "Retry-After"):
        for value in response.headers.getlist(name):
            made.headers.add(name, value)
    return made
