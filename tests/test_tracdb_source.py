"""How a Trac's database is opened: never in a live Trac's way, and with a sentence where it cannot be."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import trio

from offtracfs.errors import (
    NotATracker,
    OfftracfsError,
    PermissionMissing,
    TrackerError,
    Unreachable,
    UsageError,
)
from offtracfs.trackers import registry, tracdb
from offtracfs.trackers.tracdb import ini, source
from offtracfs.trackers.tracdb.source import SqliteSource
from tests.helpers import process
from tests.program import offtracfs
from tests.tracclient import DAY, SPRING, ticket
from tests.tracdbs import address, copied, edited, opened
from tests.tracservers import RealTrac, TracServer

NOBODY = 65534
LARGE = 3000  # rows of 4 kB: 12 MB, more than SQLite keeps in memory

WRITER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
print("ready", flush=True)
while True:
    database.execute("BEGIN IMMEDIATE")
    database.execute("UPDATE account SET value = value + 1 WHERE id = 0")
    database.execute("UPDATE account SET value = value - 1 WHERE id = (SELECT max(id) FROM account)")
    database.execute("COMMIT")
"""
"""Moves money, as often as it can, between the first page and the last; as patient as Trac is."""


@pytest.fixture
def trac(modern_trac: TracServer) -> RealTrac:
    """A real Trac with one ticket."""
    site = modern_trac.new()
    site.create("first", SPRING)
    return site


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A database of many pages."""
    path = tmp_path / "large.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, value INTEGER, filler TEXT)")
        rows = ((number, 0, "x" * 4000) for number in range(LARGE))
        database.executemany("INSERT INTO account VALUES (?, ?, ?)", rows)
    return path


async def test_live_trac_writes(trac: RealTrac) -> None:
    """A Trac whose database is half read takes changes, and the reader goes on with what it had."""
    trac.fill(300, SPRING)
    async with opened(address(trac)) as database:
        numbers = await database.ids()
        async with database.tickets(numbers) as stream, database.tickets(numbers) as others:
            await anext(stream)
            await anext(others)
            trac.change(numbers[-1], SPRING + DAY, comment="now")
            rest = [item async for item in stream]
        assert rest[-1].record[2] == "2011-04-09T21:16:07"  # type: ignore[union-attr]
        assert await database.changed_since(SPRING + DAY) == [numbers[-1]]
        assert (await ticket(database, numbers[-1])).record[2] == "2011-04-10T21:16:07"


async def test_busy_writer(large: Path, tmp_path: Path) -> None:
    """A copy is whole although another process writes without a pause, and that never waits in vain."""
    with process(WRITER, large) as writer, closing(SqliteSource(large, tmp_path)) as copy:
        states = []
        for _ in range(5):
            await trio.to_thread.run_sync(copy.refresh)
            with copy.reading() as connection:
                states.append(connection.exec_driver_sql("SELECT sum(value), max(value) FROM account").one())
                assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        assert writer.poll() is None
    assert {total for total, _ in states} == {0}
    assert states[-1][1] > states[0][1]


async def test_copied_by_and_by(large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two steps of the copying a writer gets through at once, and the copy begins again."""
    monkeypatch.setattr(source, "PAGES", 100)
    steps: list[int] = []
    written: list[int] = []
    check = trio.from_thread.check_cancelled

    def step() -> None:
        check()
        steps.append(1)
        if len(steps) == 3:
            with closing(sqlite3.connect(large, timeout=0)) as database, database:
                written.append(database.execute("UPDATE account SET value = 7 WHERE id = 0").rowcount)

    monkeypatch.setattr(trio.from_thread, "check_cancelled", step)
    with closing(SqliteSource(large, tmp_path)) as copy:
        await trio.to_thread.run_sync(copy.refresh)
        with copy.reading() as connection:
            assert connection.exec_driver_sql("SELECT value FROM account WHERE id = 0").scalar_one() == 7
    assert written == [1]
    assert len(steps) > 3 + LARGE / 400


