"""What the mount looks like, from a real store and index, without a mount."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest

from offtracfs import index
from offtracfs.database import Database
from offtracfs.errors import DatabaseDamaged
from offtracfs.kinds import TOPS
from offtracfs.tree import DAYS, Directory, File, Link, Listing, Tree
from tests.mounting import append, damage, new_database, tree_of

DAY = 86_400
SPRING = int(datetime(2011, 4, 9, 12, tzinfo=UTC).timestamp())
SUMMER = int(datetime(2011, 7, 1, 23, 30, tzinfo=UTC).timestamp())
AUTUMN = int(datetime(2012, 10, 3, tzinfo=UTC).timestamp())

ROOT = Directory("", "")
TICKETS = Directory("", "ticket")
COMPONENTS = Directory("", "field/component")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """Three revisions: a spring, a summer and an autumn."""
    made = new_database(tmp_path / "db")
    append(
        made,
        (SPRING, {"db.json": b"{}\n", "ticket/1.json": b"one\n", "changelog/1.json": b"[]\n"}),
        (SUMMER, {"ticket/2.json": b"two\n", "field/component/ui.json": b"{}\n"}),
        (AUTUMN, {"ticket/1.json": b"one!\n", "ticket/2.json": None, "field/component/ui.json": None}),
    )
    return made


@pytest.fixture
def tree(database: Database) -> Tree:
    return tree_of(database, clock=lambda: AUTUMN + DAY)


def names(tree: Tree, directory: Directory) -> list[str]:
    return [named.name for named in tree.entries(tree.open(directory))]


def file(tree: Tree, path: str) -> File:
    """The file at a path, whose directories are looked up too."""
    place = ROOT
    *above, name = path.split("/")
    for part in above:
        found = tree.lookup(place, part)
        assert isinstance(found, Directory), part
        place = found
    found = tree.lookup(place, name)
    assert isinstance(found, File), path
    return found


def test_empty_tracker_has_its_folders(tmp_path: Path) -> None:
    """Before the first sync has ended, the four folders are there and empty, and no past is."""
    tree = tree_of(new_database(tmp_path / "db"))
    assert names(tree, ROOT) == list(TOPS)
    for name in TOPS:
        assert tree.lookup(ROOT, name) == Directory("", name)
        assert names(tree, Directory("", name)) == []
    assert tree.lookup(ROOT, "@2011") is None
    assert tree.lookup(ROOT, "@") == DAYS
    assert names(tree, DAYS) == []


def test_root_lists_what_is_stored(tree: Tree) -> None:
    """The root lists folders and files, and no name beginning with an @."""
    assert names(tree, ROOT) == [*TOPS, "db.json"]


def test_tickets_are_flat(tmp_path: Path) -> None:
    """Tickets that git spreads over two levels stand side by side."""
    database = new_database(tmp_path / "db")
    append(database, (SPRING, {f"ticket/{number}.json": b"{}\n" for number in (7, 123, 45678)}))
    tree = tree_of(database)
    assert set(names(tree, TICKETS)) == {"7.json", "123.json", "45678.json"}
    assert isinstance(tree.lookup(TICKETS, "45678.json"), File)
    assert tree.lookup(TICKETS, "4") is None


@pytest.mark.parametrize(
    ("at", "contents"),
    [
        ("@2011", b"one\n"),
        ("@2012", b"one!\n"),
        ("@2012-10-02", b"one\n"),
        ("@2011-04-09T12", b"one\n"),
        ("@2011-04-09T12:00:00", b"one\n"),
        ("@2011-04-09T14-00-00+0200", b"one\n"),
        ("@HEAD", b"one!\n"),
        ("@HEAD~1", b"one\n"),
    ],
)
def test_past_shows_the_contents_of_its_time(tree: Tree, at: str, contents: bytes) -> None:
    """An "@…" shows the tracker at the end of the period that it names, or at that revision."""
    assert tree.read(file(tree, f"{at}/ticket/1.json").inode) == contents


@pytest.mark.parametrize(
    "name",
    ["@2010", "@2011-04-08", "@2011-04-09T11:59:59", "@2013", "@HEAD~3", "@0000000", "@x", "@2011-13", "@@"],
)
def test_no_tree_where_nothing_was(tree: Tree, name: str) -> None:
    """Before the first record, in the future, or where a name means nothing, there is no such folder."""
    assert tree.lookup(ROOT, name) is None


def test_commits_can_be_entered(tree: Tree) -> None:
    """A commit's id, or its beginning, names the tracker at that commit."""
    revision = tree.revision("@HEAD~2")
    assert revision
    for digits in (7, 12, 40):
        assert tree.revision(f"@{revision.commit.hex()[:digits]}") == revision


