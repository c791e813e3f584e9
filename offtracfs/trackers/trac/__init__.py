"""A Trac whose RPC plugin answers: tickets, change logs, fields and reports over HTTP.

`connect` finds out which protocol the Trac speaks, and returns a `Tracker`.

    faults   what can go wrong with one answer
    codec    calls and answers as bytes: JSON-RPC and XML-RPC
    tasks    what runs beside a block of code
    pages    what is read from HTML: titles, forms and text areas
    address  where it shows its tickets
    site     its address, our credentials, and what its answers say of either
    http     one origin: retries, time and size limits, logging in, the server's clock
    rpc      calls and multicalls over http and a codec; finding the plugin
    batches  many tickets, in multicalls that suit the server
    fields, reports, sweep, timeline   the rest that a Trac can give, each a function or two
    shown    what Trac's table of tickets (see sweep) shows for a stored value
    writing  changes of a ticket, and what its workflow allows
    client   `TracTracker`, which puts them together
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from offtracfs.trackers.registry import TrackerKind
from offtracfs.trackers.trac.address import ticket_pages

if TYPE_CHECKING:
    from offtracfs.trackers.trac.client import TracTracker, connect
    from offtracfs.trackers.trac.site import checked_url

__all__ = ["KIND", "TracTracker", "checked_url", "connect"]

_LATER = {"TracTracker": "client", "connect": "client", "checked_url": "site"}


def __getattr__(name: str) -> Any:
    """Imports a module at its first use: httpx takes 0.3 s to load, and an address of a page needs none."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LATER[name]}", __name__), name)


KIND = TrackerKind(
    lambda url: __getattr__("checked_url")(url),
    lambda url, credentials, _: __getattr__("connect")(url, credentials),
    takes_credentials=True,
    writable=True,
    ticket_pages=ticket_pages,
)
