"""A report in a process of its own: the command that starts one, what it may take, and what its end means.

Foreign SQL can make SQLite take all memory, or keep it in one step for ever. Only the end of the process is
sure to end that. So a mount runs each report in a process of its own (`command`), and that process limits
itself (`confined`).
"""

from __future__ import annotations

import errno
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from math import ceil
from pathlib import Path

from offtracfs.database import Database
from offtracfs.errors import DatabaseError, QueryRefused
from offtracfs.index import Revision
from offtracfs.reports.sandbox import Sandbox, connect

FORMATS = {"csv": "csv", "txt": "table"}
"""The format in which a report file is written, by the suffix of its name."""

WATCH = 1.0  # seconds between two looks at the clock from outside SQLite
GRACE = 2  # seconds over the limit after which the process is ended
FOR_WRITING = 60  # seconds more that the process may take for what is not SQL
FOR_PYTHON = 512 << 20  # bytes: rows, their text, and what is loaded later
MAX_WRITTEN = 1 << 30  # bytes, into a file

SAYS = "offtracfs: "  # what stands in front of a sentence on a process's stderr


def program(directory: Path) -> list[str]:
    """How this program is started for a database."""
    return [sys.executable, "-P", "-m", "offtracfs_cli", "--db", str(directory)]


def command(program: Sequence[str], report: int, suffix: str, commit: bytes) -> list[str]:
    """The command that writes a report, as it is at a commit, to its standard output.

    `program` is how this program is started, with the database as its option.
    """
    return [*program, "report", str(report), "--format", FORMATS[suffix], "--at", commit.hex()]


def refusal(code: int, stderr: bytes) -> str:
    """What the end of such a process says: why the report cannot run, or "" where it has run.

    Raises DatabaseError where another try may help.
    """
    if code == 0:
        return ""
    lines = stderr.decode(errors="replace").strip().splitlines()
    said = lines[-1].removeprefix(SAYS) if lines else f"exit code {code}"
    if code == QueryRefused.exit_code:
        return said
    raise DatabaseError(said)


@contextmanager
def confined(database: Database, revision: Revision, say: Callable[[str], None]) -> Iterator[Sandbox]:
    """Trac's tables as they stood at a revision, for foreign SQL; from here on the whole process has limits.

    The kernel limits its memory, the size of its files and its processor time. When SQLite is stuck in one
    step, which nothing in this process can interrupt, a second thread passes the reason to `say` and ends the
    process. If Python itself is stuck, the kernel ends the process (RLIMIT_CPU).

    Raises as `sandbox.connect`; QueryRefused.
    """
    with closing(connect(database.path, revision.number)) as sandbox, _watched(sandbox, say):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        memory = used + sandbox.limits.memory + FOR_PYTHON
        seconds = ceil(time.process_time() + sandbox.limits.seconds + GRACE + FOR_WRITING)
        _limit(resource.RLIMIT_AS, memory)
        _limit(resource.RLIMIT_FSIZE, MAX_WRITTEN)
        _limit(resource.RLIMIT_CPU, seconds)
        try:
            yield sandbox
        except MemoryError:
            raise QueryRefused(
                f"It needs more than {memory >> 20} MB of memory, which is the limit."
            ) from None
        except OSError as error:
            if error.errno != errno.EFBIG:
                raise
            raise QueryRefused(f"It gives more than {MAX_WRITTEN >> 20} MB, which is the limit.") from None


def _limit(what: int, limit: int) -> None:
    hard = resource.getrlimit(what)[1]
    resource.setrlimit(what, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


@contextmanager
def _watched(sandbox: Sandbox, say: Callable[[str], None]) -> Iterator[None]:
    """End this process when a statement is GRACE seconds late: SQLite has not looked at the clock."""
    done, limit = threading.Event(), sandbox.limits.seconds

    def watch() -> None:
        while not done.wait(WATCH):
            if sandbox.spent > limit + GRACE:
                say(f"It takes longer than {limit:g} seconds, which is the limit.")
                os._exit(QueryRefused.exit_code)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()
