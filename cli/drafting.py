"""What the commands that write drafts, or send them, have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from offtracfs.database import Database
from offtracfs.demo import build
from offtracfs.drafts import Draft, Drafts
from offtracfs.errors import UsageError
from offtracfs.trackers import registry

from . import shared
from .text import count, said

_NEW = re.compile(r"new-[^/]+")


class DraftName(click.ParamType[str]):
    """A ticket's number, as 42 or #42, or the name of a new ticket, as new-NAME."""

    name = "ticket"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> str:
        """The ticket as drafts have it. Raises click.BadParameter."""
        if _NEW.fullmatch(str(value)):
            return str(value)
        number = shared.ticket_number(str(value))
        if number is None:
            self.fail(f"{str(value)[:60]!r} is neither a ticket's number nor new-NAME.", parameter, context)
        return str(number)


def drafted(name: str, **options: Any) -> Callable[[Any], Any]:
    """An argument that takes tickets of which something was saved."""
    return click.argument(name, type=DraftName(), shell_complete=shared.offering("drafts"), **options)


settings = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Set a field, by its name or its label; an empty value clears it. May be given several times.",
)


def values_set(settings: Iterable[str], drafts: Drafts) -> dict[str, str]:
    """The values of ``--set``, by the names of their fields. Raises UsageError."""
    values = {}
    for setting in settings:
        label, equals, value = setting.partition("=")
        if not (label.strip() and equals):
            raise UsageError(f"--set takes FIELD=VALUE, and no {setting[:60]!r}.")
        values[drafts.labels().name(label.strip())] = value
    return values


def writable(directory: Path) -> Database:
    """A database whose tracker can be written. Raises UsageError where it cannot, and as `Database`."""
    database = Database(directory)
    url = database.settings.url
    if url != build.URL and not registry.kind(url).writable:
        raise UsageError(
            "This tracker cannot be written: only a Trac that is reached over its RPC plugin can."
        )
    return database


def edited(text: bytes) -> bytes | None:
    """What somebody has made of a text in their editor; None where it was not saved."""
    found = click.edit(text.decode(), extension=".txt")
    return None if found is None else found.encode()


def say_saved(draft: Draft | None) -> None:
    """Say what was kept."""
    if draft is None:
        click.echo("Nothing is different: no draft.")
        return
    parts = [f"{name}" for name in draft.fields]
    parts += [f"action {draft.action}"] * bool(draft.action) + ["a comment"] * bool(draft.comment)
    name = draft.ticket if draft.is_new else f"#{draft.ticket}"
    click.echo(said(f"{name}: {', '.join(parts)}. It waits for `offtracfs push`."))


def listed(tickets: Sequence[str]) -> str:
    """``2 tickets``."""
    return count(len(tickets), "ticket")
