"""`offtracfs check`: is all well?"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from offtracfs.check import check
from offtracfs.database import Database
from offtracfs.status import look

from .progress import progress
from .text import count, said


@click.command()
@click.pass_obj
def command(directory: Path) -> int:
    """Say whether all is well, or what is not.

    Looks at drafts.db and the git objects, holds the index, and Trac's tables in it, against all of git's
    history, and each record of the present against its shape. It writes nothing, and a sync or a mount may be
    at work meanwhile. It takes about twice as long as building the index: seconds, or minutes for a hundred
    thousand tickets.

    A damaged index is built anew by the next sync after `rm DIR/index.db`. A damaged git object is only to
    be had from a copy of DIR/git; all files that do not need it can still be read. Or make a new database:
    what the tracker still has comes back.

    Exit codes: 0 all is well, 1 something is not, and each finding is a line; 66 no database there.
    """
    database, wrong = Database(directory), 0
    with progress() as show, closing(check(database, show)) as findings:
        for finding in findings:
            click.echo(said(finding))
            wrong += 1
    if wrong:
        return 1
    held = look(database).contents
    what = f"{count(held.tickets, 'ticket')}, {count(held.revisions, 'revision')}" if held else "still empty"
    click.echo(f"All is well: {what}.")
    return 0
