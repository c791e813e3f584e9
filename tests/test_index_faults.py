"""The index when things go wrong: damaged, locked, killed, full; it is derived, so it always heals."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from offtracfs import index
from offtracfs.errors import DatabaseBusy, DatabaseDamaged, DatabaseTooNew, DiskFull
from offtracfs.index import Reader, build, opening
from offtracfs.index.opening import LINK, VERSION
from offtracfs.store import Store
from tests.helpers import (
    append,
    fill,
    git,
    killed,
    listed,
    loosen,
    process,
    rebuilt,
    replace,
    small_disk,
    tables,
    view,
)

FILES = {f"ticket/{number}.json": b"%d" % number for number in range(300)}
MORE = [{"ticket/1.json": b"new %d" % number, "report/1.json": b"%d" % number} for number in range(9)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with some files, in a directory with an index."""
    place = tmp_path / "what? 100%"
    place.mkdir()
    store = Store.create(place / "git")
    append(store, FILES)
    index.catch_up(place, store)
    return store


def whole(store: Store) -> bool:
    """Whether the index is what it is when built anew, and nothing else lies about."""
    place = store.path.parent
    found = {path.name for path in place.glob("index*")} - {LINK}
    return tables(place) == rebuilt(store) and found == {(place / LINK).resolve().name}


def garbage(file: Path) -> None:
    replace(file.resolve(), b"no database" * 1000)


