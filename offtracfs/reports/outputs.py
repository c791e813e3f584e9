"""What the report files in a mount hold.

A process makes each when it is first read. For those who look up its name it is kept for a minute; whoever
has found it there can read it for longer, until the kernel forgets it.
"""

from __future__ import annotations

import csv
import logging
import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import IO, NamedTuple, TextIO

import trio

from offtracfs.errors import DatabaseError, QueryRefused
from offtracfs.reports.allowed import MAX_TEXT
from offtracfs.reports.process import refusal

MAX_KEPT = 100  # outputs, each of which takes a file descriptor
MAX_BYTES = 256 << 20  # of all outputs, in $TMPDIR
MAX_RUNNING = 2  # reports at once: the mount's other readers need the processor, too
MAX_AGE = 60.0  # seconds; an older output is made again, since SQL can ask for the time
TIMEOUT = (
    600.0  # seconds; a process limits its processor time itself, and needs more of them on a busy machine
)
POLL = 1.0  # seconds between two looks whether who waits was killed

TICKET_COLUMNS = ("ticket", "id")
"""The columns of a report that Trac takes for a ticket's number (``trac/ticket/report.py``)."""

log = logging.getLogger(__name__)

_NUMBER = re.compile("[0-9]{1,18}", re.ASCII)
_field_size = Lock()  # held while the limit of csv, which is the process's, is that of a report's cells

_SIGNALS = re.compile(r"^(SigPnd|ShdPnd|SigBlk|SigIgn|SigCgt):\s*([0-9a-f]+)$", re.MULTILINE)
_KILL = 1 << (signal.SIGKILL - 1)
_CORE = sum(  # those whose default is to dump core, as signal(7) has them
    1 << (number - 1)
    for number in (
        signal.SIGQUIT,
        signal.SIGILL,
        signal.SIGTRAP,
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGSEGV,
        signal.SIGXCPU,
        signal.SIGXFSZ,
        signal.SIGSYS,
    )
)


class ReportFile(NamedTuple):
    """A file of a report's output at a commit; `suffix` says in which format (csv, txt).

    `commit` is 20 bytes, `mtime` in seconds since 1970 UTC.
    """

    commit: bytes
    report: int
    suffix: str
    mtime: int


Command = Callable[[ReportFile], Sequence[str]]
"""The command that writes a report file to its standard output, or one sentence to its standard error."""


@dataclass(slots=True, eq=False)
class Output:
    """The output of one run of a report.

    `file` is None until it has run; then it holds `size` bytes for ever.

    `refusal` says why the report cannot run; "" where it has run. `made` is when it ran, in seconds by trio's
    clock. `names` are those by which the kernel may know it: a directory's inode, and a name in it. Two
    outputs are never equal, since two runs may give different results: SQL can ask for the time and for
    random numbers.
    """

    report: ReportFile
    file: IO[bytes] | None = None
    size: int = 0
    refusal: str = ""
    made: float = 0.0
    known: bool = False  # to the kernel, which may read it at any time
    names: set[tuple[int, bytes]] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class _Run:
    """A report that is to run, or runs, for as long as there are readers who wait for it."""

    readers: int = 0
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    done: trio.Event = field(default_factory=trio.Event)
    failure: str = ""

    async def wait(self, reader: int) -> None:
        """Until it has ended. Raises InterruptedError as soon as the thread `reader` is seen to be killed."""
        while not self.done.is_set():
            if is_killed(reader):
                raise InterruptedError
            with trio.move_on_after(POLL):
                await self.done.wait()


