"""A database beside a stand-in Trac: to sync, and to hold one against the other."""

from __future__ import annotations

import os
import subprocess
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from offtracfs import records, sync
from offtracfs.database import Database, Settings
from offtracfs.trackers.trac import connect
from tests.standin import StandInTrac


def new_database(path: Path, trac: StandInTrac) -> Database:
    """An empty database for that Trac."""
    return Database.create(path, Settings(url=trac.url, user="admin"))


async def synced(database: Database, trac: StandInTrac, **options: Any) -> sync.Outcome:
    """One sync."""
    return await sync.once(
        database, partial(connect, trac.url, trac.login(), transport=trac.transport), **options
    )


def a_day_later(database: Database) -> None:
    """Makes the next sync sweep."""
    state = database.state()
    state.swept = "2020-01-01T00:00:00"
    database.save(state)


async def swept(database: Database, trac: StandInTrac, **options: Any) -> sync.Outcome:
    """One sync, a day after the last sweep."""
    a_day_later(database)
    return await synced(database, trac, **options)


def expected(trac: StandInTrac) -> dict[str, bytes]:
    """Path and bytes of every ticket and change log that the Trac holds, made from its model alone."""
    found: dict[str, bytes] = {}
    for number, ticket in trac.tickets.items():
        created, changed = _text(ticket.created), _text(ticket.changed)
        token = str((ticket.changed - records.EPOCH) // (records.from_microseconds(1) - records.EPOCH))
        times = {"time": created, "changetime": changed, "_ts": token}
        found[f"ticket/{number}.json"] = records.dump([number, created, changed, ticket.values | times])
        rows = sorted(ticket.log, key=lambda row: row[0])
        log = [[_text(row[0]), *("" if item is None else item for item in row[1:])] for row in rows]
        found[f"changelog/{number}.json"] = records.dump(log)
    return found


def _text(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat()


def mirrored(database: Database) -> dict[str, bytes]:
    """Path and bytes of every ticket and change log in the database, as readers see them."""
    with database.snapshot() as snapshot:
        paths = [path for top in ("ticket", "changelog") for path in snapshot.paths(top)]
        return {path: snapshot.get(path) or b"" for path in paths}


def git(database: Database, *arguments: str) -> str:
    """What git says of the database's repository."""
    environment = {**os.environ, "GIT_DIR": str(database.path / "git"), "TZ": "UTC"}
    command = ["git", *arguments]
    return subprocess.run(
        command, env=environment, check=True, capture_output=True, encoding="utf-8", errors="replace"
    ).stdout


def log(database: Database, form: str) -> list[str]:
    """One line a commit, oldest first, in git's pretty format."""
    said = git(database, "log", "--reverse", f"--format={form}", "main")
    return said.replace("+00:00", "Z").splitlines()  # as newer versions of git say it
