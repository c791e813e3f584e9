"""Makes Trac databases of any size, with Trac 1.6's own reports: for the same number, the same tickets.

They are made by SQL, since Trac itself takes minutes for what SQLite does in seconds.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from offtracfs.records import SECOND
from tests.realreports import add_stock_reports
from tests.tracinstall import installed

RECIPE = 5  # changes with what is made here, so that older databases in a cache are not taken for it
FIRST_DAY = 1_104_537_600  # 2005-01-01, in seconds since 1970 UTC
LAST_DAY = 1_735_689_600  # 2025-01-01
QUIET = 365 * 86_400  # seconds in the end without a new ticket: else its last changes would all come at once
DESCRIPTION = 600, 0.9  # bytes in the median, and sigma of the logarithm: a few are very long
COMMENT = 250, 0.9
MAX_LENGTH = 50_000  # bytes of a text
TERMS = 0.06  # of the words: the names, numbers and paths that a tracker is full of
CHANGES = 5  # of a ticket: comments, most of them with a change of a field
PAUSE = 20 * 86_400  # mean seconds between two changes of a ticket
PEOPLE = [f"dev{number}@example.org" for number in range(40)]
VALUES = {
    "component": ["component1", "component2"],
    "priority": ["blocker", "critical", "major", "minor", "trivial"],
    "milestone": ["", "milestone1", "milestone2", "milestone3", "milestone4"],
    "version": ["", "1.0", "2.0"],
    "type": ["defect", "enhancement", "task"],
}


class Row(NamedTuple):
    """A row of Trac's table ticket_change."""

    ticket: int
    time: int
    author: str
    field: str
    oldvalue: str
    newvalue: str


class Writing:
    """Texts of made-up words, of which some are very common, as in any language, and most very rare."""

    def __init__(self, dice: random.Random) -> None:
        syllables = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "é", "au")]
        words = ["".join(dice.choices(syllables, k=dice.choice((1, 2, 2, 3, 4)))) for _ in range(5_000)]
        weights = [1 / rank for rank in range(1, 5_001)]
        picked = [
            _term(dice, words) if dice.random() < TERMS else word
            for word in dice.choices(words, weights, k=500_000)
        ]
        breaks = dice.choices((" ", " ", " ", " ", " ", " ", " ", " ", ", ", ". ", "\r\n"), k=500_000)
        self._text = "".join(part for pair in zip(picked, breaks, strict=True) for part in pair)
        self._dice = dice

    def text(self, median: float, sigma: float) -> str:
        """A text whose length is log-normal, in characters."""
        length = min(int(median * self._dice.lognormvariate(0, sigma)) + 1, MAX_LENGTH)
        start = self._dice.randrange(len(self._text) - MAX_LENGTH)
        return self._text[start : start + length].strip()


def _term(dice: random.Random, words: list[str]) -> str:
    """A word that hardly another text has: the name of a class, a variable, a file, a version, a ticket."""
    some = dice.choices(words, k=dice.choice((2, 3)))
    number = dice.randrange(100_000)
    terms = (
        "".join(map(str.capitalize, some)),
        "_".join(some),
        f"{'/'.join(some)}.c",
        f"{number // 10_000}.{number // 100 % 100}.{number % 100}",
        f"#{number}",
    )
    return dice.choice(terms)


def environment(size: int, cache: Path) -> Path:
    """A Trac's environment with so many tickets in its database, made unless the cache has it."""
    made = cache / f"trac-{RECIPE}-{size}"
    if not made.exists():
        part = made.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        installation = installed("modern")
        shutil.copytree(installation.template, part)
        with closing(sqlite3.connect(part / "db/trac.db")) as connection, connection:
            fill(connection, size)
        add_stock_reports(installation, part)
        part.rename(made)
    return made


