"""A Trac whose RPC plugin answers: tickets, change logs, fields and reports over HTTP.

`connect` finds out which protocol the Trac speaks, and returns a `Tracker`.

    faults   what can go wrong with one answer
    codec    calls and answers as bytes: JSON-RPC and XML-RPC
    tasks    what runs beside a block of code
    pages    what is read from HTML: titles, forms and text areas
    site     its address, our credentials, and what its answers say of either
    http     one origin: retries, time and size limits, logging in, the server's clock
    rpc      calls and multicalls over http and a codec; finding the plugin
    batches  many tickets, in multicalls that suit the server
    fields, reports, sweep, timeline   the rest that a Trac can give, each a function or two
    shown    what Trac's table of tickets (see sweep) shows for a stored value
    client   `TracTracker`, which puts them together
"""

from offtracfs.trackers.registry import Kind
from offtracfs.trackers.trac.client import TracTracker, connect
from offtracfs.trackers.trac.site import checked_url, ticket_pages

__all__ = ["KIND", "TracTracker", "checked_url", "connect"]

KIND = Kind(
    checked_url,
    lambda url, credentials, _: connect(url, credentials),
    takes_credentials=True,
    ticket_pages=ticket_pages,
)