class Outputs:
    """The outputs of a mount's reports; those used longest ago make room for others."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._kept: dict[ReportFile, Output] = {}  # the one used last is last
        self._files: set[Output] = set()  # with a file: those that are kept, or that the kernel knows
        self._runs: dict[Output, _Run] = {}
        self._running = trio.CapacityLimiter(MAX_RUNNING)
        self._nursery: trio.Nursery | None = None

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the reports that readers ask for, until `end`."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None

    def end(self) -> None:
        """Let no report run any more: whoever waits for one is told that there is none."""
        if self._nursery:
            self._nursery.cancel_scope.cancel()

    def close(self) -> None:
        """Let go of everything."""
        self._kept.clear()
        for output in self._files:
            _close(output)
        self._files.clear()

    def output(self, report: ReportFile) -> Output:
        """The output that a report file stands for now, a new one if that is too old; nothing is run yet."""
        found = self._kept.get(report)
        if found is None or (found.file and trio.current_time() - found.made >= MAX_AGE):
            found = Output(report)
        self._keep(found)
        return found

    def look_up(self, report: ReportFile, name: tuple[int, bytes]) -> Output:
        """The same for the kernel, which may read it from now on, until `forget`; see `Output.names`."""
        found = self.output(report)
        found.known = True
        found.names.add(name)
        return found

    def forget(self, output: Output) -> None:
        """The kernel does not know an output any more."""
        output.known = False
        output.names.clear()
        self._let_go(output)

    def outlived(self) -> list[tuple[int, bytes]]:
        """The names of outputs that are kept for the kernel alone, each once: it should forget them.

        Otherwise it would know them, and they would take room, for as long as it has memory to spare.
        """
        names: list[tuple[int, bytes]] = []
        for output in self._files:
            if self._kept.get(output.report) is not output:
                names += output.names
                output.names.clear()
        return names

    def _let_go(self, output: Output) -> None:
        """Close an output that is not kept any more, unless the kernel may read it."""
        if not output.known and self._kept.get(output.report) is not output:
            _close(output)
            self._files.discard(output)

    def _keep(self, output: Output) -> None:
        """Keep an output, as the one used last, in place of an earlier one; let go of others to make room."""
        before = self._kept.pop(output.report, output)
        self._kept[output.report] = output
        self._let_go(before)
        room = MAX_BYTES
        for place, other in enumerate(reversed([*self._kept.values()])):
            room -= other.size
            if other is not output and (room < 0 or place >= MAX_KEPT):
                del self._kept[other.report]
                self._let_go(other)

    async def make(self, output: Output, reader: int) -> IO[bytes]:
        """The file of an output, after the report has run; `reader` is the thread that waits for it.

        All who wait for an output wait for one run, which ends when none of them is left. Raises QueryRefused
        where the report cannot run, DatabaseError where it could not this time, and InterruptedError as soon
        as the reader is seen to be killed.
        """
        if output.file is None:
            run = self._runs.get(output) or self._start(output)
            run.readers += 1
            try:
                await run.wait(reader)
            finally:
                run.readers -= 1
                if not run.readers and self._runs.get(output) is run:
                    del self._runs[output]  # this run ends: a later reader must start another
                    run.scope.cancel()
        if output.file is None:
            raise DatabaseError(f"Report {output.report.report} could not be run: {run.failure}")
        if output.refusal and output.report.suffix == "csv":
            raise QueryRefused(f"Report {output.report.report} gives nothing: {output.refusal}")
        return output.file

    async def tickets(self, report: ReportFile, reader: int) -> list[int]:
        """The numbers of the tickets in a report's output as CSV, in order. Raises as `make`."""
        file = await self.make(self.output(report), reader)
        if file.closed:
            raise DatabaseError(f"The output of report {report.report} had to make room: try again.")
        # A file description of its own, with a position of its own. To open it reads nothing.
        path = Path(f"/proc/self/fd/{file.fileno()}")
        with path.open(encoding="utf-8", errors="replace", newline="") as own:  # noqa: ASYNC230
            return await trio.to_thread.run_sync(_tickets, own, report.report)

    def _start(self, output: Output) -> _Run:
        """Start a run, in a task of its own: the reader who asked first may be the first to leave."""
        run = _Run(failure="the mount ends")
        if self._nursery is None:
            run.done.set()
        else:
            self._runs[output] = run
            self._nursery.start_soon(self._run, output, run)
        return run

    async def _run(self, output: Output, run: _Run) -> None:
        """Make an output, or say in `run` why not."""
        try:
            with run.scope:
                async with self._running:
                    await self._fill(output)
                self._keep(output)
        except DatabaseError as error:
            run.failure = str(error)
        except Exception as error:  # an exception that leaves this task would end the mount
            log.exception("Report %d could not be run", output.report.report)
            run.failure = str(error)
        finally:
            if self._runs.get(output) is run:
                del self._runs[output]
            run.done.set()

    async def _fill(self, output: Output) -> None:
        """Have a process write an output. Raises DatabaseError where another try may help."""
        file = TemporaryFile(buffering=0)  # noqa: SIM115  # it is kept
        try:
            refused = await self._written(output.report, file)
            if refused:  # the text is where people look for the reason
                file.truncate(0)
                os.pwrite(file.fileno(), refused.encode() + b"\n", 0)
            size = os.fstat(file.fileno()).st_size
        except BaseException:
            file.close()
            raise
        if output.file is None:
            output.file, output.size, output.refusal = file, size, refused
            output.made = trio.current_time()
            self._files.add(output)
        else:  # by a run that had lost its readers, but ended before it could be cancelled
            file.close()

    async def _written(self, report: ReportFile, file: IO[bytes]) -> str:
        """Run the process with a file as its output; why the report cannot run, "" where it has run.

        One that does not end in time is a refusal too: it is kept, so that not each reader waits so long.
        """
        with trio.move_on_after(TIMEOUT):
            done = await trio.run_process(
                self._command(report), stdout=file, capture_stderr=True, check=False, process_group=0
            )
            return refusal(done.returncode, done.stderr)
        return f"It did not end within {TIMEOUT:g} seconds."


