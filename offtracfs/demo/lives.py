"""The demo's tickets: each with the record and the change log that Trac would have after ten years.

The same seed gives the same tickets for ever. Moments are whole seconds, UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

from offtracfs.demo import railway
from offtracfs.demo.troubles import TROUBLES, Trouble
from offtracfs.records import iso, microseconds, rows
from offtracfs.trackers import Ticket

SEED = 45  # the gauge, in mm
TICKETS = 300
START = datetime(2013, 4, 6, tzinfo=UTC)
END = datetime(2023, 4, 6, tzinfo=UTC)
_YEAR = timedelta(days=365.25)
_PHOTOGRAPHED, _REOPENED = 0.08, 0.15  # shares of all tickets
_PATIENCE = (1, 1, 1, 2, 15)  # how much longer than others some tickets wait
_URGENT = (1, 4, 12, 8, 3)  # weights of railway.PRIORITIES
_ENDS = {"fixed": 70, "invalid": 5, "wontfix": 8, "duplicate": 7, "worksforme": 10}  # weights


@dataclass(frozen=True, slots=True)
class Release:
    """A version, and the milestone that it was until `day`."""

    version: str
    milestone: str
    day: datetime


RELEASES = tuple(
    Release(f"{n // 2}.{n % 2 * 5}", f"{n // 2}.{n % 2 * 5} {plant}", START + n * _YEAR / 2)
    for n, plant in enumerate(railway.PLANTS, 1)
)


def by_day(moment: datetime) -> datetime:
    """Between eight in the morning and eight in the evening of the same day; order is kept."""
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return (day + timedelta(hours=8) + (moment - day) / 2).replace(microsecond=0)


class _Over(Exception):
    """The ten years are over."""


@dataclass(slots=True)
class _Life:
    """A ticket while things happen to it."""

    random: Random
    now: datetime
    props: dict[str, Any]
    words: dict[str, str]
    log: list[list[Any]] = field(default_factory=list)
    comments: int = 0

    def say(self, *texts: str) -> str:
        text = self.random.choice(texts).format_map(self.words)
        return text[:1].upper() + text[1:]

    def wait(self, days: float) -> None:
        """Time passes, about so much of it; meanwhile milestones are reached without this ticket."""
        then = self.now + timedelta(days=self.random.expovariate(1 / days), minutes=3)
        for release, following in pairwise(RELEASES):
            waiting = self.props["milestone"] == release.milestone and self.props["status"] != "closed"
            if waiting and release.day <= min(then, END):
                self.now = release.day
                missed = f"{release.version} is out without this."
                self.change("maintainer", missed, milestone=following.milestone)
        self.now = then
        if then > END:
            raise _Over

    def change(self, author: str, comment: str, **fields: str) -> None:
        """Somebody does something: a row a field, all at one moment, as Trac has it."""
        self.comments += 1
        rows = {name: (self.props[name], new) for name, new in fields.items() if self.props[name] != new}
        rows["comment"] = (str(self.comments), comment)
        when = iso(by_day(self.now))
        self.log += [[when, author, name, *rows[name], 1] for name in sorted(rows)]
        self.props |= fields

    def attach(self, name: str, description: str) -> None:
        """A file, of which Trac tells by rows that are not permanent, and by no changetime."""
        when, author = iso(by_day(self.now)), self.props["reporter"]
        said = self.say(description)
        self.log += [[when, author, "attachment", "", name, 0], [when, author, "comment", "", said, 0]]


def tickets() -> Iterator[Ticket]:
    """All tickets, in the order in which they were opened."""
    random = Random(SEED)  # noqa: S311  # stories, no secrets
    moments = sorted(START + random.random() * (END - START) for _ in range(TICKETS - 1))
    stories = [(trouble, place) for trouble in TROUBLES for place in railway.PLACES]
    random.shuffle(stories)
    told: dict[Trouble, int] = {}
    for number, moment in enumerate([START, *moments], 1):
        years = (moment - START) / _YEAR
        trouble, place = next(
            (trouble, place)
            for trouble, place in stories
            if railway.COMPONENTS[trouble.component].since <= years
        )
        stories.remove((trouble, place))
        life = _born(random, moment, trouble, place)
        life.words["other"] = str(told.setdefault(trouble, number))
        with suppress(_Over):
            _live(life, duplicate=told[trouble] < number)
        yield _finished(number, moment, life)


def _born(random: Random, moment: datetime, trouble: Trouble, place: str) -> _Life:
    life = _Life(random, moment, {}, {"place": place, "engine": random.choice(railway.ENGINES)})
    released = [release.version for release in RELEASES if release.day <= moment]
    life.props = {
        "cc": random.choice(("", "", "", "gardener", "driver, qa")),
        "component": trouble.component,
        "description": life.say(trouble.description),
        "keywords": trouble.keywords,
        "milestone": "",
        "owner": "",
        "priority": "major",
        "reporter": random.choice(railway.REPORTERS),
        "resolution": "",
        "status": "new",
        "summary": life.say(trouble.summary),
        "type": trouble.type,
        "version": released[-1] if released and trouble.type == "defect" else "",
        "weather": random.choice(railway.WEATHER) if trouble.type == "defect" else "",
    }
    return life


def _live(life: _Life, *, duplicate: bool) -> None:
    """What becomes of a ticket, as far as there is time. Raises _Over."""
    random, owner = life.random, railway.COMPONENTS[life.props["component"]].owner
    if random.random() < _PHOTOGRAPHED:
        life.wait(0.1)
        life.attach(*random.choice(railway.PICTURES))
    life.wait(4)
    priority = random.choices(railway.PRIORITIES, _URGENT)[0]
    life.change("triage", life.say("", *railway.QUESTIONS), priority=priority, milestone=_next(life.now))
    patience = random.choice(_PATIENCE)
    answers = random.sample(railway.ANSWERS, len(railway.ANSWERS))
    _talk(life, answers)
    life.wait(40 * patience)
    life.change(owner, life.say(*railway.PLANS), owner=owner, status="accepted")
    _talk(life, answers)
    life.wait(50 * patience)
    end = random.choices(list(_ENDS), list(_ENDS.values()))[0]
    _close(life, owner, "fixed" if end == "duplicate" and not duplicate else end)
    if random.random() < _REOPENED:
        life.wait(150)
        fields = {"status": "reopened", "resolution": "", "milestone": _next(life.now)}
        life.change(life.props["reporter"], life.say(*railway.REOPENED), **fields)
        life.wait(60)
        _close(life, owner, "fixed")


def _talk(life: _Life, answers: list[str]) -> None:
    for _ in range(life.random.choice((0, 1, 1, 2))):
        life.wait(15)
        life.change(life.random.choice(railway.REPORTERS), life.say(answers.pop()))


def _close(life: _Life, author: str, end: str) -> None:
    cures = railway.COMPONENTS[life.props["component"]].cures
    said = life.say(*cures) if end == "fixed" else life.say(railway.OTHER_ENDS[end])
    life.change(author, said, status="closed", resolution=end)


def _next(moment: datetime) -> str:
    return next((release.milestone for release in RELEASES if release.day > moment), "")


def _finished(number: int, moment: datetime, life: _Life) -> Ticket:
    created = iso(by_day(moment))
    changed = max([created, *(row.time for row in rows(life.log) if row.permanent)])
    times = {"time": created, "changetime": changed, "_ts": str(microseconds(changed))}
    return Ticket(number, [number, created, changed, life.props | times], life.log)
