"""Directory entries are made once for each directory and revision, and kept within a limit."""

from __future__ import annotations

import os
import tracemalloc
from collections import ChainMap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from offtracfs.database import Database
from offtracfs.mount import pages
from offtracfs.mount.fuse import Operations
from offtracfs.mount.pages import COMPUTED_PAGE, PAGE, Pages
from offtracfs.reports.outputs import Outputs
from offtracfs.tree import Directory, DirectoryEntry, Listing, Tree
from tests.mounting import (
    AUTUMN,
    TICKETS,
    Counting,
    WithHandles,
    append,
    away,
    grow,
    mounted,
    new_database,
    run,
    ticket,
    told,
    tree_of,
    until,
)

TICKET = Directory("", "ticket")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = new_database(tmp_path / "db")
    grow(made)
    return made


@pytest.fixture
def tree(database: Database) -> Tree:
    return tree_of(database)


@pytest.fixture
def made(tree: Tree) -> Pages:
    """The pages of a mount that is not mounted."""
    return Operations(tree, Outputs(told)).pages


def read(made: Pages, listing: Listing) -> list[bytes]:
    """All names in a listing, a page at a time."""
    found, position, page = [], 0, None
    while page is None or not page.ended:
        page = made.page(listing, position)
        entries = list(page.behind(position))
        found += [name for _, name, _ in entries]
        position = entries[-1][0] if entries else position
    return found