def newest(size: int, moment: float) -> int:
    """The ticket that was the last to be made by then, in seconds since 1970 UTC."""
    return min(size, int((moment - FIRST_DAY) * SECOND // _step(size)))


def _step(size: int) -> int:
    """Microseconds from each ticket to the next, the first counted from the first day."""
    return (LAST_DAY - QUIET - FIRST_DAY) * SECOND // (size + 1)


def fill(connection: sqlite3.Connection, size: int) -> None:
    """Put so many tickets with their changes into a Trac database."""
    dice = random.Random(size)
    writing = Writing(dice)
    for number in range(1, size + 1):
        ticket = _ticket(number, FIRST_DAY * SECOND + number * _step(size), dice, writing)
        rows = list(_changes(ticket, dice, writing))
        marks = ",".join(f":{name}" for name in ticket)
        stored = {name: None if value == "" else value for name, value in ticket.items()}
        connection.execute(f"INSERT INTO ticket ({','.join(ticket)}) VALUES ({marks})", stored)
        connection.executemany("INSERT INTO ticket_change VALUES (?,?,?,?,?,?)", rows)


def _ticket(number: int, created: int, dice: random.Random, writing: Writing) -> dict[str, Any]:
    """A new ticket, as the columns that Trac would not leave empty."""
    person = dice.choice(PEOPLE)
    return {
        "id": number,
        "time": created,
        "changetime": created,
        "reporter": person,
        "owner": dice.choice(PEOPLE),
        "status": "new",
        "resolution": "",
        "keywords": "",
        "summary": _summary(writing),
        "description": writing.text(*DESCRIPTION),
        **{name: dice.choice(values) for name, values in VALUES.items()},
    }


def _summary(writing: Writing) -> str:
    return writing.text(50, 0.4).replace("\r\n", " ")


def _changes(ticket: dict[str, Any], dice: random.Random, writing: Writing) -> Iterator[Row]:
    """What happened to a ticket, which is left as that leaves it."""
    for count in range(1, CHANGES + 1):
        ticket["changetime"] += (1 + int(dice.expovariate(1 / PAUSE))) * SECOND
        number, moment, author = ticket["id"], ticket["changetime"], dice.choice(PEOPLE)
        for name, new in _changed(ticket, dice, writing).items():
            yield Row(number, moment, author, name, ticket[name], new)
            ticket[name] = new
        text = writing.text(*COMMENT) if dice.random() < 0.8 else ""
        yield Row(number, moment, author, "comment", str(count), text)


def _changed(ticket: dict[str, Any], dice: random.Random, writing: Writing) -> dict[str, str]:
    """Fields that a change sets."""
    kind = dice.random()
    if kind < 0.02:
        return {"description": writing.text(*DESCRIPTION)}
    if kind < 0.04:
        return {"summary": _summary(writing)}
    if kind < 0.4:
        return {}
    if kind < 0.7:
        name = dice.choice(list(VALUES))
        new = dice.choice(VALUES[name])
        return {name: new} if new != ticket[name] else {}
    if kind < 0.8 and ticket["status"] not in ("accepted", "closed"):
        return {"status": "accepted"}
    if ticket["status"] == "closed":
        return {"status": "reopened", "resolution": ""}
    return {"status": "closed", "resolution": dice.choice(("fixed", "invalid", "wontfix", "duplicate"))}


def touch(file: Path, numbers: list[int]) -> None:
    """Change these tickets of a Trac's database now: a comment, and other keywords."""
    now = time.time_ns() // 1_000
    with closing(sqlite3.connect(file, timeout=30)) as connection, connection:
        for number in numbers:
            found = connection.execute("SELECT keywords FROM ticket WHERE id=?", [number])
            old, new = found.fetchone()[0], f"touched{now}"
            update = "UPDATE ticket SET keywords=?, changetime=? WHERE id=?"
            connection.execute(update, [new, now, number])
            rows = [Row(number, now, "admin", "keywords", old, new)]
            rows.append(Row(number, now, "admin", "comment", "", f"Touched at {now}."))
            connection.executemany("INSERT INTO ticket_change VALUES (?,?,?,?,?,?)", rows)
