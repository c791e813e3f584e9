"""What the reports in a mount give: made by a process when first asked for, and kept for a while."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import IO

import trio

from offtracfs.errors import DatabaseError, QueryRefused
from offtracfs.tree import ReportFile

MOST_KEPT = 100  # results, each of which takes a file descriptor
KEPT = 256 << 20  # bytes of them, in $TMPDIR
AT_ONCE = 2  # reports that run; this machine answers the mount's requests, too
PATIENCE = 60.0  # seconds; the process has limits of its own, and should have ended by then

Command = Callable[[ReportFile], Sequence[str]]
"""The command that writes a result to its standard output, or one sentence to its standard error."""


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A result that is there: a file of `size` bytes, until it makes room; or why there can be none.

    Made again it may be another: SQL can ask for the time, and for random numbers.
    """

    result: ReportFile
    file: IO[bytes]
    size: int
    refusal: str = ""


class Results:
    """The results of a mount's reports; those used longest ago make room for others."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._kept: dict[ReportFile, Made] = {}  # the one used last is last
        self._making: dict[ReportFile, trio.Event] = {}
        self._running = trio.CapacityLimiter(AT_ONCE)
        self._scopes: set[trio.CancelScope] = set()
        self._ended = False

    def end(self) -> None:
        """Let no report run any more: whoever waits for one is told that there is none."""
        self._ended = True
        for scope in self._scopes:
            scope.cancel()

    def close(self) -> None:
        """Let go of everything."""
        while self._kept:
            self._kept.popitem()[1].file.close()

    async def made(self, result: ReportFile) -> Made:
        """A result, after the report has run. Raises QueryRefused where it cannot, DatabaseError."""
        while result not in self._kept:
            if other := self._making.get(result):
                await other.wait()
            else:
                await self._make(result)
        found = self._kept[result] = self._kept.pop(result)
        if found.refusal and result.suffix == "csv":
            raise QueryRefused(f"Report {result.report} gives nothing: {found.refusal}")
        return found

    async def _make(self, result: ReportFile) -> None:
        done = self._making[result] = trio.Event()
        try:
            async with self._running:
                self._keep(await self._run(result))
        finally:
            del self._making[result]
            done.set()

    def _keep(self, made: Made) -> None:
        self._kept[made.result] = made
        room = KEPT
        for place, other in enumerate(reversed([*self._kept.values()])):
            room -= other.size
            if other is not made and (room < 0 or place >= MOST_KEPT):
                self._kept.pop(other.result).file.close()

    async def _run(self, result: ReportFile) -> Made:
        file = TemporaryFile(buffering=0)  # noqa: SIM115  # it is kept
        try:
            refusal = await self._refusal(result, file)
            if refusal:  # the text is where people look for the reason
                file.truncate(0)
                os.pwrite(file.fileno(), refusal.encode() + b"\n", 0)
            return Made(result, file, os.fstat(file.fileno()).st_size, refusal)
        except BaseException:
            file.close()
            raise

    async def _refusal(self, result: ReportFile, file: IO[bytes]) -> str:
        """Have a result written to a file; why there never can be one, "" where it is there.

        Raises DatabaseError where another try may help.
        """
        said = "it did not end in time"
        with trio.move_on_after(0 if self._ended else PATIENCE) as scope:
            self._scopes.add(scope)
            try:
                done = await trio.run_process(
                    self._command(result), stdout=file, capture_stderr=True, check=False, process_group=0
                )
            finally:
                self._scopes.discard(scope)
            if done.returncode == 0:
                return ""
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            said = lines[-1].removeprefix("offtracfs: ") if lines else f"exit code {done.returncode}"
            if done.returncode == QueryRefused.exit_code:
                return said
        raise DatabaseError(f"Report {result.report} could not be run: {said}")
