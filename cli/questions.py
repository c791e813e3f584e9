"""What the commands that ask Trac's tables have in common: when, how it is written, what it may take."""

from __future__ import annotations

import errno
import io
import os
import resource
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from math import ceil
from pathlib import Path
from typing import TextIO

import click

from offtracfs.database import Database
from offtracfs.errors import QueryRefused, UsageError
from offtracfs.index import Revision
from offtracfs.index.moments import revision_chosen
from offtracfs.reports.formats import FORMATS, Sheet, write_table
from offtracfs.reports.sandbox import Sandbox, connect

from . import shared
from .pager import paged
from .text import shown

NOBODY = "anonymous"  # as Trac calls whoever has not logged in
GRACE = 2  # seconds that SQLite may be over its time, if only it looks up
FOR_WRITING = 60  # seconds more that the process may take for what is not SQL
FOR_PYTHON = 512 << 20  # bytes: rows, their text, and what is loaded later
MOST_WRITTEN = 1 << 30  # bytes, into a file

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


def moment(database: Database, at: str | None) -> Revision:
    """The revision that ``--at`` stands for. Raises UsageError, NotADatabase; as `Database.reader` does."""
    if at in ("", "@"):  # a shell's variable that is not set
        raise UsageError("--at has no moment: write one like 2011-04-09, or leave --at out.")
    with closing(database.reader()) as reader:
        return revision_chosen(reader, (at or "").removeprefix("@"), database.settings.zone)


@contextmanager
def confined(database: Database, revision: Revision) -> Iterator[Sandbox]:
    """Trac's tables as they stood at a revision, for foreign SQL, whose own this process is from here on.

    It can take no more memory than SQLite may and Python needs, and fill no disk; and it ends, with a
    sentence, where SQLite is stuck within one step, which nothing else can interrupt. Were Python itself
    ever stuck, the kernel would end it. Raises as `sandbox.connect`; QueryRefused.
    """
    with closing(connect(database.path, revision.number)) as sandbox, _watched(sandbox):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        most = used + sandbox.limits.memory + FOR_PYTHON
        seconds = ceil(time.process_time() + sandbox.limits.seconds + GRACE + FOR_WRITING)
        for what, limit in (
            (resource.RLIMIT_AS, most),
            (resource.RLIMIT_FSIZE, MOST_WRITTEN),
            (resource.RLIMIT_CPU, seconds),
        ):
            hard = resource.getrlimit(what)[1]
            resource.setrlimit(what, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))
        try:
            yield sandbox
        except MemoryError:
            raise QueryRefused(f"It needs more than {most >> 20} MB of memory, which is the limit.") from None
        except OSError as error:
            if error.errno != errno.EFBIG:
                raise
            raise QueryRefused(f"It gives more than {MOST_WRITTEN >> 20} MB, which is the limit.") from None


@contextmanager
def _watched(sandbox: Sandbox) -> Iterator[None]:
    done, limit = threading.Event(), sandbox.limits.seconds

    def watch() -> None:
        while not done.wait(1):
            if sandbox.spent > limit + GRACE:
                click.echo(
                    f"offtracfs: It takes longer than {limit:g} seconds, which is the limit.", err=True
                )
                os._exit(QueryRefused.exit_code)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def write(sheet: Sheet, form: str) -> None:
    """Write to stdout what ``--format`` asked for; at a terminal through the user's pager."""
    if sys.stdout is None:  # closed by whoever started this
        return
    seen = sys.stdout.isatty()
    with paged() as out:
        if not seen:
            FORMATS[form](sheet, out)
        elif form == "table":
            colored = "NO_COLOR" not in os.environ
            write_table(sheet, out, width=shutil.get_terminal_size().columns, colored=colored)
        else:
            FORMATS[form](sheet, _Shown(out))


class _Shown(io.StringIO):
    """A terminal, which no text shall command: what a program would get is shown line by line."""

    def __init__(self, out: TextIO) -> None:
        super().__init__()
        self._out = out

    def write(self, text: str) -> int:
        """Print it."""
        self._out.write("\n".join(shown(line.removesuffix("\r")) for line in text.split("\n")))
        return len(text)
