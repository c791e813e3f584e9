"""The program at a terminal of its own, as large as terminals have always been, and a person at the keys."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.program import PROGRAM, surroundings

ROWS, COLUMNS = 24, 80
TIMEOUT = 60.0  # seconds for a word to appear


class Terminal:
    """What a program has shown so far, and the way to type an answer."""

    def __init__(self, process: subprocess.Popen[bytes], number: int) -> None:
        self.process = process
        self._bytes = b""
        self._read = 0  # up to here everything that was waited for has come
        self._number = number

    @property
    def shown(self) -> str:
        """All that was to be seen so far."""
        return self._bytes.decode(errors="replace")

    def read_until(self, words: str) -> None:
        """Waits for words after those that were waited for before; "" for the end of the program."""
        deadline = time.monotonic() + TIMEOUT
        while not words or (at := self._bytes.find(words.encode(), self._read)) < 0:
            ready, _, _ = select.select([self._number], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"{words!r} does not come after {self.shown[-2000:]!r}"
            try:
                part = os.read(self._number, 65536)
            except OSError:  # Linux' way to say that nobody has it open any more
                part = b""
            if not part:
                assert not words, f"{words!r} does not come after {self.shown[-2000:]!r}"
                return
            self._bytes += part
        self._read = at + len(words.encode())

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
def at_a_terminal(home: Path, *arguments: str | Path, **environment: str) -> Iterator[Terminal]:
    """The program with a terminal that is its own, as in a window."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    # The terminal must be the one that /dev/tty names, too: whoever runs the tests has another.
    command = ["setsid", "--ctty", "--wait", *PROGRAM, *(str(argument) for argument in arguments)]
    env = surroundings(home, **{"TERM": "xterm", **environment})
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=home, env=env)
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        os.close(ours)  # hangs up: what still runs there ends
        process.wait(TIMEOUT)


def seen_at_a_terminal(
    home: Path,
    *arguments: str | Path,
    keys: Sequence[tuple[str, str]] = (),
    code: int = 0,
    **environment: str,
) -> str:
    """All that somebody sees who starts the program, which ends with that exit code.

    `keys` are what is waited for, and what is pressed then: each looks behind what the one before has seen.
    """
    with at_a_terminal(home, *arguments, **environment) as terminal:
        for words, pressed in keys:
            terminal.read_until(words)
            terminal.type(pressed)
        ended = terminal.ends()
    assert ended == code, terminal.shown
    return terminal.shown
