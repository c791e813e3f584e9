"""How a ticket and others refer to each other in their texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from offtracfs import wiki
from offtracfs.changes import TicketState
from offtracfs.changes.comparison import values
from offtracfs.errors import DatabaseBusy, DatabaseDamaged
from offtracfs.search import parse
from offtracfs.texts import entries
from offtracfs.web.page import Asked, Data, Page
from offtracfs.web.pages.ticket import missing

MAX_LOOKED_AT = 300  # tickets that have the number in a text, the likeliest first
_NUMBER = re.compile(r"[0-9]{1,18}")
_IN_COMMENT = re.compile(r"(?:description|[0-9]+):ticket:([0-9]{1,18})")


def view(asked: Asked, number: int) -> Data:
    """The tickets that a ticket refers to, and those that refer to it. Raises Missing."""
    state = asked.timeline.ticket(number, asked.revision.horizon)
    if state.record is None:
        raise missing(asked, number)
    to = sorted(set(_linked(state)) - {number})
    candidates = _candidates(asked, number)
    return {
        "number": number,
        "summary": values(state.record).get("summary", ""),
        "links_to": [found for other in to if (found := _ticket(asked, other))],
        "linked_from": [
            found
            for other in sorted(candidates - {number})
            if number in _linked(asked.timeline.ticket(other, asked.revision.horizon), str(number))
            and (found := _ticket(asked, other))
        ],
        "complete": len(candidates) < MAX_LOOKED_AT,
    }


def _candidates(asked: Asked, number: int) -> set[int]:
    """Tickets with the number in one of their texts; none where there is no search index yet."""
    with (
        suppress(DatabaseBusy, DatabaseDamaged),
        asked.database.search(parse(str(number)), asked.revision) as found,
    ):
        return set(islice(found.tickets(), MAX_LOOKED_AT))
    return set()


def _linked(state: TicketState, having: str = "") -> Iterator[int]:
    """The tickets to which a ticket's texts have links, by number; only of texts with `having` in them."""
    texts = [values(state.record).get("description", ""), *(entry.comment for entry in entries(state.log))]
    for text in texts:
        if having in text and ("#" in text or "ticket:" in text or "issue:" in text):
            for link in wiki.links(wiki.parse(text, newlines=True)):
                if link.realm in ("ticket", "issue", "bug"):
                    target = link.target.partition("#")[0]
                    yield from map(int, [target] if _NUMBER.fullmatch(target) else [])
                elif link.realm == "comment" and (match := _IN_COMMENT.fullmatch(link.target)):
                    yield int(match[1])


def _ticket(asked: Asked, number: int) -> Data | None:
    record = asked.timeline.ticket(number, asked.revision.horizon).record
    found = values(record)
    if record is None:
        return None
    return {"number": number, **{name: found.get(name, "") for name in ("summary", "status", "resolution")}}


PAGE = Page(
    "links",
    "/ticket/<int:number>/links",
    view,
    "The tickets to which a ticket refers, and those that refer to it.",
)
