"""``search/WORDS/`` in the tree and in a mount."""

from __future__ import annotations

import threading
from pathlib import Path
from unittest.mock import patch

import pytest

from offtracfs import search
from offtracfs.database import Database
from offtracfs.tree import DAYS, ROOT, Directory, Link, Tree, searches
from tests.mounting import AUTUMN, SPRING, SUMMER, append, away, mounted, new_database, tree_of, until
from tests.selecting import found, listed
from tests.test_search import record


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """Tickets about crashes in spring, of which one is about something else in summer."""
    made = new_database(tmp_path / "db")
    comment = ("bob", "In a crash of many, many words the railway is one of those which are not often there.")
    spring = (
        record(1, comment, summary="Other") | record(2, summary="Crash/railway!") | record(3, summary="crash")
    )
    append(made, (SPRING, spring), (SUMMER, record(2, summary="Hang of the railway", description="no crash")))
    return made


def names(directory: Path) -> list[str]:
    """What a directory lists, in the order of names."""
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def tree(database: Database) -> Tree:
    return tree_of(database, clock=lambda: AUTUMN)


def test_links(tree: Tree) -> None:
    """The best ticket is the first by name, and each is a link to its text as of the same moment."""
    assert list(listed(tree, "@2011-04-09/search/crash railway")) == [
        "0001-2-crash-railway.txt",
        "0002-1-other.txt",
    ]
    assert list(listed(tree, "search/crash railway")) == [
        "0001-2-hang-of-the-railway.txt",
        "0002-1-other.txt",
    ]
    link = listed(tree, "search/in:comments crash")["0001-1-other.txt"]
    assert isinstance(link, Link)
    assert link.target == "../../text/1.txt"
    assert found(tree, "search/crash/3.json") == Link("../../ticket/3.json", link.mtime)
    assert found(tree, "search/crash railway/3.txt") is None


def test_names(tree: Tree) -> None:
    """%2F is a slash; what finds nothing is empty, and what asks for nothing is not there."""
    assert list(listed(tree, "@2011-04-09/search/crash%2Frailway")) == ["0001-2-crash-railway.txt"]
    assert list(listed(tree, "search/nowhere")) == []
    for name in ("...", "-crash", "status:new", "%ff", "in:nowhere x"):
        assert found(tree, f"search/{name}") is None


def test_not_listed(tree: Tree) -> None:
    """The directory is in each root, lists nothing, and no root lists it."""
    assert listed(tree, "search") == {}
    assert found(tree, "@2011-04-09/search") == Directory("@2011-04-09", "search")
    assert found(tree, "ticket/search") is None
    assert tree.lookup(DAYS, "search") is None
    assert "search" not in [entry.name for entry in tree.entries(tree.open(ROOT))]


def test_many(database: Database, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a limit to what is listed: the best are."""
    monkeypatch.setattr(searches, "MAX_FOUND", 1)
    assert list(listed(tree, "search/crash")) == ["0001-3-crash.txt"]


def test_a_search_index_that_is_being_brought_up(database: Database, tree: Tree) -> None:
    """Where a sync has published a revision and is still at the search index, the answer waits for that."""
    with patch.object(search, "catch_up"):
        append(database, (AUTUMN, record(4, summary="crash again")))
    tree.refresh()
    late = threading.Timer(0.2, search.catch_up, [database.path])
    late.start()
    assert "0001-4-crash-again.txt" in listed(tree, "search/again")
    late.join()


async def test_in_a_mount(fuse: None, database: Database, tmp_path: Path) -> None:
    """What is new is found within two seconds after it is published; below "@…" all stays as it was."""
    place = tmp_path / "mnt"
    async with mounted(database, place):
        crashes = place / "search" / "crash"
        assert await away(names, crashes) == [
            "0001-3-crash.txt",
            "0002-2-hang-of-the-railway.txt",
            "0003-1-other.txt",
        ]
        assert "search" not in await away(names, place)
        await away(append, database, (AUTUMN, record(4, summary="crash crash")))
        await until(lambda: any("-4-" in name for name in names(crashes)))
        assert len(await away(names, place / "@2011-04-09" / "search" / "crash")) == 3
        assert not await away((place / "search" / "...").exists)
