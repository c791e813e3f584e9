"""What "@…" and --at stand for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from offtracfs.database import Database
from offtracfs.errors import NotADatabase, UsageError
from offtracfs.index import Reader
from offtracfs.index.moments import revision_at, revision_chosen
from tests.mounting import AUTUMN, SUMMER, new_database

DECEMBER = 1_322_697_600  # 2011-12-01


@pytest.fixture
def reader(database: Database) -> Iterator[Reader]:
    """The index of a database with three revisions, in spring, summer and autumn of 2011."""
    with closing(database.reader()) as opened:
        yield opened


@pytest.mark.parametrize(
    ("at", "number"),
    [
        ("", 3),
        ("HEAD", 3),
        ("HEAD~1", 2),
        ("2011", 3),
        ("2011-04", 1),
        ("2011-04-09", 1),
        ("2011-12-31T23:59:59Z", 3),
        ("2011-12-31T23-59-59+0200", 3),
    ],
)
def test_moments(reader: Reader, at: str, number: int) -> None:
    """What follows "@" in the mount stands for the same revision."""
    assert revision_chosen(reader, at).number == number
    found = revision_at(reader, reader.head(), at and f"@{at}")
    assert found is not None
    assert found.number == number


@pytest.mark.parametrize(
    ("now", "at", "number"),
    [
        (AUTUMN, "now", 3),
        (AUTUMN - 1, "now", 2),
        (SUMMER + 86_400, "yesterday", 2),
        (SUMMER + 86_400 - 43_201, "yesterday", 1),  # as yesterday ended
        (SUMMER + 3 * 86_400, "3 days ago", 2),
        (SUMMER + 3 * 86_400 - 1, "3 days ago", 1),  # that very second
        (SUMMER + 3 * 86_400 - 1, "3daysago", 1),
        (SUMMER, "last month", 1),
        (SUMMER, "last week", 1),
        (SUMMER, "this week", 2),
        (AUTUMN, "2011-07-08 11:59", 1),
        (AUTUMN, "2011-07-08 12:00", 2),
        (AUTUMN, "2011-07-08 12", 2),
        (AUTUMN, " 8 July 2011 ", 2),
        (AUTUMN, "2011-07-08T11:59:59.5", 1),
        (AUTUMN, "2011-07-08 13:59+02", 1),
        (AUTUMN, "2011-07-08 14:00+02:00", 2),
    ],
)
def test_dates_of_queries(reader: Reader, now: int, at: str, number: int) -> None:
    """Any date of Trac's queries is a moment: a period at its end, "3 days ago" that very second."""
    found = revision_chosen(reader, at, clock=lambda: now)
    assert found.number == number
    assert revision_at(reader, reader.head(), f"@{at}", clock=lambda: now) is None  # no name in the mount


def test_words_are_of_the_zone(reader: Reader) -> None:
    """Yesterday ends at midnight by the database's clock."""
    now, zone = (
        SUMMER + 43_200,
        ZoneInfo("Pacific/Kiritimati"),
    )  # noon in Greenwich is two in the morning there
    assert revision_chosen(reader, "yesterday", UTC, clock=lambda: now).number == 2
    assert revision_chosen(reader, "yesterday", zone, clock=lambda: now).number == 1
    assert revision_chosen(reader, "today", zone, clock=lambda: now).number == 2


@pytest.mark.parametrize(
    ("at", "sentence"),
    [
        ("tomorrow", "tomorrow is in the future."),
        ("9999999 years ago", "'9999999 years ago' is too far away."),
    ],
)
def test_words_that_are_no_moment(reader: Reader, at: str, sentence: str) -> None:
    """What has not begun, and what no calendar has, is refused with the reason."""
    with pytest.raises(UsageError, match=sentence):
        revision_chosen(reader, at)


def test_commits(reader: Reader) -> None:
    """A commit stands for itself, in full or cut short to seven digits."""
    second = reader.revision(2)
    assert second is not None
    for digits in (40, 12, 7):
        assert revision_chosen(reader, second.commit.hex()[:digits]) == second


def test_the_head_is_the_callers(reader: Reader) -> None:
    """Nothing that came after the given head is seen, whatever the moment."""
    first, second = reader.revision(1), reader.revision(2)
    assert first is not None
    assert second is not None
    assert revision_at(reader, second, "@2011") == second
    assert revision_at(reader, second, "@HEAD~1") == first
    assert revision_at(reader, first, f"@{second.commit.hex()}") is None
    assert revision_at(reader, None, "@2011") is None


def test_the_zone(reader: Reader) -> None:
    """Dates are those of the given time zone."""
    spring = reader.revision(1)
    assert spring is not None
    zone = ZoneInfo("Pacific/Kiritimati")  # 14 hours ahead of UTC
    assert revision_at(reader, spring, "@2011-04-09", UTC) == spring
    assert revision_at(reader, spring, "@2011-04-09", zone) is None  # it is over before noon in Greenwich


def test_the_future(reader: Reader) -> None:
    """What has not begun by the clock is no moment yet; what has begun is."""
    assert revision_at(reader, reader.head(), "@2011-12", clock=lambda: DECEMBER) == reader.head()
    with pytest.raises(UsageError, match=r"2011-12 is in the future\."):
        revision_chosen(reader, "2011-12", clock=lambda: DECEMBER - 1)


@pytest.mark.parametrize(
    "at", ["2011-13", "2011-02-30", "HEAD~x", "abc", "@2011", "next weekend", "12:00", "3"]
)
def test_no_moment(reader: Reader, at: str) -> None:
    """What reads as no moment is refused with examples of what does."""
    with pytest.raises(UsageError, match="is no moment: try 2011-04-09, "):
        revision_chosen(reader, at)


@pytest.mark.parametrize(
    ("at", "sentence"),
    [
        ("2010", "There was no tracker yet at 2010: it begins on 2011-04-09 at 12:00:00."),
        (
            "2010-12-31T23:59",
            "There was no tracker yet at 2010-12-31T23:59: it begins on 2011-04-09 at 12:00:00.",
        ),
        ("2999", "2999 is in the future."),
        ("HEAD~3", "HEAD~3 is before the first of 3 revisions."),
        ("1234567", "None of the tracker's commits, or more than one, begins with 1234567."),
    ],
)
def test_no_tracker_then(reader: Reader, at: str, sentence: str) -> None:
    """A moment at which there was no tracker, or is none yet, is refused with the reason."""
    with pytest.raises(UsageError, match=f"^{sentence}$"):
        revision_chosen(reader, at)


def test_before_the_first_sync(database: Database) -> None:
    """An empty database says how to fill it."""
    empty = new_database(database.path.parent / "empty")
    with (
        closing(empty.reader()) as opened,
        pytest.raises(NotADatabase, match="still empty: `offtracfs sync`"),
    ):
        revision_chosen(opened, "")
