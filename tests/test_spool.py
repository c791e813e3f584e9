"""The spool: what arrived is kept, whatever happens to the process, and comes out in time order."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtracfs.errors import DatabaseBusy, DatabaseDamaged, DatabaseError, DiskFull
from offtracfs.index import build
from offtracfs.kinds import Key
from offtracfs.sync import spool as module
from offtracfs.sync.items import Item
from offtracfs.sync.spool import ReadyVersion, Spool
from tests.helpers import few, fill, process, read_only, replace, small_disk

STARTED = "2011-04-09T21:16:07.123456"
ODD = bytes(range(256)) + "é\ud800".encode(errors="surrogatepass")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a spool goes."""
    return tmp_path / "what? 100%.db"


@pytest.fixture
def spool(file: Path) -> Iterator[Spool]:
    """A new spool."""
    with closing(Spool(file)) as spool:
        yield spool


def numbers(file: Path) -> set[Key]:
    """The tickets in a spool, opened anew."""
    with closing(Spool(file)) as spool:
        return spool.keys("ticket")


def started(file: Path) -> str | None:
    """When the sync of a spool began, opened anew."""
    with closing(Spool(file)) as spool:
        return spool.started


def ticket(number: int, text: bytes = b"[]") -> Item:
    files = {f"ticket/{number}.json": text, f"changelog/{number}.json": b"log" + text}
    return Item("ticket", number, number * 10, number * 10 + 5, files)


def page(name: str, text: bytes = b"= Start =") -> Item:
    """An item of another kind: it has a name, and one file."""
    return Item("page", name, 5, 6, {f"page/{name}.txt": text})


def version(
    moment: int | None, key: Key, sequence: int = 0, text: bytes = b"", blob: bytes | None = b"r" * 20
) -> ReadyVersion:
    files = {f"ticket/{key}.json": blob, f"changelog/{key}.json": b"c" * 20}
    kind = "ticket" if isinstance(key, int) else "page"
    return ReadyVersion(moment, kind, key, sequence, b"bob" + text, b"#1" + text, files)


def in_order(versions: Iterable[ReadyVersion]) -> list[ReadyVersion]:
    return sorted(versions, key=lambda item: item[:4])


def test_a_new_spool_is_empty(spool: Spool) -> None:
    """A new spool belongs to no sync yet and holds nothing."""
    assert spool.started is None
    assert spool.keys("ticket") == set()
    assert spool.count_items() == 0
    assert list(spool.items("ticket")) == []
    assert list(spool.ordered()) == list(spool.ordered(noticed=True)) == []
    assert spool.count_versions() == (0, 0)
    assert spool.first_created() is None
    assert spool.last_changed(1 << 60) is None


def test_what_arrived_is_there(spool: Spool, file: Path) -> None:
    """Tickets come out by number as they came in, the later state of one in place of the earlier."""
    spool.start(STARTED, 3)
    spool.add([])
    spool.add([ticket(3), ticket(1, ODD)])
    spool.add([ticket(2), ticket(3, b"new"), ticket(10**17)])
    with closing(Spool(file)) as again:
        for opened in (spool, again):
            assert opened.started == STARTED
            assert opened.keys("ticket") == {1, 2, 3, 10**17}
            found = list(opened.items("ticket"))
            assert found == [ticket(1, ODD), ticket(2), ticket(3, b"new"), ticket(10**17)]
            assert opened.first_created() == 10
            assert opened.count_items() == 4
    spool.clear()
    assert spool.started is None
    assert spool.keys("ticket") == set()


def test_kinds_of_item(spool: Spool) -> None:
    """Items of several kinds are apart; each comes back with the key and the files that it had."""
    pages = [page("42"), page("Start", ODD), page("TracGuide")]
    spool.add([ticket(42), *pages])
    spool.add([Item("page", "Start", 1, 2, {"page/other": b""})])
    assert spool.keys("ticket") == {42}
    assert spool.keys("page") == {"42", "Start", "TracGuide"}
    assert list(spool.items("ticket")) == [ticket(42)]
    assert list(spool.items("page")) == [
        pages[0],
        Item("page", "Start", 1, 2, {"page/other": b""}),
        pages[2],
    ]


