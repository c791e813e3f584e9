"""Real Tracs with tickets of every kind, made-up queries, and what the two sides make of them."""

from __future__ import annotations

import io
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import httpx

from offtracfs.database import Database
from offtracfs.errors import QueryRefused
from offtracfs.index.moments import revision_chosen
from offtracfs.index.tables import VIEWS
from offtracfs.querylanguage import SYNONYMS, parse
from offtracfs.reports import query, sandbox
from offtracfs.reports.formats import write_csv
from tests.realreports import Table, table
from tests.tracclient import SPRING
from tests.tracservers import RealTrac

USER = "admin"
CUSTOM = {
    "team": "text",
    "team.format": "list",
    "place": "text",
    "place.label": "Place, by name",
    "risk": "select",
    "risk.options": "|high|low",
    "phase": "radio",
    "phase.options": "one|two",
    "flag": "checkbox",
    "notes": "textarea",
    "due": "time",
    "day": "time",
    "day.format": "date",
}
WORDS = [
    "crash",
    "Crash",
    "slow",
    "é",
    "É",
    "100%",
    "a_b",
    "a/b",
    "it's",
    '"quoted"',
    "x|y",
    "p&q",
    "\\",
    "-",
    "c#",
]
PEOPLE = ("", "admin", "ann", "bob", "Bob", "ann@example.org", "$USER", "o'neill")
VALUES = {
    "type": ("defect", "enhancement", "task", "gone"),
    "status": ("new", "assigned", "closed", "reopened"),
    "priority": ("blocker", "critical", "major", "minor", "trivial", "gone", ""),
    "severity": ("", "hard", "easy"),
    "milestone": ("", "milestone1", "milestone2", "milestone3", "milestone4", "m10", "m9", "gone"),
    "component": ("component1", "component2", ""),
    "version": ("", "1.0", "2.0", "1.10", "gone"),
    "resolution": ("", "fixed", "wontfix", "duplicate"),
    "reporter": PEOPLE,
    "owner": PEOPLE,
    "risk": ("", "high", "low"),
    "phase": ("one", "two"),
    "flag": ("0", "1"),
    "place": ("", "here", "there, or so", "10"),
}
LISTS = ("keywords", "cc", "team")
TEXTS = ("summary", "description", "notes")
TIMES = ("time", "changetime", "due", "day")
NAMES = ("id", *VALUES, *LISTS, *TEXTS, *TIMES)
MODES = ("", "", "", "!", "~", "!~", "^", "!^", "$", "!$")
DATES = "|2011-04-09|2011-04|2011|2011-04-20T12:00|20110501T000000Z|2011-04-09 23:16+02:00"
WHENS = "today|yesterday|7daysago|3 weeks ago|- 2 m|last month|this year|in 2 days|now"
BOUNDS = [*DATES.split("|"), *WHENS.split("|")]
DAY = 86_400_000_000  # microseconds
OWN = [name for name in NAMES if name in VIEWS["ticket"] and name != "id"]


def configure(trac: RealTrac) -> None:
    """Custom fields of every type, and pages without the settings of a site and the habits of its reader."""
    trac.configure("ticket-custom", **CUSTOM)
    trac.configure("trac", default_date_format="iso8601", default_timezone="UTC")
    trac.configure("query", default_query="id!=0", items_per_page="0")


def fill(trac: RealTrac, size: int) -> None:
    """That many tickets; milestones, versions and priorities of which some have no date and no place."""
    dice = random.Random(size)
    at = int(SPRING.timestamp()) * 1_000_000
    with closing(sqlite3.connect(trac.environment / "db/trac.db", timeout=30)) as database, database:
        enums = [("severity", "hard", "10"), ("severity", "easy", "9")]
        database.executemany("INSERT INTO enum (type, name, value) VALUES (?, ?, ?)", enums)
        database.execute("UPDATE enum SET value = '10' WHERE name = 'blocker'")
        database.execute("UPDATE enum SET value = 'odd' WHERE name = 'task'")
        milestones = [
            ("m10", at, 0),
            ("m9", at, at + DAY),
            ("milestone1", at + DAY, 0),
            ("milestone2", 0, at),
        ]
        database.executemany(
            "INSERT OR REPLACE INTO milestone (name, due, completed) VALUES (?, ?, ?)", milestones
        )
        versions = [("1.0", at), ("2.0", at - DAY), ("1.10", 0)]
        database.executemany("INSERT OR REPLACE INTO version (name, time) VALUES (?, ?)", versions)
        now = int(datetime.now(UTC).timestamp()) * 1_000_000
        for number in range(1, size + 1):
            _insert(database, number, dice, at, now)


