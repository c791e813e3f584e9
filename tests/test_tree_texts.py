"""The texts of tickets in the tree: what they show, how large they are, and what stands for them."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from offtracfs import records
from offtracfs.database import Database
from offtracfs.errors import DatabaseDamaged
from offtracfs.kinds import changelog_path, ticket_path
from offtracfs.tree import DAYS, ROOT, Directory, File, Tree, textfiles
from offtracfs.tree.textfiles import TEXT
from tests import syncing
from tests.mounting import append, damage, grow, new_database, ticket, tree_of
from tests.textmodel import texts_of
from tests.truths import Life

AT = 1_300_000_000  # seconds since 1970 UTC
DAY = 86_400
PAGES = "https://trac.example.org/ticket/"
HERE = Directory("", "text")
OWNER = [{"name": "owner", "label": "Keeper"}, {"name": "summary"}, {"name": "notes", "type": "textarea"}]
LOG: list[list[Any]] = [
    [f"2011-03-13T07:0{n}:00", "ann", "owner" if n % 2 else "comment", str(n), f"{n}\r\n", 1]
    for n in range(6)
]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return new_database(tmp_path / "db")


def shown(tree: Tree, directory: Directory) -> dict[str, File]:
    """What a directory lists, each of which can be looked up, too."""
    found = {}
    for named in tree.entries(tree.open(directory)):
        assert isinstance(named.node, File)
        assert tree.lookup(directory, named.name) == named.node
        found[named.name] = named.node
    return found


def text(tree: Tree, number: int, at: str = "") -> str:
    found = tree.lookup(Directory(at, "text"), f"{number}.txt")
    assert isinstance(found, File)
    return tree.read(found.inode).decode()


def check(database: Database, pages: str = "") -> int:
    """Every text at every revision is the one made from git; the number of inodes that stand for them."""
    tree = tree_of(database, pages=pages)
    kept: dict[int, bytes] = {}
    for commit, expected in texts_of(database.store, pages):
        directory = Directory(f"@{commit}", "text")
        found = shown(tree, directory)
        assert set(found) == {f"{number}.txt" for number in expected}
        for number, (contents, mtime) in expected.items():
            node = found[f"{number}.txt"]
            assert tree.lookup(Directory(directory.at, "ticket"), f"{number}.txt") == node
            assert tree.file(node.inode) == node
            assert tree.read(node.inode) == contents
            assert (node.size, node.mtime) == (len(contents), mtime)
            assert kept.setdefault(node.inode, contents) == contents
    return len(kept)


@pytest.mark.parametrize("seed", range(3))
async def test_every_moment(tmp_path: Path, seed: int) -> None:
    """At every revision, each text is the one that git's files make, in size and time, too."""
    life = Life(Random(seed))
    database = syncing.new_database(tmp_path / "db", life)
    life.live(30)
    await syncing.synced(database, life)
    life.live(30, silently=True)
    await syncing.swept(database, life)
    fields = records.dump(OWNER)
    append(database, (int(life.clock.timestamp()) + DAY, {"fields.json": fields}))
    life.live(20)
    await syncing.synced(database, life)
    assert check(database, PAGES) > 50


def test_labels_of_the_time(database: Database) -> None:
    """A part goes on using the labels that stood when its record or its log last changed."""
    record = [
        1,
        "2011-03-13T07:00:00",
        "2011-03-13T07:06:00",
        {"summary": "It", "owner": "bob", "notes": "a"},
    ]
    append(
        database,
        (AT, {"ticket/1.json": records.dump(record), "changelog/1.json": records.dump(LOG[:2])}),
        (AT + 1, {"changelog/1.json": records.dump(LOG[:3])}),
        (AT + 2, {"fields.json": records.dump(OWNER)}),
        (AT + 3, {"changelog/1.json": records.dump(LOG[:4])}),
        (AT + 4, {"fields.json": None, "ticket/1.json": records.dump([*record[:-1], {"owner": "cy"}])}),
        (AT + 5, {"changelog/1.json": records.dump(LOG[:5])}),
        (AT + 6, {"fields.json": b"no JSON", "changelog/1.json": records.dump(LOG)}),
    )
    assert check(database) == 6
    tree = tree_of(database)
    assert "Keeper" not in text(tree, 1, "@HEAD~4")
    assert "\nOwner:      bob\n" in text(tree, 1, "@HEAD~3")
    assert "\nKeeper:\n" in text(tree, 1, "@HEAD~3")
    assert "\nOwner:      cy\n" in text(tree, 1, "@HEAD~2")
    assert "\nKeeper:\n" in text(tree, 1, "@HEAD~2")
    assert "Keeper" not in text(tree, 1)


def test_what_has_no_text(database: Database) -> None:
    """A deleted ticket has none, nor has a log alone; a ticket without a log has one, whatever its shape."""
    append(
        database,
        (
            AT,
            ticket(1)
            | ticket(2)
            | ticket(3)
            | {"changelog/4.json": records.dump(LOG), "ticket/5.json": b"{"},
        ),
        (
            AT + 1,
            {
                "ticket/1.json": None,
                "changelog/2.json": None,
                "ticket/x.json": b"{}",
                "ticket/06.json": b"{}",
            },
        ),
        (AT + 2, ticket(1) | {"changelog/3.json": b"\xff", "ticket/9.json": b"[9]"}),
    )
    check(database)
    tree = tree_of(database)
    assert set(shown(tree, Directory("@HEAD~1", "text"))) == {"2.txt", "3.txt", "5.txt"}
    assert set(shown(tree, HERE)) == {"1.txt", "2.txt", "3.txt", "5.txt", "9.txt"}
    assert "does not have the shape of a ticket" in text(tree, 5)
    for name in ("4.txt", "06.txt", "x.txt", "1.json", "", "1.txt ", "99.txt"):
        assert tree.lookup(HERE, name) is None
    assert tree.file(TEXT | 1_000_000) is None
    assert tree.read(TEXT | 1_000_000) == b""


