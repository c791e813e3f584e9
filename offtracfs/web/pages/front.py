"""The front page: the tracker's life in plots, who is busy, and what was done last."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from threading import Lock

from offtracfs.changes import TicketChange
from offtracfs.changes.words import author_of, sentence, time_of
from offtracfs.database import Database
from offtracfs.errors import DatabaseError
from offtracfs.index import Revision
from offtracfs.kinds import ticket_path
from offtracfs.reports.statistics import RECENTLY, Statistics, statistics
from offtracfs.web.page import Asked, Data, Page

LATEST = 10  # changes
MAX_KEPT = 64  # revisions of which the numbers are kept: 20 KB each; to count 100,000 tickets takes a second


def view(asked: Asked) -> Data:
    """The numbers of a tracker, and the latest changes of tickets, newest first."""
    which = asked.database.path, asked.revision
    try:
        with _counting(*which):
            numbers: Data = _shown(_statistics(*which))
    except DatabaseError as error:
        numbers = {"missing": str(error)}
    return {"numbers": numbers, "recently": RECENTLY, "latest": [*islice(_latest(asked), LATEST)]}


@lru_cache(MAX_KEPT)
def _statistics(directory: Path, revision: Revision) -> Statistics:
    """The numbers at a revision, which never change."""
    return statistics(Database(directory), revision, lambda: False)


@lru_cache(MAX_KEPT)
def _counting(_directory: Path, _revision: Revision) -> Lock:
    """Held while the numbers at a revision are counted: whoever else asks for them waits for that."""
    return Lock()


def _shown(found: Statistics) -> Data:
    return {
        "missing": "",
        "tickets": found.tickets,
        "open": found.open,
        "periods": [period._asdict() for period in found.periods],
        "ages": [{"span": span, "tickets": count} for span, count in found.ages],
        "lives": [{"span": span, "tickets": count} for span, count in found.lives],
        "median_days": None if found.median_life is None else round(found.median_life, 1),
        "people": [person._asdict() for person in found.people],
        "components": [component._asdict() for component in found.components],
    }


def _latest(asked: Asked) -> Iterator[Data]:
    for event in asked.timeline.log(1, asked.revision):
        change = event.change
        if isinstance(change, TicketChange):
            there = asked.timeline.record(ticket_path(change.number), asked.revision.horizon) is not None
            yield {
                "time": f"{time_of(event)}Z",
                "author": author_of(event),
                "ticket": change.number,
                "there": there,
                "summary": change.summary,
                "change": sentence(event, asked.timeline.labels(event.revision.horizon)),
            }


PAGE = Page("front", "/", view, "The tracker's life in numbers, and what was done last.", label="Overview")
