"""How far a sync has come: a bar on a terminal, a line now and then where there is none or a dumb one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from offtracfs.progress import Progress

from .text import shown

REFRESH = 0.05  # seconds between two looks of a bar: there are thousands of steps in a second
PAUSE = 10.0  # seconds between two lines; a sync that takes less says only how it ended


@contextmanager
def progress() -> Iterator[Progress]:
    """Shows what it is called with, on stderr."""
    if not sys.stderr.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        yield _lines()
        return
    from rich.console import Console  # 50 ms, and seldom needed
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    said = TextColumn("{task.description}", markup=False)
    columns = (said, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Rich would write what others print to its own console: right only if that is where they print.
    seen = sys.stdout.isatty()
    bars = Bars(*columns, console=Console(stderr=True), transient=True, redirect_stdout=seen)
    tasks: dict[str, TaskID] = {}
    last = 0.0

    def show(what: str, done: int, total: int | None) -> None:
        nonlocal last
        if not tasks:
            bars.start()  # not before: what is asked for at the terminal must stand there undisturbed
        if what not in tasks:
            tasks[what] = bars.add_task(shown(what), total=total)
        elif done != total and time.monotonic() - last < REFRESH:
            return
        last = time.monotonic()
        bars.update(tasks[what], completed=done, total=total)

    try:
        yield show
    finally:
        if tasks:
            bars.stop()


def _lines() -> Progress:
    last = time.monotonic()

    def show(what: str, done: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last >= PAUSE:
            last = time.monotonic()
            of = "" if total is None else f" of {total:,}"
            click.echo(f"{shown(what)}: {done:,}{of}", err=True)

    return show
