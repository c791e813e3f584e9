"""`offtracfs status`: what is where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from offtracfs.database import Database
from offtracfs.mount import mountpoints
from offtracfs.status import Status, Waiting, look

from .text import count, said, size


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON.")
@click.pass_obj
def command(directory: Path, as_json: bool) -> None:
    """Say what is where.

    That is: the tracker, the number of tickets, how the last sync ended and what it left out, who is
    fetching from the tracker and who is writing, what waits to be pushed, the mounts with their processes,
    and disk use. It waits for nobody, and can be asked while a sync is at work and before the first.

    Exit codes: 0 whatever there is to say, 66 no database there.
    """
    status = look(Database(directory))
    if as_json:
        click.echo(json.dumps(asdict(status)))
        return
    for title, text in _lines(status):
        click.echo(f"{title:<10} {said(text)}")


def _lines(status: Status) -> Iterator[tuple[str, str]]:
    yield "Tracker", status.url + (f" as {status.user}" if status.user else "")
    parts = ", ".join(f"{name} {size(value)}" for name, value in status.disk.items())
    yield "Database", f"{status.directory}: {size(sum(status.disk.values()))} ({parts})"
    yield "Tickets", _contents(status)
    yield "Last sync", _last_sync(status)
    if status.waiting and (status.waiting.tickets or status.waiting.refused):
        yield "Pending", _waiting(status.waiting)
    for problem in status.sync.problems:
        yield "Left out", problem
    if status.fetcher:
        yield "Fetching", status.fetcher
    if status.writer:
        yield "Writing", status.writer
    for record in status.mounts:
        yield (
            "Mounted",
            f"{record.mountpoint} since {record.since}, process {record.pid}; {_side(record.sync)}",
        )


def _contents(status: Status) -> str:
    if status.trouble:
        return f"unknown: {status.trouble}"
    if status.contents is None:
        return "none yet" + _arrived(status)
    newest = datetime.fromtimestamp(status.contents.newest, UTC)
    revisions = count(status.contents.revisions, "revision")
    return f"{status.contents.tickets:,}, in {revisions}; the newest is of {newest:%Y-%m-%dT%H:%M:%SZ}"


def _waiting(waiting: Waiting) -> str:
    parts = [f"changes of {count(waiting.tickets, 'ticket')}"] * bool(waiting.tickets)
    parts += [f"{count(waiting.refused, 'save')} refused"] * bool(waiting.refused)
    return "; ".join([*parts, "`offtracfs pending` shows them"])


def _arrived(status: Status) -> str:
    """How far a first sync is, or how far it was when it was interrupted."""
    if status.arrived is None:
        return ""
    later = "" if status.fetcher or status.writer else ": the next sync goes on from there"
    return f", {status.arrived.tickets:,} of {status.arrived.total:,} fetched{later}"


def _side(sync: mountpoints.Sync) -> str:
    """The process that syncs beside a mount."""
    if sync.pid:
        before = f" (restarted {count(sync.restarts, 'time')}: the last one {sync.ended})"
        return f"syncing by process {sync.pid}{before if sync.restarts else ''}"
    if sync.next:
        return f"not syncing: the last process {sync.ended}, the next one starts at {sync.next}"
    return "not syncing"


def _last_sync(status: Status) -> str:
    sync = status.sync
    if not sync.ended:
        return "never"
    if not sync.error:
        return f"{sync.ended}Z, successful"
    before = f"the last successful one was {sync.succeeded}Z" if sync.succeeded else "none has succeeded yet"
    return f"{sync.ended}Z, failed: {sync.error} ({before})"
