"""The driver: mounts, answers until the unmount, and tells the kernel what a new revision changes."""

from __future__ import annotations

import itertools
import logging
import os
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pyfuse3
import trio

from offtracfs.errors import MountError, OfftracfsError
from offtracfs.index import Revision
from offtracfs.mount.fuse import Operations

POLL = 1.0  # seconds between two looks for a new revision
MAX_NAMES = 1_000  # invalidated in one call of a thread, 9 µs each
MAX_TASKS = (1 << 31) - 1
"""How many requests may wait for their answer; what comes then is not even read. By pyfuse3's default of 99,
readers that wait for a slow report would hold up all others. A request that waits takes little memory."""

log = logging.getLogger(__name__)


@contextmanager
def mounted(operations: Operations, mountpoint: Path, options: set[str]) -> Iterator[None]:
    """Mount, and take the mount away at the end; `serve` answers in between. Raises MountError."""
    try:
        with _stderr() as said:
            pyfuse3.init(operations, str(mountpoint), options)
    except RuntimeError:
        reason = said() or "libfuse does not say why"
        raise MountError(f"{mountpoint} could not be mounted: {reason}.") from None
    try:
        yield
    finally:
        pyfuse3.close()


@contextmanager
def _stderr() -> Iterator[Callable[[], str]]:
    """Catches what libfuse writes to the standard error: it has no other way to say what is wrong."""
    with TemporaryFile() as caught:
        saved = os.dup(2)
        os.dup2(caught.fileno(), 2)
        text = ""
        try:
            yield lambda: text
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            caught.seek(0)
            text = " ".join(caught.read().decode(errors="replace").split()).rstrip(".")


async def serve(operations: Operations, settled: Callable[[], int]) -> None:
    """Answer until somebody unmounts, or SIGTERM, SIGINT or SIGHUP ends it.

    `settled` says since when nothing can change any more, in seconds since 1970 UTC.
    """
    async with trio.open_nursery() as nursery:
        await nursery.start(operations.outputs.serve)
        nursery.start_soon(_end_at_signal, operations)
        nursery.start_soon(_follow, operations, settled)
        await pyfuse3.main(max_tasks=MAX_TASKS)
        nursery.cancel_scope.cancel()


async def _end_at_signal(operations: Operations) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        await anext(aiter(signals))
        await end(operations)


async def end(operations: Operations) -> None:
    """End what `serve` does. The order matters: the session ends only when every request is answered."""
    if operations.ending:
        return
    operations.ending = True
    operations.outputs.end()  # whoever waits for a report gets an answer now
    # For good: the kernel may not take in what we tell it before it has our answers, and from here on there
    # may be none. A call that waits for that would never come back.
    await operations.telling.acquire()
    pyfuse3.terminate()


async def _follow(operations: Operations, settled: Callable[[], int]) -> None:
    """Go over to each new revision, and tell the kernel what it has to ask for again."""
    tree, told, failing = operations.tree, operations.tree.head, False
    while True:
        await trio.sleep(POLL)
        try:
            since = settled()  # before the head: it may only be behind it
            if tree.refresh() != told:
                if told and not tree.knows(told):
                    log.error("The database has another history now: this mount ends, mount it anew.")
                    pyfuse3.terminate()
                    return
                await _tell(operations, told)
                told = tree.head
            tree.settled = since
            failing = False
        except Exception as error:
            if not failing:  # else it would be said every second
                bug = not isinstance(error, OfftracfsError)
                log.error("Cannot look for a new revision: %s", error, exc_info=bug)
            failing = True


async def _tell(operations: Operations, told: Revision | None) -> None:
    """Invalidate what has changed since a head of which the kernel has been told.

    The tree is at the new head already, so whoever asks from now on gets the new answer, and what the kernel
    is told to forget can only come back as it is now. A directory that the kernel comes to know meanwhile
    was looked up at the new head, too: it need not be told of.
    """
    tree = operations.tree
    operations.pages.drop_outdated()
    moving: dict[str, list[int]] = defaultdict(list)
    for number, directory in operations.inodes.directories():
        if tree.may_change(directory.at):
            moving[directory.path].append(number)
    changed = tree.changed_names(told)
    stale = ((number, os.fsencode(name)) for path, name in changed for number in moving.get(path, ()))
    while batch := list(itertools.islice(stale, MAX_NAMES)):
        async with operations.telling:
            await trio.to_thread.run_sync(_invalidate, batch)
    # Attributes of directories: mtime and link count. The kernel takes these in without any of its locks.
    for number in itertools.chain.from_iterable(moving.values()):
        _not_known(pyfuse3.invalidate_inode, number, True)


def _invalidate(entries: list[tuple[int, bytes]]) -> None:
    """Make the kernel forget names. This must run in a thread of its own.

    Each call waits for the directory's lock in the kernel. Whoever has that lock may be waiting for an answer
    of ours: in the thread that answers, this would be a deadlock.
    """
    for number, name in entries:
        _not_known(pyfuse3.invalidate_entry, number, name)


def _not_known(tell: Callable[..., None], *arguments: Any) -> None:
    with suppress(FileNotFoundError):  # the kernel has nothing of that name
        tell(*arguments)