async def test_copying_is_cancelled(large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copying that nobody waits for any more ends at its next step."""
    monkeypatch.setattr(source, "PAGES", 1)
    with closing(SqliteSource(large, tmp_path)) as copy:
        with trio.CancelScope() as scope:
            scope.cancel()
            await trio.to_thread.run_sync(copy.refresh)
        assert scope.cancelled_caught
        await trio.to_thread.run_sync(copy.refresh)
        with copy.reading() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM account").scalar_one() == LARGE


def _modes_of_open_files(directory: Path) -> list[int]:
    links = [Path("/proc/self/fd", number) for number in os.listdir("/proc/self/fd")]  # noqa: PTH208
    held = [link for link in links if link.is_symlink() and str(link.readlink()).startswith(f"{directory}/")]
    return [link.stat().st_mode & 0o777 for link in held]


async def test_nothing_is_left(large: Path, tmp_path: Path) -> None:
    """A copy has no name in the directory that holds it, so that nothing stays even of a killed process."""
    place = tmp_path / "place"
    place.mkdir()
    with closing(SqliteSource(large, place)) as copy:
        await trio.to_thread.run_sync(copy.refresh)
        assert _modes_of_open_files(place) == [0o600]
        assert os.listdir(place) == []  # noqa: PTH208


async def test_unchanged_is_not_copied_again(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database is copied again only where it has changed."""
    os.utime(large, (1, 1))
    with closing(SqliteSource(large, tmp_path)) as copy:
        await trio.to_thread.run_sync(copy.refresh)
        monkeypatch.setattr(SqliteSource, "_live", None)
        await trio.to_thread.run_sync(copy.refresh)
        os.utime(large, (2, 2))
        with pytest.raises(TypeError):
            await trio.to_thread.run_sync(copy.refresh)


async def test_write_ahead_log(trac: RealTrac) -> None:
    """What is only in a write-ahead log so far is read, too, and new lines of it are noticed."""
    with closing(sqlite3.connect(trac.environment / "db/trac.db")) as live:
        live.execute("PRAGMA journal_mode = WAL")
        live.execute("UPDATE ticket SET summary = 'second'")
        live.commit()
        async with opened(address(trac)) as database:
            await database.ids()
            assert (await ticket(database, 1)).record[3]["summary"] == "second"
            live.execute("UPDATE ticket SET summary = 'third'")
            live.commit()
            await database.ids()
            assert (await ticket(database, 1)).record[3]["summary"] == "third"


async def test_locked(large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that stays locked is said to be out of reach."""
    monkeypatch.setattr(source, "TIMEOUT", 0.0)
    with closing(sqlite3.connect(large, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with closing(SqliteSource(large, tmp_path)) as copy, pytest.raises(Unreachable, match="is locked"):
            await trio.to_thread.run_sync(copy.refresh)


# What cannot be opened.


async def _refused(url: str, kind: type[OfftracfsError], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        async with opened(url) as database:
            await database.ids()
    assert type(caught.value) is kind


def _write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return f"trac+sqlite://{path}"


async def test_no_trac_there(tmp_path: Path) -> None:
    """What is no file, no database or no Trac's is told apart."""
    await _refused(f"trac+sqlite://{tmp_path}/none.db", NotATracker, "there is no such file")
    await _refused(f"trac+sqlite://{tmp_path}", NotATracker, "cannot be read: Is a directory")
    await _refused(_write(tmp_path / "text", b"text" * 1000), NotATracker, "is not a SQLite database")
    await _refused(_write(tmp_path / "empty", b""), NotATracker, "not a Trac's: no such table: system")
    other = edited(tmp_path / "other.db", "CREATE TABLE system (name TEXT, value TEXT)")
    await _refused(other, NotATracker, "not a Trac's: it has no database_version")


@pytest.mark.parametrize(
    ("version", "words"), [("20", "too old"), ("46", "too new: version 46"), ("x", "not a Trac's")]
)
async def test_unknown_version(trac: RealTrac, tmp_path: Path, version: str, words: str) -> None:
    """A database of a Trac that is not known here is refused, with its version."""
    change = f"UPDATE system SET value = '{version}' WHERE name = 'database_version'"
    await _refused(copied(trac, tmp_path / "env", change), NotATracker, words)


async def test_missing_table(trac: RealTrac, tmp_path: Path) -> None:
    """A Trac's database without one of its tables is refused before anything is made of it."""
    url = copied(trac, tmp_path / "env", "DROP TABLE milestone")
    await _refused(url, NotATracker, "not a Trac's: no such table: milestone")


@contextmanager
def _unprivileged() -> Iterator[None]:
    """Root may read everything: be somebody else for a while."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


async def test_not_ours_to_read(trac: RealTrac, tmp_path: Path) -> None:
    """A file that this user may not read is said to be so."""
    url = copied(trac, tmp_path / "env")
    (tmp_path / "env/db/trac.db").chmod(0)
    with _unprivileged():
        await _refused(url, PermissionMissing, "not for you to read")


# An environment's folder.


async def test_environment(trac: RealTrac) -> None:
    """An environment's folder, or its path alone, stands for the database that its trac.ini names."""
    folder = trac.environment
    for text in (f"trac+sqlite://{folder}", f"trac+sqlite://{folder}/", str(folder)):
        assert registry.checked_url(text) == address(trac)


def _environment(folder: Path, database: str) -> Path:
    (folder / "conf").mkdir(parents=True)
    (folder / "conf/trac.ini").write_text(f"[trac]\ndatabase = {database}\n")
    return folder


@pytest.mark.parametrize(
    ("database", "url"),
    [
        ("sqlite:db/trac.db", "trac+sqlite://{0}/db/trac.db"),
        ("sqlite:db/other.db?timeout=5", "trac+sqlite://{0}/db/other.db"),
        ("sqlite:/var/db/trac.db", "trac+sqlite:///var/db/trac.db?trac_ini={1}"),
        ("sqlite:///var/db/trac.db", "trac+sqlite:///var/db/trac.db?trac_ini={1}"),
        ("postgres://host/trac", "trac+postgresql://host/trac?trac_ini={1}"),
        ("postgres://bob@host:5433/trac", "trac+postgresql://bob@host:5433/trac?trac_ini={1}"),
        ("postgres://bob:hunter2@/trac?host=/run", "trac+postgresql://bob@/trac?host=%2Frun&trac_ini={1}"),
        ("postgres://bob:hunter2@a@host/trac", "trac+postgresql://bob@host/trac?trac_ini={1}"),
        ("postgres://host/t?schema=S&password=hunter2", "trac+postgresql://host/t?schema=S&trac_ini={1}"),
    ],
)
def test_database_of_an_environment(tmp_path: Path, database: str, url: str) -> None:
    """Each way in which a trac.ini names its database makes an address, but the password stays there."""
    folder = _environment(tmp_path / "a project", database)
    places = quote(str(folder)), quote_plus(str(folder / "conf/trac.ini"))
    found = registry.checked_url(str(folder))
    assert found == url.format(*places)
    assert registry.checked_url(found) == found


@pytest.mark.parametrize(
    ("database", "words"),
    [
        ("mysql://bob:hunter2@host/trac", "MySQL cannot be read here.*RPC"),
        ("postgres://bob:hunt/er2@host/trac", "write the / in its password as %2F"),
        ("postgres://bob:12/hunter2@host/trac", "write the / in its password as %2F"),
        ("oracle://bob:hunter2@host/trac", "names no database that can be read here"),
        ("postgres://bob:hunter2@host", "names no database"),
    ],
)
def test_database_that_cannot_be_read(tmp_path: Path, database: str, words: str) -> None:
    """Others are refused in a sentence that says what would work, and repeats no password."""
    with pytest.raises(UsageError, match=words) as caught:
        registry.checked_url(str(_environment(tmp_path / "env", database)))
    assert "hunt" not in str(caught.value)


def test_no_environment(tmp_path: Path) -> None:
    """What is no environment is said to be none, and what else it may be."""
    with pytest.raises(UsageError, match=rf"no environment of a Trac.*offtrac://{tmp_path}\."):
        registry.checked_url(str(tmp_path))
    with pytest.raises(UsageError, match=r"https://.*there is no such folder"):
        registry.checked_url(str(tmp_path / "none"))


async def test_environment_without_ini(trac: RealTrac, tmp_path: Path) -> None:
    """A folder with a database in its place needs no trac.ini; one that is elsewhere can be named."""
    url = copied(trac, tmp_path / "env")
    (tmp_path / "env/conf").rename(tmp_path / "conf")
    assert registry.checked_url(str(tmp_path / "env")) == url
    named = f"trac+sqlite://{tmp_path}/env?trac_ini={tmp_path}/conf/trac.ini"
    async with opened(registry.checked_url(named)) as database:
        assert await database.ids() == [1]
        assert database.problems == []


def test_init_of_an_environment(trac: RealTrac, tmp_path: Path) -> None:
    """`offtracfs init FOLDER` says what it has found there, also where the folder's name is relative."""
    copied(trac, tmp_path / "env")
    done = offtracfs(tmp_path, "--db", "db", "init", "env")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"trac+sqlite://{tmp_path}/env/db/trac.db answers, and shows 1 ticket." in done.stdout
    assert offtracfs(tmp_path, "--db", "db", "sync").returncode == 0


# The address, and trac.ini.


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("trac+sqlite://trac.db", "absolute path"),
        ("trac+sqlite:///", "absolute path"),
        ("trac+sqlite:///srv/trac.db?schema=x", "absolute path"),
        ("trac+sqlite:///srv/trac.db?trac_ini=conf/trac.ini", "trac_ini must be an absolute path"),
        ("trac+sqlite:", "not the address"),
        ("trac+postgresql://host", "names no database"),
        ("trac+postgresql://host:port/trac", "not the address"),
        ("trac+postgresql://bob:hunter2@host/trac", "holds a password"),
        ("trac+postgresql://host/trac?password=hunter2", "holds a password"),
        ("trac+mysql://bob:hunter2@host/trac", "MySQL cannot be read here.*RPC"),
    ],
)
def test_wrong_address(url: str, words: str) -> None:
    """An address that cannot be is refused in a sentence, which repeats no password."""
    with pytest.raises(UsageError, match=words) as caught:
        tracdb.checked_url(url)
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__!r}"


