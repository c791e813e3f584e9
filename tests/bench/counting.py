"""A mount that counts the kernel's requests: ``python -m tests.bench.counting DATABASE MOUNTPOINT``.

For each line on its standard input it writes the counts so far; at the input's end it unmounts and ends,
so that it never outlives whoever started it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import trio

from offtracfs.database import Database
from tests.mounting import mounted


async def serve(database: Database, mountpoint: Path) -> None:
    """Mount, and serve until the standard input ends."""
    async with (
        mounted(database, mountpoint) as operations,
        trio.lowlevel.FdStream(sys.stdin.fileno()) as lines,
    ):
        async for _ in lines:
            click.echo(json.dumps(operations.requests))


@dataclass(frozen=True, slots=True)
class Counted:
    """A mount whose requests are counted in another process."""

    path: Path
    process: subprocess.Popen[str]

    def requests(self) -> Counter[str]:
        """How often each handler was asked so far."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return Counter(json.loads(self.process.stdout.readline()))


@contextmanager
def counted(database: Path, **environment: str) -> Iterator[Counted]:
    """A fresh mount of a database, for as long as the context lasts; with these variables added."""
    with TemporaryDirectory(prefix="offtracfs-bench-") as mountpoint:
        command = [sys.executable, "-m", "tests.bench.counting", str(database), mountpoint]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, env=os.environ | environment, text=True, stdin=pipe, stdout=pipe
        ) as process:
            mount = Counted(Path(mountpoint), process)
            mount.requests()  # it answers when it has mounted
            yield mount


if __name__ == "__main__":
    trio.run(serve, Database(Path(sys.argv[1])), Path(sys.argv[2]))
