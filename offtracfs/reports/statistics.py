"""Numbers about the whole life of a tracker, for plots: by SQL of our own, as `offtracfs.reports.tickets`.

A ticket is open while its status is not "closed", as in Trac. One that was closed, opened again and closed
again was closed twice.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import accumulate
from statistics import median
from typing import NamedTuple

from offtracfs.database import Database
from offtracfs.index import Revision
from offtracfs.records import SECOND
from offtracfs.reports.query import Run
from offtracfs.reports.tickets import Stopped, asking
from offtracfs.store.fastimport import NOBODY, name_in_git

MAX_PERIODS = 160  # in a plot: more are not told apart on a screen
RECENTLY = 90  # days that count for who is busy
BUSIEST = 10  # people, and components
DAY = 86_400  # seconds
YEAR = 12  # months
MONTHS = (1, 3, YEAR)  # that a period may have, if not one day
SPANS = (
    ("a day", 1),
    ("a week", 7),
    ("a month", 30),
    ("half a year", 182),
    ("a year", 365),
    ("3 years", 1096),
)
"""Up to how many days something took."""


class Period(NamedTuple):
    """A day, a month, a quarter or a year: its `name` is that of its last day or month, as in "@2011-04".

    `opened` and `closed` count tickets in it, and `open` those that were open when it ended.
    """

    name: str
    opened: int
    closed: int
    open: int


class Busy(NamedTuple):
    """What happened lately around a person or a component; `open` counts tickets at the moment asked for."""

    name: str
    open: int
    opened: int
    closed: int


class Active(NamedTuple):
    """Who has made how many changes lately."""

    name: str
    changes: int


@dataclass(frozen=True)
class Statistics:
    """A tracker's numbers at a revision.

    `ages` says how many open tickets are how old, and `lives` how long those that are closed were open, from
    when they were made until they were closed last; each in steps of `SPANS`, and those above all of them.
    `median_life` is in days, None where none is closed.
    """

    tickets: int
    open: int
    periods: Sequence[Period]
    ages: Sequence[tuple[str, int]]
    lives: Sequence[tuple[str, int]]
    median_life: float | None
    people: Sequence[Active]
    components: Sequence[Busy]


TICKETS = "SELECT time, coalesce(status, '') <> 'closed' FROM ticket"
STOOD_OPEN = """
    SELECT since, until FROM offtracfs_ticket_value
    WHERE field = 'status' AND value <> 'closed' AND since <= ?
"""
CLOSINGS = """
    SELECT since FROM offtracfs_ticket_value WHERE field = 'status' AND value = 'closed' AND since <= ?
"""
LAST_BEFORE = "SELECT number FROM revision WHERE committed < ? ORDER BY committed DESC, number DESC LIMIT 1"
LIVES = """
    SELECT revision.committed - ticket.time / 1000000
    FROM offtracfs_ticket_value AS closing
    JOIN revision ON revision.number = closing.since JOIN ticket ON ticket.id = closing.ticket
    WHERE closing.field = 'status' AND closing.value = 'closed' AND closing.since <= ? AND closing.until > ?
"""
PEOPLE = """
    SELECT author, count(*) FROM revision WHERE number BETWEEN ? AND ? AND author NOT IN (?, ?)
    GROUP BY author ORDER BY count(*) DESC, author LIMIT ?
"""
COMPONENTS = """
    WITH moved(ticket, opened, closed) AS (
        SELECT id, 1, 0 FROM ticket WHERE time >= :since_time
        UNION ALL
        SELECT ticket, 0, 1 FROM offtracfs_ticket_value WHERE field = 'status' AND value = 'closed'
            AND since BETWEEN :first AND :last
    ), recent AS (
        SELECT component, sum(opened) AS opened, sum(closed) AS closed
        FROM moved JOIN ticket ON ticket.id = moved.ticket WHERE component <> '' GROUP BY component
    ), standing AS (
        SELECT component, count(*) AS open FROM ticket WHERE status <> 'closed' GROUP BY component
    )
    SELECT component, coalesce(open, 0), opened, closed FROM recent LEFT JOIN standing USING (component)
    ORDER BY opened + closed DESC, component LIMIT :most
