"""`offtracfs search`: words in the texts of tickets."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path

import click
from rich.cells import cell_len

from offtracfs.database import Database
from offtracfs.kinds.ticket import OWN
from offtracfs.records import from_microseconds
from offtracfs.reports.formats import BOLD, Column, Row, Sheet
from offtracfs.reports.query import fields_at
from offtracfs.search import Hit, Passage, hits, parse
from offtracfs.search.documents import SUMMARY

from .pager import paged
from .questions import at, form, revision_for, write
from .text import shown

COUNT = 20  # tickets
INDENT = "    "
FOUND, FAINT = "1;31", "2"  # a terminal's bold red, as grep's; and faint
COLUMNS = [
    Column("ticket", "Ticket"),
    Column("summary", "Summary"),
    Column("status", "Status"),
    Column("field", "Field"),
    Column("author", "Author"),
    Column("time", "Time", "datetime"),
    Column("text", "Text"),
]
Styled = tuple[str, str]  # a text and its style, "" for none


@click.command()
@click.argument("words", metavar="WORDS", nargs=-1, required=True)
@form
@at
@click.option(
    "--in",
    "within",
    multiple=True,
    metavar="FIELD",
    help="Only in these texts: comments, description, summary, keywords or a custom field. Can be repeated.",
)
@click.option("--author", "authors", multiple=True, metavar="NAME", help="Only in what NAME wrote.")
@click.option("--status", "statuses", multiple=True, metavar="STATUS", help="Only tickets with that status.")
@click.option(
    "-n",
    "--count",
    type=click.IntRange(0),
    default=COUNT,
    help=f"How many tickets, 0 for all. Default: {COUNT}.",
)
@click.pass_obj
def command(
    directory: Path,
    words: Sequence[str],
    form: str,
    at: str | None,
    within: Sequence[str],
    authors: Sequence[str],
    statuses: Sequence[str],
    count: int,
) -> None:
    r"""Find tickets by the words in their texts, the best first, at any moment.

    \b
      offtracfs search 'crash railway'           both words, anywhere in a ticket's texts
      offtracfs search 'cra* "points stick"'     how a word begins; words in a row
      offtracfs search 'crash -windows'          without that word
      offtracfs search crash --in comments --author bob
      offtracfs search 'crash summary:railway status:new component:track'
      offtracfs search crash --at 2015-06-03     what was found at the end of that day

    Searched are summary, description, comments, keywords and custom fields, as they stood at that moment.
    Case and accents do not matter. foo_bar, 1.2.3, #42 and src/foo.c are found as they are and by their
    parts, and NullPointerException by pointer, too. A ticket's rank is that of its best text, in which a
    word counts more the rarer it is, and most in a summary. With each ticket there is a sentence in which
    the words are, who wrote it, and when.

    Exit codes: 0 whatever there is to find, 64 no word to look for, or no such moment.
    """
    database = Database(directory)
    revision = revision_for(database, at)
    custom = {field["name"] for field in fields_at(database, revision)} - OWN
    asked = parse(" ".join(words), custom, authors=authors, within=within, statuses=statuses)
    with database.search(asked, revision) as search:
        found = hits(search, count + 1 if count else None)
        if form == "table":
            _print(found, count, database.settings.zone)
        else:
            write(Sheet("", COLUMNS, map(_row, islice(found, count or None))), form)


def _row(hit: Hit) -> Row:
    return Row(
        [hit.number, "".join(hit.summary), hit.status, hit.field, hit.author, hit.time, "".join(hit.text)]
    )


def _print(found: Iterator[Hit], count: int, zone: tzinfo) -> None:
    """Write hits for people; at a terminal through the user's pager, coloured, in its width."""
    first = next(found, None)
    if first is None:
        click.echo("offtracfs: No ticket has that.", err=True)
    if first is None or sys.stdout is None:
        return
    seen = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if seen else None
    colored = seen and "NO_COLOR" not in os.environ
    with paged() as out:
        hit: Hit | None = first
        shown_hits = 0
        while hit and (not count or shown_hits < count):
            out.write("\n" * (shown_hits > 0))
            out.writelines(f"{line}\n" for line in _lines(hit, zone, width, colored))
            hit = next(found, None)
            shown_hits += 1
        if hit:
            out.write(f"\nThere are more: -n {10 * count} shows more of them, -n 0 all.\n")


def _lines(hit: Hit, zone: tzinfo, width: int | None, colored: bool) -> Iterator[str]:
    status = f" ({hit.status})" if hit.status else ""
    head = [(f"#{hit.number} ", BOLD), *_styled(hit.summary, BOLD), (shown(status), "")]
    yield from _set(head, width, colored)
    if hit.field != SUMMARY:  # which has just been shown
        yield from _set(_styled(hit.text, ""), width, colored, INDENT)
    when = from_microseconds(hit.time).astimezone(zone)
    who = f"{shown(hit.author) or 'anonymous'}, {when:%Y-%m-%d %H:%M}, {shown(hit.field)}"
    yield from _set([(who, FAINT)], width, colored, INDENT)


def _styled(passage: Passage, style: str) -> list[Styled]:
    return [(shown(part), FOUND if number % 2 else style) for number, part in enumerate(passage)]


def _set(parts: Sequence[Styled], width: int | None, colored: bool, indent: str = "") -> Iterator[str]:
    """Texts as lines of so many cells, cut between words; as one line where `width` is None."""
    words: list[list[Styled]] = [[]]  # a word may have parts of several styles
    for text, style in parts:
        for number, part in enumerate(text.split(" ")):
            words += [[]] if number else []
            words[-1] += [(part, style)] if part else []
    line: list[Styled] = [(indent, "")]
    used = len(indent)
    for word in filter(None, words):
        cells = sum(cell_len(part) for part, _ in word)
        if len(line) > 1:
            if width and used + 1 + cells > width:
                yield _written(line, colored)
                line, used = [(indent, "")], len(indent)
            else:
                style = word[0][1] if word[0][1] == line[-1][1] else ""
                line, used = [*line, (" ", style)], used + 1
        line, used = [*line, *word], used + cells
    yield _written(line, colored)


def _written(line: Sequence[Styled], colored: bool) -> str:
    """A line, with a terminal's colours."""
    runs = ((style, "".join(text for text, _ in run)) for style, run in groupby(line, key=itemgetter(1)))
    return "".join(f"\x1b[{style}m{text}\x1b[0m" if colored and style else text for style, text in runs)
