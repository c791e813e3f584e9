"""A ticket's own past is a directory: every version that its file had."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from offtracfs import names
from offtracfs.database import Database
from offtracfs.tree import Directory, File, Tree, history
from tests.mounting import append, new_database, run, tree_of

SPRING = 1_300_000_000  # 2011-03-13T07:06:40
LATER = SPRING + 86_400

CHANGES: list[tuple[int, str, str, bytes | None]] = [
    (SPRING, "bob", "ticket/42.json", b"opened\n"),
    (SPRING, "bob", "changelog/42.json", b"[]\n"),
    (SPRING + 1, "bob", "ticket/42.json", b"first\n"),
    (SPRING + 1, "bob", "ticket/42.json", b"second\n"),
    (SPRING + 1, "bob-2", "ticket/42.json", b"another's\n"),
    (SPRING + 2, "a/b <x@example.org>", "ticket/42.json", b"odd\n"),
    (LATER, "😀" * 300, "ticket/42.json", b"long\n"),
    (LATER + 1, "", "ticket/42.json", None),
    (LATER + 2, "admin", "ticket/43.json", b"other\n"),
]
VERSIONS = {
    "2011-03-13T07-06-40.bob.json": b"opened\n",
    "2011-03-13T07-06-41.bob.json": b"first\n",
    "2011-03-13T07-06-41.bob-2.json": b"second\n",
    "2011-03-13T07-06-41.bob-2-2.json": b"another's\n",
    "2011-03-13T07-06-42.a%2Fb.json": b"odd\n",
}


@pytest.fixture
def ticket(tmp_path: Path) -> Database:
    """One ticket with a past of all kinds, deleted in the end."""
    made = new_database(tmp_path / "db")
    with made.writing("a test"):
        with made.store.writer() as writer:
            for when, author, path, data in CHANGES:
                blob = None if data is None else writer.blob(data)
                writer.commit(author=author, authored=when, committed=when, message="x", files=[(path, blob)])
        made.catch_up()
    return made


def shown(tree: Tree, directory: Directory) -> dict[str, bytes]:
    found = {named.name: named.node for named in tree.entries(tree.open(directory))}
    assert all(tree.lookup(directory, name) == node for name, node in found.items())
    return {name: tree.read(node.inode) for name, node in found.items() if isinstance(node, File)}


def test_every_version(ticket: Database) -> None:
    """The directory holds one file a version, named for its moment and author, also after a deletion."""
    tree = tree_of(ticket)
    assert tree.lookup(Directory("", "ticket"), "42.json") is None
    past = tree.lookup(Directory("", "ticket"), "42.json@")
    assert past == Directory("", "ticket/42.json@")
    versions = shown(tree, past)
    long = list(versions)[-1]
    assert versions == VERSIONS | {long: b"long\n"}
    assert len(long.encode()) <= names.NAME_MAX
    assert long.startswith("2011-03-14T07-06-40.%F0%9F%98%80")
    assert list(shown(tree, Directory("", "changelog/42.json@"))) == ["2011-03-13T07-06-40.bob.json"]


def test_versions_up_to_a_moment(ticket: Database) -> None:
    """Under "@T" the directory ends with the version of that moment, and its files are the same inodes."""
    tree = tree_of(ticket)
    early = Directory("@2011-03-13", "ticket/42.json@")
    assert shown(tree, early) == VERSIONS
    now = {named.name: named.node for named in tree.entries(tree.open(Directory("", early.path)))}
    assert all(now[named.name] == named.node for named in tree.entries(tree.open(early)))
    as_of = tree.lookup(Directory("@2011-03-13", "ticket"), "42.json")
    assert as_of == list(now.values())[len(VERSIONS) - 1]
    first = Directory("@2011-03-13T07:06:40", "ticket/42.json@")
    assert list(shown(tree, first)) == ["2011-03-13T07-06-40.bob.json"]


@pytest.mark.parametrize(
    ("directory", "name"),
    [
        ("ticket", "44.json@"),
        ("ticket", "42.json@@"),
        ("ticket", "42@"),
        ("ticket", "@"),
        ("", "db.json@"),
        ("ticket/42.json@", "2011-03-13T07-06-40.carol.json"),
        ("ticket/42.json@", "2011-03-13T07-06-40.bob.json@"),
    ],
)
def test_no_such_past(ticket: Database, directory: str, name: str) -> None:
    """Only tickets and change logs have a past of their own, and it holds nothing but its versions."""
    assert tree_of(ticket).lookup(Directory("", directory), name) is None


def test_listing_goes_on(ticket: Database) -> None:
    """A listing of the past goes on behind any position."""
    tree = tree_of(ticket)
    listing = tree.open(Directory("", "ticket/42.json@"))
    whole = list(tree.entries(listing))
    assert [list(tree.entries(listing, named.position)) for named in whole] == [
        whole[n + 1 :] for n in range(len(whole))
    ]


def test_many_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking up each of a thousand versions asks the index for them once, and names each of them once."""
    database = new_database(tmp_path / "db")
    append(database, *((SPRING + n, {"ticket/42.json": b"%d\n" % n}) for n in range(1_000)))
    named: Counter[str] = Counter()
    monkeypatch.setattr(history, "version_name", lambda *a: named.update(["name"]) or names.version_name(*a))
    tree = tree_of(database)
    directory = tree.lookup(Directory("", "ticket"), "42.json@")
    assert isinstance(directory, Directory)
    listed = [entry.name for entry in tree.entries(tree.open(directory))]
    assert len(listed) == 1_000
    assert all(tree.lookup(directory, name) for name in listed)
    assert tree.lookup(directory, "none.json") is None
    assert named["name"] == 1_000


async def test_past_in_a_mount(mount: object, mnt: Path) -> None:
    """In a mount the past is entered by name, is not listed, and grows with the next sync."""
    names_listed = await run("ls", mnt / "ticket")
    assert "@" not in names_listed
    versions = (await run("ls", mnt / "ticket/2.json@")).split()
    assert len(versions) == 2
    assert await run("cat", *(mnt / "ticket/2.json@" / name for name in versions)) == '[2,"needle"]\nagain\n'
    same = (mnt / "ticket/2.json", mnt / "ticket/2.json@" / versions[-1])
    assert len(set((await run("stat", "-c", "%i", *same)).split())) == 1
    assert "No such file" in await run("ls", mnt / "ticket/99999999.json@", code=2)
