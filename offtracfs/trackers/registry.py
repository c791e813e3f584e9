"""Which kinds of tracker there are, by the scheme of their addresses.

A new kind is a module that holds a `TrackerKind`, and a line in `KINDS`. The table holds names, so that a
kind is imported only where it is used: one needs httpx and another SQLAlchemy, which take 0.2 s each.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name

from offtracfs.errors import UsageError
from offtracfs.trackers import Tracker
from offtracfs.trackers.credentials import Credentials

KINDS = {
    "https": "offtracfs.trackers.trac:KIND",
    "http": "offtracfs.trackers.trac:KIND",
    "trac+sqlite": "offtracfs.trackers.tracdb:SQLITE",
    "trac+postgresql": "offtracfs.trackers.tracdb:POSTGRESQL",
    "trac+mysql": "offtracfs.trackers.tracdb:SQLITE",  # which says what would work
    "": "offtracfs.trackers.tracdb:PATH",  # of an environment's folder
    "teamtrack+sqlite": "offtracfs.trackers.teamtrack.database:SQLITE",
    "teamtrack+postgresql": "offtracfs.trackers.teamtrack.database:SERVER",
    "teamtrack+mssql+pyodbc": "offtracfs.trackers.teamtrack.database:SERVER",
    "teamtrack+oracle+oracledb": "offtracfs.trackers.teamtrack.database:SERVER",
    "teamtrack+https": "offtracfs.trackers.teamtrack.service:KIND",
    "teamtrack+http": "offtracfs.trackers.teamtrack.service:KIND",
    "offtrac": "offtracfs.trackers.folder:KIND",
}
"""Scheme → where the `TrackerKind` is, as `pkgutil.resolve_name` takes it."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TrackerKind:
    """A kind of tracker.

    `checked_url` gives an address as it is kept in `Settings`; it raises UsageError for what is no address,
    or holds a password. `connect` takes such an address, whom to log in as, and a directory in which it may
    keep a copy of the tracker's files; it raises UsageError and TrackerError. `adopt` is what ``offtracfs
    init`` does beyond an empty database: it takes the address and the path of the database's git repository.
    `ticket_pages` gives what a ticket's number is put behind to make the address of its own web page, for a
    tracker at an address; "" where that is not known.
    """

    checked_url: Callable[[str], str]
    connect: Callable[[str, Credentials | None, Path | None], Awaitable[Tracker]]
    takes_credentials: bool = False
    writable: bool = False  # whether its trackers are `Writing`: changes can be sent to them
    adopt: Callable[[str, Path], None] | None = None
    ticket_pages: Callable[[str], str] = lambda _url: ""


def kind_name(url: str) -> str:
    """Where the kind of tracker at an address is; nothing is imported. Raises UsageError."""
    scheme = _SCHEME.match(url)
    name = KINDS.get(scheme[1].lower() if scheme else "")
    if name is None:
        # The address is not repeated: there may be a password in it.
        raise UsageError(
            "That is not the address of a tracker: it should begin with https:// or http://, or be one of the"
            " others that `offtracfs init --help` shows."
        )
    return name


def kind(url: str) -> TrackerKind:
    """The kind of tracker at an address. Raises UsageError where there is none for its scheme."""
    found: TrackerKind = resolve_name(kind_name(url))
    return found


def checked_url(url: str) -> str:
    """A tracker's address as it may stand in `Settings`. Raises UsageError."""
    return kind(url).checked_url(url)


def ticket_pages(url: str) -> str:
    """What a ticket's number is put behind to make the address of its page in a tracker; "" where unknown.

    It may read a file, and loads the libraries of that kind of tracker.
    """
    try:
        return kind(url).ticket_pages(url)
    except UsageError:  # config.toml is for its owner to edit
        return ""


def ticket_address(url: str, number: int) -> str:
    """The address of a ticket's own page in the tracker at `url`; "" where it is not known."""
    pages = ticket_pages(url)
    return f"{pages}{number}" if pages else ""
