"""`offtracfs mount` and `umount` as commands: what they leave running, and what they end."""

from __future__ import annotations

import errno
import json
import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from offtracfs.database import Database
from offtracfs.errors import MountError
from offtracfs.index.opening import LINK
from offtracfs.mount import mountpoints
from tests.helpers import fill, let_others_in, small_disk
from tests.mounting import (
    AUTUMN,
    append,
    arguments,
    away,
    gone,
    new_database,
    offtracfs,
    run,
    unmounted_after,
    until,
)
from tests.program import PROGRAM

pytestmark = pytest.mark.usefixtures("fuse")


def record(database: Database) -> mountpoints.Mount:
    (found,) = mountpoints.mounts(database.path)
    return found


async def mounted_processes(database: Database, place: Path, *options: str) -> tuple[int, int]:
    """Mount, and wait until the side process runs; the ids of both processes."""
    await offtracfs(database, "mount", *options, place)
    await until(lambda: record(database).sync.pid)
    return record(database).pid, record(database).sync.pid


async def test_mount_answers_when_it_comes_back(database: Database, place: Path) -> None:
    """When `mount` is back, without a word, the tracker is there and survives its session."""
    assert await offtracfs(database, "mount", "--no-sync", place) == ""
    assert await run("cat", place / "ticket/1.json") == "[1, 2]\n"
    driven = record(database).pid
    assert os.getsid(driven) == driven
    assert await run("readlink", f"/proc/{driven}/cwd") == "/\n"
    assert await run("cat", f"/proc/{driven}/task/{driven}/children") == ""
    assert await offtracfs(database, "umount", place) == ""
    assert gone(driven)
    assert await away(os.listdir, place) == []
    assert mountpoints.mounts(database.path) == []


async def test_mount_upgrades_the_index(database: Database, place: Path) -> None:
    """An index that an earlier version of this program made is built anew by the mount."""
    with closing(sqlite3.connect(database.path / LINK)) as connection:
        connection.execute("PRAGMA user_version=1")
    await offtracfs(database, "mount", "--no-sync", place)
    assert await run("cat", place / "ticket/1.json") == "[1, 2]\n"


async def test_mount_on_a_full_disk(tmp_path: Path, place: Path) -> None:
    """A sound database on a full disk can be mounted, read and unmounted."""
    with small_disk(tmp_path / "disk") as disk:
        database = new_database(disk / "db")
        append(database, (AUTUMN, {"ticket/1.json": b"sound\n"}))
        fill(disk)
        assert await offtracfs(database, "mount", "--no-sync", place) == ""
        assert await run("cat", place / "ticket/1.json") == "sound\n"
        await offtracfs(database, "umount", place)


async def test_umount_ends_both_processes(database: Database, place: Path) -> None:
    """After `umount` neither the driver nor the side process is left, nor their record."""
    processes = await mounted_processes(database, place)
    command = arguments(processes[1])
    assert command[command.index("sync") :] == ["sync", "--watch", "--quiet"]
    await offtracfs(database, "umount", place)
    assert gone(*processes)
    assert list((database.path / "mounts").iterdir()) == []


async def test_interval_is_handed_on(database: Database, place: Path) -> None:
    """The interval of `mount` is that of the side process."""
    _, side = await mounted_processes(database, place, "--interval", "1234567.5")
    assert arguments(side)[-2:] == ["--interval", "1234567.5"]


async def test_fusermount_ends_both_processes(database: Database, place: Path) -> None:
    """Whoever unmounts, both processes end."""
    processes = await mounted_processes(database, place)
    await run("fusermount3", "-u", place)
    await until(partial(gone, *processes))
    assert mountpoints.mounts(database.path) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_signals_unmount(database: Database, place: Path, number: signal.Signals) -> None:
    """A signal to the driver unmounts, and ends both processes."""
    processes = await mounted_processes(database, place)
    os.kill(processes[0], number)
    await until(partial(gone, *processes))
    assert mountpoints.mounted_at(place) is None


