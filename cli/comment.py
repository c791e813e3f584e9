"""`offtracfs comment`: change a ticket without a mount."""

from __future__ import annotations

from pathlib import Path

import click

from offtracfs.drafts import opened
from offtracfs.errors import UsageError

from . import shared
from .drafting import edited, say_saved, settings, values_set, writable


@click.command()
@shared.ticket
@click.option("-m", "message", metavar="TEXT", help="The comment. Without it, an editor opens on the ticket.")
@settings
@click.option("--action", default="", metavar="NAME", help="What to do in the tracker's workflow: resolve.")
@click.pass_obj
def command(
    directory: Path, number: int, message: str | None, settings: tuple[str, ...], action: str
) -> None:
    r"""Comment on ticket N, or change it; it waits until it is pushed.

    \b
      offtracfs comment 42 -m 'I shall look at it.'
      offtracfs comment 42 --set owner=bob --set keywords='rain, points'
      offtracfs comment 42 --action resolve --set resolution=fixed -m 'Oiled.'
      offtracfs comment 42                     the ticket's text in $EDITOR

    In the editor, fields and description can be changed; a comment is what stands below a line
    "==== Comment". What is said here is added to the ticket's draft, if it has one. `offtracfs pending` shows
    what waits, `offtracfs push` sends it, and `offtracfs discard` takes it back.

    Status and resolution change by the tracker's workflow: --set status=closed finds the action that leads
    there, and --action names it.

    Exit codes: 0 kept, 64 there is no such ticket, or the tracker could not take that.
    """
    database = writable(directory)
    with opened(database) as drafts:
        ticket = str(number)
        if message is not None or settings or action:
            if message is not None and not message.strip() and not (settings or action):
                raise UsageError("The comment is empty.")
            say_saved(drafts.change(ticket, values_set(settings, drafts), message or "", action))
            return
        text = drafts.text(ticket)
        data = edited(text)
        if data is None:
            click.echo("The text was not saved: no draft.")
        else:
            say_saved(drafts.save(f"text/{ticket}.txt", data))
