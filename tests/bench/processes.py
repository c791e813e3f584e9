"""Runs programs and notes what they took: time, and memory with all the processes that they start."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

LOOK = 0.02  # seconds between two looks at the memory of the processes
ENVIRONMENT = os.environ | {"LC_ALL": "C.UTF-8", "OFFTRACFS_PASSWORD": "secret", "NETRC": os.devnull}


class Ran(NamedTuple):
    """A program that has ended, and the most memory in bytes that processes of each name ever held.

    `peaks` has all that they had in memory, files mapped from the disk's cache included; `own` does not.
    """

    output: str
    peaks: dict[str, int]
    own: dict[str, int]


def run(*command: str | Path) -> Ran:
    """Run a program to its end. Raises CalledProcessError, after having shown what it said."""
    ran = Ran("", defaultdict(int), defaultdict(int))
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(command, env=ENVIRONMENT, stdout=output) as child,
    ):
        try:
            while not _ended(child):
                _look(child.pid, ran)
        except BaseException:
            child.terminate()
            raise
        if child.returncode:
            raise subprocess.CalledProcessError(child.returncode, command)
        output.seek(0)
        return ran._replace(output=output.read())


def timed(*command: str | Path, cwd: Path | None = None) -> float:
    """Seconds that a program takes, what it writes being read and dropped. Raises CalledProcessError."""
    began = time.monotonic()
    with subprocess.Popen(command, env=ENVIRONMENT, cwd=cwd, stdout=subprocess.PIPE, bufsize=0) as child:
        assert child.stdout
        while child.stdout.read(2**16):
            pass
    seconds = time.monotonic() - began
    if child.returncode and not (command[0] == "grep" and child.returncode == 1):  # grep found nothing
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


def _ended(child: subprocess.Popen[bytes]) -> bool:
    try:
        child.wait(LOOK)
    except subprocess.TimeoutExpired:
        return False
    return True


def _look(number: int, ran: Ran) -> None:
    """Note the memory of a process and of those below it."""
    try:
        name = Path(f"/proc/{number}/comm").read_text().strip()
        ran.peaks[name] = max(ran.peaks[name], status(number, "VmHWM"))
        ran.own[name] = max(ran.own[name], status(number, "RssAnon"))
        for thread in Path(f"/proc/{number}/task").iterdir():
            for child in (thread / "children").read_text().split():
                _look(int(child), ran)
    except (OSError, KeyError):
        pass  # it has just ended


def status(number: int, name: str) -> int:
    """A size that the kernel tells of a process (``VmHWM``, ``RssAnon``), in bytes.

    Raises OSError where there is no such process, KeyError where it is ending.
    """
    lines = Path(f"/proc/{number}/status").read_text().splitlines()
    values = dict(line.split(":", 1) for line in lines)
    return int(values[name].split()[0]) * 1024