async def test_foreground_stays_until_interrupted(database: Database, place: Path) -> None:
    """With --foreground the command serves the mount itself and logs to the terminal; Ctrl-C unmounts."""
    command = [*PROGRAM, "--db", str(database.path), "mount", "--foreground", str(place)]
    process = await away(partial(subprocess.Popen, command, stdout=-1, stderr=subprocess.STDOUT, text=True))
    with process:
        await until(lambda: mountpoints.mounted_at(place))
        assert record(database).pid == process.pid
        assert await run("cat", place / "ticket/1.json") == "[1, 2]\n"
        assert process.stdout
        of_side_process = await away(process.stdout.readline)
        process.send_signal(signal.SIGINT)
        said, _ = await away(process.communicate)
    assert (process.returncode, said) == (0, "")
    assert "http://127.0.0.1:9 cannot be reached" in of_side_process
    assert not (database.path / "log" / "sync.log").exists()
    assert mountpoints.mounted_at(place) is None


@pytest.mark.parametrize("looked", [False, True], ids=["cold", "warm"])
async def test_dead_mount_is_cleared(database: Database, place: Path, looked: bool) -> None:
    """After a kill -9 of the driver the side process ends too, and `mount` mounts anew."""
    processes = await mounted_processes(database, place)
    if looked:  # then the kernel goes on answering for its root
        await run("ls", "-la", place)
    os.kill(processes[0], signal.SIGKILL)
    await until(partial(gone, *processes))
    with pytest.raises(OSError) as caught:  # noqa: PT011
        await away(os.statvfs, place)
    assert caught.value.errno == errno.ENOTCONN
    assert await offtracfs(database, "mount", "--no-sync", place) == ""
    assert await run("cat", place / "ticket/1.json") == "[1, 2]\n"
    assert record(database).pid != processes[0]


