"""Dates in queries, as people write them for Trac."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtracfs.dates import start_of
from offtracfs.errors import QueryRefused

NO_DATES = """
never
2011-13-01
2011-02-29
2011-04-09T25:00
2011-04-09+25:00
31 feb 2011
4/9
in 3 days ago
7 fortnights ago
next weekend
٢٠١١
1 2 apr
9 apr 10000
999999999999 years ago
in 99999 years
""".splitlines()
BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2011, 4, 9, 21, 16, 7, 123_456, BERLIN)  # a Saturday; clocks went forward on 27 March


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2011", "2011-01-01T00:00:00+01:00"),
        ("2011-04", "2011-04-01T00:00:00+02:00"),
        ("201104", "2011-04-01T00:00:00+02:00"),
        (" 2011-04-09 ", "2011-04-09T00:00:00+02:00"),
        ("2011-04-09T21:16:07", "2011-04-09T21:16:07+02:00"),
        ("20110409 2116", "2011-04-09T21:16:00+02:00"),
        ("2011-04-09T21:16:07.5", "2011-04-09T21:16:07.500000+02:00"),
        ("2011-04-09T21:16:07,000123Z", "2011-04-09T21:16:07.000123+00:00"),
        ("2011-04-09T21:16:07-0130", "2011-04-09T21:16:07-01:30"),
        ("2011-04-09+02", "2011-04-09T00:00:00+02:00"),
        ("2011-10-30T02:30", "2011-10-30T02:30:00+01:00"),  # the second time that it was half past two
    ],
)
def test_iso(text: str, expected: str) -> None:
    """ISO dates and times may be cut short, and are of the asker's time zone unless they bring their own."""
    assert start_of(text, NOW).isoformat() == expected


@pytest.mark.parametrize(
    "text",
    [
        "Apr 9, 2011 9:16:07 PM",
        "9 april 2011, 21:16:07",
        "4/9/11 21:16:07",
        "04/09/2011 09:16:07 pm",
        "on Apr 9 of 2011 at 21h 16m 7s",
    ],
)
def test_written(text: str) -> None:
    """A written date is a month, a day and a year, or begins with the day where the month has its name."""
    assert start_of(text, NOW).isoformat() == "2011-04-09T21:16:07+02:00"


def test_written_midnight_and_noon() -> None:
    """12 am is midnight, 12 pm noon, and without a time it is midnight; two digits are a year since 1969."""
    assert start_of("4/9/99 12:01 am", NOW).isoformat() == "1999-04-09T00:01:00+02:00"
    assert start_of("4/9/68 12:01 pm", NOW).isoformat() == "2068-04-09T12:01:00+02:00"
    assert start_of("4/9/69", NOW).isoformat() == "1969-04-09T00:00:00+01:00"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2011-04-09T21:16:07.123456+02:00"),
        ("today", "2011-04-09T00:00:00+02:00"),
        ("yesterday", "2011-04-08T00:00:00+02:00"),
        ("tomorrow", "2011-04-10T00:00:00+02:00"),
        ("7daysago", "2011-04-02T21:16:07.123456+02:00"),
        ("7 days ago", "2011-04-02T21:16:07.123456+02:00"),
        ("- 1.5 d", "2011-04-08T09:16:07.123456+02:00"),
        ("2w", "2011-03-26T20:16:07.123456+01:00"),  # 14 times 24 hours
        ("1 month", "2011-03-10T20:16:07.123456+01:00"),
        ("1m", "2011-03-10T20:16:07.123456+01:00"),
        ("1 year ago", "2010-04-09T21:16:07.123456+02:00"),
        ("in 90 minutes", "2011-04-09T22:46:07.123456+02:00"),
        ("+3seconds", "2011-04-09T21:16:10.123456+02:00"),
        ("this second", "2011-04-09T21:16:07+02:00"),
        ("last minute", "2011-04-09T21:15:00+02:00"),
        ("next hour", "2011-04-09T22:00:00+02:00"),
        ("lastday", "2011-04-08T00:00:00+02:00"),
        ("this week", "2011-04-04T00:00:00+02:00"),
        ("last week", "2011-03-28T00:00:00+02:00"),
        ("next month", "2011-05-01T00:00:00+02:00"),
        ("last year", "2010-01-01T00:00:00+01:00"),
    ],
)
def test_relative(text: str, expected: str) -> None:
    """Words are reckoned from now; a month is 30 days, a year 365."""
    assert start_of(text, NOW).isoformat() == expected


@pytest.mark.parametrize(
    ("year", "month", "text", "expected"),
    [(2011, 12, "next month", "2012-01-01"), (2011, 1, "last month", "2010-12-01")],
)
def test_turn_of_the_year(year: int, month: int, text: str, expected: str) -> None:
    """The month after December and the one before January are in other years."""
    assert start_of(text, datetime(year, month, 31, tzinfo=BERLIN)).date().isoformat() == expected


@pytest.mark.parametrize("text", [*NO_DATES, "9" * 5_000, f"1/1/{10**30}"])
def test_no_date(text: str) -> None:
    """What is no date, or one that no calendar has, is refused with a sentence."""
    with pytest.raises(QueryRefused, match=r"^.{1,160}\.$"):
        start_of(text, NOW)


@given(st.text(alphabet="0123456789-+:.,TZ /aprmdaysgoinlthwek", max_size=30))
def test_any_text(text: str) -> None:
    """Any text is an aware moment or refused."""
    with suppress(QueryRefused):
        assert start_of(text, NOW).tzinfo is not None


@pytest.mark.parametrize("text", ["9" * 60_000, "9" + " " * 60_000, "in " + "9" * 60_000])
def test_long_texts(text: str) -> None:
    """However long a text is, that it is no date is found at once."""
    begun = time.process_time()
    with pytest.raises(QueryRefused):
        start_of(text, NOW)
    assert time.process_time() - begun < 1
