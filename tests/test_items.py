"""Items on their way into git: any kind of them, their blobs written while others arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from offtracfs import records
from offtracfs.database import Database, Snapshot
from offtracfs.errors import TrackerError
from offtracfs.kinds import Key
from offtracfs.progress import silent
from offtracfs.store.fastimport import Writer
from offtracfs.sync import fetch, items
from offtracfs.sync.items import Files, Item, ItemKind, Version
from offtracfs.sync.spool import Spool
from offtracfs.trackers import Missing
from tests import faults
from tests.helpers import rebuilt, tables
from tests.standin import Answerer, StandInTrac
from tests.syncing import expected, git, log, mirrored, new_database, synced

DAY = datetime(2020, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICKETS = 6


@pytest.fixture
def trac() -> StandInTrac:
    """A small tracker with some past."""
    trac = StandInTrac()
    for day in range(TICKETS):
        number = trac.create(f"ticket {day}", DAY + timedelta(days=day), component="component1")
        trac.change(number, DAY + timedelta(days=day, hours=1), "bob", "taken", status="assigned")
    trac.clock = DAY + timedelta(days=30)
    return trac


@pytest.fixture
def database(tmp_path: Path, trac: StandInTrac) -> Database:
    """An empty database for it."""
    return new_database(tmp_path / "db", trac)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The blobs that are written, as they come."""
    found: list[bytes] = []
    blob = Writer.blob

    def noted(writer: Writer, data: bytes) -> bytes:
        found.append(data)
        return blob(writer, data)

    monkeypatch.setattr(Writer, "blob", noted)
    return found


async def test_blobs_are_written_while_others_arrive(
    trac: StandInTrac, database: Database, written: list[bytes]
) -> None:
    """With each ticket that arrives its whole past is written; after the last, no ticket's blob is."""
    counts: list[int] = []

    def note(what: str, _done: int, _total: int | None) -> None:
        if what == "tickets":
            counts.append(len(written))

    await synced(database, trac, progress=note)
    assert counts == [4 * number for number in range(1, TICKETS + 1)]  # two versions of two files each
    assert not any(b"ticket " in data for data in written[counts[-1] :])
    assert mirrored(database) == expected(trac)


def stops(trac: StandInTrac, after: int) -> Answerer:
    """A server that is gone when it has given so many batches of tickets."""
    given = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal given
        given += b'"ticket.get"' in request.content
        return faults.unreachable(request) if given > after else trac.honest(request)

    return answer


async def interrupted(trac: StandInTrac, database: Database, monkeypatch: pytest.MonkeyPatch) -> set[Key]:
    """A first sync that is broken off; the tickets that have arrived."""
    monkeypatch.setattr("offtracfs.trackers.trac.batches.FIRST_KEYS", 1)
    monkeypatch.setattr("offtracfs.trackers.trac.batches.MAX_KEYS", 1)
    trac.always = stops(trac, after=3)
    with pytest.raises(TrackerError):
        await synced(database, trac)
    trac.always = None
    with closing(Spool(database.path / "spool.db")) as spool:
        return spool.keys("ticket")


async def test_going_on(
    trac: StandInTrac,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    written: list[bytes],
) -> None:
    """What an interrupted sync has fetched is not asked for again; its blobs are written again, all once."""
    whole = new_database(tmp_path / "whole", trac)
    await synced(whole, trac)
    arrived = await interrupted(trac, database, monkeypatch)
    assert 0 < len(arrived) < TICKETS
    assert database.store.head() is None
    said: list[tuple[int, int | None]] = []
    trac.requests.clear()
    written.clear()

    def note(what: str, done: int, total: int | None) -> None:
        if what == "tickets":
            said.append((done, total))

    outcome = await synced(database, trac, progress=note)
    asked = [request for request in trac.requests if b'"ticket.get"' in request.content]
    assert len(asked) == TICKETS - len(arrived)
    assert said == [(number, TICKETS) for number in range(1, TICKETS + 1)]
    assert outcome.new == TICKETS
    assert sum(b"ticket " in data for data in written) == 2 * TICKETS
    assert git(database, "rev-parse", "main") == git(whole, "rev-parse", "main")


