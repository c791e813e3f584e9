"""A TeamTrack as a tracker: its cases as tickets, with their whole past, over its database and over SOAP."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import aclosing, closing
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from sqlalchemy import create_engine

from offtracfs import records, sync
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
from offtracfs.teamtrack.envelope import ENVELOPE, NAMESPACE
from offtracfs.trackers import MAX_AHEAD, Missing, Ticket, Tracker, registry
from offtracfs.trackers.credentials import Credentials
from offtracfs.trackers.teamtrack import client
from offtracfs.trackers.teamtrack.rules import TeamTrackRules
from offtracfs.tree import Directory
from tests.mounting import tree_of, until
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


FEW = 12  # cases, which are made again and again
DAYS = [START.date() + timedelta(days=day) for day in range((END - START).days)]
BUSY = {START.date(), *(datetime.fromtimestamp(step.moment, UTC).date() for step in steps(FEW))}


@pytest.mark.parametrize(
    "days", [sorted(BUSY)[::4], pytest.param(DAYS, marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_walked_forward(tmp_path: Path, days: list[date]) -> None:
    """On each day of ten years, `@DAY` holds what the database of that day gave, byte for byte."""
    whole, then = tmp_path / "whole.db", tmp_path / "then.db"
    made(whole, None)
    database = new_database(tmp_path / "db", tracker_url(f"sqlite:///{whole}"))
    trio.run(synced, database)
    assert set(DAYS) >= BUSY
    for day in days:
        if day in BUSY:  # else the database is that of the day before
            made(then, int(datetime.combine(day, time.max, UTC).timestamp()))
            told = trio.run(said, tracker_url(f"sqlite:///{then}"))
        assert at(database, day) == told, day


def made(file: Path, until: int | None) -> None:
    """The demo's TeamTrack as it stood at a moment."""
    file.unlink(missing_ok=True)
    engine = create_engine(f"sqlite:///{file}")
    fill(engine, cases=FEW, until=until)
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


@pytest.fixture
def copy(file: Path, tmp_path: Path) -> Database:
    """A database of the TeamTrack in `file`, synced."""
    database = new_database(tmp_path / "db", tracker_url(f"sqlite:///{file}"))
    trio.run(synced, database)
    return database


def test_news_are_found_by_their_date(address: str, tmp_path: Path) -> None:
    """A later sync brings what was submitted, transitioned and updated since, each as a change of its own."""
    url = tracker_url(address)
    database = new_database(tmp_path / "db", url)
    trio.run(synced, database)
    with connected(address) as server:
        case = server.read_record(server.case_table_id(), 12)
        case["PRIORITY"] = SELECTED["PRIORITY", "Blocker"]
        case.update()
        case.transition("newton", 3)
        new = server.new_record(server.case_table_id())
        new["TITLE"], new["PROJECTID"] = "A new one", 3
        number = new.submit("newton")
    outcome = trio.run(synced, database)
    assert (outcome.tickets["new"], outcome.tickets["changed"]) == ([number], [12])
    assert mirrored(database) == trio.run(said, url)
    subjects = git(database, "log", "--format=%an %s", "-4").splitlines()
    assert "newton #12 Resolve (status: Assigned → Resolved)" in subjects
    assert any("#12 priority: " in subject for subject in subjects)
    assert f"newton #{number} created: A new one" in subjects


UNLOGGED = (
    "UPDATE TTT_ISSUES SET TS_TITLE = 'Silent' WHERE TS_ID = 3",
    "UPDATE TS_SELECTIONS SET TS_NAME = 'Urgent' WHERE TS_NAME = 'Critical'",
    "UPDATE TS_USERS SET TS_LOGINID = 'chief' WHERE TS_LOGINID = 'signalbox'",
    "UPDATE TS_STATES SET TS_NAME = 'Shut' WHERE TS_NAME = 'Closed'",
    "UPDATE TS_PROJECTS SET TS_NAME = 'Tower' WHERE TS_NAME = 'Signal box'",
    "DELETE FROM TTT_ISSUES WHERE TS_ID = 5",
)


@pytest.mark.parametrize("statement", UNLOGGED)
def test_sweep_finds_the_rest(copy: Database, file: Path, statement: str) -> None:
    """What moves no date, as a rename does, is found by a sweep in every case's record, and not before."""
    executed(file, statement)
    outcome = trio.run(synced, copy)
    assert outcome.tickets["changed"] in ([], [CASES]), "the last one is asked for again by each sync"
    assert outcome.deleted == 0
    a_day_later(copy)
    outcome = trio.run(synced, copy)
    assert outcome.changed or outcome.deleted
    told = trio.run(said, copy.settings.url)
    now = mirrored(copy)
    assert now.keys() == told.keys()
    assert [path for path in now if path.startswith("ticket/") and now[path] != told[path]] == []
    trio.run(partial(synced, copy, full=True))
    assert mirrored(copy) == told
    assert list(check(copy)) == []


