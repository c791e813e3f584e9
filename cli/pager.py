"""The user's pager, for what may be longer than the screen, by git's rules (git(1), core.pager); colours."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import TextIO

import click

from offtracfs.changes.words import Line, Part
from offtracfs.errors import UsageError

DEFAULT = "less"
STYLES: dict[Part, str] = {"title": "1", "heading": "33", "field": "36", "removed": "31", "added": "32"}
"""A terminal's bold, yellow, cyan, red and green; of a field, its name alone has the colour."""

CANNOT_RUN = (126, 127)  # exit codes of a shell that may not run a command, or does not find it
# Unless its user says otherwise, less ends where all fits on the screen, shows colours, and clears nothing.
SETTINGS = {"LESS": "FRX", "LV": "-c"}


@contextmanager
def paged() -> Iterator[TextIO]:
    """Stdout, as UTF-8; on a terminal through $PAGER, unless that is empty or "cat", or for ``--no-pager``.

    A character that UTF-8 does not have is written as an escape. When the user ends the pager early, that
    is no error: the rest is dropped.
    """
    # Not sys.stdout: under PYTHONUNBUFFERED it may write a text in part only, and lose the rest silently.
    with open(
        sys.stdout.fileno(), "w", encoding="utf-8", errors="backslashreplace", newline="", closefd=False
    ) as out:
        pager = _started() if out.isatty() else None
        if pager is None:
            yield out
            return
    with _left_to(pager) as into:
        yield into


def _started() -> subprocess.Popen[str] | None:
    """The pager, where there is to be one. $PAGER is a line for the shell, as for git and man."""
    command = os.environ.get("PAGER", DEFAULT if shutil.which(DEFAULT) else "").strip()
    if command in ("", "cat") or click.get_current_context().find_root().params.get("no_pager"):
        return None
    return subprocess.Popen(  # noqa: S602  # its owner's own words
        command,
        shell=True,
        bufsize=1,  # lines: what is found slowly is seen when it is found
        stdin=subprocess.PIPE,
        encoding="utf-8",
        errors="backslashreplace",
        env=SETTINGS | os.environ,
    )


@contextmanager
def _left_to(pager: subprocess.Popen[str]) -> Iterator[TextIO]:
    """What is written to goes to the pager, which has the terminal until its user ends it.

    Raises UsageError where the pager cannot be run.
    """
    assert isinstance(pager.stdin, TextIOWrapper)

    def interrupt(*_: object) -> None:
        """Ctrl-C is meant for the pager while that is there: in less it ends a search, or a wait for more."""
        if pager.poll() is not None:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        with suppress(BrokenPipeError):
            yield pager.stdin
    finally:
        with suppress(BrokenPipeError):
            pager.stdin.close()
        pager.wait()
        signal.signal(signal.SIGINT, before)
    if pager.returncode in CANNOT_RUN:
        raise UsageError("$PAGER cannot be run: set another one, or use `--no-pager`.")


def print_lines(lines: Iterable[Line]) -> None:
    """Write lines to stdout; at a terminal through the user's pager, and each part in its colour."""
    if sys.stdout is None:  # closed by whoever started this
        return
    styles = STYLES if has_colors() else {}
    with paged() as out:
        out.writelines(f"{_styled(line, styles.get(line.part, ''))}\n" for line in lines)


def has_colors() -> bool:
    """Whether what is written to stdout may have colours (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _styled(line: Line, style: str) -> str:
    if not (style and line.text):
        return line.text
    colored, plain = line.text, ""
    if line.part == "field":
        colored, colon, plain = line.text.partition(":")
        colored += colon
    return f"\x1b[{style}m{colored}\x1b[0m{plain}"
