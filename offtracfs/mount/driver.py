"""The driver: mounts, answers the kernel until the unmount, and tells it what a new revision changes."""

from __future__ import annotations

import gc
import itertools
import logging
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pyfuse3
import trio

from offtracfs.errors import MountError, OfftracfsError
from offtracfs.index import Revision
from offtracfs.mount.drafted import WRITABLE, DraftedOperations
from offtracfs.mount.fuse import Operations
from offtracfs.tree import Directory

POLL = 1.0  # seconds between two looks for a new revision
MAX_NAMES = 1_000  # that one call in the thread makes the kernel forget; each takes 9 µs
SWITCH_INTERVAL = 0.0005
"""Seconds after which a thread that computes lets another one run that waits for its turn.

The thread that answers gives its turn away with each look at the kernel, several times a request, and then
has to wait for it: with Python's default for 5 ms each time, while a worker thread is busy. Where none is,
this costs nothing.
"""
GC_THRESHOLDS = 700, 10, 1_000
"""When Python looks for garbage in cycles: seldom among all objects (Python's default is 700, 10, 10).

With the numbers of 100,000 links that takes 12 ms, in which nobody is answered, and it finds next to nothing.
"""
MAX_TASKS = (1 << 31) - 1
"""How many requests may be unanswered at once; with so many, pyfuse3 reads no further ones.

With its default of 99, 99 readers that wait for slow reports would stop the whole mount. A request that waits
takes little memory.
"""

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

    `settled` gives the moment before which no commit is added any more, in seconds since 1970 UTC.
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*GC_THRESHOLDS)
    async with trio.open_nursery() as nursery:
        await nursery.start(operations.outputs.serve)
        nursery.start_soon(_end_at_signal, operations)
        nursery.start_soon(_follow, operations, settled)
        if isinstance(operations, DraftedOperations):
            nursery.start_soon(_follow_drafts, operations)
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
    operations.outputs.end()  # readers that wait for a report get an error now
    operations.workers.end()  # and those that wait for a worker thread
    # Never released. An invalidation waits in the kernel until requests in that directory are answered. From
    # here on there may be no answers, so a thread that invalidates a name would never come back.
    await operations.invalidating.acquire()
    pyfuse3.terminate()


async def _follow(operations: Operations, settled: Callable[[], int]) -> None:
    """Go over to each new revision, and tell the kernel what it has to ask for again."""
    tree, told, failing = operations.tree, operations.tree.head, False
    while True:
        await trio.sleep(POLL)
        try:
            # Before the head, so that it is never ahead of the revision that the tree then shows.
            until = settled()
            if tree.refresh() != told:
                if told and not tree.knows(told):
                    log.error("The database has another history now: this mount ends, mount it anew.")
                    pyfuse3.terminate()
                    return
                await _tell(operations, told)
                told = tree.head
            tree.settled = until
            await _forget(operations, operations.outputs.outlived())
            failing = False
        except Exception as error:
            if not failing:  # once, and not every second
                bug = not isinstance(error, OfftracfsError)
                log.error("Cannot look for a new revision: %s", error, exc_info=bug)
            failing = True


async def _follow_drafts(operations: DraftedOperations) -> None:
    """Make the kernel forget the names of tickets whose drafts change, from this mount or in another way."""
    overlay, failing = operations.overlay, False
    while True:
        try:
            await overlay.refresh()
            overlay.changed = trio.Event()
            await _tell_names(operations, overlay.untold())
            failing = False
        except Exception as error:
            if not failing:
                log.error("Cannot look for drafts: %s", error, exc_info=not isinstance(error, OfftracfsError))
            failing = True
        with trio.move_on_after(POLL):
            await overlay.changed.wait()


async def _tell_names(operations: DraftedOperations, names: list[tuple[str, str]]) -> None:
    """Make the kernel forget names in directories of the present."""
    numbers = {node: number for number, node in operations.inodes.directories() if node in WRITABLE}
    places = [(Directory("", path), os.fsencode(name)) for path, name in names]
    stale = [(numbers[place], name) for place, name in places if place in numbers]
    await _forget(operations, stale)
    for number in {number for number, _ in stale}:  # what is listed there has other inodes
        _invalidate_if_known(pyfuse3.invalidate_inode, number)


async def _tell(operations: Operations, told: Revision | None) -> None:
    """Make the kernel forget the names that changed since the revision `told`, of which it was told last.

    The tree shows the new head already. So when the kernel asks again for a name that it has forgotten, it
    gets the new answer. A directory that the kernel looks up while this runs is looked up at the new head,
    and needs no invalidation.
    """
    tree = operations.tree
    operations.pages.drop_outdated()
    moving: dict[str, list[int]] = defaultdict(list)  # path → inodes of directories that may show the change
    for number, directory in operations.inodes.directories():
        if tree.may_change(directory.at):
            moving[directory.path].append(number)
    changed = tree.changed_names(told)
    await _forget(
        operations,
        ((number, os.fsencode(name)) for path, name in changed for number in moving.get(path, ())),
    )
    # Then the attributes of directories (mtime, link count), and what they list. The kernel needs no
    # directory's lock to forget these, so this thread may make the call.
    for number in itertools.chain.from_iterable(moving.values()):
        _invalidate_if_known(pyfuse3.invalidate_inode, number)


async def _forget(operations: Operations, names: Iterable[tuple[int, bytes]]) -> None:
    """Make the kernel forget names: each is a directory's inode, and a name in it."""
    names = iter(names)
    while batch := list(itertools.islice(names, MAX_NAMES)):
        async with operations.invalidating:
            await trio.to_thread.run_sync(_invalidate, batch)


def _invalidate(entries: list[tuple[int, bytes]]) -> None:
    """Make the kernel forget names. This must run in a thread of its own.

    Each call waits in the kernel for the directory's lock. A process that holds that lock may be waiting for
    our answer. In the thread that gives the answers, this call would be a deadlock.
    """
    for number, name in entries:
        _invalidate_if_known(pyfuse3.invalidate_entry, number, name)


def _invalidate_if_known(tell: Callable[..., None], *arguments: Any) -> None:
    with suppress(FileNotFoundError):  # the kernel did not keep that name or inode
        tell(*arguments)