"""


def statistics(database: Database, revision: Revision, stopped: Stopped) -> Statistics:
    """The numbers at a revision. Raises as `offtracfs.reports.tickets.asking`."""
    zone = database.settings.zone
    recent = revision.committed - RECENTLY * DAY
    with asking(database.path, revision, stopped) as run:
        tickets = [(time // SECOND, is_open) for time, is_open in run(TICKETS)]
        ages = [revision.committed - made for made, is_open in tickets if is_open]
        lives = [life for (life,) in run(LIVES, [revision.number, revision.number])]
        first = _last_before(run, recent) + 1
        people = run(PEOPLE, [first, revision.number, NOBODY, name_in_git(""), BUSIEST])
        bounds = {"since_time": recent * SECOND, "first": first, "last": revision.number, "most": BUSIEST}
        return Statistics(
            tickets=len(tickets),
            open=len(ages),
            periods=_periods(run, revision, [made for made, _ in tickets], zone),
            ages=_in_steps(ages),
            lives=_in_steps(lives),
            median_life=median(lives) / DAY if lives else None,
            people=[Active(*row) for row in people],
            components=[Busy(*row) for row in run(COMPONENTS, bounds)],
        )


def _last_before(run: Run, seconds: int) -> int:
    """The number of the last revision that was committed before a time; 0 for none."""
    return next((int(number) for (number,) in run(LAST_BEFORE, [seconds])), 0)


def _in_steps(seconds: Sequence[int]) -> list[tuple[str, int]]:
    limits = [days * DAY for _, days in SPANS]
    counts = Counter(bisect(limits, taken) for taken in seconds)
    names = [*(f"up to {name}" for name, _ in SPANS), f"over {SPANS[-1][0]}"]
    return [(name, counts[place]) for place, name in enumerate(names)]


def _periods(run: Run, revision: Revision, created: Sequence[int], zone: tzinfo) -> list[Period]:
    """What happened in each period; `created` are the times at which the tickets were made, in seconds."""
    if not created:
        return []
    ends = (datetime.fromtimestamp(second, zone) for second in (min(created), revision.committed))
    named = _named(*ends)
    # Whatever was before the first period belongs to it. Rows say when they were new by revision.
    starts = [int(start.timestamp()) for start, _ in named[1:]]
    firsts = [_last_before(run, start) + 1 for start in starts]
    opened = Counter(bisect(starts, made) for made in created)
    closed = Counter(bisect(firsts, since) for (since,) in run(CLOSINGS, [revision.number]))
    moved: Counter[int] = Counter()
    for since, until in run(STOOD_OPEN, [revision.number]):
        moved[bisect(firsts, since)] += 1
        if until <= revision.number:
            moved[bisect(firsts, until)] -= 1
    standing = accumulate(moved[place] for place in range(len(named)))
    return [
        Period(name, opened[place], closed[place], count)
        for place, ((_, name), count) in enumerate(zip(named, standing, strict=True))
    ]


def _named(first: datetime, last: datetime) -> list[tuple[datetime, str]]:
    """The periods from one time to another, each with its start: the shortest that are few enough."""
    begin = first.replace(hour=0, minute=0, second=0, microsecond=0)
    if (last - begin).days < MAX_PERIODS:
        days = [begin + timedelta(number) for number in range(MAX_PERIODS)]
        return [(day, f"{day:%Y-%m-%d}") for day in days if day <= last]
    months = (last.year - begin.year) * 12 + last.month - begin.month + 1
    length = next((length for length in MONTHS if months / length < MAX_PERIODS), MONTHS[-1])
    start = _later(begin, -((begin.month - 1) % length))
    starts = [_later(start, number) for number in range(0, months + length, length)]
    return [(start, _name(start, length)) for start in starts if start <= last]


def _later(day: datetime, months: int) -> datetime:
    """The first day of a month that is some months later."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return day.replace(year=year, month=month + 1, day=1)


def _name(start: datetime, length: int) -> str:
    return f"{start:%Y}" if length == YEAR else f"{_later(start, length - 1):%Y-%m}"
