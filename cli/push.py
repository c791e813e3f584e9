"""`offtracfs push`: send what waits."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import aclosing, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path

import click
import trio

from offtracfs.database import Database
from offtracfs.drafts import Drafts, opened
from offtracfs.drafts.pushing import Push, Result
from offtracfs.errors import DatabaseBusy, UsageError
from offtracfs.trackers import Tracker, Writing

from .connect import Connector
from .drafting import drafted, listed, writable
from .text import said

MAX_TICKETS = 20  # that are sent without --all
LEFT = 1  # exit code where something was not sent
SENT = ("sent", "would send")
Report = Callable[[Result], None]


@click.command()
@drafted("tickets", metavar="[N]...", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Ask the tracker, and say what would be sent; send nothing.")
@click.option("--all", "many", is_flag=True, help=f"Also where that is more than {MAX_TICKETS} tickets.")
@click.option("--json", "as_json", is_flag=True, help="As JSON: an object a ticket, on a line.")
@click.pass_obj
def command(
    directory: Path, tickets: tuple[str, ...], dry_run: bool, many: bool, as_json: bool
) -> int | None:
    r"""Send what waits to the tracker: all of it, or of the tickets N.

    \b
      offtracfs push --dry-run           what would be sent
      offtracfs push                     sends it
      offtracfs push 42 new-1            only of these

    Each change arrives once, under the name of the user who is logged in, and people are mailed as they are
    about a change in the browser. A change is put on top of what others have changed meanwhile, field by
    field; where both have changed the same, that is a conflict: it is said, shown in the ticket's file, and
    not sent. After an answer that was lost, the next push finds out whether the change arrived.

    Exit codes: 0 all was sent, 1 something was not, 69 no answer, 75 another process is pushing, 77 login
    refused.
    """
    database = writable(directory)
    with opened(database) as drafts:
        chosen = _chosen(drafts, tickets, many=many or dry_run)
        if not chosen:
            if not as_json:
                click.echo("Nothing is pending.")
            return None
        results: list[Result] = []

        def report(result: Result) -> None:
            results.append(result)
            click.echo(json.dumps(asdict(result)) if as_json else said(sentence(result)))

        locked = nullcontext() if dry_run else database.pushing("push")
        with locked:
            trio.run(_push, database, drafts, chosen, report, dry_run)
    return LEFT if any(result.fate not in SENT for result in results) else None


def _chosen(drafts: Drafts, tickets: Sequence[str], *, many: bool) -> list[str]:
    waiting = drafts.to_send()
    if missing := [ticket for ticket in tickets if ticket not in waiting]:
        raise UsageError(
            f"Nothing waits to be sent of {', '.join(missing)}: `offtracfs pending` shows what does."
        )
    chosen = list(dict.fromkeys(tickets)) or waiting
    if len(chosen) > MAX_TICKETS and not many:
        raise UsageError(f"{listed(chosen)} would be changed: --all says that this is meant.")
    return chosen


async def push_rested(database: Database, tracker: Tracker) -> None:
    """Send what has rested for `push_after` seconds, and say on stdout what became of it.

    More than MAX_TICKETS at once look like a mistake: they wait for `push --all`.
    """
    if not isinstance(tracker, Writing):
        return
    with suppress(DatabaseBusy), opened(database) as drafts, database.pushing("sync"):
        tickets = drafts.rested(database.settings.push_after)
        if len(tickets) > MAX_TICKETS:
            reason = (
                f"{listed(tickets)} were changed at once: `offtracfs push --all` says that this is meant."
            )
            drafts.waits(tickets, reason)
        elif tickets:
            await Push(drafts, tracker).run(tickets, lambda result: click.echo(said(sentence(result))))


async def _push(
    database: Database, drafts: Drafts, tickets: list[str], report: Report, dry_run: bool
) -> None:
    try:
        tracker = await Connector(database.settings, database.path)()
    except Exception as error:
        if not dry_run:
            drafts.waits(tickets, str(error))
        raise
    async with aclosing(tracker):
        assert isinstance(tracker, Writing)
        await Push(drafts, tracker).run(tickets, report, dry_run=dry_run)


def sentence(result: Result) -> str:
    """What became of a ticket's draft, in a line."""
    name = result.ticket if result.ticket.startswith("new-") else f"#{result.ticket}"
    if result.number and name != f"#{result.number}":
        name = f"{name} is #{result.number}"
    parts = [f"{field}={value}" if len(value) <= 40 else field for field, value in result.values.items()]
    parts = [part for part in parts if part != "action=leave"] + ["a comment"] * bool(result.comment)
    what = f" ({', '.join(parts)})" if parts else ""
    return " ".join([f"{name}: {result.fate}{what}.", *result.sentences])