def test_past_lists_what_was_there(tree: Tree) -> None:
    """What was deleted since is listed, what came since is not."""
    assert names(tree, Directory("@2011-07", "ticket")) == ["1.json", "2.json"]
    assert names(tree, Directory("@2011-04", "ticket")) == ["1.json"]
    assert names(tree, TICKETS) == ["1.json"]
    assert names(tree, Directory("@2011-07", "")) == [*TOPS, "db.json"]


def test_folders_of_fields_come_and_go(tree: Tree) -> None:
    """A folder below `field` is there as long as something is in it."""
    assert names(tree, Directory("@2011", "field")) == ["component"]
    assert tree.lookup(Directory("@2011", "field"), "component") == Directory("@2011", "field/component")
    assert names(tree, Directory("", "field")) == []
    assert tree.lookup(Directory("", "field"), "component") is None
    assert tree.lookup(Directory("@2011-04", "field"), "component") is None


def walked(tree: Tree, directory: Directory) -> Iterator[str]:
    """The paths of all files below a directory; whatever is listed is looked up."""
    for _, name, node in tree.entries(tree.open(directory)):
        assert "/" not in name
        assert tree.lookup(directory, name) == node
        if isinstance(node, Directory):
            yield from walked(tree, node)
        else:
            yield directory.child(name).path


ODD = {
    "field/a/b/x.json": b"deep\n",
    "field/a/y.json": b"",
    "field/a-b/x.json": b"",
    "wiki/Start.json": b"{}\n",
    "wiki/Sub/Page.json": b"{}\n",
    "notes.json": b"{}\n",
}


def test_whatever_is_listed_can_be_looked_up(database: Database, tree: Tree) -> None:
    """Directories in directories, and new records at the top, are listed and found as git has them."""
    append(database, (AUTUMN + 1, ODD))
    tree.refresh()
    assert set(walked(tree, ROOT)) == {*ODD, "db.json", "ticket/1.json", "changelog/1.json"}
    assert names(tree, ROOT) == [*TOPS, "wiki", "db.json", "notes.json"]
    assert names(tree, Directory("", "field")) == ["a", "a-b"]
    assert tree.read(file(tree, "field/a/b/x.json").inode) == b"deep\n"
    assert tree.lookup(Directory("", "field"), "a/b") is None
    assert "wiki" not in names(tree, Directory("@2011", ""))
    assert tree.lookup(Directory("@2011", ""), "wiki") is None
    assert tree.directory_count(tree.open(ROOT)) == len(TOPS) + 1


def test_directories_that_come_and_go_are_changed_names(database: Database, tree: Tree) -> None:
    """A directory is among the changed names with all above it that came or went, and not when it stays."""
    append(database, (AUTUMN + 1, ODD))
    before = tree.head
    tree.refresh()
    came = {("", "wiki"), ("wiki", "Sub"), ("field", "a"), ("field/a", "b"), ("field", "a-b")}
    files = {(str(path.parent).replace(".", ""), path.name) for path in map(PurePosixPath, ODD)}
    assert set(tree.changed_names(before)) == came | files
    append(database, (AUTUMN + 2, {"field/a/b/x.json": None, "wiki/Start.json": b"[]\n"}))
    before = tree.head
    tree.refresh()
    assert set(tree.changed_names(before)) == {
        ("field/a", "b"),
        ("field/a/b", "x.json"),
        ("wiki", "Start.json"),
    }


