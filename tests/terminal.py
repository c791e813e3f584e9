"""A program at a terminal of its own, and a person who reads and types there."""

from __future__ import annotations

import os
import select
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.program import PROGRAM, surroundings

TIMEOUT = 60.0  # seconds for a word to appear


class Terminal:
    """What a program has shown so far, and the way to type an answer."""

    def __init__(self, process: subprocess.Popen[bytes], number: int) -> None:
        self.process = process
        self.shown = ""
        self._number = number

    def read_until(self, words: str) -> None:
        """Waits for words after those that were waited for before; "" for the end of the program."""
        seen, deadline = len(self.shown) if words else 0, time.monotonic() + TIMEOUT
        while not (words and words in self.shown[seen:]):
            ready, _, _ = select.select([self._number], [], [], deadline - time.monotonic())
            assert ready, f"{words!r} does not come after {self.shown!r}"
            try:
                part = os.read(self._number, 4096)
            except OSError:  # Linux' way to say that nobody has it open any more
                part = b""
            if not part:
                assert not words, f"{words!r} does not come after {self.shown!r}"
                return
            self.shown += part.decode()

    def type(self, text: str) -> None:
        """Types a line, or a control character."""
        os.write(self._number, text.encode())

    def ends(self) -> int:
        """The program's exit code, once it has ended."""
        self.read_until("")
        return self.process.wait(TIMEOUT)

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._number)[3] & termios.ECHO)


@contextmanager
def at_a_terminal(home: Path, *arguments: str, **environment: str) -> Iterator[Terminal]:
    """The program with a terminal that is its own, as in a window."""
    ours, theirs = os.openpty()
    # The terminal must be the one that /dev/tty names, too: whoever runs the tests has another.
    command = ["setsid", "--ctty", "--wait", *PROGRAM, *arguments]
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=home,
        env=surroundings(home, TERM="xterm", **environment),
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        os.close(ours)  # hangs up: what still runs there ends
        process.wait(TIMEOUT)
