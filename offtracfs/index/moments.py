"""What "@…" in the mount and ``--at`` on the command line stand for: a revision."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, tzinfo

from offtracfs.errors import NotADatabase, UsageError
from offtracfs.index.queries import Reader, Revision
from offtracfs.names import Back, Commit, Period, parse_at

Clock = Callable[[], float]  # seconds since 1970 UTC


def revision_at(
    reader: Reader, head: Revision | None, at: str, zone: tzinfo = UTC, clock: Clock = time.time
) -> Revision | None:
    """The revision that "@…" stands for while `head` is the newest; None where there is none; "" is the head.

    Raises DatabaseDamaged, DatabaseError as the reader does.
    """
    if head is None or not at:
        return head
    match parse_at(at, zone):
        case Period(start, end) if start <= clock():
            return reader.before(end, head.number)
        case Back(revisions):
            return reader.revision(head.number - revisions)
        case Commit(prefix):
            return reader.by_commit(prefix, head.number)
        case _:
            return None


def revision_chosen(reader: Reader, at: str, zone: tzinfo = UTC, clock: Clock = time.time) -> Revision:
    """The revision that somebody chose by what follows "@" in the mount; "" is the newest.

    Raises NotADatabase before the first sync, UsageError where the tracker has no such moment, and as
    `revision_at` does.
    """
    head = reader.head()
    if head is None:
        raise NotADatabase("The database is still empty: `offtracfs sync` fetches the tracker.")
    found = revision_at(reader, head, at and f"@{at}", zone, clock)
    if found is None:
        raise UsageError(_why_not(at, zone, clock, head))
    return found


def _why_not(at: str, zone: tzinfo, clock: Clock, head: Revision) -> str:
    match parse_at(f"@{at}", zone):
        case Period(start) if start > clock():
            return f"{at} is in the future."
        case Period():
            return f"There was no tracker yet at {at}: it begins later."
        case Back():
            return f"{at} is before the first of {head.number:,} revisions."
        case Commit():
            return f"None of the tracker's commits, or more than one, begins with {at}."
    return f"{at!r} is no moment: try 2011-04-09, 2011-04-09T21:16:07, HEAD~3 or a commit."
