"""The program at a terminal, as large as terminals have always been, with a user at the keys."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from pty import openpty

from tests.program import PROGRAM, surroundings

ROWS, COLUMNS = 24, 80
TIMEOUT = 60.0  # seconds


def at_a_terminal(
    home: Path,
    *arguments: str | Path,
    keys: Sequence[tuple[str, str]] = (),
    code: int = 0,
    **environment: str,
) -> str:
    """What somebody sees who starts the program, which ends with that exit code.

    `keys` are what is waited for, and what is pressed then: each looks behind what the one before has seen.
    """
    command = [*PROGRAM, *(str(argument) for argument in arguments)]
    return watched(home, command, keys, surroundings(home, **{"TERM": "xterm", **environment}), code)


def watched(
    home: Path, command: list[str], keys: Sequence[tuple[str, str]], env: Mapping[str, str], code: int = 0
) -> str:
    """As `at_a_terminal`, for any command."""
    ours, theirs = openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    with subprocess.Popen(
        command,
        env=env,
        cwd=home,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    ) as process:
        os.close(theirs)
        try:
            text = _watched(ours, keys)
        except BaseException:
            process.kill()
            raise
        finally:
            os.close(ours)
    assert process.returncode == code, text
    return text


def _watched(terminal: int, keys: Sequence[tuple[str, str]]) -> str:
    waiting, seen, since, last = list(keys), b"", 0, b""
    end = time.monotonic() + TIMEOUT
    while True:
        ready, _, _ = select.select([terminal], [], [], 1)
        if not ready:  # what is pressed at the wrong moment, such as beside a Ctrl-C, is lost
            assert time.monotonic() < end, f"nothing more was said after {seen[-2000:]!r}"
            os.write(terminal, last)
            continue
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # Linux' way to say that nobody has it open any more
            chunk = b""
        if not chunk:
            assert not waiting, f"{waiting[0][0]!r} was never seen in {seen[-2000:]!r}"
            return seen.decode(errors="replace")
        seen += chunk
        if waiting and waiting[0][0].encode() in seen[since:]:
            last = waiting.pop(0)[1].encode()
            os.write(terminal, last)
            since = len(seen)
