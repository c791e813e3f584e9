"""`offtracfs report`: the tracker's own reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from offtracfs.database import Database
from offtracfs.errors import UsageError
from offtracfs.reports import query, report
from offtracfs.reports.part import Part, write_full

from . import shared
from .questions import at, confined, form, revision_for, write, write_for_programs
from .text import shown


@click.command()
@click.argument("number", required=False, metavar="[N]", shell_complete=shared.offering("numbers"))
@click.argument("variables", nargs=-1, metavar="[NAME=VALUE]...")
@form
@at
@click.option("--sort", default="", metavar="COLUMN", help="Sort by a column, within groups.")
@click.option("--desc", "descending", is_flag=True, help="… the other way round.")
@click.option(
    "--max", "most", type=click.IntRange(min=0), default=0, metavar="COUNT", help="Only so many rows; 0: all."
)
@click.option("--page", type=click.IntRange(min=1), default=1, metavar="N", help="… from that page on.")
@click.option(
    "--full", is_flag=True, help="As JSON: columns, groups, colours and the number of all rows, too."
)
@click.pass_obj
def command(
    directory: Path,
    /,
    number: str | None,
    variables: tuple[str, ...],
    form: str,
    at: str | None,
    full: bool,
    **part: Any,
) -> None:
    r"""Run one of the tracker's own reports, or list them.

    \b
      offtracfs report                         which there are, and why some cannot run here
      offtracfs report 1                       report 1 as it is now
      offtracfs report 7 USER=bob              with a value for its variable $USER
      offtracfs report 1 --at 2011-04-09       as it was at the end of that day
      offtracfs report 1 --sort owner --max 20
      offtracfs report 1 --format csv          as Trac's own "Comma-delimited Text", dates in UTC

    $USER is you, as the tracker knows you (`offtracfs status` says as whom), unless it is given. What SQL
    calls now, as in date('now'), is the real clock's, with --at too. There are limits: 30 seconds of work, a
    million rows, 512 MB of memory, 1 GB in a file.

    Exit codes: 0 the report has run, 64 there is none of that number, or it cannot run here.
    """
    wanted = None if number is None else _number(number)
    given = dict(_pair(text) for text in variables)
    database = Database(directory)
    settings, revision = database.settings, revision_for(database, at)
    now = query.now_at(at or "", revision, settings.zone)
    context = report.Context(query.fields_at(database, revision), database.user() or query.NOBODY, now)
    with confined(database, revision) as box:
        if wanted is None:
            write(report.listing(box, context), form)
            return
        sheet, doubts = report.sheet(box, report.get(box, wanted), context, given)
        for sentence in doubts:
            click.echo(f"offtracfs: {shown(sentence)}", err=True)
        wanted_part = Part(**part)
        if full:
            write_for_programs(lambda out: write_full(sheet, wanted_part, out))
        else:
            ordered = wanted_part.ordered(sheet)
            write(replace(ordered, rows=wanted_part.of(ordered.rows)), form)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise UsageError(f"{text[:60]!r} is no report's number: `offtracfs report` lists those there are.")
    return int(text)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise UsageError(f"{text!r} is no variable: write NAME=VALUE.")
    return name, value
