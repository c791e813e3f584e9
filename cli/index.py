"""`offtracfs index`: the index, which is derived from git."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from offtracfs import index, search
from offtracfs.database import Database
from offtracfs.errors import UsageError

from .progress import progress
from .text import count, said, size

WRITES = {"upgrade": Database.catch_up, "rebuild": Database.rebuild}


@click.command()
@click.argument("action", type=click.Choice(("status", *WRITES)), default="status")
@click.option("--json", "as_json", is_flag=True, help="Say the status as JSON.")
@click.pass_obj
def command(directory: Path, action: str, as_json: bool) -> None:
    r"""Look at the index, or build it anew.

    \b
      offtracfs index status     its size, where it stands, how many rows its tables have
      offtracfs index upgrade    bring it up to this program and to git's newest commit, where it is not
      offtracfs index rebuild    build it anew, whatever it is

    The index makes listings fast, and holds Trac's own tables for reports. The search index beside it has
    the words of all texts. All of it comes from git, and every sync keeps it up. What an earlier version of
    this program made is built anew by the next sync or mount, too, beside the old one: what has that open
    goes on with it until the new one is done. Until then report, query, search and sql refuse it.

    Exit codes: 0 done, 65 there is no index, 66 no database there, 75 another process is writing it, 78 a
    later version of this program made it.
    """
    database = Database(directory)
    if action in WRITES:
        if as_json:
            raise UsageError("--json goes with status.")
        with database.writing(f"index {action}"), progress() as show:
            commits = WRITES[action](database, show)
        click.echo(f"{count(commits, 'commit')} indexed." if commits else "There is nothing to do.")
        return
    state, searched = index.inspect(database.path, database.store), search.inspect(database.path)
    if as_json:
        click.echo(json.dumps(asdict(state) | {"search": asdict(searched) if searched else None}))
        return
    for title, text in [*_lines(state), ("Search", _searched(searched))]:
        click.echo(f"{title:<10} {said(text)}")


def _lines(state: index.IndexStatus) -> Iterator[tuple[str, str]]:
    yield "Index", f"{state.file}: {size(state.size)}"
    yield "Version", f"{state.version}, {_compared(state)}"
    yield "Stands at", _stands(state)
    yield "Behind", _behind(state)
    for table, rows in state.rows.items():
        yield "Rows", f"{table:<24} {rows:>11,}"


def _searched(state: search.SearchStatus | None) -> str:
    if state is None:
        return "none yet: the next sync builds it"
    stands = f"revision {state.revision:,}, {count(state.documents, 'text')}"
    return f"{state.file}: {size(state.size)}; version {state.version}, {_compared(state)}; {stands}"


def _compared(state: index.IndexStatus | search.SearchStatus) -> str:
    if state.version == state.program:
        return "as this program makes it"
    if state.version > state.program:
        return f"of a later program: this one makes {state.program}"
    return f"of an earlier program: this one makes {state.program}, `offtracfs index upgrade` does it now"


def _stands(state: index.IndexStatus) -> str:
    if not state.revision:
        return "no revision yet"
    moment = datetime.fromtimestamp(state.committed, UTC)
    return f"revision {state.revision:,}, commit {state.commit[:10]} of {moment:%Y-%m-%dT%H:%M:%SZ}"


def _behind(state: index.IndexStatus) -> str:
    if state.behind is None:
        return "git's branch does not have that commit: `offtracfs index upgrade` builds the index anew"
    return f"git by {count(state.behind, 'commit')}, until the next sync" if state.behind else "nothing"
