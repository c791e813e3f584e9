"""Where nothing can be mounted or unmounted: one sentence each."""

from __future__ import annotations

import os
import subprocess
from functools import partial
from pathlib import Path

import pytest

from offtracfs.database import Database
from offtracfs.errors import MountError
from offtracfs.mount import driver, mountpoints
from offtracfs.mount.fuse import Operations
from offtracfs.reports.outputs import Outputs
from tests import forkserver
from tests.mounting import (
    away,
    offtracfs,
    run,
    told,
    tree_of,
)
from tests.program import Done

pytestmark = pytest.mark.usefixtures("fuse")


async def refused(database: Database, place: str | Path) -> str:
    """What `mount` says where it cannot; it must be one line."""
    said = await offtracfs(database, "mount", "--no-sync", place, code=MountError.exit_code)
    assert said.count("\n") == 1
    return said.removeprefix("offtracfs: ").strip()


async def test_bad_mount_points(database: Database, tmp_path: Path) -> None:
    """A mount point that is missing, a file, not empty or another mount is refused with a remedy."""
    (tmp_path / "file").touch()
    said = [
        await refused(database, place) for place in (tmp_path / "none", tmp_path / "file", tmp_path, "/proc")
    ]
    assert said == [
        f"There is no directory {tmp_path}/none: `mkdir {tmp_path}/none` makes it.",
        f"{tmp_path}/file is not a directory: mount at an empty directory.",
        f"{tmp_path} is not empty: mount at an empty directory.",
        "Something else is mounted at /proc (proc): mount at an empty directory.",
    ]


async def test_impossible_mount_points(database: Database, demo_database: Database, tmp_path: Path) -> None:
    """A path that there cannot be is refused in one sentence by each command that takes a mount point."""
    (tmp_path / "file").touch()
    long = tmp_path / ("x" * 300)
    (tmp_path / "offtracfs-demo").symlink_to(demo_database.path.parent)
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    for path, reason in (
        (long, "File name too long"),
        (tmp_path / "file/below", "Not a directory"),
        (Path("/proc/xx"), "No such file or directory"),
    ):
        tried: Done = await away(partial(forkserver.run, ["demo", str(path)], env=environment, cwd=tmp_path))
        assert (tried.returncode, tried.stdout, tried.stderr) == (
            MountError.exit_code,
            "",
            f"offtracfs: {path} cannot be made: {reason}.\n",
        )
        assert (await refused(database, path)).startswith((f"{path} ", f"There is no directory {path}: "))
        assert (await offtracfs(database, "umount", path, code=MountError.exit_code)).count("\n") == 1
    assert await refused(database, long) == f"{long} cannot be used: File name too long."


async def test_mounting_twice_is_refused(database: Database, place: Path) -> None:
    """Where the tracker is mounted already, `mount` says which, and leaves it alone."""
    await offtracfs(database, "mount", "--no-sync", place)
    assert await refused(database, place) == (
        f"{database.path} is mounted at {place} already: `offtracfs umount {place}` ends that."
    )
    assert await run("cat", place / "ticket/1.json") == "[1, 2]\n"


async def test_umount_of_something_else(database: Database, place: Path) -> None:
    """`umount` takes away nothing but mounts of offtracfs."""
    for path in (place, Path("/proc")):
        said = await offtracfs(database, "umount", path, code=MountError.exit_code)
        status = f"`offtracfs --db {database.path} status`"
        assert said == f"offtracfs: No offtracfs is mounted at {path}: {status} lists what is.\n"


async def test_umount_of_a_busy_mount(database: Database, place: Path) -> None:
    """`umount` of a mount in use names who uses it, and leaves it as it is."""
    await offtracfs(database, "mount", "--no-sync", place)
    with await away(partial(subprocess.Popen, ["sleep", "60"], cwd=place)) as user:
        said = await offtracfs(database, "umount", place, code=MountError.exit_code)
        user.kill()
    assert said == (
        f"offtracfs: {place} is in use by sleep (process {user.pid}): try again when it is not.\n"
    )
    assert len(mountpoints.mounts(database.path)) == 1
    await offtracfs(database, "umount", place)


def test_machine_that_cannot_mount(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: Path) -> None:
    """Without /dev/fuse, without fusermount3, or without leave to let others in, the sentence says how."""

    def said(*, allow_other: bool = False) -> str:
        with pytest.raises(MountError) as caught:
            mountpoints.prepare(place, allow_other=allow_other)
        return str(caught.value)

    with monkeypatch.context() as patch:
        patch.setattr(mountpoints, "DEVICE", tmp_path / "fuse")
        assert said().startswith(f"There is no {tmp_path}/fuse: `modprobe fuse` makes it; a container needs ")
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        assert said() == "There is no fusermount3: install the package fuse3."
    with monkeypatch.context() as patch:
        patch.setattr(os, "getuid", lambda: 1000)
        patch.setattr(mountpoints, "CONFIGURATION", tmp_path / "fuse.conf")
        (tmp_path / "fuse.conf").write_text("# user_allow_other\n")
        assert said(allow_other=True).startswith("--allow-other needs the line user_allow_other in ")
        (tmp_path / "fuse.conf").write_text("mount_max = 1\nuser_allow_other\n")
        assert mountpoints.prepare(place, allow_other=True) == place


def test_libfuse_says_why_it_cannot(
    database: Database, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What libfuse writes to the standard error becomes the error's reason, and is not printed."""
    operations = Operations(tree_of(database), Outputs(told))
    with (
        pytest.raises(MountError, match=r"could not be mounted: .*nonsense"),
        driver.mounted(operations, place, {"nonsense"}),
    ):
        pass
    assert capfd.readouterr().err == ""
