"""The numbers of the front page, against a count of the records as they stood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC
from pathlib import Path
from random import Random

import pytest
from werkzeug.test import Client

from offtracfs.changes.comparison import values
from offtracfs.database import Database
from offtracfs.errors import DatabaseError
from offtracfs.index import Revision
from offtracfs.index.moments import revision_chosen
from offtracfs.kinds import ticket_path
from offtracfs.records import microseconds
from offtracfs.reports.statistics import DAY, SPANS, Statistics, statistics
from offtracfs.web.plots import HEIGHT, WIDTH, plot
from tests.mounting import AUTUMN, append, new_database
from tests.web import client, parsed, text


def numbers(database: Database, revision: Revision) -> Statistics:
    """The numbers at a revision."""
    return statistics(database, revision, lambda: False)


def at(database: Database, moment: str) -> Revision:
    """The revision at a moment such as "2019-06"."""
    with closing(database.reader()) as reader:
        return revision_chosen(reader, moment, UTC)


def standing(database: Database, revision: Revision) -> Iterator[tuple[int, dict[str, str]]]:
    """When each ticket was made, in seconds, and its values, from the records in git."""
    with database.snapshot(revision) as snapshot:
        for number in snapshot.tickets():
            record = snapshot.load(ticket_path(number))
            yield microseconds(record[1]) // 1_000_000, values(record)


def below_each_limit(spans: list[int]) -> list[int]:
    """How many are below each limit and not below the one before, and how many are above all."""
    limits = [days * DAY for _, days in SPANS]
    pairs = zip([-DAY, *limits], [*limits, 1 << 60], strict=True)
    return [sum(low <= span < high for span in spans) for low, high in pairs]


@pytest.mark.parametrize("moment", ["HEAD~0", "2022-11-30", "2019-06", "2014"])
def test_numbers_are_those_of_the_records(demo_database: Database, moment: str) -> None:
    """At any moment: tickets, open ones, their ages; what came in each period, and stood open then."""
    revision = at(demo_database, moment)
    found = numbers(demo_database, revision)
    tickets = list(standing(demo_database, revision))
    ages = [revision.committed - made for made, value in tickets if value["status"] != "closed"]
    assert (found.tickets, found.open) == (len(tickets), len(ages))
    assert [count for _, count in found.ages] == below_each_limit(ages)
    assert sum(count for _, count in found.lives) == len(tickets) - len(ages)
    assert sum(period.opened for period in found.periods) == len(tickets)
    assert found.periods[-1].open == len(ages)
    for period in Random(moment).sample(found.periods[:-1], 3):
        then = [value for _, value in standing(demo_database, at(demo_database, period.name))]
        assert period.open == sum(value["status"] != "closed" for value in then), period


def test_who_and_which_is_busy(demo_database: Database) -> None:
    """People by their changes of the last 90 days, and components by the tickets opened and closed then."""
    revision = at(demo_database, "2020-05")
    found = numbers(demo_database, revision)
    since = revision.committed - 90 * DAY
    with closing(demo_database.reader()) as reader:
        recent = [past for past in reader.newest_first(1, revision.number) if past.committed >= since]
    changes = Counter(
        past.author for past in recent if past.author in {person.name for person in found.people}
    )
    assert {person.name: person.changes for person in found.people} == changes
    made = Counter(value["component"] for made, value in standing(demo_database, revision) if made >= since)
    open_now = Counter(
        value["component"] for _, value in standing(demo_database, revision) if value["status"] != "closed"
    )
    assert found.components
    assert all(item.opened == made[item.name] for item in found.components)
    assert all(item.open == open_now[item.name] for item in found.components)


def test_an_empty_tracker_and_a_slow_one(tmp_path: Path, demo_database: Database) -> None:
    """A tracker without tickets has zeros; work that nobody waits for any more ends."""
    database = new_database(tmp_path / "db")
    append(database, (AUTUMN, {"db.json": b"{}\n"}))
    found = numbers(database, at(database, ""))
    assert (found.tickets, found.open, found.median_life, [*found.periods]) == (0, 0, None, [])
    assert "0 open tickets" in text(client(database.path).get("/"), "h1")
    with pytest.raises(DatabaseError):
        statistics(demo_database, at(demo_database, ""), lambda: True)


@pytest.fixture
def browser(demo_database: Database) -> Client:
    """Somebody who looks at the demo."""
    return client(demo_database.path)


def test_each_point_leads_to_its_moment(demo_database: Database, browser: Client) -> None:
    """A point, and its row in the table, lead to the tracker as it stood; there the number is the same."""
    shown = parsed(browser.get("/@2018"))
    rows = [[cell.text() for cell in row.css("th, td")] for row in shown.css("details.table tbody tr")]
    links = [link.attributes["href"] for link in shown.css("details.table tbody a")]
    points = [link.attributes["href"] for link in shown.css(".plots figure:first-child svg a")]
    assert points[::-1] == links
    assert links[1] == "/@2018-11/"
    there = browser.get(links[1] or "")
    assert text(there, "h1").startswith(f"{rows[1][3]} open tickets")
    titles = [title.text() for title in shown.css(".plots figure:first-child title")]
    assert titles[-2] == f"2018-11: {rows[1][3]} open"


def test_plots_keep_within_their_frame() -> None:
    """All marks stand within the plot, whatever the numbers; the lines have round numbers around them."""
    random = Random(5)
    for size in (1, 2, 7, 160):
        for most in (0, 1, 9, 1_000_000):
            up, down = ([random.randint(0, most) for _ in range(size)] for _ in range(2))
            made = plot([str(number) for number in range(size)], up, [-count for count in down])
            assert all(0 <= mark.x <= WIDTH for mark in made.marks)
            assert all(0 <= y <= HEIGHT for mark in made.marks for y in mark.ys)
            assert 2 <= len(made.lines) <= 12, (size, most)
            assert all(mark.ys[0] <= made.zero <= mark.ys[1] for mark in made.marks)
