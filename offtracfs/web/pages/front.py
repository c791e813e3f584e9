"""The front page: what was done last."""

from __future__ import annotations

from itertools import islice

from offtracfs.changes import TicketChange
from offtracfs.changes.words import author_of, sentence, time_of
from offtracfs.kinds import ticket_path
from offtracfs.web.page import Asked, Data, Page

LATEST = 15  # changes


def view(asked: Asked) -> Data:
    """The latest changes of tickets, newest first."""
    events = asked.timeline.log(1, asked.revision)
    found = ((event, event.change) for event in events if isinstance(event.change, TicketChange))
    return {
        "latest": [
            {
                "time": f"{time_of(event)}Z",
                "author": author_of(event),
                "ticket": change.number,
                "there": asked.timeline.record(ticket_path(change.number), asked.revision.horizon)
                is not None,
                "summary": change.summary,
                "change": sentence(event, asked.timeline.labels(event.revision.horizon)),
            }
            for event, change in islice(found, LATEST)
        ]
    }


PAGE = Page("front", "/", view, "What was done last.", label="Overview")
