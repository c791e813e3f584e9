"""Reports beside a real Trac's: the same rows in the same order, up to ties, as its `?format=csv`."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from offtracfs import sync
from offtracfs.database import Database, Settings
from offtracfs.trackers import tracdb
from offtracfs.trackers.trac import connect
from tests.mounting import until
from tests.realreports import (
    PEOPLE,
    STOCK,
    Table,
    Visitor,
    add_stock_reports,
    fill,
    ours,
    up_to_ties,
    visiting,
)
from tests.tracclient import SPRING
from tests.tracdbs import address
from tests.tracservers import RealTrac

STRANGERS = ("nobody", "o'neill", "100%", "$$5")
"""Users of whom no ticket knows."""

both = pytest.mark.parametrize("trac", ["modern", "legacy"], indirect=True)

COLUMNS = """
SELECT id AS _id, summary AS summary_, description AS _description_, time AS created, changetime AS modified,
    time, changetime AS _changetime, NULL AS datetime, 'x' AS __class__, 'y' AS __other__, 'z' AS __group__,
    '/' AS __grouplink__, cc, owner AS _owner, cc AS who, 0 AS zero, 0.5 AS half, '' AS empty, NULL AS unset
FROM ticket ORDER BY @SORT_COLUMN@ DESC @LIMIT_OFFSET@
"""
TABLES = """
SELECT 'change' AS kind, ticket AS a, author AS b, field AS c, oldvalue AS d, newvalue AS e FROM ticket_change
UNION ALL SELECT 'custom', ticket, name, value, '', '' FROM ticket_custom WHERE value <> ''
UNION ALL SELECT 'enum', type, name, value, '', '' FROM enum WHERE type <> 'status'
UNION ALL SELECT 'component', name, owner, description, '', '' FROM component
UNION ALL SELECT 'milestone', name, due, completed, description, '' FROM milestone
UNION ALL SELECT 'version', name, time, description, '', '' FROM version
UNION ALL SELECT 'report', id, title, '', '', '' FROM report
"""
DEFAULTS = "-- STATUS = new\r\n-- WHO=$USER\r\n"
VARIABLES = """
SELECT id AS ticket, '$STATUS of $WHO, it''s' AS "100%", id %% 7 AS rest FROM ticket
WHERE status = $STATUS AND summary LIKE '%$MISSING%' ORDER BY id
"""


@pytest.fixture
def visitor(trac: RealTrac) -> Iterator[Visitor]:
    """Somebody at a site with its stock reports, whose user is "admin"."""
    add_stock_reports(trac.installation, trac.environment)
    with visiting() as client:
        yield Visitor(trac, client)


async def said(visitor: Visitor, number: int, **variables: str) -> Table:
    """What the site says, this process being free meanwhile."""
    return await trio.to_thread.run_sync(partial(visitor.table, number, **variables))


async def copied(trac: RealTrac, place: Path, how: str) -> Database:
    """A database of that Trac, over RPC or from the Trac's own."""
    if how == "rpc":
        database = Database.create(place / "rpc", Settings(trac.url, user="admin"))
        await sync.once(database, partial(connect, trac.url, trac.login()))
    else:
        database = Database.create(place / "sqlite", Settings(address(trac)))
        await sync.once(database, partial(tracdb.connect, address(trac)))
    return database


@both
async def test_stock_reports(trac: RealTrac, visitor: Visitor, tmp_path: Path) -> None:
    """Every stock report gives what the real one gives, for each user, from RPC and from Trac's database."""
    await trio.to_thread.run_sync(fill, trac)
    for database in [await copied(trac, tmp_path, how) for how in ("rpc", "sqlite")]:
        for number, user in itertools.product(STOCK, (*PEOPLE, *STRANGERS)):
            theirs = await said(visitor, number, USER=user)
            assert len(theirs) > 1 or user in STRANGERS
            found = ours(database, number, USER=user)
            assert up_to_ties(number, found) == up_to_ties(number, theirs), (database.path.name, number, user)


