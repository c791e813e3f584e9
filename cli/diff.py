"""`offtracfs diff`: what has changed between two moments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from pathlib import Path

import click

from offtracfs.changes import RecordChange, TicketChange, Timeline, opened
from offtracfs.changes.words import Line, difference_lines, record_name
from offtracfs.database import Database
from offtracfs.errors import UsageError
from offtracfs.index import Revision
from offtracfs.index.moments import meaning, revision_chosen
from offtracfs.reports.formats import Column, Row, Sheet

from . import shared
from .pager import print_lines
from .questions import moment_text, write
from .text import count

COLUMNS = (
    Column("ticket", "Ticket", "ticket"),
    Column("change", "Change"),
    Column("fields", "Fields"),
    Column("comments", "Comments"),
    Column("summary", "Summary"),
)


@click.command()
@click.argument("a", metavar="A", shell_complete=shared.offering("moments"))
@click.argument(
    "others", metavar="[B] [N]...", nargs=-1, shell_complete=shared.offering("moments_or_tickets")
)
@click.option("--stat", is_flag=True, help="Only how much has changed, a line for each ticket, and in total.")
@click.pass_obj
def command(directory: Path, a: str, others: tuple[str, ...], stat: bool) -> None:
    r"""Say what has changed from moment A to moment B, ticket by ticket.

    \b
      offtracfs diff yesterday                  from the end of yesterday until now
      offtracfs diff 2011-04-08 2011-04-09      what that day has changed
      offtracfs diff 2011-03 2011-04 --stat     how much that month has changed
      offtracfs diff 2011 now 42 43             what has become of two tickets since then

    A moment is what --at takes elsewhere; a date is the end of its day, month or year. B is now where what
    follows A is no moment. 2011 is a year, and 42 is a ticket's number, as is '#2011'. Of the fields, the
    values at A and at B are compared, whatever they were between; comments are those that came between. Times
    are UTC.

    Exit codes: 0 whatever there is to say, 64 there is no such moment or ticket.
    """
    database = Database(directory)
    zone = database.settings.zone
    b, numbers = _divided(others, zone)
    with opened(database) as (timeline, reader):
        old, new = (revision_chosen(reader, text, zone) for text in (moment_text(a, "A"), b))
        head = reader.head() or new
        for number in numbers:
            if not timeline.knew(number, max(old, new)):
                raise UsageError(timeline.absence(number, max(old, new), head).advice)
        changes = timeline.between(old.horizon, new.horizon, numbers)
        if stat:
            write(Sheet("", COLUMNS, _counted(changes)), "table")
        else:
            print_lines(_lines(changes, timeline, max(old, new)))


def _divided(words: Sequence[str], zone: tzinfo) -> tuple[str, list[int]]:
    """The moment B, "" where there is none, and the tickets' numbers. Raises UsageError."""
    if not words:
        return "", []
    first, *rest = words
    try:
        meaning(moment_text(first, "B"), zone)
    except UsageError:
        return "", [_number(word) for word in words]
    return moment_text(first, "B"), [_number(word) for word in rest]


def _number(word: str) -> int:
    if (number := shared.ticket_number(word)) is None:
        raise UsageError(f"{word[:60]!r} is neither a moment nor a ticket's number.")
    return number


def _lines(
    changes: Iterator[TicketChange | RecordChange], timeline: Timeline, revision: Revision
) -> Iterator[Line]:
    labels = timeline.labels(revision.horizon)
    for place, change in enumerate(changes):
        if place:
            yield Line("text", "")
        yield from difference_lines(change, labels)


def _counted(changes: Iterator[TicketChange | RecordChange]) -> Iterator[Row]:
    """A row for each ticket or other record, and one that sums them up."""
    total: Counter[str] = Counter()
    for change in changes:
        fate = "new" if change.created else "deleted" if change.deleted else ""
        if isinstance(change, RecordChange):
            total["others"] += 1
            yield Row((None, fate, None, None, record_name(change)))
            continue
        fields, comments = len(change.fields), len(change.comments)
        total.update({"tickets": 1, fate: 1, "fields": fields, "comments": comments})
        yield Row((change.number, fate, fields or None, comments or None, change.summary))
    said = [count(total["tickets"], "ticket")]
    said += [f"{total[fate]:,} {fate}" for fate in ("new", "deleted") if total[fate]]
    said += [count(total["others"], "other record")] if total["others"] else []
    yield Row((None, "", total["fields"], total["comments"], ", ".join(said)))
