"""Queries beside a real Trac's: the same rows in the same order as its `?format=csv`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from offtracfs import sync
from offtracfs.database import Database, Settings
from offtracfs.trackers import tracdb
from tests import realqueries
from tests.mounting import until
from tests.realqueries import Visitor, made_up, ours
from tests.realreports import visiting
from tests.tracdbs import address
from tests.tracservers import RealTrac

WRITTEN = """
Apr 20, 2011
20 apr 2011
04/20/11
04/20/11 12:30:00
4/20/2011 12:30 pm
Apr 20 2011 1:02 am
"""
REFUSED = """
?time=never
?due=1..2..3
?id=x
?id=5-
?id=1,,2
?id=~7
?id=1&max=-1
?id=1&max=many
?id=1&page=0
?id=1-99&page=9&max=20
"""
UNUSUAL = """
?id=99999999999999999999
?id=!7
?id=!1-9
?id=٧
?id=7,+9
?status=new&status=!closed
?status=!new&status=closed
?summary=~
?summary=!^&status=new
?keywords=~-
?keywords=~"
?keywords=~"a+b"
?keywords=!~-a+b
?time=%20
?time=
?time=~2011
?due=!
?0_owner=a&0_owner_mode=~&status=new
?1_status=new&0_owner=bob&0_owner=ann
?0_time=2011-04-09&0_time_end=2011-05-01&0_status=new
?or&or&status=new&or
?created=2011&id=1-9
?owner=$USER
?owner=~$USER
?owner=$dmin
?owner=!
?id=1-99&order=milestone&col=nosuch
?id=1-99&max=7&page=3
?id=1-9&max=20&page=3
?id=1-99&col=id&col=id&col=cc&col=owner&order=cc
"""

both = pytest.mark.parametrize("trac", ["modern", "legacy"], indirect=True)


@pytest.fixture
def filled(trac: RealTrac) -> RealTrac:
    """A Trac with tickets of every kind."""
    realqueries.configure(trac)
    realqueries.fill(trac, 200)
    return trac


@pytest.fixture
def visitor(filled: RealTrac) -> Iterator[Visitor]:
    """An administrator there."""
    with visiting() as client:
        yield Visitor(filled, client)


@pytest.fixture
async def database(filled: RealTrac, tmp_path: Path) -> Database:
    """A copy of it."""
    found = Database.create(tmp_path / "copy", Settings(address(filled)))
    await sync.once(found, partial(tracdb.connect, address(filled)))
    return found


def compared(visitor: Visitor, database: Database, seed: int) -> int:
    """How many tickets a made-up query gives on both sides, in either way to write it."""
    language, address = made_up(seed)
    theirs = visitor.csv(address)
    assert ours(database, address) == theirs, address
    saved = visitor.saved(f"query:{language}")
    assert ours(database, f"query:{language}") == visitor.csv(saved), (language, saved)
    return len(theirs or [])


@both
async def test_made_up(visitor: Visitor, database: Database) -> None:
    """Made-up queries give what the real one gives, in the query language and as addresses."""
    assert sum(compared(visitor, database, seed) > 1 for seed in range(60)) > 40


@pytest.mark.slow
@both
async def test_made_up_many(visitor: Visitor, database: Database) -> None:
    """The same, of a thousand others."""
    assert sum(compared(visitor, database, seed) > 1 for seed in range(1_000, 2_000)) > 700


@both
async def test_unusual(visitor: Visitor, database: Database) -> None:
    """Queries that nobody would write give what the real one gives."""
    for query in UNUSUAL.split():
        theirs = visitor.csv(query)
        assert theirs, query
        assert ours(database, query) == theirs, query


@both
async def test_refused(visitor: Visitor, database: Database) -> None:
    """What the real one refuses is refused."""
    for query in REFUSED.split():
        assert visitor.csv(query) is None, query
        assert ours(database, query) is None, query


@both
async def test_page_with_groups(visitor: Visitor, database: Database) -> None:
    """Of a page with groups, Trac's CSV has a ticket more than the page that people see: here it has not."""
    theirs = visitor.csv("?id=1-99&max=7&group=owner")
    assert theirs is not None
    assert len(theirs) == 1 + 7 + 1
    assert ours(database, "?id=1-99&max=7&group=owner") == theirs[:-1]


@both
async def test_past(filled: RealTrac, visitor: Visitor, database: Database) -> None:
    """A query at T gives what the real one gave when it stood at T, whatever has changed since."""
    queries = [made_up(seed)[1] for seed in range(3_000, 3_020)] + ["?changetime=today..", "?changetime=1h.."]
    then, theirs = datetime.now(UTC), [visitor.csv(query) for query in queries]
    await until(lambda: int(datetime.now(UTC).timestamp()) > int(then.timestamp()))
    for number in range(1, 100):
        values = {"status": "closed", "owner": "eve", "milestone": "m9", "keywords": "other"}
        filled.change(number, datetime.now(UTC), "eve", "A word.", **values)
    await sync.once(database, partial(tracdb.connect, address(filled)))
    at = f"{then:%Y-%m-%dT%H:%M:%SZ}"
    assert [ours(database, query, at) for query in queries] == theirs
    changed = [ours(database, query) for query in queries]
    assert changed == [visitor.csv(query) for query in queries] != theirs


@pytest.mark.parametrize("trac", ["modern"], indirect=True)
async def test_written_dates(trac: RealTrac, tmp_path: Path) -> None:
    """Dates in other forms than ISO mean what they mean to a Trac that speaks English."""
    trac.configure("trac", default_timezone="UTC")
    realqueries.fill(trac, 100)
    database = Database.create(tmp_path / "copy", Settings(address(trac)))
    await sync.once(database, partial(tracdb.connect, address(trac)))
    with visiting() as client:
        visitor = Visitor(trac, client)
        for date in WRITTEN.strip().splitlines():
            asked = f"?time=2011..{date}&col=id"
            theirs = visitor.csv(asked)
            assert theirs, date
            assert 10 < len(theirs) < 90
            assert ours(database, asked) == theirs, date
