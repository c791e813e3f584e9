"""`offtracfs pending`: what was saved here and is not in the tracker yet."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from offtracfs.changes.words import Line
from offtracfs.database import Database
from offtracfs.drafts import Drafts, opened
from offtracfs.drafts.words import draft_data, draft_lines, refusal_data, refusal_lines
from offtracfs.errors import UsageError

from .drafting import drafted
from .pager import print_lines


@click.command()
@drafted("ticket", metavar="[N]", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON: an object a draft, on a line.")
@click.option(
    "--text", is_flag=True, help="The text of ticket N that was saved last, also if it was refused."
)
@click.pass_obj
def command(directory: Path, ticket: str | None, as_json: bool, text: bool) -> None:
    r"""Show what waits to be pushed, how it differs from the tracker, and what was refused.

    \b
      offtracfs pending                  all of it
      offtracfs pending 42               of one ticket; a new one is called new-NAME
      offtracfs pending 42 --text        the text that was saved last, also where it was refused

    Exit codes: 0 whatever there is to say, 64 --text of a ticket of which nothing was ever saved.
    """
    with opened(Database(directory)) as drafts:
        if text:
            _write_text(drafts, ticket)
        elif as_json:
            for data in _data(drafts, ticket):
                click.echo(json.dumps(data))
        else:
            lines = list(_lines(drafts, ticket))
            print_lines(lines or [Line("text", "Nothing is pending.")])


def _write_text(drafts: Drafts, ticket: str | None) -> None:
    saved = drafts.store.last_saved(ticket) if ticket else None
    if saved is None:
        raise UsageError("--text goes with a ticket of which something was saved.")
    sys.stdout.buffer.write(saved.raw)


def _lines(drafts: Drafts, ticket: str | None) -> Iterator[Line]:
    for draft in drafts.pending():
        if ticket in (None, draft.ticket):
            yield from draft_lines(drafts, draft)
    for draft in drafts.store.refused_last():
        if ticket in (None, draft.ticket):
            yield from refusal_lines(draft)


def _data(drafts: Drafts, ticket: str | None) -> Iterator[dict[str, object]]:
    for draft in drafts.pending():
        if ticket in (None, draft.ticket):
            yield draft_data(drafts, draft)
    for draft in drafts.store.refused_last():
        if ticket in (None, draft.ticket):
            yield refusal_data(draft)
