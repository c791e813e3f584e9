"""A TeamTrack as a tracker: its cases as tickets, with their whole past, over its database and over SOAP."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import aclosing, closing
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from sqlalchemy import create_engine

from offtracfs import records, sync, teamtrack
from offtracfs.check import check
from offtracfs.database import Database, Settings
from offtracfs.demo import workflows
from offtracfs.demo.cases import SELECTED, USER_IDS, steps
from offtracfs.demo.lives import END, START
from offtracfs.demo.teamtrack import fill
from offtracfs.errors import (
    LoginRefused,
    NotATracker,
    TrackerError,
    Unreachable,
    UsageError,
)
from offtracfs.sync.replay import replay
from offtracfs.trackers import Missing, Ticket, Tracker, registry
from offtracfs.trackers.credentials import Credentials
from offtracfs.trackers.teamtrack.rules import TeamTrackRules
from tests.mounting import tree_of
from tests.program import offtracfs
from tests.syncing import a_day_later, git, mirrored
from tests.teamtracks import CASES, KINDS, Teamtracks, connected
from tests.teamtrackserver import PASSWORD, StandIn, serving
from tests.tracclient import fetch, outdated, stored
from tests.tracdbs import everything
from tests.truths import shown

JOE = Credentials("joe", PASSWORD)
WORDS = {number: word for (_, word), number in SELECTED.items()}
LOGINS = {number: login for login, number in USER_IDS.items()}


@pytest.fixture(params=KINDS)
def address(request: pytest.FixtureRequest, teamtracks: Teamtracks) -> str:
    """The address of a TeamTrack's database of one's own; of each kind in turn."""
    return teamtracks.new(request.param)


@pytest.fixture
def file(teamtracks: Teamtracks) -> Path:
    """A TeamTrack's SQLite database of one's own."""
    return Path(teamtracks.new("sqlite-issues").removeprefix("sqlite:///"))


def tracker_url(address: str) -> str:
    """The address of a database as that of a tracker."""
    return registry.checked_url(f"teamtrack+{address}")


async def tracker_at(url: str, who: Credentials | None = None) -> Tracker:
    """That tracker."""
    return await registry.kind(url).connect(url, who, None)


def new_database(path: Path, url: str) -> Database:
    """An empty database for that tracker."""
    return Database.create(path, Settings(url))


async def synced(database: Database, **options: Any) -> sync.Outcome:
    """One sync."""
    return await sync.once(database, partial(tracker_at, database.settings.url), **options)


async def said(url: str) -> dict[str, bytes]:
    """Path and bytes of every ticket and log that the tracker gives."""
    async with aclosing(await tracker_at(url)) as tracker:
        found = await everything(tracker)
    return {path: data for path, data in found.items() if path.startswith(("ticket/", "changelog/"))}


def executed(file: Path, *statements: str) -> None:
    """Changes a SQLite database behind everybody's back."""
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in statements:
            assert connection.execute(statement).rowcount, statement


def iso(moment: int | None) -> str:
    """Seconds as the text that a ticket has."""
    return "" if moment is None else f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S}"


def expected(values: Any) -> dict[str, str]:
    """The props of a case that the demo tells of, made from that story alone."""
    by_word = {"type": "ISSUETYPE", "priority": "PRIORITY", "severity": "SEVERITY", "weather": "WEATHER"}
    by_login = {"owner": "OWNER", "reporter": "SUBMITTER"}
    by_time = {"time": "SUBMITDATE", "changetime": "LASTMODIFIEDDATE", "closedate": "CLOSEDATE"}
    places = (WORDS[int(part)] for part in values["PLACES"].split(",") if part)
    return {
        "summary": values["TITLE"],
        "description": values["DESCRIPTION"],
        "status": workflows.STATES[values["STATE"]].name,
        "component": workflows.PROJECTS[values["PROJECTID"]].name,
        "activeinactive": str(values["ACTIVEINACTIVE"]),
        "keywords": values["KEYWORDS"],
        "costs": "" if values["COSTS"] is None else str(values["COSTS"]),
        "places": ", ".join(places),
        **{prop: WORDS.get(values[name], "") for prop, name in by_word.items()},
        **{prop: LOGINS.get(values[name], "") for prop, name in by_login.items()},
        **{prop: iso(values[name]) for prop, name in by_time.items()},
    }


