"""`offtracfs show`: one ticket."""

from __future__ import annotations

from pathlib import Path

import click

from offtracfs import records
from offtracfs.changes import opened
from offtracfs.changes.words import ticket_lines
from offtracfs.database import Database
from offtracfs.errors import UsageError
from offtracfs.trackers.registry import ticket_address

from . import shared
from .pager import print_lines
from .questions import at, revision_for, write_for_programs


@click.command()
@shared.ticket
@at
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "json")),
    default="text",
    help="What to write: a text for people, or the records as JSON. Default: text.",
)
@click.pass_obj
def command(directory: Path, number: int, at: str | None, form: str) -> None:
    r"""Show ticket N with all that was said and done about it.

    \b
      offtracfs show 42                        its fields, its description, every change and comment
      offtracfs show 42 --at 2011-04-09        as it was at the end of that day
      offtracfs show 42 --format json          an object: the ticket and its changelog, as in the mount

    It is the text that the mount has in text/42.txt; times are UTC.

    Exit codes: 0 shown, 64 there is no such ticket, or was none at that moment.
    """
    database = Database(directory)
    revision = revision_for(database, at)
    with opened(database, few=True) as (timeline, reader):
        state = timeline.ticket(number, revision.horizon)
        if state.record is None:
            raise UsageError(timeline.absence(number, revision, reader.head() or revision).advice)
        if form == "json":
            text = records.dump({"ticket": state.record, "changelog": state.log}).decode()
            write_for_programs(lambda out: out.write(text))
            return
        labels = timeline.text_labels(number, revision.horizon)
        address = ticket_address(database.settings.url, number)
        print_lines(ticket_lines(number, state, labels, address))