def _insert(database: sqlite3.Connection, number: int, dice: random.Random, at: int, now: int) -> None:
    values: dict[str, Any] = {name: dice.choice(choices) for name, choices in VALUES.items()}
    values |= {
        name: dice.choice((", ", " ", ";")).join(dice.sample(WORDS, dice.randrange(4))) for name in LISTS
    }
    values |= {name: " ".join(dice.choices(WORDS, k=dice.randrange(1, 5))) for name in TEXTS}
    recent = dice.random() < 0.3  # half a day away from whatever is some days ago
    values["time"] = (
        now - dice.randrange(1, 400) * DAY - DAY // 2 if recent else at + dice.randrange(60) * DAY // 2
    )
    values["changetime"] = values["time"] + dice.choice((0, 1_234_567, DAY))
    for name in ("due", "day"):
        values[name] = dice.choice(("", f"{at + dice.randrange(60) * DAY // 2:018d}"))
    names = ", ".join(("id", *OWN))
    row = [number, *(values[name] or None for name in OWN)]  # as Trac 1.2 and later store what is unset
    database.execute(f"INSERT INTO ticket ({names}) VALUES ({', '.join('?' * len(row))})", row)
    stored = [name for name in CUSTOM if name in values and (name == "flag" or dice.random() < 0.8)]
    custom = [(number, name, values[name] or None) for name in stored]
    database.executemany("INSERT INTO ticket_custom VALUES (?, ?, ?)", custom)


def made_up(seed: int) -> tuple[str, str]:
    """A query, in the query language and as an address's arguments."""
    dice = random.Random(seed)
    language, address = [], []
    for name, mode, values in _constraints(dice):
        if name == "or":
            language.append("or")
            address.append("or")
            continue
        spoken = (
            {meant: name for name, meant in SYNONYMS.items()}.get(name, name) if dice.random() < 0.5 else name
        )
        escaped = "|".join(value.replace("|", r"\|").replace("&", r"\&") for value in values)
        language.append(f"{spoken}{mode}={escaped}")
        address += [f"{name}={quote_plus(mode + value)}" for value in values]
    for name, value in _layout(dice):
        language.append(f"{name}={value}")
        address += [f"{name}={quote_plus(part)}" for part in (value.split("|") if name == "col" else [value])]
    return "&".join(language), "?" + "&".join(address)


def _constraints(dice: random.Random) -> Iterator[tuple[str, str, list[str]]]:
    for turn in range(dice.choice((1, 1, 1, 2, 2, 3))):
        if turn:
            yield "or", "", []
        for name in dice.sample((*NAMES, "nosuch"), dice.choice((1, 1, 2, 3))):
            yield name, dice.choice(("", "!") if name == "id" else MODES), _values(name, dice)


def _values(name: str, dice: random.Random) -> list[str]:
    several = dice.choice((1, 1, 2, 3))
    if name == "id":
        return [dice.choice(("7", "1-99", "5,9,30-20", "200-100", "3,1,2", "")) for _ in range(several)]
    if name in TIMES:
        return ["..".join(dice.choices(BOUNDS, k=dice.choice((1, 2)))) for _ in range(several)]
    if name in VALUES:
        found = dice.choices(VALUES[name], k=several)
        return [value[: dice.choice((2, 99))] if dice.random() < 0.3 else value for value in found]
    words = [
        dice.choice(("", "", "-")) + word
        for word in dice.choices((*WORDS, "", '"a b"', "ann", "bob"), k=several)
    ]
    return [" ".join(words)] if dice.random() < 0.5 else words


def _layout(dice: random.Random) -> Iterator[tuple[str, str]]:
    grouped = dice.random() < 0.6
    for name in ("order", "group") if grouped else ("order",):
        if dice.random() < 0.8:
            yield name, dice.choice((*NAMES, "created", "nosuch"))
    for name in ("desc", "groupdesc", "verbose"):
        if dice.random() < 0.3:
            yield name, dice.choice(("1", "0", "true", "no", ""))
    if not grouped and dice.random() < 0.2:  # with groups, Trac's CSV has a ticket more than its page
        yield "max", dice.choice(("1", "3", "10", "1000", "none", ""))
        yield "page", dice.choice(("", "1", "2"))
    if dice.random() < 0.5:
        yield "col", "|".join(dice.sample(NAMES, dice.randrange(1, 6)))


class Visitor:
    """An administrator at the page of queries."""

    def __init__(self, trac: RealTrac, client: httpx.Client) -> None:
        self._trac = trac
        self._client = client
        client.get(f"{trac.url}/login").raise_for_status()  # for a cookie

    def saved(self, text: str) -> str:
        """The address to which the reader of a report that is this text is sent."""
        self._trac.set_report(1, "Saved", text)
        answer = self._client.get(f"{self._trac.url}/report/1", follow_redirects=False)
        return "?" + answer.headers["location"].partition("?")[2]

    def csv(self, address: str) -> Table | None:
        """What the site gives for a query; None where it refuses."""
        try:
            answer = self._client.get(f"{self._trac.url}/query{address}&format=csv")
        except httpx.RemoteProtocolError:  # refused after the answer's first line
            return None
        return table(answer.content.decode("utf-8-sig")) or None if answer.is_success else None


def ours(database: Database, text: str, at: str = "") -> Table | None:
    """What a database gives for a query, as the command line would write it; None where it refuses."""
    with closing(database.reader()) as reader:
        revision = revision_chosen(reader, at, database.settings.zone)
    fields = query.fields_at(database, revision)
    now = query.now_at(at, revision, database.settings.zone)
    out = io.StringIO(newline="")
    try:
        with closing(sandbox.connect(database.path, revision.number)) as box:
            write_csv(query.sheet(box, parse(text, fields), fields, USER, now), out)
    except QueryRefused:
        return None
    return table(out.getvalue())
