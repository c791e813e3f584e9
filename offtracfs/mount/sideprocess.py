"""What a mount has beside its driver: the side process, which keeps syncing, and logs that stay small."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trio

from offtracfs.errors import OfftracfsError
from offtracfs.mount.mountpoints import Mount, Sync, timestamp

FIRST_PAUSE, MAX_PAUSE = 1.0, 300.0  # seconds before the side process is started again
GOOD_WHILE = 600.0  # seconds: a side process that ran so long starts with the first pause again
GRACE = 5.0  # seconds between SIGTERM and SIGKILL
MAX_LOG = 1 << 20  # bytes; a larger log is copied to ".1", in place of an earlier copy, and emptied
LOG_CHECK = 10.0  # seconds between two looks at the logs' sizes

log = logging.getLogger(__name__)


async def keep_syncing(
    command: Sequence[str], directory: Path, record: Mount, *, foreground: bool = False
) -> None:
    """Run the side process as long as this is not cancelled; start it again, after a growing pause.

    What it says goes to ``log/sync.log`` in `directory`; in the foreground it goes where this process's own
    words go, so that a terminal, or systemd's journal, has both.
    """
    pause = FIRST_PAUSE
    while True:
        began = trio.current_time()
        ended = await _run(command, directory, record, foreground=foreground)
        if trio.current_time() - began >= GOOD_WHILE:
            pause = FIRST_PAUSE
        now = datetime.now(UTC)
        log.warning("The side process %s; it is started again in %g s.", ended, pause)
        again = timestamp(now + timedelta(seconds=pause))
        record.sync = Sync(0, record.sync.restarts + 1, f"{ended} at {timestamp(now)}", again)
        _keep(record, directory)
        await trio.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE)


async def _run(command: Sequence[str], directory: Path, record: Mount, *, foreground: bool) -> str:
    """Run the side process; how it ended. It does not outlive this process, whatever ends that."""
    try:
        with nullcontext() if foreground else (directory / "log" / "sync.log").open("ab") as output:
            # Not trio's: it forks in a worker thread, and --pdeathsig would act when that thread ends.
            process = subprocess.Popen(  # noqa: ASYNC220
                ["setpriv", "--pdeathsig", "TERM", "--", *command],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,  # a Ctrl-C reaches the driver alone
            )
    except OSError as error:
        return f"could not be started ({error.strerror})"
    watched = os.pidfd_open(process.pid)
    try:
        record.sync.pid, record.sync.next = process.pid, ""
        _keep(record, directory)
        await trio.lowlevel.wait_readable(watched)
    finally:
        process.terminate()
        with trio.move_on_after(GRACE, shield=True):
            await trio.lowlevel.wait_readable(watched)
        process.kill()
        code = process.wait()
        os.close(watched)
    return f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}"


def _keep(record: Mount, directory: Path) -> None:
    try:
        record.save(directory)
    except (OfftracfsError, OSError) as error:
        log.error("%s", error)  # the mount is worth more than its record


async def keep_small(folder: Path) -> None:
    """Start a log file in `folder` again when it has grown large; whoever writes it must append."""
    while True:
        _shorten(folder)
        await trio.sleep(LOG_CHECK)


def _shorten(folder: Path) -> None:
    for file in folder.glob("*.log"):
        try:
            if file.stat().st_size > MAX_LOG:
                shutil.copyfile(file, file.with_name(file.name + ".1"))
                os.truncate(file, 0)
        except OSError as error:
            log.error("%s: %s", file, error.strerror)
