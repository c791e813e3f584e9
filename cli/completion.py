"""What a shell offers after Tab: mounts, reports, moments; and what click's own scripts get wrong.

Imported only when a shell asks. Whatever fails then offers nothing: an error would stand in a command line.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from functools import wraps
from pathlib import Path

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, add_completion_class

from offtracfs.database import Database
from offtracfs.drafts import opened
from offtracfs.drafts.rows import FILE
from offtracfs.drafts.words import title
from offtracfs.index import Reader
from offtracfs.index.moments import revision_chosen
from offtracfs.mount import mountpoints
from offtracfs.names import Period, parse_at
from offtracfs.reports import sandbox
from offtracfs.reports.query import fields_at
from offtracfs.reports.report import reports

from .text import shown

Offer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
TICKETS = "SELECT id, summary FROM ticket WHERE id LIKE ? ORDER BY changetime DESC LIMIT 100"
WORDS = ("yesterday", "today", "HEAD")


@add_completion_class
class Fish(FishComplete):
    """Click's script would cut what is said of an item at its first comma."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split --max 1 ","')


@add_completion_class
class Bash(BashComplete):
    """Click's script would put a name with a blank into the line as two."""

    def format_completion(self, item: CompletionItem) -> str:
        """An item, quoted where it has to be."""
        return f"{item.type},{shlex.quote(item.value) if item.type == 'plain' else item.value}"


def _offered(find: Callable[[click.Context, str], Iterator[CompletionItem]]) -> Offer:
    @wraps(find)
    def offer(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            return [item for item in find(context, incomplete) if item.value.startswith(incomplete)]
        except Exception:
            return []

    return offer


@_offered
def mounts(_context: click.Context, _incomplete: str) -> Iterator[CompletionItem]:
    """Where trackers are mounted, with the databases that they are of."""
    for place, found in mountpoints.mounted():
        if directory := mountpoints.database_of(found):
            yield CompletionItem(place, help=shown(str(directory)))


@_offered
def numbers(context: click.Context, _incomplete: str) -> Iterator[CompletionItem]:
    """The reports, with their titles."""
    database = _database(context)
    with closing(Reader(database.path)) as reader:  # which builds none where there is none
        revision = revision_chosen(reader, "")
    with closing(sandbox.connect(database.path, revision.number)) as box:
        for report in reports(box):
            yield CompletionItem(str(report.number), help=shown(report.title))


@_offered
def tickets(context: click.Context, incomplete: str) -> Iterator[CompletionItem]:
    """The tickets that changed last, of those whose numbers begin so, with their summaries."""
    database = _database(context)
    with closing(Reader(database.path)) as reader:
        revision = revision_chosen(reader, "")
    if incomplete.isdecimal() or not incomplete:
        with closing(sandbox.connect(database.path, revision.number)) as box:
            for number, summary in box.run(TICKETS, (f"{incomplete}%",)).rows:
                yield CompletionItem(str(number), help=shown(summary or ""))


@_offered
def drafts(context: click.Context, _incomplete: str) -> Iterator[CompletionItem]:
    """The tickets that have a draft, with their summaries."""
    database = _database(context)
    if not (database.path / FILE).exists():  # which opening it would make
        return
    with opened(database) as found:
        for draft in found.pending():
            yield CompletionItem(draft.ticket, help=shown(title(found.on_top(draft)).partition(" ")[2]))


@_offered
def fields(context: click.Context, _incomplete: str) -> Iterator[CompletionItem]:
    """What a change may be about: fields, comments, attachments."""
    database = _database(context)
    with closing(Reader(database.path)) as reader:
        revision = revision_chosen(reader, "")
    for field in fields_at(database, revision):
        yield CompletionItem(field["name"], help=shown(field.get("label", "")))
    yield from map(CompletionItem, ("comment", "attachment"))


@_offered
def moments(context: click.Context, incomplete: str) -> Iterator[CompletionItem]:
    """The years in which something changed; after a year its months, after a month its days."""
    yield from map(CompletionItem, WORDS)
    database = _database(context)
    zone = database.settings.zone
    with closing(Reader(database.path)) as reader:
        head, first = revision_chosen(reader, ""), reader.revision(1)
        assert first
        begin, end = (datetime.fromtimestamp(each.committed, zone).year for each in (first, head))
        for name in _periods(incomplete, begin, end):
            period = parse_at(f"@{name}", zone)
            if isinstance(period, Period):
                change = reader.next_time(period.start, head.number)
                if change is not None and change < period.end:
                    yield CompletionItem(name)


def moments_or_tickets(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """What may follow a moment."""
    return moments(context, parameter, incomplete) + tickets(context, parameter, incomplete)


def _periods(incomplete: str, begin: int, end: int) -> Iterator[str]:
    years = [f"{year}" for year in range(begin, end + 1)]
    yield from years
    if (year := incomplete[:4]) in years:
        yield from (f"{year}-{month:02}" for month in range(1, 13))
    if re.match(r"\d{4}-\d\d", incomplete, re.ASCII):
        yield from (f"{incomplete[:7]}-{day:02}" for day in range(1, 32))


def _database(context: click.Context) -> Database:
    return Database(Path(context.find_root().params["db"]))
