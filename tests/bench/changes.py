"""What the commands that read tickets and changes take, each with its start: `show`, `log`, `diff`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.processes import offtracfs, timed

MAX_SECONDS = 0.5
TIMES = 3
COMMANDS = (
    "show {}",
    "log -n 20",
    "log -n 20 --full",
    "log {}",
    "log -n 20 --field milestone",
    "diff HEAD~20",
    "diff HEAD~1000 --stat",
)


def measure(size: int, directory: Path) -> Iterator[Figure]:
    """The figures for a database of a generated Trac, beside the start of a command that does nothing."""
    start = _least(directory, "status", "--help")
    for command in COMMANDS:
        seconds = _least(directory, *command.format(size // 2).split())
        yield Figure(size, f"`{command.format('N')}`", seconds, "s", most=MAX_SECONDS)
    yield Figure(size, "`status --help`, for comparison", start, "s")


def _least(directory: Path, *arguments: str) -> float:
    return min(timed(*offtracfs(directory, *arguments)) for _ in range(TIMES))
