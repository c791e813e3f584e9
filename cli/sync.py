"""`offtracfs sync`: fetch what is new, once or for ever."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import click
import trio

from offtracfs import sync
from offtracfs.database import Database
from offtracfs.errors import OfftracfsError, UsageError
from offtracfs.status import arrived
from offtracfs.trackers import Tracker

from . import shared
from .connect import Connector
from .progress import progress
from .text import count, said, shown

TERMINATED = 143  # 128 + SIGTERM, as shells have it
COMMAND_FAILED = 1
MAX_NAMED = 20  # tickets that a line names as new, and as changed, and as deleted
Report = Callable[[sync.Outcome | OfftracfsError], None]


@click.command()
@click.option("--full", is_flag=True, help="Read every ticket again, as the first sync did.")
@click.option("--watch", is_flag=True, help="Go on, and sync again after every interval.")
@shared.interval
@click.option(
    "--accept-deletions", is_flag=True, help="Believe the tracker that more than a tenth of it is gone."
)
@click.option(
    "--exec",
    "then",
    metavar="COMMAND",
    help="After a sync that brought something, run COMMAND in a shell, with the tickets' numbers on its "
    "standard input.",
)
@click.option("--quiet", is_flag=True, help="Say nothing but what went wrong.")
@click.option(
    "--json", "as_json", is_flag=True, help="Say what was done as JSON: an object a sync, on a line."
)
@click.pass_obj
def command(
    directory: Path,
    full: bool,
    watch: bool,
    interval: float | None,
    accept_deletions: bool,
    then: str | None,
    quiet: bool,
    as_json: bool,
) -> int | None:
    r"""Bring the database up to date with the tracker.

    \b
      offtracfs sync                  what is new
      offtracfs sync --full           every ticket is read again and compared
      offtracfs sync --watch --json   for ever; `offtracfs mount` has one of these beside it
      offtracfs sync --exec 'while read n; do echo "#$n has changed"; done'

    The tracker says which tickets are new or changed. Once a day, a sync also looks for what the tracker
    does not say: deleted tickets and attachments, other values in the columns of Trac's query page, fields
    and reports; that takes a few requests. Only --full finds the rest of what was changed in the tracker's
    database by SQL, such as a comment's text or a row of a change log; it takes as long as the first sync.

    An interrupted sync loses nothing: the next one goes on where it was. A ticket that the tracker cannot
    give is named and left out. If the tracker suddenly shows much less than before, which looks like a
    lost permission, all is kept and the exit code is 65; --accept-deletions says that it is true.

    With --watch, and push_after in config.toml, changes that were saved that many seconds ago are sent before
    a sync, as `offtracfs push` does.

    COMMAND of --exec is a line for /bin/sh, as git's hooks and aliases are. It reads the numbers of the
    tickets that are new, changed or deleted, each on a line; there are none where only other records, such
    as reports, have changed. In its environment $OFFTRACFS_DB is the database. The next sync waits for it,
    and where it fails that is said. With --json, what it prints goes to standard error.

    Exit codes: 0 done, 1 COMMAND failed, 65 much is gone and not believed, 69 no answer, 75 another process
    is at it, 77 login refused or permission missing, 143 ended by SIGTERM. With --watch, whatever goes wrong
    is said and tried again; SIGTERM ends it, with 0.
    """
    if quiet and as_json:
        raise UsageError("--quiet and --json cannot be had together.")
    if interval is not None and not watch:
        raise UsageError("--interval goes with --watch.")
    report = _json if as_json else _plain(quiet=quiet, dated=watch)
    options: dict[str, Any] = {"full": full, "accept_deletions": accept_deletions}
    database = Database(directory)
    connect = Connector(database.settings, database.path)
    # With --json, stdout is for our objects alone.
    execute = partial(_execute, then or "", database, sys.stderr if as_json else None)
    if watch:
        pause = interval or database.settings.interval
        options["before"] = partial(_push_rested, database) if database.settings.push_after else None
        loop = partial(sync.watch, database, connect, interval=pause, report=report, then=execute, **options)
        trio.run(_until_terminated, loop)
        return None
    work = partial(_once, database, connect, report, execute, options, silent=quiet or as_json)
    try:
        code: int | None = trio.run(_until_terminated, work)
    except* KeyboardInterrupt:
        if not quiet:
            click.echo(err=True)  # behind the terminal's ^C
            _say_kept(database)
        raise
    if code == TERMINATED and not quiet:
        _say_kept(database)
    return code


async def _push_rested(database: Database, tracker: Tracker) -> None:
    from .push import push_rested  # which most who watch do not need

    await push_rested(database, tracker)


def _say_kept(database: Database) -> None:
    """Say how many tickets have arrived and are kept for the next sync."""
    if found := arrived(database):
        kept = f"{found.tickets:,} of {count(found.total, 'ticket')} have arrived and are kept"
        click.echo(f"Interrupted: {kept}, the next sync goes on from there.", err=True)


async def _execute(command: str, database: Database, output: TextIO | None, outcome: sync.Outcome) -> bool:
    """Run the command of `--exec` after a sync that made commits, with `output` as its stdout (None is ours).

    False where it failed, which is said on stderr.
    """
    if not (command and outcome.commits):
        return True
    numbers = sorted({number for kind in outcome.tickets.values() for number in kind})
    done = await trio.run_process(  # noqa: S604  # its owner's own words, and none of the tracker's
        command,
        shell=True,
        stdin="".join(f"{number}\n" for number in numbers).encode(),
        stdout=output,
        env=os.environ | {"OFFTRACFS_DB": str(database.path)},
        check=False,
    )
    if done.returncode:
        how = f"exit code {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
        click.echo(f"offtracfs: {shown(f'`{command}` has ended with {how}.')}", err=True)
    return not done.returncode


async def _once(
    database: Database,
    connect: Connector,
    report: Report,
    execute: Callable[[sync.Outcome], Awaitable[bool]],
    options: dict[str, Any],
    *,
    silent: bool,
) -> int | None:
    with nullcontext() if silent else progress() as show:
        if show:
            options["progress"] = show
        try:
            outcome = await sync.once(database, connect, **options)
        except OfftracfsError as error:
            if report is _json:  # for people, the sentence on stderr is enough
                report(error)
            raise
    report(outcome)
    return None if await execute(outcome) else COMMAND_FAILED


async def _until_terminated(work: Callable[[], Awaitable[int | None]]) -> int | None:
    """Work until that is done or SIGTERM comes; the exit code. What has arrived by then is kept."""
    code = None
    with trio.open_signal_receiver(signal.SIGTERM) as signals, trio.CancelScope() as ending:
        async with trio.open_nursery() as nursery:

            async def listen() -> None:
                await anext(signals)
                ending.cancel()

            nursery.start_soon(listen)
            code = await work()
            nursery.cancel_scope.cancel()
    return TERMINATED if ending.cancelled_caught else code


def _json(result: sync.Outcome | OfftracfsError) -> None:
    if isinstance(result, OfftracfsError):
        said = {"error": str(result), "exit_code": result.exit_code}
    else:
        said = asdict(result)
    click.echo(json.dumps({"time": _now(), **said}))


def _plain(*, quiet: bool, dated: bool) -> Report:
    """A function that prints a result as a line, and its problems on stderr; no result twice in a row."""
    last: list[str] = []

    def report(result: sync.Outcome | OfftracfsError) -> None:
        if failed := isinstance(result, OfftracfsError):
            line, left_out = str(result), []
        else:
            line, left_out = sentence(result), result.problems
        if [line, *left_out] == last:
            return
        last[:] = [line, *left_out]
        when = f"{_now()} " if dated else ""
        if failed or not quiet:
            click.echo(when + said(line), err=failed)
        for problem in left_out:
            click.echo(f"{when}Left out: {said(problem)}", err=True)

    return report


def sentence(outcome: sync.Outcome) -> str:
    """What a sync did: ``1 ticket new (1 commit; 5 requests, 0.8 seconds): new #4.``"""
    done = {
        "{} new": outcome.new,
        "{} changed": outcome.changed,
        "{} deleted": outcome.deleted,
    }
    parts = [words.format(count(number, "ticket")) for words, number in done.items() if number]
    if outcome.metadata:
        parts.append(count(outcome.metadata, "other record"))
    if not parts:
        return "Nothing new."
    spent = f"{count(outcome.requests, 'request')}, {outcome.seconds:.1f} seconds"
    named = "; ".join(f"{kind} {_named(found)}" for kind, found in outcome.tickets.items() if found)
    return f"{', '.join(parts)} ({count(outcome.commits, 'commit')}; {spent}){named and f': {named}'}."


def _named(numbers: Sequence[int]) -> str:
    """``#1, #2, #5``; of very many only the first."""
    text = ", ".join(f"#{number}" for number in numbers[:MAX_NAMED])
    more = len(numbers) - MAX_NAMED
    return text if more <= 0 else f"{text} … and {more:,} more"


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
