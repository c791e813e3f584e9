"""`offtracfs log`: the changes, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click

from offtracfs.changes import Event, TicketChange, Timeline, opened
from offtracfs.changes.words import Line, author_of, full_lines, sentence
from offtracfs.database import Database
from offtracfs.errors import UsageError
from offtracfs.index import Revision
from offtracfs.index.moments import span_chosen
from offtracfs.querylanguage import no_field
from offtracfs.records import SECOND
from offtracfs.reports.formats import Column, Row, Sheet
from offtracfs.reports.query import fields_at
from offtracfs.store.fastimport import name_in_git

from . import shared
from .pager import print_lines
from .questions import form, moment_text, write

SCREEN = 24  # lines: the first ones decide how wide the columns are, and nobody waits for more
WORDS = ("comment", "attachment")  # in a change log, beside the names of fields
COLUMNS = (
    Column("time", "Time", "datetime"),
    Column("ticket", "Ticket", "ticket"),
    Column("author", "Author"),
    Column("change", "Change"),
    Column("summary", "Summary", hidden=True),
    Column("commit", "Commit", hidden=True),
)


@click.command()
@shared.ticket_or_none
@click.option(
    "--since",
    metavar="MOMENT",
    shell_complete=shared.offering("moments"),
    help="From the begin of MOMENT on.",
)
@click.option(
    "--until", metavar="MOMENT", shell_complete=shared.offering("moments"), help="Up to the end of MOMENT."
)
@click.option("--author", metavar="NAME", help="What somebody of exactly this name has done.")
@click.option(
    "--field",
    metavar="FIELD",
    shell_complete=shared.offering("fields"),
    help="What has changed this field, by its name or label; also comment and attachment.",
)
@click.option("-n", "count", type=click.IntRange(min=0), metavar="COUNT", help="At most so many changes.")
@click.option("--full", is_flag=True, help="All of each change, with its comment, as in a ticket's text.")
@form
@click.pass_obj
def command(
    directory: Path,
    number: int | None,
    since: str | None,
    until: str | None,
    author: str | None,
    field: str | None,
    count: int | None,
    full: bool,
    form: str,
) -> None:
    r"""List what was changed in the tracker, or in ticket N, newest first.

    \b
      offtracfs log                                 everything, a change on each line
      offtracfs log -n 20 --full                    the last 20, with what was said
      offtracfs log 42                              what happened to ticket 42
      offtracfs log --since '3 days ago'            what is new
      offtracfs log --since 2011-04 --until 2011-04
                                                what happened in that month
      offtracfs log --author bob --field milestone  what bob has planned
      offtracfs log --format csv                    for programs, with summaries and commits

    A moment is what --at takes elsewhere: 2011-04-09, '2011-04-09 21:16', yesterday, HEAD~3, a commit. What
    the tracker does not log is by offtracfs, at the time of the sync that noticed it. Times are in the
    database's time zone, with --full in UTC, as in a ticket's text.

    Exit codes: 0 whatever there is to list, 64 there is no such ticket, field or moment.
    """
    if full and form != "table":
        raise UsageError("--full goes with no --format.")
    database = Database(directory)
    bounds = moment_text(since, "--since"), moment_text(until, "--until")
    with opened(database) as (timeline, reader):
        oldest, newest = span_chosen(reader, *bounds, database.settings.zone)
        if number is not None and not timeline.knew(number, newest):
            raise UsageError(timeline.absence(number, newest, reader.head() or newest).advice)
        by = name_in_git(author) if author else ""
        about = _field_name(field, database, newest, timeline) if field else ""
        events = islice(timeline.log(oldest, newest, number, by, about), count)
        if full:
            print_lines(_full(events, timeline))
        else:
            sheet = Sheet("", COLUMNS, (_row(event, timeline) for event in events), database.settings.zone)
            write(sheet, form, measured=SCREEN)


def _field_name(text: str, database: Database, revision: Revision, timeline: Timeline) -> str:
    """The field that is called so. Raises UsageError."""
    known = fields_at(database, revision)
    labels = timeline.labels(revision.horizon)
    names: list[str] = [*WORDS, *(field["name"] for field in known)]
    for name in names:
        if text.casefold() in (name.casefold(), labels.label(name).casefold()):
            return name
    raise UsageError(no_field(text, known))


def _row(event: Event, timeline: Timeline) -> Row:
    revision, change = event
    ticket = change if isinstance(change, TicketChange) else None
    labels = timeline.labels(revision.horizon)
    return Row(
        (
            revision.authored * SECOND,
            ticket and ticket.number,
            author_of(event),
            sentence(event, labels),
            ticket and ticket.summary,
            revision.commit.hex(),
        )
    )


def _full(events: Iterator[Event], timeline: Timeline) -> Iterator[Line]:
    for event in events:
        yield from full_lines(event, timeline.labels(event.revision.horizon))