async def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg, which is optional, PostgreSQL is refused with the way to have it."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError, match=r"pip install 'offtracfs\[postgresql\]'"):
        await tracdb.connect("trac+postgresql://host/trac")


def test_circle(tmp_path: Path) -> None:
    """Files that inherit from each other are read once and again, but not for ever."""
    path = tmp_path / "trac.ini"
    path.write_text("\ufeff[inherit]\nfile = trac.ini\n[ticket]\ndefault_priority = minor\n")
    assert ini.read(path).default("priority") == "minor"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"no section"])
def test_broken_ini(tmp_path: Path, content: bytes) -> None:
    """A trac.ini that cannot be read is named."""
    path = tmp_path / "trac.ini"
    path.write_bytes(content)
    with pytest.raises(TrackerError, match=r"trac\.ini cannot be read"):
        ini.read(path)


def test_program(trac: RealTrac, tmp_path: Path) -> None:
    """`offtracfs init` and `sync` take such an address, and say what a missing trac.ini means."""
    url = copied(trac, tmp_path / "env")
    done = offtracfs(tmp_path, "--db", "db", "init", url)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{url} answers, and shows 1 ticket." in done.stdout
    done = offtracfs(tmp_path, "--db", "db", "sync")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 ticket new" in done.stdout
    (tmp_path / "env/conf/trac.ini").unlink()
    done = offtracfs(tmp_path, "--db", "other", "init", url)
    assert done.returncode == 0
    assert "trac.ini is not there" in done.stderr
    assert offtracfs(tmp_path, "--db", "third", "init", "trac+sqlite://trac.db").returncode == 64