def test_outdated(file: Path) -> None:
    """Every stored ticket that says something else than its case is named, and no other."""

    async def look() -> None:
        async with aclosing(await tracker_at(tracker_url(f"sqlite:///{file}"))) as tracker:
            known = await stored(tracker)
            assert await outdated(tracker, known) == []
            assert await outdated(tracker, known, weather="hail") == sorted(known)

    trio.run(look)


HOSTILE = {
    "a date that is none": ("UPDATE TTT_ISSUES SET TS_CLOSEDATE = 'soon' WHERE TS_ID = 3", {3}),
    "a date too far away": ("UPDATE TS_CHANGEACTIONS SET TS_TIME = 99999999999999 WHERE TS_CASEID = 3", {3}),
    "a text for a number": ("UPDATE TTT_ISSUES SET TS_STATE = 'open' WHERE TS_ID = 3", {3}),
    "bytes that are no text": ("UPDATE TTT_ISSUES SET TS_TITLE = CAST(x'ff41' AS TEXT) WHERE TS_ID = 3", {3}),
    "a history without a time": (
        "UPDATE TS_CHANGEACTIONS SET TS_TIME = 'then' WHERE TS_CASEID = 3",
        {3},
    ),
    "an unknown user": ("UPDATE TTT_ISSUES SET TS_OWNER = 999 WHERE TS_ID = 3", set()),
    "rubbish among selections": ("UPDATE TTT_ISSUES SET TS_PLACES = ',x,,' WHERE TS_ID = 3", {3}),
    "no date at all": ("UPDATE TTT_ISSUES SET TS_SUBMITDATE = NULL, TS_OWNER = NULL WHERE TS_ID = 3", set()),
    "an id that no ticket has": ("UPDATE TTT_ISSUES SET TS_ID = -3 WHERE TS_ID = 3", {3}),
    "an unknown field in history": ("UPDATE TS_CHANGES SET TS_FLDID = 4711 WHERE TS_CASEID = 3", set()),
    "an unknown transition": ("UPDATE TS_CHANGEACTIONS SET TS_TRANSITIONID = 99 WHERE TS_CASEID = 3", set()),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_cannot_be_used(file: Path, tmp_path: Path, what: str) -> None:
    """A value that nobody can read costs its own case alone, which is named; all others are there."""
    statement, left_out = HOSTILE[what]
    executed(file, statement)
    database = new_database(tmp_path / "db", tracker_url(f"sqlite:///{file}"))
    outcome = trio.run(synced, database)
    with database.snapshot() as snapshot:
        assert set(snapshot.tickets()) == set(range(1, CASES + 1)) - left_out
    assert len(outcome.problems) == len(left_out)
    assert all("cannot be read" in said or "no ticket can have" in said for said in outcome.problems)
    assert list(check(database)) == []


def test_without_history(file: Path, tmp_path: Path) -> None:
    """Where history has another layout than is known, that is said, and cases are kept from now on."""
    executed(file, "ALTER TABLE TS_CHANGES RENAME COLUMN TS_FLDID TO TS_FIELD")
    asked = offtracfs(tmp_path, "--db", "db", "init", f"teamtrack+sqlite://{file}")
    assert (asked.returncode, asked.stderr.count("\n")) == (0, 1)
    assert (
        "Left out: The history of cases cannot be read, so the past begins with the first sync"
        in asked.stderr
    )
    assert offtracfs(tmp_path, "--db", "db", "sync").returncode == 0
    database = Database(tmp_path / "db")
    with database.snapshot() as snapshot:
        assert snapshot.load("changelog/3.json") == []
        assert snapshot.load("ticket/3.json")[3]["lastmodifier"] == "qa"
    executed(file, "UPDATE TTT_ISSUES SET TS_TITLE = 'x', TS_LASTMODIFIEDDATE = '2039-01-01' WHERE TS_ID = 3")
    assert trio.run(synced, database).changed == 1


def test_init_refuses(tmp_path: Path, file: Path) -> None:
    """What is no TeamTrack, or no address of one, is refused in a sentence, without a password in it."""
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE t (x)")
    for url, code in {
        f"teamtrack+sqlite://{other}": NotATracker.exit_code,
        f"teamtrack+sqlite://{tmp_path}/none.db": NotATracker.exit_code,
        "teamtrack+sqlite://": UsageError.exit_code,
        f"teamtrack+sqlite://{file}?write=1": UsageError.exit_code,
        "teamtrack+postgresql://bob:hunter2@localhost/x": UsageError.exit_code,
        "teamtrack+postgresql://bob@localhost/x?password=hunter2": UsageError.exit_code,
        "teamtrack+postgresql://bob@127.0.0.1:9/x": Unreachable.exit_code,
        "teamtrack+https://bob:hunter2@localhost": UsageError.exit_code,
        "teamtrack+http://127.0.0.1:9": Unreachable.exit_code,
        "teamtrack+mysql://localhost/x": UsageError.exit_code,
    }.items():
        done = offtracfs(tmp_path, "--db", "db", "init", url)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done
        assert "hunter2" not in done.stderr
        assert not (tmp_path / "db").exists()


QUESTIONS = {
    ("query", "status=Assigned&col=id", "--format", "csv"): ["id", "12", "34", "37", "38"],
    ("query", "component=Signal box&places~=Rockery&col=id", "--format", "csv"): ["id", "3", "11"],
    ("query", "id=3&col=owner", "--at", "2013-10-06", "--format", "csv"): ["id,Owner", "3,triage"],
    ("sql", "SELECT count(*) FROM ticket WHERE status = 'Closed'", "--format", "tsv"): ["count(*)", "36"],
    ("sql", "SELECT name FROM enum WHERE type = 'priority' ORDER BY value LIMIT 1", "--format", "tsv"): [
        "name",
        "Blocker",
    ],
    ("search", "waterproof connector", "--format", "csv", "--count", "1"): None,
    ("show", "3"): None,
    ("log", "3"): None,
    ("diff", "2014", "2015"): None,
    ("check",): None,
}


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: " ".join(question[:2]))
def test_questions(copy: Database, tmp_path: Path, question: tuple[str, ...]) -> None:
    """Query language, SQL, search, show, log and diff work on it as on a Trac."""
    done = offtracfs(tmp_path, "--db", copy.path, *question)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines
    if wanted := QUESTIONS[question]:
        assert sorted(lines) == sorted(wanted)