def test_dropped(spool: Spool) -> None:
    """Items that are dropped are gone with their files and their versions, and no others are."""
    spool.add([ticket(1), ticket(2), page("1")])
    spool.add_versions([version(1, 1), version(2, 2), version(3, "1")])
    spool.drop("ticket", [1, 7])
    spool.drop("page", [])
    assert list(spool.items("ticket")) == [ticket(2)]
    assert list(spool.items("page")) == [page("1")]
    assert list(spool.ordered()) == [version(2, 2), version(3, "1")]
    spool.add([ticket(1, b"again")])
    assert list(spool.items("ticket")) == [ticket(1, b"again"), ticket(2)]


def test_times_of_tickets(spool: Spool) -> None:
    """The oldest ticket and the last change are found; what lies after the limit does not count."""
    spool.add(
        [Item("ticket", 1, -5, 20, {"a": b""}), Item("page", "2", 7, 4_000_000_000_000_000, {"a": b""})]
    )
    assert spool.first_created() == -5
    assert spool.last_changed(100) == 20
    assert spool.last_changed(20) == 20
    assert spool.last_changed(19) is None
    assert spool.last_changed(1 << 60) == 4_000_000_000_000_000


moments = st.integers(-3, 3) | st.none()
versions = st.lists(
    st.builds(
        version,
        moments,
        st.integers(1, 3) | st.sampled_from(["1", "b"]),
        st.integers(0, 3),
        st.binary(),
        st.none() | st.just(b"b" * 20),
    ),
    unique_by=lambda item: item[1:4],
    max_size=20,
)


@few
@given(first=versions, then=versions)
def test_order(
    tmp_path_factory: pytest.TempPathFactory, first: list[ReadyVersion], then: list[ReadyVersion]
) -> None:
    """Versions come out in time order, within a moment by item; those of unknown moment are apart."""
    file = tmp_path_factory.mktemp("spool") / "spool.db"
    with closing(Spool(file)) as spool, patch.object(module, "PAGE_SIZE", 3):
        for given_versions in (first, then):
            spool.forget_versions()
            spool.add_versions(given_versions[:7])
            spool.add_versions(given_versions[7:])
            known = [item for item in given_versions if item.moment is not None]
            unknown = [item for item in given_versions if item.moment is None]
            assert list(spool.ordered()) == in_order(known)
            assert list(spool.ordered(noticed=True)) == in_order(unknown)
            assert spool.count_versions() == (len(given_versions), len(unknown))


def test_versions_are_all_or_nothing(spool: Spool) -> None:
    """Where the versions cannot all be had, those of before stay."""

    def broken() -> Iterator[ReadyVersion]:
        yield version(2, 2)
        raise KeyError

    spool.add_versions([version(1, 1)])
    with pytest.raises(KeyError):
        spool.add_versions(broken())
    assert list(spool.ordered()) == [version(1, 1)]


def test_versions_from_what_is_spooled(spool: Spool) -> None:
    """Items can be read while versions are taken in, and versions while others are counted."""
    spool.add([ticket(number) for number in range(1, 8)])
    with patch.object(module, "PAGE_SIZE", 2):
        for item in spool.items("ticket"):
            assert isinstance(item.key, int)
            spool.add_versions([version(-item.key, item.key)])
        found = [(item.key, spool.count_versions()) for item in spool.ordered()]
    assert found == [(number, (7, 0)) for number in range(7, 0, -1)]


def test_many_tickets_come_in_pages(spool: Spool) -> None:
    """However many tickets there are, each comes out once."""
    spool.add([ticket(number) for number in range(25)])
    for rows in (1, 5, 24, 25, 26):
        with patch.object(module, "PAGE_SIZE", rows):
            assert [item.key for item in spool.items("ticket")] == list(range(25))


