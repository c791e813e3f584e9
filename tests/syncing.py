"""A database beside a stand-in tracker: to sync, and to hold one against the other."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from offtracfs import sync
from offtracfs.database import Database, Settings
from tests.standin import StandInTrac
from tests.standinteamtrack import StandInTeamTrack

StandIn = StandInTrac | StandInTeamTrack


def new_database(path: Path, trac: StandIn) -> Database:
    """An empty database for that tracker."""
    return Database.create(path, Settings(url=trac.url, user=trac.user))


async def synced(database: Database, trac: StandIn, **options: Any) -> sync.Outcome:
    """One sync."""
    return await sync.once(database, trac.connect, **options)


def a_day_later(database: Database) -> None:
    """Makes the next sync sweep."""
    state = database.state()
    state.swept = "2020-01-01T00:00:00"
    database.save(state)


async def swept(database: Database, trac: StandIn, **options: Any) -> sync.Outcome:
    """One sync, a day after the last sweep."""
    a_day_later(database)
    return await synced(database, trac, **options)


def expected(trac: StandIn) -> dict[str, bytes]:
    """Path and bytes of every ticket and change log that the tracker holds, made from its model alone."""
    return trac.expected()


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