def test_files(copy: Database) -> None:
    """Texts, selections by value and values of fields are there in the mount."""
    tree = tree_of(copy)
    assert {named.name for named in tree.entries(tree.open(Directory("", "text")))} >= {"1.txt", "40.txt"}
    with copy.snapshot() as snapshot:
        assert snapshot.load("field/component/Signal+box.json")["name"] == "Signal box"
        assert set(snapshot.paths("field/status")) == {
            f"field/status/{name}.json"
            for name in ("New", "Assigned", "Resolved", "Closed", "In+test", "Waiting+for+dry+weather")
        }
        fields = {field["name"]: field for field in snapshot.load("fields.json")}
    assert fields["priority"]["options"] == ["Blocker", "Critical", "Major", "Minor", "Trivial"]
    assert [fields[name]["type"] for name in ("closedate", "weather", "places")] == ["time", "select", "text"]


@pytest.fixture
def service(teamtracks: Teamtracks) -> Iterator[StandIn]:
    """A stand-in for a live server."""
    with connected(teamtracks.new("sqlite-issues")) as server, serving(server) as stand_in:
        yield stand_in


def test_over_soap(service: StandIn, tmp_path: Path) -> None:
    """SOAP gives each case as the database does, but for its past; what it lacks is said."""
    url = f"teamtrack+{service.url}"
    assert registry.checked_url(url) == url
    database = new_database(tmp_path / "db", url)
    by_soap = partial(tracker_at, url, JOE)
    outcome = trio.run(lambda: sync.once(database, by_soap))
    (problem,) = outcome.problems
    assert (outcome.new, problem[:24]) == (CASES, "SOAP gives no history of")
    assert outcome.requests == len(service.requests) > 0
    last = {step.case: step.after for step in steps(CASES)}
    left_out = ("issueid", "lastmodifier", "laststatechanger", "laststatechangedate")
    with database.snapshot() as snapshot:
        for number, values in last.items():
            props = snapshot.load(f"ticket/{number}.json")[3]
            assert {name: value for name, value in props.items() if name not in left_out} == expected(values)
            assert props["lastmodifier"] == LOGINS[values["LASTMODIFIER"]]
    case = service.server.read_record(service.server.case_table_id(), 12)
    case.transition("newton", 3)
    outcome = trio.run(lambda: sync.once(database, by_soap))
    assert outcome.tickets["changed"] == [12]
    with database.snapshot() as snapshot:
        assert snapshot.load("ticket/12.json")[3]["status"] == "Resolved"
    assert list(check(database)) == []


def test_wrong_password(service: StandIn) -> None:
    """A refused login is one, and says nothing of the password."""
    with pytest.raises(LoginRefused) as caught:
        trio.run(tracker_at, f"teamtrack+{service.url}", Credentials("joe", "hunter3"))
    assert "hunter3" not in str(caught.value)


