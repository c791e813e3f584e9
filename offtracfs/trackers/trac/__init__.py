"""A Trac whose RPC plugin answers: tickets, change logs, fields and reports over HTTP.

`connect` finds out how the Trac wants to be spoken to; what it gives back is a `Tracker`.

    faults   what can go wrong with one answer
    codec    calls and answers as bytes: JSON-RPC and XML-RPC
    tasks    what runs beside a block of code
    pages    what is read from HTML: forms and text areas
    site     its address, our credentials, and what its answers say of either
    http     one origin: retries, time and size limits, logging in, the server's clock
    rpc      calls and multicalls over http and a codec; finding the plugin
    batches  many tickets, in multicalls that suit the server
    changelog  what the rows of its change logs mean
    fields, reports, sweep, timeline   the rest of what a Trac knows, each a function or two
    client   `TracTracker`, which puts them together
"""

from offtracfs.trackers.trac.changelog import TracRules
from offtracfs.trackers.trac.client import TracTracker, connect
from offtracfs.trackers.trac.site import Credentials, checked_url

__all__ = ["Credentials", "TracRules", "TracTracker", "checked_url", "connect"]
