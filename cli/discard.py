"""`offtracfs discard`: take a draft back."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from offtracfs.database import Database
from offtracfs.drafts import Draft, opened

from .drafting import drafted
from .text import said


@click.command()
@drafted("tickets", metavar="N...", nargs=-1, required=True)
@click.option("--undo", is_flag=True, help="Bring the draft back that was discarded last.")
@click.pass_obj
def command(directory: Path, tickets: tuple[str, ...], undo: bool) -> None:
    r"""Take back what was saved of ticket N and not pushed yet.

    \b
      offtracfs discard 42               the ticket is again as the tracker has it
      offtracfs discard 42 --undo        as if that had not been

    A save that was refused is put away, where there is no draft. Nothing is deleted: what was typed stays in
    drafts.db.

    Exit codes: 0 done, 64 there is no such draft, or it is just being sent.
    """
    with opened(Database(directory)) as drafts:
        for ticket in tickets:
            if undo:
                drafts.undo(ticket)
                click.echo(said(f"The draft of {ticket} is back: `offtracfs pending {ticket}` shows it."))
            else:
                click.echo(said(_taken_back(drafts.discard(ticket))))


def _taken_back(draft: Draft) -> str:
    ticket = shlex.quote(draft.ticket)
    if draft.accepted:
        return f"The draft of {ticket} is taken back; --undo brings it again."
    return f"What was refused of {ticket} is put away; `offtracfs pending {ticket} --text` still shows it."