def test_one_version_is_one_inode(tree: Tree) -> None:
    """A version has the same number through every "@…" in which it appears, and another has another."""
    assert file(tree, "@2011-04/ticket/1.json") == file(tree, "@2011-12/ticket/1.json")
    assert file(tree, "@2011-12/ticket/1.json").inode != file(tree, "ticket/1.json").inode


def test_inodes_survive_a_rebuild(database: Database, tree: Tree) -> None:
    """An index that is built anew from git gives every version the number that it had."""
    before = {path: file(tree, path) for path in ("ticket/1.json", "@2011/ticket/2.json", "@2011/db.json")}
    index.rebuild(database.path, database.store)
    rebuilt = tree_of(database)
    assert {path: file(rebuilt, path) for path in before} == before


def test_files_know_size_and_time(tree: Tree) -> None:
    """A file has the size of its contents and the author date of the revision that brought it."""
    found = file(tree, "@2011/ticket/2.json")
    assert (found.size, found.mtime) == (4, SUMMER - 5)
    assert tree.file(found.inode) == found
    assert tree.file(10_000) is None


def test_directories_know_when_they_changed(tree: Tree) -> None:
    """A folder's time is that of the revision that it shows."""
    assert tree.mtime(tree.open(TICKETS)) == AUTUMN
    assert tree.mtime(tree.open(Directory("@2011-05", ""))) == SPRING


def test_listing_goes_on_from_any_position(tmp_path: Path) -> None:
    """From each position the rest of a listing follows, over several pages of the index."""
    database = new_database(tmp_path / "db")
    files = {f"field/{name}/x.json": b"" for name in "abc"} | {
        f"field/{number}.json": b"" for number in range(2_500)
    }
    append(database, (SPRING, files))
    tree = tree_of(database)
    listing = tree.open(Directory("", "field"))
    entries = list(tree.entries(listing))
    assert len(entries) == len({entry.name for entry in entries}) == 2_503
    for at in (0, 1, 2, 3, 4, 999, 1_003, 2_500):
        assert next(tree.entries(listing, entries[at].position)) == entries[at + 1]
    assert list(tree.entries(listing, entries[-1].position)) == []


def test_listing_stays_as_it_was_opened(database: Database, tree: Tree) -> None:
    """An opened folder goes on showing its revision when another is published half-way."""
    listing = tree.open(TICKETS)
    append(database, (AUTUMN + 1, {"ticket/1.json": None, "ticket/3.json": b"three\n"}))
    tree.refresh()
    assert [named.name for named in tree.entries(listing)] == ["1.json"]
    assert names(tree, TICKETS) == ["3.json"]


def test_new_state_is_seen_after_a_refresh(database: Database, tree: Tree) -> None:
    """What is published is not seen before the tree goes over to it."""
    before = tree.head
    assert tree.refresh() == before
    append(database, (AUTUMN + 1, {"ticket/3.json": b"three\n"}))
    assert tree.lookup(TICKETS, "3.json") is None
    after = tree.refresh()
    assert before
    assert after
    assert (before.number, after.number) == (3, 4)
    assert isinstance(tree.lookup(TICKETS, "3.json"), File)


def test_changed_names_are_all_that_changed(database: Database, tree: Tree) -> None:
    """What came, changed or went since a head is named, with the folders that hold it."""
    changes = {"ticket/1.json": b"1", "ticket/9.json": b"9", "db.json": None, "field/type/bug.json": b"{}"}
    append(database, (AUTUMN + 1, changes), (AUTUMN + 2, {"ticket/9.json": None}))
    before = tree.head
    tree.refresh()
    assert set(tree.changed_names(before)) == {
        ("", "db.json"),
        *((top, f"{number}.txt") for number in (1, 9) for top in ("text", "ticket")),
        ("ticket", "1.json"),
        ("ticket", "9.json"),
        ("field/type", "bug.json"),
        ("field", "type"),
    }


