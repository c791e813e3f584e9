"""Addresses: ``/@2011-04-09/ticket/42.json`` is the page ``/ticket/42`` at the end of that day, as JSON.

An address holds a moment as the mount has it in names. Any other text that means one, such as "yesterday", is
answered by sending the browser to the address that has the date, which means the same for ever.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING
from urllib.parse import quote
from wsgiref.util import shift_path_info

from offtracfs.index.moments import Clock, meaning
from offtracfs.names import Back, CommitPrefix, Period, parse_at

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

AT, FORMAT = "offtracfs.at", "offtracfs.format"  # in the environment of a request; "" for now, and for none
_UNITS = {"%Y-%m-%d": "%d %B %Y", "%Y-%m": "%B %Y", "%Y": "%Y"}  # as `parse_at` reads them, and in words


class Taken:
    """Takes the moment and the format off a request's address, before that is routed.

    The moment goes where WSGI keeps what stands before an application's own addresses (SCRIPT_NAME). So no
    rule needs to know of moments, and every address that Flask's `url_for` makes leads to the same moment.
    """

    def __init__(self, application: WSGIApplication, formats: Collection[str]) -> None:
        self._application = application
        self._formats = formats

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, as WSGI has it."""
        path, dot, suffix = environ.get("PATH_INFO", "").rpartition(".")
        environ[AT] = environ[FORMAT] = ""
        if dot and suffix in self._formats:
            environ["PATH_INFO"], environ[FORMAT] = path, suffix
        if environ["PATH_INFO"].startswith("/@"):
            name = shift_path_info(environ) or ""
            environ[AT] = name.encode("latin-1").decode("utf-8", "replace")  # as PEP 3333 has it
        return self._application(environ, start_response)


def canonical(text: str, zone: tzinfo, clock: Clock = time.time) -> str:
    """The moment of a text as an address holds it: "@2011-04-09", or "" for now. Raises UsageError."""
    text = text.strip().removeprefix("@").strip()
    if not text:
        return ""
    match meant := meaning(text, zone, clock):
        case Back(0):
            return ""
        case Period() if parse_at(f"@{text}", zone) is None:
            return _name(meant, zone)
    return f"@{text}"


def _name(period: Period, zone: tzinfo) -> str:
    """The name of a day, month or year; of any other period, that of its last second."""
    begins = datetime.fromtimestamp(period.start, zone)
    for unit in _UNITS:
        if parse_at(name := f"@{begins.strftime(unit)}", zone) == period:
            return name
    return f"@{datetime.fromtimestamp(period.end - 1, UTC):%Y-%m-%dT%H:%M:%SZ}"


def last_day(at: str, zone: tzinfo) -> str:
    """The day with which a moment ends, as ISO text; "" where it has no date."""
    match parse_at(at, zone):
        case Period(end=end):
            return f"{datetime.fromtimestamp(end - 1, zone):%Y-%m-%d}"
    return ""


def described(at: str, zone: tzinfo) -> str:
    """A moment in words, behind "as it was": "at the end of 9 April 2011"."""
    match parse_at(at, zone):
        case Period(start, end) as period:
            begins, ends = (datetime.fromtimestamp(second, zone) for second in (start, end - 1))
            for unit, words in _UNITS.items():
                if parse_at(f"@{begins.strftime(unit)}", zone) == period:
                    return f"at the end of {begins.strftime(words).lstrip('0')}"
            return f"at {ends:%H:%M:%S} on {ends.day} {ends:%B %Y}"
        case Back(count):
            return f"before the last {count:,} revisions" if count > 1 else "before the last revision"
        case CommitPrefix(prefix):
            return f"at the commit {prefix[:12]}"
    return "now"


def address(at: str, path: str, query: str = "", form: str = "") -> str:
    """The address of a page at a moment, "" for now; `path` is not quoted, and `form` is a format.

    It leads to this server, whatever `path` holds: an address that began with two slashes would not.
    """
    before = f"/{quote(at, safe='@:~+')}" if at else ""
    behind = (f".{form}" if form else "") + (f"?{query}" if query else "")
    return f"{before}/{quote(path.lstrip('/'), safe='/@:~+,;=()!*$')}{behind}"
