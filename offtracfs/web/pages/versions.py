"""All versions that a ticket had: what each changed, and by whom."""

from __future__ import annotations

from offtracfs.changes.comparison import values
from offtracfs.changes.words import author_of, sentence, time_of
from offtracfs.web.addresses import address
from offtracfs.web.page import Asked, Data, Page
from offtracfs.web.pages.ticket import missing


def view(asked: Asked, number: int) -> Data:
    """The versions of a ticket up to a moment, oldest first. Raises Missing."""
    timeline = asked.timeline
    state = timeline.ticket(number, asked.revision.horizon)
    if state.record is None:
        raise missing(asked, number)
    versions = []
    for event in timeline.log(1, asked.revision, number):
        at = f"@{event.revision.commit.hex()}"
        versions.append(
            {
                "at": at,
                "address": address(at, f"ticket/{number}"),
                "time": f"{time_of(event)}Z",
                "author": author_of(event),
                "change": sentence(event, timeline.labels(event.revision.horizon)),
                "there": not event.change.deleted,
            }
        )
    versions.reverse()
    versions[-1]["address"] = address(asked.at, f"ticket/{number}")
    summary = values(state.record).get("summary", "")
    return {"number": number, "summary": summary, "versions": versions}


PAGE = Page(
    "versions", "/ticket/<int:number>/versions", view, "What each version of a ticket changed, and by whom."
)
