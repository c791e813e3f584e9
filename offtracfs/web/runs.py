"""Reports that run for readers of pages, as a mount runs them: each in a process of its own, some at once.

A reader waits in one of the server's threads. There are more of these than may wait for reports: whoever
would be one too many is told to come again in a moment, so that all other pages go on. Those who ask for the
same wait for one run. It ends when the last of them has left.
"""

from __future__ import annotations

import logging
import os
import subprocess
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from threading import Event, Lock, Semaphore, Thread
from typing import IO, NamedTuple

from werkzeug.exceptions import ClientDisconnected, ServiceUnavailable

from offtracfs.errors import DatabaseError, QueryRefused
from offtracfs.reports import process

MAX_RUNNING = 2  # reports at once: readers of other pages need the processor, too
MAX_READERS = 4  # who wait for reports
MAX_KEPT = 100  # outputs, each of which takes a file descriptor
MAX_BYTES = 256 << 20  # of all outputs, in $TMPDIR
MAX_AGE = 60.0  # seconds; an older output is made again, since SQL can ask for the time
TIMEOUT = 600.0  # seconds; a process limits its processor time itself, and needs more on a busy machine
POLL = 0.25  # seconds between two looks whether a reader is still there
AGAIN = 2  # seconds after which a reader who had to be sent away may ask again

log = logging.getLogger(__name__)


class Wanted(NamedTuple):
    """What is to run: a report at a commit (20 bytes), with options of `offtracfs report` and variables."""

    report: int
    commit: bytes
    options: Sequence[str]
    variables: Sequence[str] = ()  # NAME=VALUE

    @property
    def arguments(self) -> list[str]:
        """Those of the program."""
        at = f"--at={self.commit.hex()}"
        return ["report", at, *self.options, "--", str(self.report), *self.variables]


@dataclass(slots=True, eq=False)
class _Run:
    """One run. When it is `done`, `file` holds what it gave, or `refusal` or `failure` say why nothing."""

    file: IO[bytes]
    readers: int = 0
    size: int = 0
    refusal: str = ""
    failure: str = ""
    made: float = 0.0  # by the monotonic clock
    ended: bool = False  # nobody waits any more
    process: subprocess.Popen[bytes] | None = None
    done: Event = field(default_factory=Event)


class Runs:
    """The reports of a database that run or have just run. For all threads of a process."""

    def __init__(self, directory: Path) -> None:
        self._program = process.program(directory)
        self._lock = Lock()  # around all that follows, and the runs' attributes until they are done
        self._kept: dict[Wanted, _Run] = {}  # the one used last is last
        self._readers = Semaphore(MAX_READERS)
        self._running = Semaphore(MAX_RUNNING)
        self._ending = weakref.finalize(self, _end_all, self._kept)  # at the latest when Python ends

    def output(self, wanted: Wanted, gone: Callable[[], bool]) -> IO[bytes]:
        """A file with what a report gives, made within the last minute; the caller closes it.

        `gone` says whether whoever waits for it has left. Raises QueryRefused where the report cannot run,
        DatabaseError where it could not this time, ServiceUnavailable where too many wait.
        """
        with self._reading(wanted) as run:
            if not run.done.is_set():
                self._wait(run, gone)
            if run.failure:
                raise DatabaseError(f"Report {wanted.report} could not be run: {run.failure}")
            if run.refusal:
                raise QueryRefused(run.refusal)
            # A file description of its own, with a position of its own.
            return Path(f"/proc/self/fd/{run.file.fileno()}").open("rb")

    def end(self) -> None:
        """End all processes, and let go of all outputs."""
        with self._lock:
            self._ending()

    def _wait(self, run: _Run, gone: Callable[[], bool]) -> None:
        if not self._readers.acquire(blocking=False):
            raise ServiceUnavailable(
                "Too many are waiting for reports that take long: try again in a moment.", retry_after=AGAIN
            )
        try:
            while not run.done.wait(POLL):
                if gone():
                    raise ClientDisconnected
        finally:
            self._readers.release()

    @contextmanager
    def _reading(self, wanted: Wanted) -> Iterator[_Run]:
        """The run that a reader waits for, which stays at least until this ends."""
        with self._lock:
            run = before = self._kept.pop(wanted, None)
            if run is None or run.ended or (run.done.is_set() and time.monotonic() - run.made > MAX_AGE):
                run = _Run(TemporaryFile(buffering=0))  # noqa: SIM115  # it is kept
                Thread(target=self._work, args=(wanted, run), daemon=True).start()
            self._kept[wanted] = run
            run.readers += 1
            self._make_room()
            if before:
                self._close_unused(wanted, before)
        try:
            yield run
        finally:
            with self._lock:
                run.readers -= 1
                if not run.readers and not run.done.is_set():
                    _end(run)
                self._close_unused(wanted, run)

    def _make_room(self) -> None:
        """Let go of those used longest ago."""
        room = MAX_BYTES
        for place, (wanted, run) in enumerate(reversed([*self._kept.items()])):
            room -= run.size
            if place and run.done.is_set() and (room < 0 or place >= MAX_KEPT):
                del self._kept[wanted]
                self._close_unused(wanted, run)

    def _close_unused(self, wanted: Wanted, run: _Run) -> None:
        """Close the file of a run that nobody reads, writes or will ask for any more; the lock is held."""
        if run.done.is_set() and not run.readers and self._kept.get(wanted) is not run:
            run.file.close()

    def _work(self, wanted: Wanted, run: _Run) -> None:
        """Run a report, when it is its turn; in a thread of its own, since any reader may leave first."""
        try:
            with self._running:
                run.refusal = self._refusal(wanted, run)
            run.size = os.fstat(run.file.fileno()).st_size
        except DatabaseError as error:
            run.failure = str(error)
        except Exception as error:
            log.exception("Report %d could not be run", wanted.report)
            run.failure = str(error)
        finally:
            with self._lock:
                if self._kept.get(wanted) is run and (run.ended or run.failure):
                    del self._kept[wanted]
                run.made = time.monotonic()
                run.done.set()
                self._close_unused(wanted, run)

    def _refusal(self, wanted: Wanted, run: _Run) -> str:
        """Have a process write to a run's file; why the report cannot run, "" where it has run."""
        with self._lock:
            if run.ended:
                return ""
            run.process = subprocess.Popen(
                [*self._program, *wanted.arguments],
                stdin=subprocess.DEVNULL,
                stdout=run.file,
                stderr=subprocess.PIPE,
                process_group=0,  # Ctrl-C in a terminal is for the server
            )
        with run.process as started:
            try:
                _, said = started.communicate(timeout=TIMEOUT)
            except subprocess.TimeoutExpired:
                started.kill()
                return f"It did not end within {TIMEOUT:g} seconds."
        return process.refusal(started.returncode, said)


def _end_all(kept: dict[Wanted, _Run]) -> None:
    """End runs, and close the files of those that are done."""
    for run in kept.values():
        _end(run)
        if run.done.is_set():
            run.file.close()


def _end(run: _Run) -> None:
    """End a run; the lock is held."""
    run.ended = True
    if run.process and not run.done.is_set():
        run.process.kill()
