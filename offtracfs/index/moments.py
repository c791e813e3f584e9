"""What "@…" in the mount and ``--at`` on the command line stand for: a revision."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo

from offtracfs import dates
from offtracfs.errors import NotADatabase, UsageError
from offtracfs.index.queries import Reader, Revision
from offtracfs.names import Back, CommitPrefix, Period, parse_at, period

Clock = Callable[[], float]  # seconds since 1970 UTC
Meaning = Period | Back | CommitPrefix


def revision_at(
    reader: Reader, head: Revision | None, at: str, zone: tzinfo = UTC, clock: Clock = time.time
) -> Revision | None:
    """The revision that `at` ("@…") stands for while `head` is the newest; None where there is none.

    "" stands for `head`.

    Raises DatabaseDamaged, DatabaseError as the reader does.
    """
    if head is None or not at:
        return head
    return _found(reader, head, parse_at(at, zone), clock)


def revision_chosen(reader: Reader, at: str, zone: tzinfo = UTC, clock: Clock = time.time) -> Revision:
    """The revision that somebody chose by a text that `meaning` takes; "" is the newest.

    Raises NotADatabase before the first sync, UsageError where the tracker has no such moment, and as
    `revision_at` does.
    """
    head = reader.head()
    if head is None:
        raise NotADatabase("The database is still empty: `offtracfs sync` fetches the tracker.")
    if not at:
        return head
    meant = meaning(at, zone, clock)
    found = _found(reader, head, meant, clock)
    if found is None:
        raise UsageError(_why_not(at, meant, reader, head, zone, clock))
    return found


def span_chosen(
    reader: Reader, since: str, until: str, zone: tzinfo = UTC, clock: Clock = time.time
) -> tuple[int, Revision]:
    """The revisions from the begin of one moment to the end of another: the first's number, and the last.

    Both are texts that `meaning` takes; "" is no bound. The first may be greater than the last's: then there
    is none between. Raises as `revision_chosen`.
    """
    newest = revision_chosen(reader, until, zone, clock)
    match since and meaning(since, zone, clock):
        case "":
            return 1, newest
        case Period(start) if start <= clock():
            before = reader.before(start, newest.number)
            return (before.number + 1 if before else 1), newest
        case _:
            return revision_chosen(reader, since, zone, clock).number, newest


def may_change(at: str, settled: int, zone: tzinfo = UTC) -> bool:
    """Whether "@…" may come to stand for another revision; "" and what is no moment may.

    `settled` is the moment before which no commit is added any more, in seconds since 1970 UTC.
    """
    match parse_at(at, zone):
        case Period(end=end):
            return end > settled
        case CommitPrefix():
            return False
        case _:
            return True


def meaning(at: str, zone: tzinfo = UTC, clock: Clock = time.time) -> Meaning:
    """What a text after ``--at`` stands for: what may follow "@" in the mount, or any date of Trac's queries.

    A date such as "yesterday" is the whole period, "3 days ago" the second then. Raises UsageError.
    """
    if found := parse_at(f"@{at}", zone):
        return found
    date = dates.parse(at, datetime.fromtimestamp(clock(), zone))
    if date is None:
        raise UsageError(
            f"{at[:60]!r} is no moment: try 2011-04-09, '2011-04-09 21:16', yesterday, '3 days ago', HEAD~3 "
            "or a commit."
        )
    try:
        if date.unit:
            return period(date.begins.replace(tzinfo=None), date.unit, date.begins.tzinfo or zone)
        second = int(date.begins.timestamp())
    except (ValueError, OverflowError):
        raise UsageError(f"The date {at[:60]!r} is too far away.") from None
    return Period(second, second + 1)


def _found(reader: Reader, head: Revision, meant: Meaning | None, clock: Clock) -> Revision | None:
    match meant:
        case Period(start, end) if start <= clock():
            return reader.before(end, head.number)
        case Back(revisions):
            return reader.revision(head.number - revisions)
        case CommitPrefix(prefix):
            return reader.by_commit(prefix, head.number)
        case _:
            return None


def _why_not(at: str, meant: Meaning, reader: Reader, head: Revision, zone: tzinfo, clock: Clock) -> str:
    match meant:
        case Period(start) if start > clock():
            return f"{at} is in the future."
        case Period():
            first = reader.revision(1) or head
            begins = datetime.fromtimestamp(first.committed, zone)
            return f"There was no tracker yet at {at}: it begins on {begins:%Y-%m-%d at %H:%M:%S}."
        case Back():
            return f"{at} is before the first of {head.number:,} revisions."
    return f"None of the tracker's commits, or more than one, begins with {at}."