ADD = """if True:
    import itertools
    import sys
    from pathlib import Path
    from offtracfs.sync.items import Item
    from offtracfs.sync.spool import Spool
    spool = Spool(Path(sys.argv[1]))
    spool.start("2011-04-09T21:16:07", 3)
    for number in itertools.count():
        files = {"a": b"[]" * 1000, "b": b"[]"}
        spool.add([Item("ticket", 2 * number + half, 1, 1, files) for half in (0, 1)])
        if number == 5:
            print("ready", flush=True)
"""


def test_killed(file: Path) -> None:
    """A process killed at any moment leaves all that it had added, and no half of anything."""
    for _ in range(3):
        with process(ADD, file):
            pass
        with closing(Spool(file)) as spool:
            found = spool.keys("ticket")
            assert len(found) >= 12
            assert found == set(range(len(found)))
            assert len(found) % 2 == 0
            assert all(item.files == {"a": b"[]" * 1000, "b": b"[]"} for item in spool.items("ticket"))
            assert spool.started == "2011-04-09T21:16:07"
            spool.clear()


def garbage(file: Path) -> None:
    file.write_bytes(b"no database" * 1000)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def other_tables(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("DROP TABLE item; CREATE TABLE item (x)")


def another_version(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("ALTER TABLE sync RENAME TO look")


@pytest.mark.parametrize("damage", [garbage, empty, other_tables, another_version, Path.unlink])
def test_a_spool_of_no_use_is_started_over(file: Path, damage: Callable[[Path], None]) -> None:
    """A file that is no spool is replaced by a new one: what was in it is fetched again."""
    with closing(Spool(file)) as spool:
        spool.start(STARTED, 3)
        spool.add([ticket(2)])
    damage(file)
    assert started(file) is None
    with closing(Spool(file)) as spool:
        spool.add([ticket(1)])
    assert numbers(file) == {1}


def test_damage_further_in(file: Path) -> None:
    """Damage that shows only later is said once; the next sync fetches again."""
    with closing(Spool(file)) as spool:
        spool.start(STARTED, 3)
        spool.add([ticket(number, b"x" * 2000) for number in range(50)])
    data = file.read_bytes()
    replace(file, data[: 10 * 4096] + b"\xff" * (len(data) - 10 * 4096))
    with closing(Spool(file)) as spool, pytest.raises(DatabaseDamaged, match="sync again"):
        list(spool.items("ticket"))
    assert started(file) is None
    assert numbers(file) == set()


def test_a_locked_spool_is_kept(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another program holds the file locked nothing is thrown away."""
    monkeypatch.setattr(build, "BUSY_TIMEOUT", 10)
    with closing(Spool(file)) as spool:
        spool.start(STARTED, 3)
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(DatabaseBusy):
                spool.add([ticket(1)])
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy):
            Spool(file)
    assert started(file) == STARTED


def test_a_full_disk(tmp_path: Path) -> None:
    """Without room the error says so, and what had been added stays."""
    with small_disk(tmp_path / "disk") as disk:
        with closing(Spool(disk / "spool.db")) as spool:
            spool.start(STARTED, 3)
            spool.add([ticket(1)])
            hog = fill(disk)
            with pytest.raises(DiskFull):
                spool.add([ticket(number, ODD * 1000) for number in range(2, 10)])
            hog.unlink()
            assert spool.keys("ticket") == {1}
            spool.add([ticket(2)])
        assert numbers(disk / "spool.db") == {1, 2}


@pytest.mark.parametrize("there", [False, True])
def test_a_read_only_disk(tmp_path: Path, there: bool) -> None:
    """Where nothing can be written the error says so in a sentence, and what was spooled stays."""
    with small_disk(tmp_path / "disk") as disk:
        if there:
            Spool(disk / "spool.db").close()
        before = list(disk.iterdir())
        read_only(disk)
        with pytest.raises(DatabaseError, match="not yours to write"):
            Spool(disk / "spool.db")
        assert list(disk.iterdir()) == before
