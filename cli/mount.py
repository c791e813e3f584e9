"""`offtracfs mount`: show a database as files."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, aclosing, closing, suppress
from functools import partial
from pathlib import Path

import click
import trio

from offtracfs.database import Database
from offtracfs.errors import DatabaseError, PermissionMissing, TrackerError, UsageError
from offtracfs.mount import driver, mountpoints, sideprocess
from offtracfs.mount.fuse import Operations
from offtracfs.mount.overlay import Overlay, drafts_of
from offtracfs.mount.writing import WritableOperations
from offtracfs.reports import process
from offtracfs.reports.outputs import Outputs, ReportFile
from offtracfs.trackers import Writing, registry
from offtracfs.tree import Tree

from . import shared
from .connect import Connector, check_address
from .drafting import writable
from .text import said, waits

NO_SYNC_YET = "{}: nothing has been synced yet. The folders are empty until the first sync is done{}."

MAX_ASKING = (
    5.0  # seconds for a tracker to say what we may do; without a network, a mount begins all the same
)

log = logging.getLogger(__name__)


@click.command()
@shared.mountpoint
@click.option(
    "--foreground",
    is_flag=True,
    help="Stay, and log to the terminal what DIR/log would hold; Ctrl-C unmounts.",
)
@click.option("--no-sync", is_flag=True, help="Show what is there, and never ask the tracker.")
@shared.interval
@click.option("--allow-other", is_flag=True, help="Let other users of this machine read it.")
@click.option("--write", is_flag=True, help="Let tickets be changed in it; `push` sends what was changed.")
@click.pass_obj
def command(
    directory: Path,
    mountpoint: Path,
    foreground: bool,
    no_sync: bool,
    interval: float | None,
    allow_other: bool,
    write: bool,
) -> int:
    r"""Show the database at MOUNTPOINT, an empty directory, and keep it in step with the tracker.

    \b
      offtracfs mount ~/trac
      grep -rl crash ~/trac/ticket
      ls ~/trac/@2011-04-09/ticket        the tracker at the end of that day
      offtracfs umount ~/trac

    Comes back when the mount answers. Two processes stay until the unmount: the driver, and one that
    syncs at the interval; `offtracfs status` shows them, and DIR/log holds what they have to say. In the
    foreground the terminal, or systemd's journal, has that instead.

    With --write, or `write = true` in config.toml, tickets can be changed with any editor, as
    ticket/42.json or as text/42.txt. What was saved waits until `offtracfs push` sends it.
    """
    settings = Database(directory).settings
    if not no_sync:
        check_address(settings)  # else the side process would end and be started for ever
    if write := write or settings.write:
        writable(directory)
    return mount(
        directory,
        mountpoint,
        foreground=foreground,
        allow_other=allow_other,
        sync=None if no_sync else _sync_command(directory, interval),
        write=write,
    )


def _sync_command(directory: Path, interval: float | None) -> list[str]:
    pause = [] if interval is None else ["--interval", repr(interval)]
    return [*process.program(directory), "sync", "--watch", "--quiet", *pause]


def _report_command(directory: Path, report: ReportFile) -> list[str]:
    return process.command(process.program(directory), report.report, report.suffix, report.commit)


def mount(
    directory: Path,
    mountpoint: Path,
    *,
    foreground: bool = False,
    allow_other: bool = False,
    sync: list[str] | None = None,
    write: bool = False,
) -> int:
    """Mount a database, with `sync` as the command beside it; the exit code. Raises OfftracfsError."""
    database = Database(directory)
    mountpoint = mountpoints.prepare(mountpoint, allow_other=allow_other)
    (directory / "log").mkdir(mode=0o700, exist_ok=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # else it tells the terminal of each request
    options = mountpoints.options(directory, allow_other=allow_other, write=write)
    syncing = partial(sideprocess.keep_syncing, sync, directory, foreground=foreground) if sync else None
    drive = partial(_drive, database, mountpoint, options, syncing, write)
    if foreground:
        drive(lambda: None)
        return 0
    return _in_background(drive, directory / "log" / "mount.log")


def _in_background(drive: Callable[[Callable[[], None]], None], log: Path) -> int:
    """Run `drive` in a process of its own; come back when it calls what it is given, or has failed.

    In that process this never returns.
    """
    reading, writing = os.pipe()
    if child := os.fork():
        os.close(writing)
        if os.read(reading, 1):
            return 0
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)

    def ready() -> None:
        os.setsid()  # not before the mount: systemd's automount lets only its own process group mount
        os.chdir("/")
        with log.open("ab") as output, Path(os.devnull).open("rb") as nothing:
            for file, number in ((nothing, 0), (output, 1), (output, 2)):
                os.dup2(file.fileno(), number)
        os.write(writing, b"+")
        os.close(writing)

    drive(ready)
    sys.exit()


def _drive(
    database: Database,
    mountpoint: Path,
    options: set[str],
    syncing: Callable[[mountpoints.Mount], Awaitable[None]] | None,
    write: bool,
    ready: Callable[[], None],
) -> None:
    """Be the driver of a mount until it is unmounted; `ready` is called when it answers."""
    reader = database.reader(upgrades=True)
    if not syncing:  # else the first sync does this
        with suppress(DatabaseError):  # busy, read-only, full: a mount without a search is better than none
            database.prepare_search()

    async def live(record: mountpoints.Mount) -> None:
        if overlay:
            if syncing:
                await _ask_permission(database)
            await overlay.refresh()
            operations: Operations = WritableOperations(tree, outputs, overlay, database.path)
        else:
            operations = Operations(tree, outputs)
        async with trio.open_nursery() as nursery:
            with driver.mounted(operations, mountpoint, options):
                if tree.head is None:
                    _say_empty(mountpoint, syncs=syncing is not None)
                ready()
                # These objects stay: without this, Python's collector makes a listing a tenth slower.
                gc.freeze()
                nursery.start_soon(sideprocess.keep_small, database.path / "log")
                if syncing:
                    nursery.start_soon(syncing, record)
                await driver.serve(operations, lambda: database.state().settled)
            nursery.cancel_scope.cancel()
        if overlay and overlay.tickets:
            log.warning("%s", waits(len(overlay.tickets)))

    with ExitStack() as stack:
        overlay = Overlay(stack.enter_context(drafts_of(database))) if write else None
        pages = registry.ticket_pages(database.settings.url)
        tree = Tree(database, reader, pages=pages, drafts=overlay.drafted if overlay else None)
        outputs = stack.enter_context(closing(Outputs(partial(_report_command, database.path))))
        record = stack.enter_context(mountpoints.recorded(database.path, mountpoint))
        trio.run(live, record)


async def _ask_permission(database: Database) -> None:
    """Raises PermissionMissing where the tracker says that we may change nothing; it need not answer."""
    with database.snapshot() as snapshot:
        number = next(snapshot.tickets(), None)
    if number is None:
        return
    allowed = True
    with trio.move_on_after(MAX_ASKING), suppress(TrackerError, UsageError):
        tracker = await Connector(database.settings, database.path)()
        async with aclosing(tracker):
            allowed = not isinstance(tracker, Writing) or await tracker.may_change(number)
    if not allowed:
        raise PermissionMissing(
            f"{database.user() or 'A visitor'} may not change tickets there: mount it without --write."
        )


def _say_empty(mountpoint: Path, *, syncs: bool) -> None:
    how = ", which has begun" if syncs else ": `offtracfs sync` does it"
    click.echo(said(NO_SYNC_YET.format(mountpoint, how)))
