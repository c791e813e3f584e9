"""`offtracfs new`: a new ticket without a mount."""

from __future__ import annotations

from pathlib import Path

import click

from offtracfs.drafts import opened

from .drafting import edited, say_saved, settings, values_set, writable


@click.command()
@settings
@click.option("-m", "message", metavar="TEXT", help="The description. With it, no editor opens.")
@click.pass_obj
def command(directory: Path, settings: tuple[str, ...], message: str | None) -> None:
    r"""Write a new ticket in $EDITOR; it waits until it is pushed.

    \b
      offtracfs new                            a template in the editor
      offtracfs new --set component=points     with the component set
      offtracfs new --set summary='Points stick' -m 'Since Monday.'

    The first line is "#new " and the summary. Until it is pushed, the ticket has a name such as new-1, by
    which `pending`, `push` and `discard` know it.

    Exit codes: 0 kept, 64 the tracker could not take that.
    """
    database = writable(directory)
    with opened(database) as drafts:
        path = f"text/{drafts.free_name()}.txt"
        values = values_set(settings, drafts)
        if message is not None:
            values["description"] = message
        text = drafts.template("txt", values)
        data = text if message is not None else edited(text)
        if data is None:
            click.echo("The text was not saved: no draft.")
        else:
            say_saved(drafts.save(path, data))
