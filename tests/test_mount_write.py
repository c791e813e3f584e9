"""`offtracfs mount --write`: who may have it, and what stays of it whatever happens."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from offtracfs.database import Database, Settings
from offtracfs.mount import mountpoints
from tests.drafting import as_json, drafts_of
from tests.helpers import fill, let_others_in, small_disk
from tests.mounting import away, offtracfs
from tests.program import PROGRAM, surroundings
from tests.standin import StandInTrac
from tests.tracinstall import PASSWORD
from tests.tracservers import TracServer

pytestmark = pytest.mark.usefixtures("fuse")


@pytest.fixture
def database(_saved_site: tuple[Path, StandInTrac], tmp_path: Path) -> Database:
    """A database of a Trac with three tickets, which nobody answers for."""
    return Database(shutil.copytree(_saved_site[0], tmp_path / "db", symlinks=True))


def owners(database: Database) -> list[str]:
    """The owners that the drafts of ticket 1 set, in the order in which they were saved."""
    with drafts_of(database) as drafts:
        found = drafts.standing().get("1")
        return [found.fields["owner"]] if found else []


def test_it_is_said_that_changes_wait(database: Database, place: Path) -> None:
    """With `write = true` any mount can be written; `status` and `umount` say what waits."""
    with (database.path / "config.toml").open("a") as settings:
        settings.write("write = true\n")

    def said(*words: str | Path) -> tuple[str, str]:
        command = [*PROGRAM, "--db", str(database.path), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout, done.stderr

    assert said("mount", "--no-sync", place) == ("", "")
    (place / "ticket/1.json").write_bytes(as_json(database, 1, owner="perry"))
    assert "1 ticket" in said("status")[0]
    waiting = "Changes of 1 ticket are not in the tracker yet: `offtracfs"
    out, err = said("umount", place)
    assert (out, err[: len(waiting)]) == ("", waiting)
    assert waiting in (database.path / "log/mount.log").read_text()


async def test_only_a_trac_over_rpc_can_be_written(tmp_path: Path, place: Path) -> None:
    """For a Trac's own database there is a sentence instead of a mount."""
    path = tmp_path / "trac.db"
    sqlite3.connect(path).close()
    database = Database.create(tmp_path / "db", Settings(f"trac+sqlite://{path}"))
    said = await offtracfs(database, "mount", "--write", "--no-sync", place, code=64)
    assert "cannot be written" in said
    assert not mountpoints.mounted_at(place)


@pytest.mark.parametrize(("user", "code"), [("reader", 77), pytest.param("admin", 0, marks=pytest.mark.slow)])
def test_the_permission_is_asked_for(
    modern_trac: TracServer, tmp_path: Path, place: Path, user: str, code: int
) -> None:
    """Who may change no tickets in the tracker gets a sentence instead of a mount."""
    site = modern_trac.new()
    site.run_sql("DELETE FROM report")
    site.call("ticket.create", "Points stick", "", {}, False)
    env = surroundings(tmp_path, OFFTRACFS_PASSWORD=PASSWORD)

    def said(*words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [*PROGRAM, "--db", str(tmp_path / "db"), *map(str, words)]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)

    assert said("init", site.url, "--user", user).returncode == 0
    assert said("sync").returncode == 0
    done = said("mount", "--write", place)
    assert done.returncode == code, done
    if code:
        assert "reader may not change tickets there" in done.stderr
    else:
        assert not done.stderr, "its requests are not told"
        assert said("umount", place).returncode == 0


async def test_a_tracker_that_is_down_hinders_no_mount(database: Database, place: Path) -> None:
    """Offline, a mount can be written; what is saved waits."""
    await offtracfs(database, "mount", "--write", place)
    await away((place / "ticket/1.json").write_bytes, as_json(database, 1, owner="perry"))
    assert owners(database) == ["perry"]


SAVES = """
import sys
from pathlib import Path
file, data = Path(sys.argv[1]), Path(sys.argv[1]).read_bytes()
for turn in range(1000):
    file.write_bytes(data.replace(b"carol", b"perry%d" % turn))
    print(turn, flush=True)
"""


