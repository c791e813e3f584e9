"""The program at a terminal of its own, as large as terminals have always been, and a person at the keys."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
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

    def read_until(self, words: str, again: str = "") -> None:
        """Waits for words after those that were waited for before; "" for the end of the program.

        `again` is typed once more where nothing happens: what is pressed at the wrong moment, as beside a
        Ctrl-C, is lost.
        """
        deadline = time.monotonic() + TIMEOUT
        while not words or (at := self._bytes.find(words.encode(), self._read)) < 0:
            ready, _, _ = select.select([self._number], [], [], 2)
            if not ready:
                assert time.monotonic() < deadline, f"{words!r} does not come after {self.shown[-2000:]!r}"
                self.type(again)
                continue
            try:
                part = os.read(self._number, 65536)
            except OSError:  # Linux' way to say that nobody has it open any more
                part = b""
            if not part:
                assert not words, f"{words!r} does not come after {self.shown[-2000:]!r}"
                return
            self._bytes += part
        self._read = at + len(words.encode())

    def read_any(self, *words: str) -> str:
        """Waits for one of several words, and gives it; for a pause, where "" is among them."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            for word in filter(None, words):
                if word.encode() in self._bytes[self._read :]:
                    self.skip()
                    return word
            if not self._more(0.5) and "" in words:
                return ""
            assert time.monotonic() < deadline, f"none of {words!r} comes after {self.shown[-2000:]!r}"

    @property
    def unread(self) -> str:
        """What was shown since the words that were waited for last."""
        return self._bytes[self._read :].decode(errors="replace")

    def skip(self) -> None:
        """What was shown so far was waited for."""
        self._read = len(self._bytes)

    def pause(self) -> None:
        """Waits until the program shows nothing new for a moment."""
        while self._more(0.15):
            pass

    def _more(self, seconds: float) -> bool:
        """Whether the program shows something within that time."""
        ready, _, _ = select.select([self._number], [], [], seconds)
        if ready:
            self._bytes += os.read(self._number, 65536)
        return bool(ready)

    def type(self, text: str) -> None:
        """Types a line, or a control character."""
        os.write(self._number, text.encode())

    def ends(self, again: str = "") -> int:
        """The program's exit code, once it has ended."""
        self.read_until("", again)
        return self.process.wait(TIMEOUT)

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._number)[3] & termios.ECHO)


@contextmanager
def at_a_terminal(home: Path, *arguments: str | Path, **environment: str) -> Iterator[Terminal]:
    """The program with a terminal that is its own, as in a window."""
    command = [*PROGRAM, *(str(argument) for argument in arguments)]
    with started(home, command, surroundings(home, **{"TERM": "xterm", **environment})) as terminal:
        yield terminal


@contextmanager
def started(home: Path, command: Sequence[str], env: Mapping[str, str]) -> Iterator[Terminal]:
    """As `at_a_terminal`, for any command."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    # The terminal must be the one that /dev/tty names, too: whoever runs the tests has another.
    alone = ["setsid", "--ctty", "--wait", *command]
    process = subprocess.Popen(alone, stdin=theirs, stdout=theirs, stderr=theirs, cwd=home, env=env)
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
    command = [*PROGRAM, *(str(argument) for argument in arguments)]
    return watched(home, command, keys, surroundings(home, **{"TERM": "xterm", **environment}), code)


def watched(
    home: Path, command: Sequence[str], keys: Sequence[tuple[str, str]], env: Mapping[str, str], code: int = 0
) -> str:
    """As `seen_at_a_terminal`, for any command."""
    with started(home, command, env) as terminal:
        last = ""
        for words, pressed in keys:
            terminal.read_until(words, again=last)
            terminal.type(pressed)
            last = pressed
        ended = terminal.ends(again=last)
    assert ended == code, terminal.shown
    return terminal.shown