@pytest.mark.parametrize("name", ["mnt", "link"])
async def test_stopped_driver(
    database: Database, tmp_path: Path, place: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that does not answer keeps neither `mount` nor `umount` waiting, by whatever path."""
    monkeypatch.setattr(mountpoints, "TIMEOUT", 0.1)
    (tmp_path / "link").symlink_to(place)
    asked = tmp_path / "link" if name == "link" else place
    await offtracfs(database, "mount", "--no-sync", place)
    driver = record(database).pid
    os.kill(driver, signal.SIGSTOP)
    try:
        said = await offtracfs(database, "mount", asked, code=MountError.exit_code)
        assert "is mounted at" in said
        with pytest.raises(MountError, match=f"is unmounted, but process {driver} has not ended: `kill -9"):
            await away(mountpoints.unmount, asked)
        assert mountpoints.mounted_at(place) is None
    finally:
        os.kill(driver, signal.SIGCONT)
    await until(partial(gone, driver))


async def test_killed_side_process_is_started_again(database: Database, place: Path) -> None:
    """After a kill -9 of the side process another one runs, and the record says what happened."""
    driven, side = await mounted_processes(database, place)
    os.kill(side, signal.SIGKILL)
    await until(lambda: record(database).sync.restarts)
    await until(lambda: record(database).sync.pid)
    after = record(database)
    assert after.pid == driven
    assert after.sync.pid != side
    assert after.sync.restarts == 1
    assert after.sync.ended.startswith("was ended by signal 9 at 2")
    assert "was ended by signal 9" in (database.path / "log" / "mount.log").read_text()
    assert await run("cat", place / "ticket/1.json") == "[1, 2]\n"


async def test_new_state_is_there_within_two_seconds(database: Database, place: Path) -> None:
    """What another process publishes is seen two seconds later at the latest."""
    await offtracfs(database, "mount", "--no-sync", place)
    assert await run("cat", place / "ticket/2.json", place / "ticket/3.json") == 'again\n[3,"needle"]\n'
    append(database, (AUTUMN + 1, {"ticket/2.json": b"newest\n"}))
    await until(lambda: (place / "ticket/2.json").read_bytes() == b"newest\n", seconds=2)


async def test_replaced_history_ends_the_mount(database: Database, place: Path, tmp_path: Path) -> None:
    """Where another database takes the place of a mounted one, the mount ends and says why."""
    await offtracfs(database, "mount", "--no-sync", place)
    driver = record(database).pid
    assert await run("cat", place / "ticket/1.json") == "[1, 2]\n"
    other = new_database(tmp_path / "other")
    append(other, (AUTUMN, {"ticket/1.json": b"another tracker's\n"}))
    for name in ("git", "index.db", "index.1.db"):
        (database.path / name).rename(tmp_path / name)
        (other.path / name).rename(database.path / name)
    await until(partial(gone, driver))
    assert await run("ls", place) == ""
    assert "another history" in (database.path / "log" / "mount.log").read_text()


async def test_first_sync_shows_empty_folders(tmp_path: Path, place: Path) -> None:
    """During a first sync `mount` comes back at once, with empty folders, and says so."""
    database = new_database(tmp_path / "db")
    with database.writing("sync"):
        database.catch_up()  # what a sync does first
        said = await offtracfs(database, "mount", "--no-sync", place)
    assert said == (
        f"{place}: nothing has been synced yet. The folders are empty until the first sync is done: "
        f"`offtracfs --db {database.path} sync` does it.\n"
    )
    assert await run("find", place, "-printf", "%P ") == " changelog field report ticket "
    append(database, (AUTUMN, {"ticket/1.json": b"{}\n"}))
    await until(lambda: (place / "ticket/1.json").exists())


async def test_one_database_can_be_mounted_twice(database: Database, place: Path, tmp_path: Path) -> None:
    """Two mounts of one database know their own processes."""
    (tmp_path / "other").mkdir()
    with unmounted_after(tmp_path / "other"):
        for path in (place, tmp_path / "other"):
            await offtracfs(database, "mount", "--no-sync", path)
        assert {found.mountpoint for found in mountpoints.mounts(database.path)} == {
            str(place),
            str(tmp_path / "other"),
        }
        await offtracfs(database, "umount", tmp_path / "other")
        assert record(database).mountpoint == str(place)
        assert await run("cat", place / "ticket/1.json") == "[1, 2]\n"


@pytest.mark.parametrize("name", ["a b", "é, ü", "a,b\\040c", "-x"])
async def test_odd_paths(database: Database, tmp_path: Path, name: str) -> None:
    """Spaces, commas, backslashes and letters beyond ASCII may stand in both paths."""
    moved = Database(database.path.rename(tmp_path / f"db {name}"))
    place = tmp_path / name
    place.mkdir()
    with unmounted_after(place):
        await offtracfs(moved, "mount", "--no-sync", "--", place)
        found = mountpoints.mounted_at(place)
        assert found
        assert mountpoints.database_of(found) == moved.path
        await offtracfs(moved, "umount", "--", place)
        assert mountpoints.mounted_at(place) is None


async def test_link_to_a_mount_point(database: Database, place: Path, tmp_path: Path) -> None:
    """A link to a directory is as good as the directory."""
    (tmp_path / "link").symlink_to(place)
    await offtracfs(database, "mount", "--no-sync", tmp_path / "link")
    assert record(database).mountpoint == str(place)
    await offtracfs(database, "umount", tmp_path / "link")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(("options", "code"), [([], 1), (["--allow-other"], 0)])
async def test_others_see_it_only_if_asked_for(
    tmp_path_factory: pytest.TempPathFactory, database: Database, options: list[str], code: int
) -> None:
    """Another user can read the mount with --allow-other, and not without."""
    place = tmp_path_factory.mktemp("open")
    let_others_in(place)
    with unmounted_after(place):
        await offtracfs(database, "mount", "--no-sync", *options, place)
        nobody = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
        await run(*nobody, "cat", place / "ticket/1.json", code=code)


def test_records_of_dead_drivers_are_removed(database: Database) -> None:
    """A record whose process is gone, or is another one by now, is removed; garbage is not listed."""
    mine = os.getpid()
    folder = database.path / "mounts"
    with mountpoints.recorded(database.path, Path("/mnt")) as live:
        assert mountpoints.mounts(database.path) == [live]
        text = json.loads((folder / f"{mine}.json").read_text())
        (folder / "1.json").write_text(json.dumps(text | {"pid": 1}))
        (folder / "2.json").write_text(json.dumps(text | {"pid": 2**22 + 1}))
        (folder / "3.json").write_text("{}")
        assert mountpoints.mounts(database.path) == [live]
        assert sorted(file.name for file in folder.iterdir()) == sorted(["3.json", f"{mine}.json"])
    assert mountpoints.mounts(database.path) == []
