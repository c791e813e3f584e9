"""Runs programs and notes what they took: time, and memory with all the processes that they start."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

LOOK = 0.05  # seconds between two looks at the memory of the processes
SAY_NO = ("grep", "diff")  # by exit code 1: nothing was found, there are differences
ENVIRONMENT = os.environ | {"LC_ALL": "C.UTF-8", "OFFTRACFS_PASSWORD": "secret", "NETRC": os.devnull}


class Ran(NamedTuple):
    """A program that has ended, and the most memory in bytes that processes of each name ever held.

    `peaks` has all that they had in memory, files mapped from the disk's cache included; `own` does not,
    nor does `together`, which is the most that all of them had at one time.
    """

    output: str
    seconds: float
    peaks: dict[str, int]
    own: dict[str, int]
    together: int


def run(*command: str | Path, **environment: str) -> Ran:
    """Run a program to its end. Raises CalledProcessError, after having shown what it said."""
    peaks: dict[str, int] = defaultdict(int)
    own: dict[str, int] = defaultdict(int)
    together = 0
    began = time.monotonic()
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(command, env=ENVIRONMENT | environment, stdout=output) as child,
    ):
        try:
            while not _ended(child):
                together = max(together, _look(child.pid, peaks, own))
        except BaseException:
            child.terminate()
            raise
        seconds = time.monotonic() - began
        if child.returncode:
            raise subprocess.CalledProcessError(child.returncode, command)
        output.seek(0)
        return Ran(output.read(), seconds, peaks, own, together)


def timed(
    *command: str | Path, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> float:
    """Seconds that a program takes, what it writes being read and dropped. Raises CalledProcessError."""
    began = time.monotonic()
    with subprocess.Popen(
        command, env=ENVIRONMENT | dict(environment or {}), cwd=cwd, stdout=subprocess.PIPE, bufsize=0
    ) as child:
        assert child.stdout
        while child.stdout.read(2**16):
            pass
    seconds = time.monotonic() - began
    if child.returncode and not (command[0] in SAY_NO and child.returncode == 1):
        raise subprocess.CalledProcessError(child.returncode, command)
    return seconds


def drop_caches() -> bool:
    """Make the kernel forget what it has of any disk; False where that is not ours to do."""
    try:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        return False
    return True


def times(size: int) -> int:
    """How often to repeat what takes a second at 1,000 tickets, and minutes at 100,000."""
    return 3 if size < 50_000 else 1


def offtracfs(database: Path, *arguments: str | Path) -> list[str | Path]:
    """The command line of the program that users run."""
    return [Path(sys.executable).with_name("offtracfs"), "--db", database, *arguments]


def create(database: Path, *arguments: str, **environment: str) -> None:
    """A new, empty database in place of any, as ``offtracfs init`` makes it."""
    shutil.rmtree(database, ignore_errors=True)
    run(*offtracfs(database, "init", *arguments), **environment)


def _ended(child: subprocess.Popen[bytes]) -> bool:
    try:
        child.wait(LOOK)
    except subprocess.TimeoutExpired:
        return False
    return True


def _look(number: int, peaks: dict[str, int], own: dict[str, int]) -> int:
    """Note the memory of a process and of those below it; what all of them have of their own."""
    together = 0
    try:
        name = Path(f"/proc/{number}/comm").read_text().strip()
        peaks[name] = max(peaks[name], status(number, "VmHWM"))
        together = status(number, "RssAnon")
        own[name] = max(own[name], together)
        for thread in Path(f"/proc/{number}/task").iterdir():
            for child in (thread / "children").read_text().split():
                together += _look(int(child), peaks, own)
    except (OSError, KeyError):
        pass  # it has just ended
    return together


def status(number: int, name: str) -> int:
    """A size that the kernel tells of a process (``VmHWM``, ``RssAnon``), in bytes.

    Raises OSError where there is no such process, KeyError where it is ending.
    """
    lines = Path(f"/proc/{number}/status").read_text().splitlines()
    values = dict(line.split(":", 1) for line in lines)
    return int(values[name].split()[0]) * 1024
