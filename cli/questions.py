"""What the commands that read have in common: the moment (--at), the format, the limits of SQL."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from typing import TextIO

import click

from offtracfs.database import Database
from offtracfs.errors import UsageError
from offtracfs.index import Revision
from offtracfs.index.moments import revision_chosen
from offtracfs.reports import process
from offtracfs.reports.formats import FORMATS, MEASURED, Sheet, write_table
from offtracfs.reports.sandbox import Sandbox

from . import shared
from .pager import has_colors, paged
from .text import shown

at = click.option(
    "--at",
    metavar="MOMENT",
    shell_complete=shared.offering("moments"),
    help="As the tracker stood then: 2011-04-09, '2011-04-09 21:16', yesterday, '3 days ago' or another date "
    "of Trac's queries, HEAD~3 or a commit. A date is the end of its day, month or year. Default: now.",
)
form = click.option(
    "--format",
    "form",
    type=click.Choice(tuple(FORMATS)),
    default="table",
    help="What to write: a table for people, or csv, tsv or json for programs. Default: table.",
)


def revision_for(database: Database, at: str | None) -> Revision:
    """The revision that ``--at`` stands for. Raises UsageError, NotADatabase; as `Database.reader` does."""
    text = moment_text(at, "--at")
    with closing(database.reader()) as reader:
        return revision_chosen(reader, text, database.settings.zone)


def moment_text(text: str | None, option: str) -> str:
    """A moment as `revision_chosen` takes it; "" where none was given. Raises UsageError for an empty one."""
    if text in ("", "@"):  # a shell's variable that is not set
        raise UsageError(f"{option} has no moment: write one like 2011-04-09, or leave it out.")
    return (text or "").removeprefix("@")


def confined(database: Database, revision: Revision) -> AbstractContextManager[Sandbox]:
    """`process.confined`, which here writes its last words to stderr."""
    return process.confined(database, revision, lambda said: click.echo(f"{process.SAYS}{said}", err=True))


def write(sheet: Sheet, form: str, *, measured: int = MEASURED) -> None:
    """Write to stdout what ``--format`` asked for; at a terminal through the user's pager.

    The first `measured` rows decide how wide a table's columns are.
    """
    if form != "table":
        write_for_programs(lambda out: FORMATS[form](sheet, out))
    elif sys.stdout is not None:  # closed by whoever started this
        with paged() as out:
            width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
            write_table(sheet, out, width=width, colored=has_colors(), measured=measured)


def write_for_programs(write: Callable[[TextIO], object]) -> None:
    """Have a program's format written to stdout, as `write` does."""
    if sys.stdout is not None:
        seen = sys.stdout.isatty()
        with paged() as out:
            write(_Shown(out) if seen else out)


class _Shown(io.StringIO):
    """A program's format on a terminal: control characters become visible escapes, line by line."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self._out = out

    def write(self, text: str) -> int:
        """Print it."""
        self._out.write("\n".join(shown(line.removesuffix("\r")) for line in text.split("\n")))
        return len(text)