def test_what_was_saved_survives_a_killed_driver(database: Database, place: Path) -> None:
    """Each save that a program was told of is kept, and a swap file, when the driver is killed."""
    mount: list[str | Path] = [*PROGRAM, "--db", database.path, "mount", "--write", "--no-sync"]
    subprocess.run([*mount, place], check=True)
    (place / "ticket/.1.json.swp").write_bytes(b"swap")
    driver = mountpoints.mounts(database.path)[0].pid
    command = [sys.executable, "-c", SAVES, str(place / "ticket/1.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as saving:
        assert saving.stdout
        for _ in range(20):
            saving.stdout.readline()
        os.kill(driver, signal.SIGKILL)
        last = 19 + len(saving.stdout.read().split())
    assert owners(database)[0] in (f"perry{last}", f"perry{last + 1}")
    subprocess.run([*mount, place], check=True)
    assert (place / "ticket/.1.json.swp").read_bytes() == b"swap"
    assert owners(database)[0].encode() in (place / "ticket/1.json").read_bytes()


def wait_until(true: Callable[[], bool]) -> None:
    """Wait until the driver is at the end of a write that failed: whoever reads before may get its error."""
    for _ in range(200):
        with suppress(OSError):
            if true():
                return
        time.sleep(0.05)
    raise AssertionError


def test_a_full_disk_is_told_to_the_editor(database: Database, tmp_path: Path, place: Path) -> None:
    """Where there is no room for a draft, writing or closing fails; with room, the same text is saved."""
    with small_disk(tmp_path / "small", "16m") as disk:
        there = Database(shutil.copytree(database.path, disk / "db", symlinks=True))
        subprocess.run([*PROGRAM, "--db", there.path, "mount", "--write", "--no-sync", place], check=True)
        (place / "ticket/1.json").write_bytes(as_json(there, 1, owner="dora"))
        hog = fill(disk)
        with pytest.raises(OSError) as caught:  # noqa: PT011  # the number is looked at
            (place / "ticket/1.json").write_bytes(as_json(there, 1, owner="perry"))
        assert caught.value.errno == errno.ENOSPC
        os.truncate(hog, hog.stat().st_size - 16_384)  # room for the text, but not for a draft
        with pytest.raises(OSError, match="No space left"):
            (place / "ticket/1.json").write_bytes(as_json(there, 1, owner="perry"))
        assert b'"owner":"perry"' in (place / "ticket/1.json.unsaved").read_bytes()
        wait_until(lambda: b'"owner":"dora"' in (place / "ticket/1.json").read_bytes())
        hog.unlink()
        (place / "ticket/1.json").write_bytes(as_json(there, 1, owner="perry"))
        assert owners(there) == ["perry"]
        subprocess.run([*PROGRAM, "umount", place], check=True, stderr=subprocess.DEVNULL)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_others_may_only_read(database: Database, tmp_path: Path, place: Path) -> None:
    """Where others may read a mount, its owner alone may write in it."""
    let_others_in(tmp_path)
    mount: list[str | Path] = [
        *PROGRAM,
        "--db",
        database.path,
        "mount",
        "--write",
        "--no-sync",
        "--allow-other",
    ]
    subprocess.run([*mount, place], check=True)

    def other(words: str) -> tuple[int, str]:
        command = ["setpriv", "--reuid=65534", "--clear-groups", "sh", "-c", words]
        done = subprocess.run(
            command, cwd="/", env={"MNT": str(place)}, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stderr

    assert other("cat $MNT/ticket/1.json >/dev/null") == (0, "")
    for words in (
        ": >$MNT/ticket/x",
        "echo >$MNT/ticket/1.json",
        "rm -f $MNT/text/1.txt",
        "chmod 1 $MNT/ticket/1.json",
    ):
        code, said = other(words)
        assert code
        assert "Permission denied" in said or "not permitted" in said
    assert owners(database) == []