def count_entries(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of entries that a tree is asked for from now on."""
    asked: list[str] = []
    entries = tree.entries

    def counted(listing: Listing, after: int = 0) -> Iterator[DirectoryEntry]:
        for entry in entries(listing, after):
            asked.append(entry.name)
            yield entry

    monkeypatch.setattr(tree, "entries", counted)
    return asked


def test_entries_are_made_once(tree: Tree, made: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that is read again makes no entry anew, and another revision's directory makes its own."""
    asked = count_entries(tree, monkeypatch)
    first = read(made, tree.open(TICKET))
    assert [name.decode() for name in first] == asked
    assert len(asked) == TICKETS + 1
    assert read(made, tree.open(TICKET)) == first
    assert len(asked) == TICKETS + 1
    assert len(read(made, tree.open(Directory("@2011-05", "ticket")))) == TICKETS
    assert len(asked) == 2 * TICKETS + 1


def test_going_on_costs_no_scan(tree: Tree, made: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind any position at most one page is made, and none where the page at hand goes that far."""
    listing = tree.open(TICKET)
    positions = [entry.position for entry in tree.entries(listing)]
    asked = count_entries(tree, monkeypatch)
    page = made.page(listing, positions[-5])
    assert [position for position, _, _ in page.behind(positions[-5])] == positions[-4:]
    assert len(asked) == 4
    assert page.covers(positions[-1])
    assert list(page.behind(positions[-1])) == []
    first = made.page(listing, 0)
    assert len(asked) == 4 + PAGE
    assert next(iter(first.behind(positions[500])))[0] == positions[501]
    assert not first.covers(positions[PAGE - 1])


def test_pages_keep_within_their_limit(tree: Tree, made: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many directories are read, those read longest ago make room, and each is whole."""
    read(made, tree.open(TICKET))
    monkeypatch.setattr(pages, "MAX_BYTES", made.size)
    for at in ("", "@HEAD~1", "@HEAD~2", "@2011-05", "@2011-06-01"):
        for path in ("ticket", "changelog", "field/component"):
            directory = Directory(at, path)
            expected = [entry.name.encode() for entry in tree.entries(tree.open(directory))]
            assert read(made, tree.open(directory)) == expected
            assert made.size <= pages.MAX_BYTES
    assert len(made) > 0
    monkeypatch.setattr(pages, "MAX_BYTES", 0)
    assert len(read(made, tree.open(TICKET))) == TICKETS + 1
    assert (len(made), made.size) == (0, 0)


def test_pages_of_what_is_computed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are small, since one is made for each answer; none is kept, as the directory itself is."""
    files = [ticket(number) for number in range(5_000, 5_000 + 3 * COMPUTED_PAGE)]
    append(database, (AUTUMN + 1, dict(ChainMap(*files))))
    tree = tree_of(database)
    made = Operations(tree, Outputs(told)).pages
    directory = Directory("", "query/id!=0")
    while work := tree.work(tree.open(directory)):
        work.run([], lambda: False)
    listing = tree.open(directory)
    positions = [entry.position for entry in tree.entries(listing)]
    assert len(positions) > 2 * COMPUTED_PAGE
    asked = count_entries(tree, monkeypatch)
    page = made.page(listing, positions[4])
    assert [position for position, _, _ in page.behind(positions[4])] == positions[5 : 5 + COMPUTED_PAGE]
    assert len(asked) == COMPUTED_PAGE
    assert read(made, listing) == [entry.name.encode() for entry in tree.entries(listing)]
    assert (len(made), made.size) == (0, 0)


def test_small_pages_are_counted_in_full(database: Database) -> None:
    """Thousands of directories with one file each take no more memory than is counted."""
    few = range(2_000)
    append(database, (AUTUMN + 1, {f"field/f{number}/x.json": b"{}\n" for number in few}))
    tree = tree_of(database)
    made = Operations(tree, Outputs(told)).pages
    places = [Directory(at, f"field/f{number}") for at in ("", "@2011-11") for number in few]
    tracemalloc.start()
    try:
        for place in places:
            made.page(tree.open(place), 0)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(made) == len(places)
    assert made.size / 1.5 < taken < made.size


def test_a_new_revision_drops_what_nobody_shows(database: Database, tree: Tree, made: Pages) -> None:
    """Pages of the old present go and those of a settled past stay; an old listing stays as it was."""
    settled = tree.open(Directory("@HEAD~2", "ticket"))
    commit = settled.revision.commit.hex() if settled.revision else ""
    past, now = tree.open(Directory(f"@{commit}", "ticket")), tree.open(TICKET)
    before = read(made, now)
    kept = made.size
    read(made, past)
    kept = made.size - kept
    append(database, (AUTUMN + 9, {"ticket/1.json": None, "ticket/7777.json": b"7\n"}))
    tree.refresh()
    made.drop_outdated()
    assert made.size == kept
    assert read(made, now) == before
    assert made.size == kept, "an old listing's pages are not kept"
    assert set(read(made, tree.open(TICKET))) == {*before, b"7777.json"} - {b"1.json"}


async def test_warm_ls_in_a_mount(
    fuse: None, database: Database, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that lists a directory again is answered without a look into the index."""
    async with mounted(database, place, WithHandles) as mount:
        asked = count_entries(mount.tree, monkeypatch)
        first = await run("ls", "-l", place / "ticket")
        assert len(asked) == TICKETS + 1
        assert await run("ls", "-l", place / "ticket") == first
        assert len((await run("ls", place / "ticket")).split()) == TICKETS + 1
        assert len(asked) == TICKETS + 1


@pytest.mark.usefixtures("fuse")
async def test_open_directory_and_sync_in_a_mount(database: Database, mount: Counting, mnt: Path) -> None:
    """A sync lets go of the old pages while the directory is read; names that changed are looked up anew."""

    def begin() -> tuple[Any, set[str]]:
        entries = os.scandir(mnt / "ticket")
        return entries, {next(entries).name for _ in range(10)}

    await run("ls", "-l", mnt / "ticket")
    entries, seen = await away(begin)
    append(database, (AUTUMN + 9, {f"ticket/{number}.json": b"new\n" for number in range(1, TICKETS)}))
    await until(lambda: mount.tree.mtime(mount.tree.open(TICKET)) == AUTUMN + 9)
    await until(lambda: len(mount.pages) == 0)
    seen |= {entry.name for entry in await away(list, entries)}
    assert len(seen) == TICKETS + 1
    # The kernel is told of one name after the other: the last one is new when all were told, not before.
    for number in (1, 700, TICKETS - 1):
        await until(lambda file=mnt / f"ticket/{number}.json": file.read_bytes() == b"new\n")
