"""One directory, one tracker: made whole or not at all, written by one process, read by any."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from offtracfs import records
from offtracfs.database import Database
from offtracfs.database import database as directory
from offtracfs.errors import (
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseError,
    DatabaseTooOld,
    DiskFull,
    UsageError,
)
from offtracfs.index.opening import LINK
from offtracfs.store import Store
from tests.helpers import SETTINGS, append, fill, one_sentence, process, small_disk


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """An empty database."""
    return Database.create(tmp_path / "db", SETTINGS)


def test_create(tmp_path: Path) -> None:
    """A new database is its owner's alone, empty, and opens with the settings that it was given."""
    before = os.umask(0)
    try:
        made = Database.create(tmp_path / "new/er/db", SETTINGS)
    finally:
        os.umask(before)
    assert made.path.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in made.path.iterdir()) == ["config.toml", "git"]
    assert Database(made.path).settings == SETTINGS
    assert [path.name for path in made.path.parent.iterdir()] == ["db"]
    with made.snapshot() as snapshot:
        assert snapshot.empty
        assert snapshot.recent == ""
        assert list(snapshot.paths("ticket")) == []


def test_create_in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty directory becomes the database, also the present one, or through a link to it."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert Database.create(Path(), SETTINGS).path == tmp_path / "here"
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    Database.create(tmp_path / "link", SETTINGS)
    assert Database(tmp_path / "link").settings == SETTINGS
    assert (tmp_path / "link").is_symlink()


def test_create_where_something_is(tmp_path: Path) -> None:
    """What is there already stays as it is, whatever it is."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("mine")
    (tmp_path / "db.part").mkdir()
    (tmp_path / "db.part/file").write_text("mine")
    for place in (tmp_path / "full", tmp_path / "full/file"):
        with pytest.raises(UsageError, match="choose another place"):
            Database.create(place, SETTINGS)
    with pytest.raises(DatabaseError, match="could not be written"):
        Database.create(tmp_path / "full/file/db", SETTINGS)
    Database.create(tmp_path / "db", SETTINGS)
    assert (tmp_path / "full/file").read_text() == (tmp_path / "db.part/file").read_text() == "mine"


STEPS: list[tuple[Any, str]] = [
    (Store, "create"),
    (directory, "write"),
    (Path, "replace"),
    (Path, "mkdir"),
]


@pytest.mark.parametrize(("where", "step"), STEPS)
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), DiskFull),
        (OSError(errno.EACCES, "Permission denied"), DatabaseError),
        (DatabaseError("git init failed."), DatabaseError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_create_is_all_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: Any, step: str, fault: Any, error: Any
) -> None:
    """Whichever step fails, nothing is left of it."""

    def fail(*_: object, **__: object) -> None:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(where, step, fail)
        with pytest.raises(error):
            Database.create(tmp_path / "db", SETTINGS)
    assert list(tmp_path.iterdir()) == []
    Database.create(tmp_path / "db", SETTINGS)


@pytest.mark.parametrize("room", [0, 1, 2])  # pages: git and we fail at something else with each
def test_create_on_a_full_disk(tmp_path: Path, room: int) -> None:
    """A full disk is called that, and no half of a database stays behind."""
    with small_disk(tmp_path / "disk") as disk:
        hog = fill(disk)
        os.truncate(hog, hog.stat().st_size - room * 4096)
        with pytest.raises(DiskFull) as caught:
            Database.create(disk / "db", SETTINGS)
        assert one_sentence(caught.value)
        assert list(disk.iterdir()) == [hog]


HOLD = """if True:
    import sys
    from pathlib import Path
    from offtracfs.database import Database
    with Database(Path(sys.argv[1])).writing("sync"):
        print("ready", flush=True)
        input()
"""


def test_one_writer(database: Database) -> None:
    """While another process writes, who it is gets said; when it is killed, the next one may."""
    with process(HOLD, database.path) as child:
        with (
            pytest.raises(DatabaseBusy, match=rf"by process {child.pid} \(sync, since 2[0-9T:-]*Z\)"),
            database.writing("test"),
        ):
            pass
        with pytest.raises(DatabaseBusy):
            database.reader()
    with database.writing("test"):
        hold = [sys.executable, "-c", HOLD, str(database.path)]
        done = subprocess.run(hold, capture_output=True, text=True, check=False)
        assert f"process {os.getpid()} (test, " in done.stderr
    with pytest.raises(KeyError), database.writing("test"):
        raise KeyError
    with database.writing("test"), pytest.raises(DatabaseBusy), database.writing("again"):
        pass
    database.reader().close()


LOOK = """if True:
    import sys
    from pathlib import Path
    from offtracfs.database import Database
    database = Database(Path(sys.argv[1]))
    print("ready", flush=True)
    while True:
        database.writer()
"""


def test_looking_never_hinders(database: Database) -> None:
    """While another process looks again and again who writes, no writer is refused."""
    with process(LOOK, database.path), process(LOOK, database.path):
        for _ in range(2_000):
            with database.writing("test"):
                pass


def test_who_writes(database: Database) -> None:
    """The one writer is named while it writes, not before, not after, and not when it was killed."""
    assert database.writer() == ""
    with process(HOLD, database.path) as child:
        assert database.writer().startswith(f"process {child.pid} (sync, since 2")
    child.wait()
    assert b"sync" in (database.path / "lock").read_bytes()
    assert database.writer() == ""
    with database.writing("test"):
        assert Database(database.path).writer().startswith(f"process {os.getpid()} (test, since 2")
    assert database.writer() == ""


FLOCK = """if True:
    import fcntl, os, sys
    lock = open(sys.argv[1] + "/lock", "a+b", buffering=0)
    fcntl.flock(lock, fcntl.LOCK_EX)
    lock.truncate(0)
    lock.write(b"process %d (sync)" % os.getpid())
    print("ready", flush=True)
    input()