def test_cases_are_tickets(address: str, tmp_path: Path) -> None:
    """Every case is a ticket, with people, states, projects and selections by name, and its whole past."""
    database = new_database(tmp_path / "db", tracker_url(address))
    outcome = trio.run(synced, database)
    assert (outcome.new, outcome.problems) == (CASES, [])
    told = list(steps(CASES))
    assert outcome.commits == 1 + len(told)
    last = {step.case: step.after for step in told}
    with database.snapshot() as snapshot:
        for number, values in last.items():
            _, created, changed, props = snapshot.load(f"ticket/{number}.json")
            assert props.pop("issueid")[-5:].isdecimal()
            assert props == expected(values)
            assert (created, changed) == (props["time"], props["changetime"])
    assert mirrored(database) == trio.run(said, database.settings.url)
    assert list(check(database)) == []


def test_logs_explain_their_tickets(file: Path) -> None:
    """Each log leads from the case as it was submitted to the case as it is, step by step as it was."""
    told: dict[int, list[Any]] = {}
    for step in steps(CASES):
        told.setdefault(step.case, []).append(step)

    async def tickets() -> dict[int, Ticket | Missing]:
        async with aclosing(await tracker_at(tracker_url(f"sqlite:///{file}"))) as tracker:
            return await fetch(tracker, await tracker.ids())

    for number, found in trio.run(tickets).items():
        assert isinstance(found, Ticket)
        versions = list(replay(found.record, records.rows(found.changelog), TeamTrackRules()))
        assert len(versions) == len(told[number])
        for version, step in zip(versions, told[number], strict=True):
            assert version.moment == step.moment * records.SECOND
            assert version.author == step.user
            props = {name: value for name, value in version.record[3].items() if name != "issueid"}
            assert props == expected(step.after)


DAYS = (END - START).days
SOME = sorted(random.Random(1).sample(range(DAYS), 25))  # noqa: S311  # no secrets


@pytest.mark.parametrize(
    "days", [SOME, pytest.param(range(DAYS), marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_walked_forward(tmp_path: Path, days: list[int]) -> None:
    """Walked through ten years day by day, `@DAY` holds what the database of that day gave, byte for byte."""
    whole = tmp_path / "whole.db"
    made(whole, None)
    database = new_database(tmp_path / "db", tracker_url(f"sqlite:///{whole}"))
    trio.run(synced, database)
    for day in days:
        end = datetime.combine((START + timedelta(days=day)).date(), time.max, UTC)
        then = tmp_path / "then.db"
        made(then, int(end.timestamp()))
        assert at(database, end.date()) == trio.run(said, tracker_url(f"sqlite:///{then}")), end.date()


def made(file: Path, until: int | None) -> None:
    """The demo's TeamTrack as it stood at a moment; few cases, which are made again and again."""
    file.unlink(missing_ok=True)
    engine = create_engine(f"sqlite:///{file}")
    fill(engine, cases=12, until=until)
    engine.dispose()


def at(database: Database, day: date) -> dict[str, bytes]:
    """Path and bytes of every ticket and log that a mount shows in the directory of a day."""
    return shown(tree_of(database), f"@{day}")


def test_grown_day_by_day(tmp_path: Path) -> None:
    """Synced while it grows, through ten years, it ends with the branch's files that a first sync makes."""
    growing = tmp_path / "growing.db"
    url = tracker_url(f"sqlite:///{growing}")
    database = new_database(tmp_path / "db", url)
    for part in range(1, 9):
        until = START + (END - START) * part / 8
        made(growing, int(until.timestamp()))
        trio.run(partial(synced, database, full=part == 1))
        a_day_later(database)
        assert mirrored(database) == trio.run(said, url)
    whole = new_database(tmp_path / "whole", url)
    trio.run(synced, whole)
    subjects = [git(each, "log", "--format=%s", "--", "ticket").splitlines() for each in (database, whole)]
    assert sorted(subjects[0]) == sorted(subjects[1])
    assert list(check(database)) == []