def half(file: Path) -> None:
    replace(file.resolve(), file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    replace(file.resolve(), b"")


def scribbled(file: Path) -> None:
    data = file.read_bytes()
    replace(file.resolve(), data[:8192] + b"\xff" * (len(data) - 8192))


def gone(file: Path) -> None:
    file.resolve().unlink()


def unlinked(file: Path) -> None:
    file.unlink()


def directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


def plain_garbage(file: Path) -> None:
    file.unlink()
    file.write_bytes(b"no database" * 1000)


def other_tables(file: Path) -> None:
    with closing(sqlite3.connect(file.resolve())) as connection:
        connection.executescript("DROP TABLE version; CREATE TABLE version (x)")


def no_rows(file: Path) -> None:
    with closing(sqlite3.connect(file.resolve())) as connection:
        connection.executescript("DELETE FROM revision")


DAMAGES = [
    garbage, half, empty, scribbled, gone, unlinked, directory, plain_garbage, other_tables, no_rows,
]  # fmt: skip


def look(store: Store) -> dict[str, object]:
    """All that a reader shows, as a mount would go through it."""
    with closing(Reader(store.path.parent, heals=True)) as reader:
        head = reader.head()
        return dict(view(reader, head.horizon)) if head else {}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_index_is_built_anew(store: Store, damage: Callable[[Path], None]) -> None:
    """Whatever befell the file, its readers know, and then a sync or the next one has it whole again."""
    expected = look(store)
    damage(store.path.parent / LINK)
    try:
        assert look(store) in (expected, {})
    except DatabaseDamaged as error:
        assert "`offtracfs sync` builds it" in str(error)  # noqa: PT017  # a damage may also go unseen
    append(store, *MORE)
    index.catch_up(store.path.parent, store)
    assert len(look(store)) == len(expected) + 1
    assert whole(store)


def test_a_damaged_page(store: Store) -> None:
    """Whichever page is damaged, who meets it says so, and the next sync with or without news heals it."""
    expected, place = look(store), store.path.parent
    data = (place / LINK).read_bytes()
    met = 0
    for start in range(4096, len(data), 4096):
        replace((place / LINK).resolve(), data[:start] + b"\xff" * 4096 + data[start + 4096 :])
        index.catch_up(place, store)
        try:
            assert look(store) == expected
        except DatabaseDamaged:
            met += 1
            assert index.catch_up(place, store) == 1
            assert look(store) == expected
    assert met > 3


def test_only_who_heals_gives_it_up(store: Store) -> None:
    """Who meets damage leaves the files as they are, unless told that it may heal them."""
    place = store.path.parent
    scribbled(place / LINK)
    for heals in (False, True):
        with pytest.raises(DatabaseDamaged), closing(Reader(place, heals=heals)) as reader:
            reader.head()
        assert (place / LINK).exists() is not heals


def test_an_older_index_is_built_anew(store: Store) -> None:
    """An index of an earlier version of this program is refused by readers, and replaced by the writer."""
    with closing(sqlite3.connect(store.path.parent / LINK)) as connection:
        connection.execute(f"PRAGMA user_version={VERSION - 1}")
    with pytest.raises(DatabaseDamaged, match="earlier version of offtracfs: `offtracfs index upgrade`"):
        Reader(store.path.parent)
    assert index.catch_up(store.path.parent, store) == 1
    assert index.catch_up(store.path.parent, store) == 0


def test_a_newer_index_is_left_alone(store: Store) -> None:
    """An index of a later version is neither read nor replaced: its owner uses that version."""
    file = store.path.parent / LINK
    with closing(sqlite3.connect(file.resolve())) as connection:
        connection.execute(f"PRAGMA user_version={VERSION + 1}")
    data = file.read_bytes()
    with pytest.raises(DatabaseTooNew, match="later version"):
        index.catch_up(store.path.parent, store)
    with pytest.raises(DatabaseTooNew, match="later version"):
        Reader(store.path.parent)
    assert file.read_bytes() == data


def test_another_branch(store: Store) -> None:
    """Where the branch no longer has the commit that the index stands at, the index is built anew."""
    first = git(store, "rev-parse", "main").strip()
    append(store, *MORE)
    index.catch_up(store.path.parent, store)
    git(store, "update-ref", "refs/heads/main", first)
    append(store, {"db.json": b"other"}, start=1_400_000_000)
    assert index.catch_up(store.path.parent, store) == 2
    assert whole(store)


def test_no_branch(store: Store) -> None:
    """Where git has lost its branch the index stays, and the error says how to have the branch again."""
    head, before = git(store, "rev-parse", "main").strip(), look(store)
    git(store, "update-ref", "-d", "refs/heads/main")
    with pytest.raises(DatabaseDamaged, match=f"update-ref refs/heads/main {head}"):
        index.catch_up(store.path.parent, store)
    assert look(store) == before


def test_a_damaged_object_costs_its_file(store: Store) -> None:
    """Where git has lost a blob the rest is indexed; who reads that file is told, so it is not empty."""
    append(store, *MORE)
    whole = rebuilt(store)
    blob = listed(store)["report/1.json"]
    loosen(store)
    (store.path / "objects" / blob.hex()[:2] / blob.hex()[2:]).unlink()
    for write in (index.catch_up, index.rebuild):
        write(store.path.parent, Store(store.path))
        with closing(Reader(store.path.parent)) as reader:
            head = reader.head()
            assert head
            assert head.commit == store.head()
            entry = reader.find("report", "1.json", head.horizon)
            assert entry
            assert entry.size == 1
        built = tables(store.path.parent)
        assert {name: len(rows) for name, rows in built.items()} == {
            name: len(rows) for name, rows in whole.items()
        }


def test_a_locked_index(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another program holds the file locked the error says so; readers go on, and later all is well."""
    monkeypatch.setattr(build, "BUSY_TIMEOUT", 10)
    append(store, *MORE)
    before = look(store)
    with closing(sqlite3.connect((store.path.parent / LINK).resolve(), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy, match="try again"):
            index.catch_up(store.path.parent, store)
        assert look(store) == before
    assert index.catch_up(store.path.parent, store) == len(MORE)
    assert whole(store)


CATCH_UP = """if True:
    import sys
    from pathlib import Path
    from offtracfs import index
    from offtracfs.index import build
    from offtracfs.store import Store
    class Slow(Store):
        def log(self, after):
            for number, item in enumerate(super().log(after)):
                if number == int(sys.argv[2]):
                    print("ready", flush=True)
                    input()
                yield item
    build.COMMITS_A_TRANSACTION, build.ROWS_A_STATEMENT = 2, 3
    place = Path(sys.argv[1])
    index.catch_up(place, Slow(place / "git"))
    print("ready", flush=True)
"""


@pytest.mark.parametrize("after", ["1", "10", "20"])
@pytest.mark.parametrize("anew", [False, True])
def test_killed(store: Store, after: str, anew: bool) -> None:
    """Killed at any time, readers have seen nothing of it, and the next time it is what it should be."""
    append(store, *MORE)
    before = look(store)
    if anew:
        (store.path.parent / LINK).unlink()
    killed(CATCH_UP, store.path.parent, after)
    if not anew:
        assert look(store) == before
    index.catch_up(store.path.parent, store)
    assert whole(store)


def test_a_killed_rebuild_leaves_nothing(store: Store) -> None:
    """What a rebuild had made when it was killed goes with the next sync, though that builds nothing."""
    place = store.path.parent
    append(store, *MORE)
    killed(CATCH_UP.replace("index.catch_up(", "index.rebuild("), place, "12")
    (place / "index.link").symlink_to("index.2.db")
    assert (place / "index.2.db").exists()
    assert index.catch_up(place, store) == len(MORE)
    assert whole(store)


@pytest.mark.parametrize("anew", [False, True])
def test_a_reader_is_undisturbed(store: Store, anew: bool) -> None:
    """A reader sees its revision while another process writes, then the news, and the old one as before."""
    place = store.path.parent
    with closing(Reader(place)) as reader:
        head = reader.head()
        assert head is not None
        before = view(reader, head.horizon)
        append(store, *MORE)
        code = CATCH_UP.replace("index.catch_up(", "index.rebuild(") if anew else CATCH_UP
        with process(code, place, "12") as child:
            reader.refresh()
            assert reader.head() == head
            assert view(reader, head.horizon) == before
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline() == "ready\n"
        assert view(reader, head.horizon) == before
        reader.refresh()
        news = reader.head()
        assert news is not None
        assert news.number == head.number + len(MORE)
        assert view(reader, head.horizon) == before
        assert len(view(reader, news.horizon)) == len(before) + 1


def swapped(store: Store) -> None:
    append(store, *MORE)
    index.rebuild(store.path.parent, store)


def later(store: Store) -> None:
    swapped(store)
    with closing(sqlite3.connect((store.path.parent / LINK).resolve())) as connection:
        connection.execute(f"PRAGMA user_version={VERSION + 1}")


@pytest.mark.parametrize("swap", [swapped, later])
def test_a_new_index_that_cannot_be_opened(store: Store, swap: Callable[[Store], None]) -> None:
    """Where no file can be opened, or the new one is a later program's, the old one goes on."""
    place = store.path.parent
    with closing(Reader(place)) as reader:
        head = reader.head()
        assert head is not None
        before = view(reader, head.horizon)
        swap(store)
        if swap is swapped:
            limit = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, limit[1]))
            try:
                reader.refresh()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        else:
            reader.refresh()
            assert view(reader, head.horizon) == before
            index.rebuild(place, store)
        assert view(reader, head.horizon) == before
        reader.refresh()
        news = reader.head()
        assert news is not None
        assert news.number == head.number + len(MORE)