def test_where_texts_are(database: Database) -> None:
    """``text`` can be entered at every root and is listed in none; before the first sync it is empty."""
    tree = tree_of(database)
    assert tree.lookup(ROOT, "text") == HERE
    assert shown(tree, HERE) == {}
    append(database, (AT, ticket(1)))
    tree.refresh()
    past = Directory("@2011", "")
    for root in (ROOT, past):
        assert tree.lookup(root, "text") == root.child("text")
        assert "text" not in [named.name for named in tree.entries(tree.open(root))]
    assert [named.name for named in tree.entries(tree.open(Directory("", "ticket")))] == ["1.json"]
    for other in (DAYS, Directory("", "ticket"), Directory("", "text"), Directory("", "report")):
        assert tree.lookup(other, "text") is None
    assert tree.lookup(Directory("@1999", ""), "text") is None
    assert tree.lookup(Directory("@1999", "text"), "1.txt") is None


def test_positions_are_stable(database: Database) -> None:
    """A listing goes on behind any position, whatever came and went meanwhile."""
    append(database, (AT, ticket(1) | ticket(2) | ticket(3) | ticket(4)))
    tree = tree_of(database)
    before = {named.name: named.position for named in tree.entries(tree.open(HERE))}
    append(database, (AT + 1, {"ticket/2.json": None} | ticket(5)))
    tree.refresh()
    listing = tree.open(HERE)
    now = list(tree.entries(listing))
    assert [named.name for named in now] == ["1.txt", "3.txt", "4.txt", "5.txt"]
    assert all(before[named.name] == named.position for named in now[:3])
    for place, named in enumerate(now):
        assert list(tree.entries(listing, named.position)) == now[place + 1 :]


def test_changed_names(database: Database) -> None:
    """A ticket or its log that changes makes both names of its text mean something else."""
    append(database, (AT, ticket(1) | ticket(2) | ticket(3) | ticket(4)))
    tree = tree_of(database)
    before = tree.head
    names = [(top, f"{number}.txt") for number in range(1, 6) for top in ("text", "ticket")]
    old = [tree.lookup(Directory("", top), name) for top, name in names]
    append(database, (AT + 1, {"ticket/1.json": None, "changelog/2.json": records.dump(LOG)} | ticket(5)))
    tree.refresh()
    told = set(tree.changed_names(before))
    new = [tree.lookup(Directory("", top), name) for top, name in names]
    assert {name for name, *nodes in zip(names, old, new, strict=True) if nodes[0] != nodes[1]} <= told
    assert {name for name in told if name[1].endswith(".txt")} == {
        (top, f"{number}.txt") for number in (1, 2, 5) for top in ("text", "ticket")
    }


def test_damaged(database: Database) -> None:
    """A text of what git cannot read is there, with a size, and cannot be read."""
    grow(database)
    damage(database, b'[7,"needle"]\n')
    (database.path / "index.db").resolve().unlink()
    tree = tree_of(database)
    found = tree.lookup(HERE, "7.txt")
    assert isinstance(found, File)
    assert found.size > 0
    with pytest.raises(DatabaseDamaged):
        tree.read(found.inode)
    assert len(shown(tree, HERE)) == len(shown(tree, Directory("", "ticket")))


def test_large_texts_are_made_elsewhere(database: Database) -> None:
    """A large text is made by a function for another thread; a small one when it is read, and either once."""
    files = ticket(1) | ticket(2, description="long\n" * 10_000)
    append(database, (AT, files))
    tree = tree_of(database)
    for number, quick in ((1, True), (2, False)):
        found = tree.lookup(HERE, f"{number}.txt")
        assert isinstance(found, File)
        work = tree.text_work(found.inode)
        assert (work is None) == quick
        if work:
            work()
        assert tree.text_work(found.inode) is None
        assert len(tree.read(found.inode)) == found.size
    stored = tree.lookup(Directory("", "ticket"), "2.json")
    assert isinstance(stored, File)
    assert tree.text_work(stored.inode) is None


def test_few_texts_are_kept(database: Database) -> None:
    """However many texts are read, few are kept in memory."""
    numbers = range(1, 2 * textfiles.MAX_TEXTS)
    append(database, (AT, {path: data for n in numbers for path, data in ticket(n).items()}))
    tree = tree_of(database)
    assert all(text(tree, number).startswith(f"#{number} ticket {number}\n") for number in numbers)
    assert len(tree._texts._made) == textfiles.MAX_TEXTS


def test_a_growing_log_in_many_syncs(database: Database) -> None:
    """Sizes stay right where each sync brings one more row, an edit among them, and after a rebuild."""
    record = ticket(1)[ticket_path(1)]
    log = [list(row) for row in LOG]
    append(database, (AT, {ticket_path(1): record, changelog_path(1): b"[]\n"}))
    for stop in range(1, len(log) + 1):
        append(database, (AT + stop, {changelog_path(1): records.dump(log[:stop])}))
    log[0][4] = "another text"
    log.append([log[0][0], "bob", "_comment0", "0\r\n", "1300000000000000", 1])
    append(database, (AT + 100, {changelog_path(1): records.dump(log)}))
    check(database)
    (database.path / "index.db").resolve().unlink()
    check(database)
