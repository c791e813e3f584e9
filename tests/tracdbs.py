"""Trac's own databases for the tests, with something of everything in them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

from offtracfs import kinds, records
from offtracfs.trackers import Missing, Tracker, tracdb
from offtracfs.trackers.tracdb.client import TracDatabase
from tests.tracclient import DAY, SPRING, fetch
from tests.tracservers import RealTrac, TracServer

CUSTOM = {
    "risk": "select",
    "risk.options": "high|| low ",
    "risk.value": "1",
    "risk.order": "3",
    "flag": "checkbox",
    "flag.value": "yes",
    "choice": "radio",
    "choice.options": "a|b",
    "choice.value": "b",
    "team_name": "text",
    "team_name.value": " ours ",
    "team_name.format": "list",
    "team_name.max_size": "20",
    "notes": "textarea",
    "notes.rows": "7",
    "notes.value": " kept \n as it is",
    "deadline": "time",
    "deadline.label": "Due by",
    "seen": "time",
    "seen.value": "2011-04-09T21:16:07Z",
    "none": "select",  # no options: no field
    "owner": "text",  # Trac's own: no custom field
    "type": "text",
    "9lives": "text",
}
"""The section ``[ticket-custom]``: every type, and what Trac refuses."""

REPORTS = [
    ("Plain", "SELECT id AS ticket FROM ticket", ""),
    ("Described, é", "SELECT 1\r\n\r\n-- é & <b>\r\n", "first\r\n second\r\n"),
    ("Address", "?status=new&status=assigned\r\n&group=owner&order=priority&col=id&col=summary", ""),
    ("Prefixed address", "query:?owner=$USER&summary=~a+b%20c&max=0&verbose=1", "mine"),
    ("Language", r"query:status=new|assigned&summary~=a\|b&order=created&group=owner&desc=1&max=0", ""),
    (
        "Two clauses",
        "query:owner=ann\r\n&or\r\n&milestone!=\r\n&col=summary|owner&row=description&nosuch=1",
        "",
    ),
    ("Told twice", "query:order=id&order=owner&desc=0&desc=2&col=nosuch&or&owner=ann&max=none|5", ""),
    ("No query", "query:nonsense", ""),
]
"""Title, query and description."""


def configure(trac: RealTrac) -> None:
    """An environment with every kind of custom field; before it is served."""
    trac.configure("ticket-custom", **CUSTOM)
    trac.configure("ticket", default_component="component1", allowed_empty_fields="milestone, choice")
    parent = trac.environment / "conf" / "parent.ini"
    parent.write_text(
        "[ticket]\ndefault_priority = minor\ndefault_type = task\n[ticket-custom]\nsite = text\n"
    )
    trac.configure("inherit", file="nosuch.ini, parent.ini")
    trac.configure("ticket", default_type="enhancement")


def fill(trac: RealTrac) -> None:
    """Something of everything: odd texts and times, unset values, edited comments, attachments, reports."""
    number = trac.create("It crashes", SPRING, author="ann", risk="low", flag="0", description="é\r\n\x0b😀")
    trac.change(number, SPRING + DAY, "bob", "because", keywords="slow", team_name="theirs", milestone="")
    trac.change(number, SPRING + DAY * 2, "<eve>", "", status="closed", resolution="fixed", version="2.0")
    for name in ("b.txt", "a.txt"):
        trac.attach(number, name, "the same")
    trac.create("Early", SPRING.replace(year=1969))
    trac.fill(3, SPRING + timedelta(microseconds=987_654))
    trac.create("No values", SPRING)
    for kind, name, values in (
        ("component", "a/b c", {"owner": "ann", "description": "d"}),
        ("version", "1.10", {"time": SPRING, "description": ""}),
        ("version", "1.9", {"time": SPRING + timedelta(microseconds=5), "description": "é"}),
        ("milestone", "m10", {"due": SPRING, "completed": 0, "description": "x"}),
        ("milestone", "m9", {"due": SPRING, "completed": SPRING + DAY, "description": ""}),
    ):
        trac.call(f"ticket.{kind}.create", name, values)
    for n, (title, sql, description) in enumerate(REPORTS, 1):
        trac.set_report(n, title, sql, description)
    with closing(sqlite3.connect(trac.environment / "db/trac.db", timeout=30)) as database, database:
        _write_oddities(database, number)


def _write_oddities(database: sqlite3.Connection, number: int) -> None:
    """What no RPC call makes."""
    at = records.microseconds(records.iso(SPRING + DAY))
    rows = [
        (number, at, "carl", "_comment0", "earlier", str(at + 77)),
        (number, at, "bob", "deadline", None, f"{at:018d}"),
        (number, at, "bob", "seen", "2011-04-09", "rubbish"),
        (number, at, None, "cc", None, "ann"),
    ]
    database.executemany("INSERT INTO ticket_change VALUES (?, ?, ?, ?, ?, ?)", rows)
    custom = [(number, "deadline", f"{at + 5:018d}"), (number, "gone", "x"), (number + 1, "notes", None)]
    custom += [(number + 1, "seen", None), (number + 2, "seen", "2011-04-09T21:16:07Z")]
    custom += [(number, "none", "once an option"), (number + 1, "gone", "")]
    database.executemany("INSERT OR REPLACE INTO ticket_custom VALUES (?, ?, ?)", custom)
    unset = "owner = NULL, cc = NULL, keywords = NULL, summary = NULL, time = NULL"
    database.execute(f"UPDATE ticket SET {unset} WHERE id = (SELECT max(id) FROM ticket)")
    database.execute("UPDATE ticket SET severity = 'bad' WHERE id = ?", (number + 1,))
    database.execute("UPDATE enum SET value = '10' WHERE type = 'priority' AND name = 'blocker'")
    database.execute("INSERT INTO component (name) VALUES ('unset')")
    database.execute("UPDATE attachment SET time = ?", (at + 1,))


def address(trac: RealTrac) -> str:
    """The address of an environment's database."""
    return f"trac+sqlite://{trac.environment}/db/trac.db"