def test_only_what_may_change_moves(tree: Tree) -> None:
    """The present, HEAD and periods that have not settled may move; the past and commits do not."""
    tree.settled = SUMMER
    assert all(tree.may_change(at) for at in ("", "@HEAD", "@HEAD~1", "@2011", "@2011-07-01"))
    assert not any(tree.may_change(at) for at in ("@2011-06", "@2011-06-30", "@abcdef0"))


def days(tree: Tree) -> Iterator[tuple[str, Link]]:
    for named in tree.entries(tree.open(DAYS)):
        assert isinstance(named.node, Link)
        yield named.name, named.node


def test_days_lead_to_their_trees(tree: Tree) -> None:
    """The folder @ lists each day on which something changed, as a link to that day."""
    assert dict(days(tree)) == {
        "2011-04-09": Link("../@2011-04-09", SPRING),
        "2011-07-01": Link("../@2011-07-01", SUMMER),
        "2012-10-03": Link("../@2012-10-03", AUTUMN),
    }
    for name, link in days(tree):
        assert tree.lookup(DAYS, name) == link
        assert tree.lookup(ROOT, f"@{name}") == Directory(f"@{name}", "")


@pytest.mark.parametrize("name", ["2011-04-10", "2011-4-9", "2011-04", "", "x", "@2011-04-09"])
def test_other_days_are_not_there(tree: Tree, name: str) -> None:
    """In the folder @ there is no day without a change, and no other spelling of one."""
    assert tree.lookup(DAYS, name) is None


def test_days_go_on_from_any_position(tree: Tree) -> None:
    """The folder @ can be gone on with behind any of its days, as it was opened."""
    listing = tree.open(DAYS)
    first, second, _third = tree.entries(listing)
    assert [named.name for named in tree.entries(listing, first.position)] == ["2011-07-01", "2012-10-03"]
    assert [named.name for named in tree.entries(listing, second.position)] == ["2012-10-03"]


def test_days_are_those_of_the_time_zone(tmp_path: Path) -> None:
    """What changed before midnight UTC belongs to the next day in Berlin, in the folder @ and in "@…"."""
    database = new_database(tmp_path / "db", timezone="Europe/Berlin")
    append(database, (SPRING, {"ticket/1.json": b"1"}), (SUMMER, {"ticket/1.json": b"2"}))
    tree = tree_of(database)
    assert list(dict(days(tree))) == ["2011-04-09", "2011-07-02"]
    assert tree.read(file(tree, "@2011-07-01/ticket/1.json").inode) == b"1"
    assert tree.read(file(tree, "@2011-07-02/ticket/1.json").inode) == b"2"


def test_nothing_below_the_days(tree: Tree) -> None:
    """The folder @ holds links and nothing else, and there is none in the past."""
    assert tree.lookup(Directory("@", ""), "ticket") is None
    assert tree.lookup(Directory("@2011", ""), "@") is None
    assert tree.lookup(Directory("@2011", ""), "@2011") is None


def test_listing_is_pinned_even_before_there_is_anything(tmp_path: Path) -> None:
    """A folder opened before the first sync has ended stays empty."""
    database = new_database(tmp_path / "db")
    tree = tree_of(database)
    listing = tree.open(TICKETS)
    append(database, (SPRING, {"ticket/1.json": b"1"}))
    tree.refresh()
    assert listing == Listing(TICKETS, None)
    assert list(tree.entries(listing)) == []
    assert names(tree, TICKETS) == ["1.json"]


def test_damaged_object_is_an_error_of_its_file(database: Database, tree: Tree) -> None:
    """A file whose git object is damaged raises DatabaseDamaged; the others can be read."""
    damage(database, b"one!\n")
    with pytest.raises(DatabaseDamaged):
        tree.read(file(tree, "ticket/1.json").inode)
    assert tree.read(file(tree, "db.json").inode) == b"{}\n"