"""


def test_a_writer_of_an_earlier_version(database: Database) -> None:
    """A process from before an upgrade, which holds the file with flock(2), is the one writer, and named."""
    with (
        process(FLOCK, database.path) as child,
        pytest.raises(DatabaseBusy, match=f"process {child.pid}"),
        database.writing("test"),
    ):
        pass
    child.wait()
    with database.writing("test"):
        pass


HOLD_AND_START = HOLD.replace(
    'print("ready"', 'import subprocess; subprocess.Popen(["sleep", "60"]); print("ready"'
)


def test_a_program_that_outlives_its_writer(database: Database) -> None:
    """A program that a writer has started holds nothing back when the writer is killed."""
    with process(HOLD_AND_START, database.path) as child:
        started = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
    child.wait()
    try:
        assert len(started) == 1
        with database.writing("test"):
            pass
    finally:
        for pid in started:
            os.kill(int(pid), signal.SIGKILL)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EINVAL, errno.ENOSYS])
def test_a_file_system_without_locks(database: Database, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Where files cannot be locked nothing is written, in one sentence; looking goes on."""

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    with pytest.raises(DatabaseError, match="file system with locks") as caught, database.writing("test"):
        pass
    assert one_sentence(caught.value)
    assert database.writer() == ""


def test_readers_do_not_wait(database: Database) -> None:
    """While another process writes, the tracker can be read as it was."""
    append(database.store, {"db.json": b'{"recent": "2011-04-09T21:16:07"}'})
    database.reader().close()
    with process(HOLD, database.path), database.snapshot() as snapshot:
        assert snapshot.recent == "2011-04-09T21:16:07"


def test_a_missing_index_is_built(database: Database) -> None:
    """Whoever reads first builds the index, and one that is of no use is built anew."""
    append(database.store, {"ticket/1.json": b"[]"})
    for text in (b"", b"no database" * 1000):
        (database.path / LINK).unlink(missing_ok=True)
        (database.path / LINK).write_bytes(text)
        with closing(database.reader()) as reader:
            assert reader.head() or not text
    (database.path / LINK).unlink()
    with database.snapshot() as snapshot:
        assert snapshot.has("ticket/1.json")


def test_an_older_index_is_built_by_who_upgrades(database: Database) -> None:
    """An index of an earlier version is built anew only for who asks for that; else it stays as it is."""
    append(database.store, {"ticket/1.json": b"[]"})
    database.reader().close()
    file = (database.path / LINK).resolve()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version=1")
    with pytest.raises(DatabaseTooOld, match="`offtracfs index upgrade`"):
        database.reader()
    assert (database.path / LINK).resolve() == file
    with closing(database.reader(upgrades=True)) as reader:
        assert reader.head()
    database.reader().close()


def test_a_snapshot(database: Database) -> None:
    """It shows the records of one revision, whatever is written meanwhile."""
    first = {"ticket/2.json": b"[2]", "ticket/10.json": b"[10]", "field/component/a.json": b"{}"}
    append(
        database.store, first | {"field/version/1.json": b"{}", "ticket/x.json": b"", "report/1.json": b"1"}
    )
    with database.snapshot() as snapshot:
        append(database.store, {"ticket/2.json": b"[3]", "ticket/3.json": b""}, {"report/1.json": None})
        assert not snapshot.empty
        assert snapshot.committed == 1_300_000_000
        with database.snapshot() as fresh:
            assert fresh.load("ticket/2.json") == [2]
        database.catch_up()
        assert snapshot.load("ticket/2.json") == [2]
        assert snapshot.get("report/1.json") == b"1"
        assert snapshot.get("ticket/3.json") is None
        assert snapshot.load("none/1.json") is None
        assert not snapshot.has("ticket/3.json")
        assert sorted(snapshot.tickets()) == [2, 10]
        assert sorted(snapshot.paths("field")) == ["field/component/a.json", "field/version/1.json"]
        with pytest.raises(DatabaseDamaged):
            snapshot.load("ticket/x.json")
    with database.snapshot() as fresh:
        assert fresh.load("ticket/2.json") == [3]
        assert not fresh.has("report/1.json")


def test_records_are_canonical(database: Database) -> None:
    """What a snapshot loads is what was dumped."""
    value = [1, {"summary": "é\r\ud800"}]
    append(database.store, {"ticket/1.json": records.dump(value)})
    with database.snapshot() as snapshot:
        assert snapshot.load("ticket/1.json") == value


def test_few_records_need_no_store(database: Database) -> None:
    """Where few records are wanted, git reads them: the store, which loads libgit2, is not opened."""
    append(database.store, {"ticket/1.json": b"[1]"}, {"ticket/1.json": b"[2]"})
    database.catch_up()
    other = Database(database.path)
    with other.snapshot(few=True) as snapshot:
        assert snapshot.load("ticket/1.json") == [2]
        assert snapshot.load("ticket/2.json") is None
    assert "store" not in vars(other)