async def test_going_on_after_a_change(
    trac: StandInTrac, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has changed or gone since it was fetched for an interrupted sync leaves no trace of before."""
    arrived = sorted(await interrupted(trac, database, monkeypatch))
    changed, deleted = (number for number in arrived[:2] if isinstance(number, int))
    trac.clock += HOUR
    trac.tickets[changed].values["keywords"] = "unlogged"
    trac.change(changed, trac.clock, "bob", "again")
    trac.delete(deleted)
    await synced(database, trac)
    assert mirrored(database) == expected(trac)
    assert sum(line.startswith(f"#{changed} ") for line in log(database, "%s")) == 3


async def test_branch_that_moves_meanwhile(
    trac: StandInTrac, database: Database, tmp_path: Path, written: list[bytes]
) -> None:
    """Where somebody else's commits come while a sync fetches, its own lead on from those."""
    await synced(database, trac)
    trac.clock += HOUR
    trac.change(1, trac.clock, "bob", "first", status="closed")
    other = new_database(tmp_path / "other", trac)
    await synced(other, trac)
    trac.change(1, trac.clock + HOUR, "ann", "second", status="reopened")
    trac.clock += 2 * HOUR

    def answer(request: httpx.Request) -> httpx.Response:
        if b'"ticket.get"' in request.content:
            git(database, "fetch", "-q", str(other.path / "git"), "+main:main")
            written.clear()
        return trac.honest(request)

    trac.always = answer
    await synced(database, trac)
    assert mirrored(database) == expected(trac)
    done = [line for line in log(database, "%an %s") if "#1 " in line]
    assert [line.split()[0] for line in done] == ["admin", "bob", "bob", "ann"]
    assert tables(database.path) == rebuilt(database.store)


Edits = list[tuple[datetime, str, str]]


class Pages(ItemKind):
    """A wiki made up for these tests: one file a page, whose versions the tracker gives one by one."""

    name = "page"
    plural = "pages"
    wiki: ClassVar[dict[str, Edits]] = {}

    def paths(self, key: Key) -> tuple[str, ...]:
        """One."""
        return (f"page/{key}.txt",)

    def stored_keys(self, snapshot: Snapshot) -> set[Key]:
        """By their files' names."""
        return {path.removeprefix("page/").removesuffix(".txt") for path in snapshot.paths("page")}

    async def listed(self) -> Collection[Key]:
        """All."""
        return list(self.wiki)

    async def changed(self, since: datetime) -> Collection[Key]:
        """By their last edit."""
        return [name for name, edits in self.wiki.items() if edits[-1][0] >= since]

    @asynccontextmanager
    async def fetch(self, keys: Collection[Key]) -> AsyncIterator[AsyncIterator[tuple[Key, Edits] | Missing]]:
        """One by one."""

        async def found() -> AsyncIterator[tuple[Key, Edits] | Missing]:
            for key in keys:
                edits = self.wiki.get(str(key))
                yield (key, edits) if edits else Missing(key, f"There is no page {key}.", gone=True)

        yield found()

    def key(self, fetched: Any) -> Key:
        """Its name."""
        key: Key = fetched.number if isinstance(fetched, Missing) else fetched[0]
        return key

    def item(self, fetched: Any, _stored: Files | None) -> Item:
        """The last text is the file."""
        name, edits = fetched
        moments = [records.microseconds(records.iso(when)) for when, _, _ in edits]
        past = records.dump([[moment, *edit[1:]] for moment, edit in zip(moments, edits, strict=True)])
        return Item(
            self.name, name, moments[0], moments[-1], {f"page/{name}.txt": edits[-1][2].encode()}, past
        )

    def versions(self, item: Item, stored: Files | None) -> Iterator[Version]:
        """Those after the stored one."""
        (path,) = self.paths(item.key)
        edits = records.load(item.past)
        texts = [text.encode() for _, _, text in edits]
        after = texts.index(stored[path]) + 1 if stored else 0
        for number, (moment, author, _) in list(enumerate(edits, 1))[after:]:
            subject = f"{item.key}: version {number}"
            yield Version(moment, author, subject, "", {path: texts[number - 1]})


@pytest.fixture
def wiki(monkeypatch: pytest.MonkeyPatch) -> dict[str, Edits]:
    """A line in the table, and nothing else."""
    monkeypatch.setattr(fetch, "ITEM_KINDS", (*items.ITEM_KINDS, Pages))
    pages = {
        "Start": [(DAY + HOUR / 2, "ann", "= Start =\r\n"), (DAY + 2 * HOUR, "bob", "= Begin =\n")],
        "Old": [(DAY - HOUR, "ann", "\0")],
    }
    monkeypatch.setattr(Pages, "wiki", pages)
    return pages


def shown(database: Database) -> dict[str, bytes | None]:
    """The pages that readers see."""
    with database.snapshot() as snapshot:
        return {path: snapshot.get(path) for path in snapshot.paths("page")}


async def test_another_kind_of_item(trac: StandInTrac, database: Database, wiki: dict[str, Edits]) -> None:
    """A kind of item is a class and its place in the table: its past is merged with that of all others."""
    said: list[tuple[str, int, int | None]] = []
    outcome = await synced(database, trac, progress=lambda *what: said.append(what))
    assert shown(database) == {"page/Start.txt": b"= Begin =\n", "page/Old.txt": b"\0"}
    assert mirrored(database) == expected(trac)
    assert log(database, "%an %s")[:6] == [
        "offtracfs Fields and reports as first seen",
        "ann Old: version 1",
        "admin #1 created: ticket 0",
        "ann Start: version 1",
        "bob #1 status: new → assigned",
        "bob Start: version 2",
    ]
    assert [(done, total) for what, done, total in said if what == "pages"] == [(1, 2), (2, 2)]
    assert (outcome.new, outcome.tickets["new"]) == (TICKETS, [*range(1, TICKETS + 1)])
    trac.clock += HOUR
    wiki["Start"].append((trac.clock, "eve", "= End =\n"))
    outcome = await synced(database, trac)
    assert (outcome.commits, outcome.new, outcome.metadata) == (1, 0, 1)
    assert log(database, "%an %s")[-1] == "eve Start: version 3"
    del wiki["Old"]
    await synced(database, trac, full=True)
    assert shown(database) == {"page/Start.txt": b"= End =\n"}
    assert tables(database.path) == rebuilt(database.store)


async def test_another_kind_of_item_goes_on(
    trac: StandInTrac, database: Database, wiki: dict[str, Edits], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an interrupted sync, too, every version of every kind of item is there, once."""

    def kill(self: Pages, _keys: Collection[Key]) -> Any:
        raise TrackerError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(Pages, "fetch", kill)
        with pytest.raises(TrackerError):
            await synced(database, trac)
    with closing(Spool(database.path / "spool.db")) as spool:
        assert len(spool.keys("ticket")) == TICKETS
    await synced(database, trac, progress=silent)
    assert shown(database) == {"page/Start.txt": b"= Begin =\n", "page/Old.txt": b"\0"}
    assert mirrored(database) == expected(trac)
    assert len(log(database, "%H")) == 1 + 2 * TICKETS + 3