UNDECLARED = {"gone", "none", "severity"}
"""Fields with values that the environment's configuration does not know; `severity` has no options."""


def as_rpc(path: str, data: bytes) -> bytes:
    """A record without the fields that the RPC plugin leaves out."""
    record = records.load(data)
    if path.startswith("ticket/"):
        record[3] = {name: value for name, value in record[3].items() if name not in UNDECLARED}
    if path == "fields.json":
        record = [field for field in record if field["name"] not in UNDECLARED]
    return records.dump(record)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[TracDatabase]:
    """A database, closed at the end."""
    async with aclosing(await tracdb.connect(url)) as tracker:
        yield tracker


async def everything(tracker: Tracker) -> dict[str, bytes]:
    """Path and bytes of every record that a tracker gives."""
    found: dict[str, bytes] = {}
    for number, ticket in (await fetch(tracker, await tracker.ids())).items():
        assert not isinstance(ticket, Missing)
        found[f"ticket/{number}.json"] = records.dump(ticket.record)
        found[f"changelog/{number}.json"] = records.dump(ticket.changelog)
    metadata = await tracker.metadata()
    assert metadata.problems == []
    for path, record in metadata.records.items():
        kinds.check(path, record)
    return found | {path: records.dump(record) for path, record in metadata.records.items()}


def edited(path: Path, *statements: str) -> str:
    """The address of a SQLite database after some SQL."""
    with closing(sqlite3.connect(path)) as database, database:
        for statement in statements:
            database.execute(statement)
    return f"trac+sqlite://{path}"


def copied(trac: RealTrac, path: Path, *statements: str) -> str:
    """The address of a copy of an environment's database after some SQL; its trac.ini is copied, too."""
    (path / "db").mkdir(parents=True)
    shutil.copytree(trac.environment / "conf", path / "conf")
    shutil.copy(trac.environment / "db/trac.db", path / "db")
    return edited(path / "db/trac.db", *statements)


IN_SECONDS = [
    "UPDATE ticket SET time = time / 1000000, changetime = changetime / 1000000",
    "UPDATE OR IGNORE ticket_change SET time = time / 1000000",
    "UPDATE attachment SET time = time / 1000000",
    "UPDATE version SET time = time / 1000000",
    "UPDATE milestone SET due = due / 1000000, completed = completed / 1000000",
    "UPDATE system SET value = '21' WHERE name = 'database_version'",
]
"""Makes a database one of Trac 0.11."""


def filled(server: TracServer) -> RealTrac:
    """A new Trac with something of everything."""
    site = server.new()
    configure(site)
    fill(site)
    return site