async def test_cases_are_read_ahead(service: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody looks at some cases, the next ones are asked for, and no more; who leaves ends that."""
    monkeypatch.setattr(client, "CASES", 10)
    async with aclosing(await tracker_at(f"teamtrack+{service.url}", JOE)) as tracker:
        async with tracker.tickets(range(1, CASES + 1)) as stream:
            first = await anext(stream)
            await until(lambda: service.requests.count("GetItems") == 2)
        assert (first.number, service.requests.count("GetItems")) == (1, 2)


BODY = '<e:Envelope xmlns:e="{}"><e:Body>{}</e:Body></e:Envelope>'
NOTHING = BODY.format(ENVELOPE, f'<GetItemsResponse xmlns="{NAMESPACE}"/>').encode()
FAULT = BODY.format(ENVELOPE, "<e:Fault><faultstring>Out of licences</faultstring></e:Fault>").encode()


@pytest.mark.parametrize(
    ("operation", "answer", "words"),
    [
        ("GetItemsByQuery", b"<nonsense", "XML"),
        ("GetItemsByQuery", FAULT, "Out of licences"),
        ("GetTables", FAULT, "Out of licences"),
        ("GetVersion", b"", "XML"),
    ],
)
def test_hostile_service(service: StandIn, tmp_path: Path, operation: str, answer: bytes, words: str) -> None:
    """An answer that cannot be used ends a sync with a sentence; what is stored stays, for later syncs."""
    database = new_database(tmp_path / "db", f"teamtrack+{service.url}")
    by_soap = partial(tracker_at, database.settings.url, JOE)
    trio.run(lambda: sync.once(database, by_soap))
    before = mirrored(database)
    service.answers[operation] = answer
    for full in (False, True):
        with pytest.raises(TrackerError, match=words):
            trio.run(partial(sync.once, database, by_soap, full=full))
        assert mirrored(database) == before
    service.answers.clear()
    assert trio.run(lambda: sync.once(database, by_soap, full=True)).commits == 0


@pytest.mark.parametrize("answer", [NOTHING, FAULT])
def test_cases_that_a_service_does_not_give(service: StandIn, tmp_path: Path, answer: bytes) -> None:
    """A case that is listed and not given is named and kept; one that is not listed is gone."""
    database = new_database(tmp_path / "db", f"teamtrack+{service.url}")
    by_soap = partial(tracker_at, database.settings.url, JOE)
    trio.run(lambda: sync.once(database, by_soap))
    before = mirrored(database)
    service.answers["GetItems"] = answer
    outcome = trio.run(lambda: sync.once(database, by_soap, full=True))
    assert (outcome.deleted, outcome.commits, len(outcome.problems)) == (0, 0, CASES + 1)
    assert mirrored(database) == before
    service.answers.clear()
    service.server.delete_record(service.server.case_table_id(), 5)
    outcome = trio.run(lambda: sync.once(database, by_soap, full=True))
    assert (outcome.deleted, len(outcome.problems)) == (1, 1)
    assert before.keys() - mirrored(database).keys() == {"ticket/5.json", "changelog/5.json"}


def test_no_case_can_be_read(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not one of very many cases can be read, a sync ends with why, and what is stored stays."""
    monkeypatch.setattr(client, "CASES", 10)
    database = new_database(tmp_path / "db", tracker_url(f"sqlite:///{file}"))
    trio.run(synced, database)
    before = mirrored(database)
    executed(file, "UPDATE TTT_ISSUES SET TS_STATE = 'open' WHERE TS_ID < 25")
    with pytest.raises(TrackerError, match="Not one of 10 cases can be read: Case 1"):
        trio.run(partial(synced, database, full=True))
    assert mirrored(database) == before


def test_a_clock_that_is_years_ahead(teamtracks: Teamtracks, tmp_path: Path) -> None:
    """What a PostgreSQL server's clock says is not believed where it is far ahead of ours."""
    address = teamtracks.new("postgresql-issues")
    engine = create_engine(address.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        for statement in (
            "CREATE SCHEMA ahead",
            "CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz"
            " LANGUAGE sql AS 'SELECT timestamptz ''2099-01-01'''",
            f"ALTER DATABASE {engine.url.database} SET search_path = ahead, pg_catalog, public",
        ):
            connection.exec_driver_sql(statement)
    engine.dispose()
    database = new_database(tmp_path / "db", f"{tracker_url(address)}&schema=public")
    trio.run(synced, database)
    with connected(f"{address}&schema=public") as server:
        server.read_record(server.case_table_id(), 12).transition("newton", 3)
    trio.run(partial(synced, database, full=True))
    limit = datetime.now(UTC) + MAX_AHEAD + timedelta(minutes=1)
    assert datetime.now(UTC).timestamp() < database.state().settled < limit.timestamp()
