"""The spool: what arrived is kept, whatever happens to the process, and comes out in time order."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtracfs.errors import DatabaseBusy, DatabaseDamaged, DatabaseError, DiskFull
from offtracfs.index import build
from offtracfs.sync import spool as module
from offtracfs.sync.spool import NOTICED, Fetched, Ordered, Spool
from tests.helpers import few, fill, process, read_only, replace, small_disk

BEGUN = "2011-04-09T21:16:07.123456"
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


def numbers(file: Path) -> set[int]:
    """The tickets in a spool, opened anew."""
    with closing(Spool(file)) as spool:
        return spool.numbers()


def begun(file: Path) -> str | None:
    """When the sync of a spool began, opened anew."""
    with closing(Spool(file)) as spool:
        return spool.begun


def ticket(number: int, text: bytes = b"[]") -> Fetched:
    return Fetched(number, number * 10, number * 10 + 5, text, b"log" + text)


def version(moment: int, number: int, sequence: int = 0, text: bytes = b"") -> Ordered:
    return Ordered(moment, number, sequence, b"bob" + text, b"#1" + text, b"r" * 20, b"c" * 20)


def test_a_new_spool_is_empty(spool: Spool) -> None:
    """A new spool belongs to no sync yet and holds nothing."""
    assert spool.begun is None
    assert spool.numbers() == set()
    assert list(spool.tickets()) == []
    assert list(spool.ordered()) == list(spool.ordered(noticed=True)) == []
    assert spool.noticed() == 0
    assert spool.first_created() is None
    assert spool.last_changed(1 << 60) is None


def test_what_arrived_is_there(spool: Spool, file: Path) -> None:
    """Tickets come out by number as they came in, the later state of one in place of the earlier."""
    spool.begin(BEGUN, 3)
    spool.add([])
    spool.add([ticket(3), ticket(1, ODD)])
    spool.add([ticket(2), ticket(3, b"new"), ticket(10**17)])
    with closing(Spool(file)) as again:
        for opened in (spool, again):
            assert opened.begun == BEGUN
            assert opened.numbers() == {1, 2, 3, 10**17}
            assert list(opened.tickets()) == [ticket(1, ODD), ticket(2), ticket(3, b"new"), ticket(10**17)]
            assert opened.first_created() == 10
    spool.clear()
    assert spool.begun is None
    assert spool.numbers() == set()


def test_times_of_tickets(spool: Spool) -> None:
    """The oldest ticket and the last change are found; what lies after the limit does not count."""
    spool.add([Fetched(1, -5, 20, b"", b""), Fetched(2, 7, 4_000_000_000_000_000, b"", b"")])
    assert spool.first_created() == -5
    assert spool.last_changed(100) == 20
    assert spool.last_changed(20) == 20
    assert spool.last_changed(19) is None
    assert spool.last_changed(1 << 60) == 4_000_000_000_000_000


moments = st.integers(-3, 3) | st.just(NOTICED)
versions = st.lists(
    st.builds(version, moments, st.integers(1, 3), st.integers(0, 3), st.binary()),
    unique_by=lambda item: item[:3],
    max_size=20,
)


@few
@given(first=versions, then=versions)
def test_order(tmp_path_factory: pytest.TempPathFactory, first: list[Ordered], then: list[Ordered]) -> None:
    """Versions come out in time order, within a moment by ticket; those of unknown moment are apart."""
    file = tmp_path_factory.mktemp("spool") / "spool.db"
    with closing(Spool(file)) as spool, patch.object(module, "ROWS", 3):
        for given_versions in (first, then):
            spool.order(iter(given_versions))
            known = [item for item in given_versions if item.moment != NOTICED]
            unknown = [item for item in given_versions if item.moment == NOTICED]
            assert list(spool.ordered()) == sorted(known)
            assert list(spool.ordered(noticed=True)) == sorted(unknown)
            assert spool.noticed() == len(unknown)


def test_order_is_all_or_nothing(spool: Spool) -> None:
    """Where the versions cannot all be had, those of before stay."""

    def broken() -> Iterator[Ordered]:
        yield version(2, 2)
        raise KeyError

    spool.order(iter([version(1, 1)]))
    with pytest.raises(KeyError):
        spool.order(broken())
    assert list(spool.ordered()) == [version(1, 1)]


def test_order_from_what_is_spooled(spool: Spool) -> None:
    """Tickets can be read while versions are taken in, and versions while others are counted."""
    spool.add([ticket(number) for number in range(1, 8)])
    with patch.object(module, "ROWS", 2):
        spool.order(version(-item.number, item.number) for item in spool.tickets())
        found = [(item.number, spool.noticed()) for item in spool.ordered()]
    assert found == [(number, 0) for number in range(7, 0, -1)]


def test_many_tickets_come_in_pages(spool: Spool) -> None:
    """However many tickets there are, each comes out once."""
    spool.add([ticket(number) for number in range(25)])
    for rows in (1, 5, 24, 25, 26):
        with patch.object(module, "ROWS", rows):
            assert [item.number for item in spool.tickets()] == list(range(25))


ADD = """if True:
    import itertools
    import sys
    from pathlib import Path
    from offtracfs.sync.spool import Fetched, Spool
    spool = Spool(Path(sys.argv[1]))
    spool.begin("2011-04-09T21:16:07", 3)
    for number in itertools.count():
        spool.add([Fetched(2 * number + half, 1, 1, b"[]" * 1000, b"[]") for half in (0, 1)])
        if number == 5:
            print("ready", flush=True)
