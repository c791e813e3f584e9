"""A writable mount of a database beside a stand-in Trac, served by this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trio

from offtracfs.database import Database
from offtracfs.mount import driver, mountpoints
from offtracfs.mount.overlay import Overlay, drafts_of
from offtracfs.mount.writing import WritableOperations
from offtracfs.reports.outputs import Outputs
from offtracfs.trackers import registry
from offtracfs.tree import Tree
from tests.mounting import Counted, told, until
from tests.standin import StandInTrac
from tests.syncing import new_database, synced

SPRING = datetime(2019, 4, 9, 21, 16, 7, 123456, tzinfo=UTC)
WORDS = "Since Monday.\n\nPoints stick\nwhen it rains."


class CountingWritable(Counted, WritableOperations):
    """Those of a mount that is written."""


class Site:
    """A database, its Trac, and where it is mounted."""

    def __init__(self, database: Database, trac: StandInTrac, mnt: Path) -> None:
        self.database, self.trac, self.mnt = database, trac, mnt
        self.clock = SPRING + timedelta(days=3)
        self.operations: CountingWritable

    def draft(self, ticket: str = "1") -> tuple[Mapping[str, str], str]:
        """Which values a ticket's draft sets, and its comment; none where there is no draft."""
        with drafts_of(self.database) as drafts:
            found = drafts.standing().get(ticket)
            return (found.fields, found.comment) if found else ({}, "")

    def refusal(self, ticket: str = "1") -> str:
        """Why the last save was refused."""
        with drafts_of(self.database) as drafts:
            return (drafts.refusal(f"ticket/{ticket}.json") or b"").decode()

    async def changes(self, number: int, **fields: str) -> None:
        """Somebody else changes a ticket in the tracker, and a sync brings that into the mount."""
        self.clock += timedelta(hours=1)
        self.trac.change(number, self.clock, "ann", **fields)
        await synced(self.database, self.trac)
        await shows(self.mnt / f"text/{number}.txt", *fields.values())


def new_site(folder: Path) -> tuple[Database, StandInTrac]:
    """A Trac with three tickets, the first one with a description, a cc and a comment; and its database."""
    trac = StandInTrac()
    trac.create("Points stick", SPRING, author="fitter", owner="carol", cc="ann, bob", description=WORDS)
    trac.create("Signal dark", SPRING, owner="dora")
    trac.create("Rail bent", SPRING, owner="erik")
    trac.change(1, SPRING + timedelta(days=1), "fitter", "Oiled.\n==== not a mark", keywords="rain")
    made = new_database(folder / "db", trac)
    trio.run(synced, made, trac)
    return made, trac


@asynccontextmanager
async def writable(database: Database, mountpoint: Path) -> AsyncIterator[CountingWritable]:
    """A mount that this process itself serves: only other threads and processes may look at it."""
    await trio.Path(mountpoint).mkdir(exist_ok=True)
    options = mountpoints.options(database.path, allow_other=False, write=True)
    with ExitStack() as stack:
        overlay = Overlay(stack.enter_context(drafts_of(database)))
        await overlay.refresh()
        pages = registry.ticket_pages(database.settings.url)
        tree = Tree(database, database.reader(), pages=pages, drafts=overlay.drafted)
        outputs = stack.enter_context(closing(Outputs(told)))
        operations = CountingWritable(tree, outputs, overlay, database.path)
        stack.enter_context(driver.mounted(operations, mountpoint, options))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(driver.serve, operations, lambda: database.state().settled)
            try:
                yield operations
            finally:
                with trio.CancelScope(shield=True):  # else a failing test never ends
                    await driver.end(operations)


async def shows(path: Path, *words: str) -> None:
    """Wait until a file has all these words in it."""

    def there() -> bool:
        text = path.read_text()
        return all(word in text for word in words)

    await until(there)