@both
async def test_reports_of_ones_own(trac: RealTrac, visitor: Visitor, tmp_path: Path) -> None:
    """Names of columns, dates, variables and Trac's tables mean what they mean to the real one."""
    await trio.to_thread.run_sync(fill, trac, 20)
    trac.create("of the new year", SPRING.replace(month=1, day=1, hour=0, minute=0, second=0))
    given = {"STATUS": "new", "WHO": "o'neill"}
    for number, sql in enumerate((COLUMNS, VARIABLES, TABLES), 101):
        trac.set_report(number, "Our own", sql)
    for database in [await copied(trac, tmp_path, how) for how in ("rpc", "sqlite")]:
        for number in (101, 102):
            theirs = await said(visitor, number, **given)
            assert len(theirs) > 1
            assert ours(database, number, **given) == theirs
        assert sorted(ours(database, 103)) == sorted(await said(visitor, 103))


@pytest.mark.parametrize("trac", ["modern"], indirect=True)
async def test_defaults_of_variables(trac: RealTrac, visitor: Visitor, tmp_path: Path) -> None:
    """Variables have the defaults that the real one takes from comments, which Trac 1.2 does not yet do."""
    await trio.to_thread.run_sync(fill, trac, 20)
    trac.set_report(101, "With defaults", DEFAULTS + VARIABLES)
    database = await copied(trac, tmp_path, "rpc")
    for given in ({}, {"STATUS": "closed"}, {"WHO": "$$"}, {"WHO": "$NOBODY", "MISSING": "1"}):
        theirs = await said(visitor, 101, **given)
        assert len(theirs) > 1
        assert ours(database, 101, **given) == theirs


def story(trac: RealTrac) -> list[list[Callable[[], Any]]]:
    """What happens, second by second."""

    def create(summary: str, **fields: str) -> Callable[[], Any]:
        return partial(trac.call, "ticket.create", summary, "Text.\r\n", {"reporter": "ann", **fields}, False)

    def update(number: int, author: str, comment: str = "", **fields: str) -> Callable[[], Any]:
        return partial(trac.call, "ticket.update", number, comment, fields, False, author)

    return [
        [create("first", owner="admin", milestone="milestone1"), create("second", version="1.0")],
        [update(1, "ann", status="accepted"), create("third", owner="bob", priority="blocker")],
        [update(2, "admin", "A word."), update(3, "bob", status="accepted", description="Other.")],
        [update(1, "bob", owner="bob", milestone="", priority="trivial"), create("fourth")],
        [update(3, "ann", "Done.", status="closed", resolution="fixed"), update(2, "ann", summary="2nd")],
        [update(3, "ann", status="reopened", resolution="", version="2.0"), update(4, "bob", type="task")],
    ]


@both
async def test_at_every_moment(trac: RealTrac, visitor: Visitor, tmp_path: Path) -> None:
    """A report at T is what the real one was at T, whether a sync saw T or the change log tells of it."""
    database = Database.create(tmp_path / "db", Settings(url=trac.url, user="admin"))
    truths: dict[datetime, list[Table]] = {}
    seconds = story(trac)
    for half in (seconds[:4], seconds[4:]):
        for actions in half:
            for act in actions:
                await trio.to_thread.run_sync(act)
            tables = [await said(visitor, number) for number in STOCK]
            truths[datetime.now(UTC)] = tables
            end = int(time.time()) + 1
            await until(lambda end=end: time.time() >= end)
        await sync.once(database, partial(connect, trac.url, trac.login()))
        for now, tables in truths.items():
            for number, theirs in zip(STOCK, tables, strict=True):
                found = ours(database, number, f"{now:%Y-%m-%dT%H:%M:%SZ}")
                assert up_to_ties(number, found) == up_to_ties(number, theirs), (now, number)
    assert len({str(tables) for tables in truths.values()}) == len(seconds)
