"""`sync --full` beside a real Trac: whatever SQL changed is found, and what is the same is left alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from offtracfs import sync
from offtracfs.database import Database, Settings
from offtracfs.trackers import tracdb
from tests.syncing import log, mirrored
from tests.tracclient import DAY, SPRING, client, said
from tests.tracdbs import address, as_rpc, configure, fill
from tests.tracservers import RealTrac

LATER = 5_000_000  # microseconds
TICKET = "UPDATE ticket SET {} WHERE id = ?"
CHANGE = "UPDATE ticket_change SET {} WHERE ticket = ? AND field = '{}'"
UNLOGGED = [
    TICKET.format("owner = 'eve'"),
    TICKET.format("reporter = 'eve'"),
    TICKET.format("cc = 'eve'"),
    TICKET.format("description = description || 'more'"),
    TICKET.format(f"time = time + {LATER}"),
    TICKET.format("keywords = NULL"),
    "UPDATE ticket_custom SET value = 'theirs' WHERE ticket = ? AND name = 'team'",
    CHANGE.format("newvalue = 'rewritten'", "comment"),
    CHANGE.format("newvalue = 'eve'", "keywords"),
    CHANGE.format("oldvalue = 'eve'", "keywords"),
    CHANGE.format("author = 'eve'", "keywords"),
    CHANGE.format(f"time = time + {LATER}", "keywords"),
    "DELETE FROM ticket_change WHERE ticket = ? AND field = 'keywords'",
    "INSERT INTO ticket_change SELECT ticket, time, author, 'cc', '', 'eve' FROM ticket_change"
    " WHERE ticket = ? AND field = 'keywords'",
]
"""One change of one ticket each; none moves a changetime."""


def execute(trac: RealTrac, statement: str, number: int) -> None:
    """Changes one row of the Trac's database."""
    with closing(sqlite3.connect(trac.environment / "db/trac.db", timeout=30)) as database, database:
        assert database.execute(statement, (number,)).rowcount == 1, statement


@pytest.mark.parametrize("trac", ["modern", "legacy", "modern-xml", "legacy-xml"], indirect=True)
async def test_full_finds_what_sql_changed(trac: RealTrac, tmp_path: Path) -> None:
    """A ticket or log that SQL changed in any way is found, in one commit and a first sync's requests."""
    trac.configure("ticket-custom", team="text")
    for _ in range(1 + len(UNLOGGED)):
        number = trac.create(
            "ticket", SPRING, owner="ann", cc="bob", team="ours", description="first\r\nlast"
        )
        trac.change(number, SPRING + DAY, "bob", "because", keywords="slow")
    trac.change(number, SPRING + 2 * DAY, "bob", "what each sync asks for again, being the last")
    database = Database.create(tmp_path / "db", Settings(url=trac.url, user="admin"))
    first = await sync.once(database, partial(client, trac))
    assert mirrored(database) == await said(trac)
    for number, statement in enumerate(UNLOGGED, 1):
        execute(trac, statement, number)
    assert (await sync.once(database, partial(client, trac))).commits == 0
    outcome = await sync.once(database, partial(client, trac), full=True)
    assert mirrored(database) == await said(trac)
    assert (outcome.new, outcome.changed) == (0, len(UNLOGGED))
    assert outcome.requests == first.requests
    assert log(database, "%an %s")[-1].startswith("offtracfs Noticed: ")
    again = await sync.once(database, partial(client, trac), full=True)
    assert (again.changed, again.commits, again.requests) == (0, 0, first.requests)


@pytest.mark.parametrize("trac", ["modern", "legacy", "modern-xml", "legacy-xml"], indirect=True)
async def test_full_leaves_alone_what_is_less_precise(trac: RealTrac, tmp_path: Path) -> None:
    """Cut times and lost characters, as some protocols and plugins have them, are no changes.

    What the RPC plugin leaves out altogether, as it does with undeclared fields, is gone from the tracker.
    """
    configure(trac)
    fill(trac)
    database = Database.create(tmp_path / "db", Settings(url=trac.url, user="admin"))
    await sync.once(database, partial(tracdb.connect, address(trac)))
    precise = mirrored(database)
    outcome = await sync.once(database, partial(client, trac), full=True)
    told = {path: as_rpc(path, data) for path, data in precise.items()}
    assert mirrored(database) == told
    less = [path for path, data in precise.items() if path.startswith("ticket/") and told[path] != data]
    assert (outcome.new, outcome.changed) == (0, len(less))
