"""A person: the tickets that are theirs, and what they have done."""

from __future__ import annotations

from itertools import islice

from offtracfs.changes import TicketChange
from offtracfs.changes.comparison import kinds
from offtracfs.index import counts
from offtracfs.store.fastimport import name_in_git
from offtracfs.web.events import event_data
from offtracfs.web.page import Asked, Data, Page
from offtracfs.web.pages.timeline import MAX_OF_REVISION, QUIET
from offtracfs.web.values import listed, missing, progress_data, total

MOST = 10  # tickets in a list
LATEST = 20  # changes that are shown
MAX_LOOKED = 200  # changes in which comments are looked for


def view(asked: Asked, name: str) -> Data:
    """What somebody of exactly this name owns, reported and did, as it stood. Raises Missing."""
    done = asked.timeline.log(1, asked.revision, None, name_in_git(name), "", MAX_OF_REVISION) if name else []
    events = [event for event in islice(done, MAX_LOOKED) if not set(kinds(event.change)).issubset(QUIET)]
    owns, reported = (_tickets(asked, field, name) for field in ("owner", "reporter"))
    if not (events or owns["statuses"] or reported["statuses"]):
        raise missing(asked, f"Nobody is called {name[:60]!r}", name, "owner", "reporter")
    commented = {
        event.change.number: event.change.summary
        for event in events
        if isinstance(event.change, TicketChange) and event.change.comments
    }
    return {
        "name": name,
        "owns": owns,
        "reported": reported,
        "commented": [{"number": number, "summary": commented[number]} for number in [*commented][:MOST]],
        "changes": [event_data(asked, event) for event in events[:LATEST]],
    }


def _tickets(asked: Asked, field: str, name: str) -> Data:
    """The tickets that have a name in a field: how many in each status, and of the open ones the newest."""
    found = counts.progress_within(asked.reader, field, name, "status", asked.revision)
    newest = counts.newest(asked.reader, field, name, asked.revision, MOST, only_open=True)
    return {
        **progress_data(total(found)),
        "statuses": {status: each.total for status, each in sorted(found.items())},
        "newest": [*map(listed, newest)],
    }


PAGE = Page("person", "/person/<named:name>", view, "What somebody owns, reported and did.")
