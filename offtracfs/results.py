"""What the reports in a mount give: made by a process when first asked for, and kept for a while."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from tempfile import TemporaryFile
from typing import IO

import trio

from offtracfs.errors import QueryRefused
from offtracfs.tree import Result

KEPT = 256 << 20  # bytes of results, in $TMPDIR; those used longest ago go first
PATIENCE = 120.0  # seconds; the process has limits of its own, and should have ended by then

Command = Callable[[Result], Sequence[str]]
"""The command that writes a result to its standard output, or one sentence to its standard error."""


class Results:
    """The results of a mount's reports. A result never changes, so one that is gone is made again."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._kept: dict[Result, IO[bytes]] = {}  # the one used last is last
        self._making = trio.Lock()  # one at a time: this machine answers the mount's requests, too

    def close(self) -> None:
        """Let go of everything."""
        while self._kept:
            self._kept.popitem()[1].close()

    async def size(self, result: Result) -> int:
        """Bytes in a result. Raises QueryRefused where the report cannot run here."""
        return os.fstat((await self._file(result)).fileno()).st_size

    async def read(self, result: Result, offset: int, size: int) -> bytes:
        """Some bytes of a result. Raises QueryRefused where the report cannot run here."""
        return os.pread((await self._file(result)).fileno(), size, offset)

    async def _file(self, result: Result) -> IO[bytes]:
        if result not in self._kept:
            async with self._making:
                if result not in self._kept:
                    await self._keep(result)
        file = self._kept[result] = self._kept.pop(result)
        return file

    async def _keep(self, result: Result) -> None:
        file = await self._made(result)
        self._kept[result] = file
        room = KEPT - os.fstat(file.fileno()).st_size
        for other in list(self._kept)[-2::-1]:
            room -= os.fstat(self._kept[other].fileno()).st_size
            if room < 0:
                self._kept.pop(other).close()

    async def _made(self, result: Result) -> IO[bytes]:
        file = TemporaryFile(buffering=0)  # noqa: SIM115  # it is kept
        try:
            if reason := await self._failure(result, file):
                if result.suffix == "csv":
                    raise QueryRefused(f"Report {result.report} gives nothing: {reason}")
                file.truncate(0)
                os.pwrite(file.fileno(), reason.encode() + b"\n", 0)  # people look for it here
        except BaseException:
            file.close()
            raise
        return file

    async def _failure(self, result: Result, file: IO[bytes]) -> str:
        """Have a result written to a file; why that could not be, "" where it could."""
        with trio.move_on_after(PATIENCE):
            done = await trio.run_process(
                self._command(result), stdout=file, capture_stderr=True, check=False, process_group=0
            )
            said = done.stderr.decode(errors="replace").strip().removeprefix("offtracfs: ")
            return (said or f"exit code {done.returncode}") if done.returncode else ""
        return f"it took longer than {PATIENCE:g} s"