def test_an_index_that_is_swapped_while_it_is_opened(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds the file gone that the link named a moment ago reads the one that took its place."""
    found: list[Path] = []

    def file_state(file: Path) -> opening.FileState:
        if not found:
            index.rebuild(store.path.parent, store)
            assert not file.exists()
        found.append(file)
        return opening.FileState(0, 0, 0)

    monkeypatch.setattr(opening, "file_state", file_state)
    with closing(Reader(store.path.parent)) as reader:
        assert reader.head()
    assert len(set(found)) == 2


def test_reading_on_a_full_disk(tmp_path: Path) -> None:
    """Opening an index needs no room, also while somebody writes who has found some."""
    with small_disk(tmp_path / "disk", "2m") as disk:
        store = Store.create(disk / "git")
        append(store, FILES)
        index.catch_up(disk, store)
        before = look(store)
        hog = fill(disk)
        with closing(Reader(disk)) as reader:
            head = reader.head()
            assert head is not None
            assert dict(view(reader, head.horizon)) == before == look(store)
            hog.unlink()
            append(store, *MORE)
            (disk / f"{(disk / LINK).resolve().name}-wal").write_bytes(b"x")
            hog = fill(disk)
            assert dict(view(reader, head.horizon)) == before
            hog.unlink()
            index.catch_up(disk, store)
            news = reader.head()
            assert news is not None
            assert news.number == head.number + len(MORE)
            assert dict(view(reader, news.horizon)) == look(store)


def test_a_full_disk(tmp_path: Path) -> None:
    """Without room the error says so and readers go on; with room again the index is as it should be."""
    with small_disk(tmp_path / "disk", "2m") as disk:
        store = Store.create(disk / "git")
        append(store, FILES)
        index.catch_up(disk, store)
        append(store, {f"changelog/{number}.json": b"[]" for number in range(3000)})
        before = look(store)
        with closing(Reader(disk)) as reader:
            hog = fill(disk)
            for write in (index.catch_up, index.rebuild):
                with pytest.raises(DiskFull):
                    write(disk, store)
            head = reader.head()
            assert head is not None
            assert dict(view(reader, head.horizon)) == before
        hog.unlink()
        assert index.catch_up(disk, store) == 1
        assert tables(disk) == rebuilt(store)
