"""`offtracfs sync`: fetch what is new, once or for ever."""

from __future__ import annotations

import json
import signal
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
import trio

from offtracfs import sync
from offtracfs.database import Database
from offtracfs.errors import OfftracfsError, UsageError

from . import shared
from .connect import Connector
from .progress import progress
from .text import count, said

TERMINATED = 143  # 128 + SIGTERM, as shells have it
Report = Callable[[sync.Outcome | OfftracfsError], None]


@click.command()
@click.option("--full", is_flag=True, help="Read every ticket again, as the first sync did.")
@click.option("--watch", is_flag=True, help="Go on, and sync again after every interval.")
@shared.interval
@click.option(
    "--accept-deletions", is_flag=True, help="Believe the tracker that more than a tenth of it is gone."
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
    quiet: bool,
    as_json: bool,
) -> int | None:
    r"""Bring the database up to date with the tracker.

    \b
      offtracfs sync                  what is new
      offtracfs sync --full           every ticket is read again and compared
      offtracfs sync --watch --json   for ever; `offtracfs mount` has one of these beside it

    The tracker says which tickets are new or changed. Once a day, a sync also looks for what the tracker
    does not say: deleted tickets and attachments, other values in the columns of Trac's query page, fields
    and reports; that takes a few requests. Only --full finds the rest of what was changed in the tracker's
    database by SQL, such as a comment's text or a row of a change log; it takes as long as the first sync.

    An interrupted sync loses nothing: the next one goes on where it was. A ticket that the tracker cannot
    give is named and left out. If the tracker suddenly shows much less than before, which looks like a
    lost permission, all is kept and the exit code is 65; --accept-deletions says that it is true.

    Exit codes: 0 done, 65 much is gone and not believed, 69 no answer, 75 another process is at it, 77
    login refused or permission missing, 143 ended by SIGTERM. With --watch, whatever goes wrong is said
    and tried again; SIGTERM ends it, with 0.
    """
    if quiet and as_json:
        raise UsageError("--quiet and --json cannot be had together.")
    if interval is not None and not watch:
        raise UsageError("--interval goes with --watch.")
    report = _json if as_json else _plain(quiet=quiet, dated=watch)
    options = {"full": full, "accept_deletions": accept_deletions}
    database = Database(directory)
    connect = Connector(database.settings, database.path)
    if watch:
        pause = interval or database.settings.interval
        loop = partial(sync.watch, database, connect, interval=pause, report=report, **options)
        trio.run(_until_terminated, loop)
        return None
    work = partial(_once, database, connect, report, options, silent=quiet or as_json)
    return TERMINATED if trio.run(_until_terminated, work) else None


async def _once(
    database: Database, connect: Connector, report: Report, options: dict[str, Any], *, silent: bool
) -> None:
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


async def _until_terminated(work: Callable[[], Awaitable[None]]) -> bool:
    """Work until that is done or SIGTERM comes; whether it came. What has arrived by then is kept."""
    with trio.open_signal_receiver(signal.SIGTERM) as signals, trio.CancelScope() as ending:
        async with trio.open_nursery() as nursery:

            async def listen() -> None:
                await anext(signals)
                ending.cancel()

            nursery.start_soon(listen)
            await work()
            nursery.cancel_scope.cancel()
    return ending.cancelled_caught


def _json(result: sync.Outcome | OfftracfsError) -> None:
    if isinstance(result, OfftracfsError):
        said = {"error": str(result), "exit_code": result.exit_code}
    else:
        said = asdict(result)
    click.echo(json.dumps({"time": _now(), **said}))


def _plain(*, quiet: bool, dated: bool) -> Report:
    """Says a result in a line, its problems on stderr; a line that would only be said again is left out."""
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
    """What a sync did: ``3 new tickets, 1 ticket changed (4 commits; 5 requests, 0.8 seconds).``"""
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
    return f"{', '.join(parts)} ({count(outcome.commits, 'commit')}; {spent})."


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
