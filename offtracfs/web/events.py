"""Changes as pages show them."""

from __future__ import annotations

from datetime import datetime, tzinfo

from offtracfs.changes import Event, TicketChange
from offtracfs.changes.comparison import kinds, values
from offtracfs.changes.words import author_of, record_name, sentence, time_of
from offtracfs.index import Revision
from offtracfs.kinds import ticket_path
from offtracfs.web.page import Asked, Data

KIND_NAMES = {
    "new": "created",
    "closed": "closed",
    "reopened": "reopened",
    "changed": "changed",
    "commented": "commented",
    "attached": "file attached",
    "edited": "comment edited",
    "deleted": "deleted",
    "record": "other records",
    "times": "only touched",
}
"""What a change is called, by its kind (`comparison.KINDS`)."""


def event_data(asked: Asked, event: Event) -> Data:
    """A change: when, by whom, of which ticket (None: of another record), of which kinds, and in words."""
    change = event.change
    labels = asked.timeline.labels(event.revision.horizon)
    found: Data = {
        "time": f"{time_of(event)}Z",
        "day": day_of(event.revision, asked.database.settings.zone),
        "author": author_of(event),
        "kinds": kinds(change),
        "change": sentence(event, labels),
        "commit": event.revision.commit.hex(),
    }
    if isinstance(change, TicketChange):
        now = asked.timeline.record(ticket_path(change.number), asked.revision.horizon)
        status = values(now).get("status", "")
        return found | {
            "ticket": change.number,
            "summary": change.summary,
            "status": status,
            "there": now is not None,
        }
    return found | {"ticket": None, "summary": record_name(change), "status": "", "there": False}


def day_of(revision: Revision, zone: tzinfo) -> str:
    """The day of a revision, as ISO text: the tracker at the end of that day has it."""
    return f"{datetime.fromtimestamp(revision.committed, zone):%Y-%m-%d}"