def _tickets(file: TextIO, report: int) -> list[int]:
    """The numbers in the column of a report's CSV that holds tickets. Raises QueryRefused where none does."""
    with _field_size:
        others = csv.field_size_limit(MAX_TEXT)
        try:
            return _tickets_in(csv.reader(file), report)
        finally:
            csv.field_size_limit(others)


def _tickets_in(rows: Iterator[list[str]], report: int) -> list[int]:
    heads = next(rows, [])
    place = next((heads.index(name) for name in TICKET_COLUMNS if name in heads), None)
    if place is None:
        raise QueryRefused(
            f"Report {report} lists no tickets: it has no column {' or '.join(TICKET_COLUMNS)}."
        )
    found: dict[int, None] = {}
    for row in rows:
        trio.from_thread.check_cancelled()
        if len(row) > place and _NUMBER.fullmatch(row[place]):
            found[int(row[place])] = None
    return [*found]


def _close(output: Output) -> None:
    if output.file:
        output.file.close()


def is_killed(thread: int) -> bool:
    """Whether a thread of any process that waits for an answer of ours was killed.

    A killed thread stays until it has our answer, and pyfuse3 does not pass on the kernel's request to
    interrupt (FUSE_INTERRUPT). But /proc shows its pending signals. A signal that ends a process leaves a
    SIGKILL in each of its threads. Only a signal that makes it dump core, such as SIGQUIT, stays as itself,
    and ends the process if that neither blocks, ignores nor catches it. A thread that we may not see in /proc
    counts as alive.
    """
    try:
        status = Path(f"/proc/{thread}/status").read_text(errors="replace")
    except OSError:
        return False
    sets = {name: int(digits, 16) for name, digits in _SIGNALS.findall(status)}
    if len(sets) < 5:  # it has ended
        return False
    deadly = (sets["SigPnd"] | sets["ShdPnd"]) & _CORE & ~(sets["SigBlk"] | sets["SigIgn"] | sets["SigCgt"])
    return bool(sets["SigPnd"] & _KILL or deadly)