"""


def test_killed(file: Path) -> None:
    """A process killed at any moment leaves all that it had added, and no half of anything."""
    for _ in range(3):
        with process(ADD, file):
            pass
        with closing(Spool(file)) as spool:
            found = spool.numbers()
            assert len(found) >= 12
            assert found == set(range(len(found)))
            assert len(found) % 2 == 0
            assert all(item.record == b"[]" * 1000 for item in spool.tickets())
            assert spool.begun == "2011-04-09T21:16:07"
            spool.clear()


def garbage(file: Path) -> None:
    file.write_bytes(b"no database" * 1000)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def other_tables(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("DROP TABLE ticket; CREATE TABLE ticket (x)")


@pytest.mark.parametrize("damage", [garbage, empty, other_tables, Path.unlink])
def test_a_spool_of_no_use_is_started_over(file: Path, damage: Callable[[Path], None]) -> None:
    """A file that is no spool is replaced by a new one: what was in it is fetched again."""
    with closing(Spool(file)) as spool:
        spool.begin(BEGUN, 3)
    damage(file)
    assert begun(file) is None
    with closing(Spool(file)) as spool:
        spool.add([ticket(1)])
    assert numbers(file) == {1}


def test_damage_further_in(file: Path) -> None:
    """Damage that shows only later is said once; the next sync fetches again."""
    with closing(Spool(file)) as spool:
        spool.begin(BEGUN, 3)
        spool.add([ticket(number, b"x" * 2000) for number in range(50)])
    data = file.read_bytes()
    replace(file, data[: 10 * 4096] + b"\xff" * (len(data) - 10 * 4096))
    with closing(Spool(file)) as spool, pytest.raises(DatabaseDamaged, match="sync again"):
        list(spool.tickets())
    assert begun(file) is None
    assert numbers(file) == set()


def test_a_locked_spool_is_kept(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another program holds the file locked nothing is thrown away."""
    monkeypatch.setattr(build, "BUSY_TIMEOUT", 10)
    with closing(Spool(file)) as spool:
        spool.begin(BEGUN, 3)
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(DatabaseBusy):
                spool.add([ticket(1)])
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy):
            Spool(file)
    assert begun(file) == BEGUN


def test_a_full_disk(tmp_path: Path) -> None:
    """Without room the error says so, and what had been added stays."""
    with small_disk(tmp_path / "disk") as disk:
        with closing(Spool(disk / "spool.db")) as spool:
            spool.begin(BEGUN, 3)
            spool.add([ticket(1)])
            hog = fill(disk)
            with pytest.raises(DiskFull):
                spool.add([ticket(number, ODD * 1000) for number in range(2, 10)])
            hog.unlink()
            assert spool.numbers() == {1}
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
