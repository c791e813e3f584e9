"""A real mount, served by this process and looked at by others."""

from __future__ import annotations

import errno
import os
import pty
import re
import select
import stat
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from offtracfs.database import Database
from offtracfs.names import path_in_git
from tests.mounting import (
    AUTUMN,
    SUMMER,
    TICKETS,
    Counting,
    away,
    program,
    run,
)

pytestmark = pytest.mark.usefixtures("fuse")


def materialise(database: Database, commit: str, folder: Path) -> dict[str, tuple[bytes, int]]:
    """Contents and time of each file at a commit, as the git command line has them."""
    folder.mkdir()
    git = ["git", f"--git-dir={database.path / 'git'}"]
    packed = subprocess.run([*git, "archive", commit], capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=packed, check=True)
    times: dict[str, int] = {}
    told = subprocess.run(
        [*git, "-c", "core.quotePath=false", "log", "-z", "--format=%x01%at", "--name-only", commit],
        capture_output=True,
        check=True,
    ).stdout.decode()
    for entry in told.split("\x01")[1:]:
        time, *paths = filter(None, entry.replace("\n", "\0").split("\0"))
        for path in paths:
            times.setdefault(path, int(time))
    found = (file for file in folder.rglob("*") if file.is_file())
    return {
        path_in_git(path): (file.read_bytes(), times[path])
        for file in found
        for path in [str(file.relative_to(folder))]
    }


def walk(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Contents and time of each file below a folder, sizes checked."""
    found = {}
    for file in folder.rglob("*"):
        if file.is_file():
            assert file.stat().st_size == len(file.read_bytes())
            found[str(file.relative_to(folder))] = (file.read_bytes(), int(file.stat().st_mtime))
    return found


@pytest.mark.parametrize(
    ("at", "commit"),
    [("", "main"), ("@2011-04-30", "main~2"), ("@2011-07-31", "main~1"), ("@HEAD~2", "main~2")],
)
async def test_mount_is_what_git_holds(
    database: Database, mnt: Path, tmp_path: Path, at: str, commit: str
) -> None:
    """Every file of a revision is in the mount with git's contents and time, and no other file is."""
    assert await away(walk, mnt / at) == materialise(database, commit, tmp_path / "git")


async def test_attributes(mnt: Path) -> None:
    """Owners, modes, link counts, sizes and times are those of files that only ever were written once."""
    root, ticket, field, day = [
        await away(os.lstat, mnt / name) for name in ("", "ticket/1.json", "field", "@/2011-04-09")
    ]
    assert [stat.filemode(found.st_mode) for found in (root, ticket, field, day)] == [
        "dr-xr-xr-x",
        "-r--r--r--",
        "dr-xr-xr-x",
        "lrwxrwxrwx",
    ]
    assert {(found.st_uid, found.st_gid) for found in (root, ticket, field, day)} == {
        (os.getuid(), os.getgid())
    }
    assert [found.st_nlink for found in (root, ticket, field, day)] == [6, 1, 3, 1]
    assert (ticket.st_size, ticket.st_blocks, day.st_size) == (7, 1, len("../@2011-04-09"))
    assert {ticket.st_mtime_ns, ticket.st_ctime_ns, ticket.st_atime_ns} == {(SUMMER - 5) * 10**9}
    assert root.st_mtime == AUTUMN
    assert root.st_ino == 1


async def test_file_system_says_what_it_is(mnt: Path) -> None:
    """It is mounted read-only, takes no room, and file names have at most 255 bytes."""
    found = await away(os.statvfs, mnt)
    assert found.f_flag & os.ST_RDONLY
    assert (found.f_blocks, found.f_namemax) == (0, 255)
    assert found.f_files > TICKETS


WRITES: dict[str, Callable[[Path], Any]] = {
    "create": lambda mnt: (mnt / "ticket/new.json").write_bytes(b""),
    "create in root": lambda mnt: (mnt / "x").touch(),
    "create in the past": lambda mnt: (mnt / "@2011-05/ticket/x").touch(),
    "overwrite": lambda mnt: (mnt / "ticket/1.json").write_bytes(b""),
    "append": lambda mnt: (mnt / "ticket/1.json").open("ab"),
    "truncate": lambda mnt: os.truncate(mnt / "ticket/1.json", 0),
    "unlink": lambda mnt: (mnt / "ticket/1.json").unlink(),
    "rename": lambda mnt: (mnt / "ticket/1.json").rename(mnt / "ticket/x.json"),
    "link": lambda mnt: os.link(mnt / "ticket/1.json", mnt / "ticket/x.json"),
    "symlink": lambda mnt: (mnt / "x").symlink_to("y"),
    "mkdir": lambda mnt: (mnt / "@x").mkdir(),
    "rmdir": lambda mnt: (mnt / "ticket").rmdir(),
    "mkfifo": lambda mnt: os.mkfifo(mnt / "x"),
    "chmod": lambda mnt: (mnt / "ticket/1.json").chmod(0o600),
    "chown": lambda mnt: os.chown(mnt / "ticket/1.json", os.getuid(), os.getgid()),
    "utime": lambda mnt: os.utime(mnt / "ticket"),
    "setxattr": lambda mnt: os.setxattr(mnt / "ticket/1.json", "user.x", b""),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_nothing_can_be_written(mount: Counting, mnt: Path, write: Callable[[Path], Any]) -> None:
    """Every kind of write is answered by the kernel with EROFS."""
    with pytest.raises(OSError) as caught:  # noqa: PT011  # the number is looked at
        await away(write, mnt)
    assert caught.value.errno == errno.EROFS
    assert set(mount.requests) <= {"lookup", "getattr", "forget", "statfs"}


@pytest.mark.parametrize(
    ("name", "number"),
    [
        (b"ticket/none.json", errno.ENOENT),
        (b"ticket/\xff\xfe", errno.ENOENT),
        (b"@1999/ticket", errno.ENOENT),
        (b"ticket/1.json/x", errno.ENOTDIR),
        (b"x" * 256, errno.ENAMETOOLONG),
    ],
)
async def test_names_that_are_not_there(mnt: Path, name: bytes, number: int) -> None:
    """A name that does not exist, or cannot, gives the usual error."""
    with pytest.raises(OSError) as caught:  # noqa: PT011
        await away(os.stat, os.fsencode(mnt) + b"/" + name)
    assert caught.value.errno == number


async def test_extended_attributes_are_not_asked_for_twice(mount: Counting, mnt: Path) -> None:
    """That there are no extended attributes, and nothing to flush, is asked for once and then known."""
    await run("ls", "-l", mnt)
    await run("cat", mnt / "db.json", mnt / "fields.json", mnt / "report/1.json")
    for name in ("getxattr", "listxattr", "flush"):
        assert mount.requests[name] <= 1


async def test_ls_find_and_tar_see_everything(database: Database, mnt: Path, tmp_path: Path) -> None:
    """`ls`, `find` and `tar` go through the whole tracker without a word, and see no "@"."""
    assert (await run("ls", mnt / "ticket")).splitlines() == sorted(
        [f"{number}.json" for number in (*range(1, TICKETS), 20_000, 1_000_000)]
    )
    listed = (await run("find", mnt, "-type", "f", "-printf", "%P\n")).splitlines()
    expected = materialise(database, "main", tmp_path / "git")
    assert sorted(listed) == sorted(expected)
    assert await run("tar", "-C", mnt, "-cf", tmp_path / "t.tar", ".") == ""
    packed = (await run("tar", "-tf", tmp_path / "t.tar")).splitlines()
    assert sorted(name[2:] for name in packed if name[-1] != "/") == sorted(expected)
    assert "@" not in (await run("ls", "-a", mnt)).split()


async def test_copy_is_plain_and_rsync_finds_it_equal(mnt: Path, tmp_path: Path) -> None:
    """`cp -r` gives a plain folder, and `rsync` by checksum and time has nothing to add to it."""
    await run("cp", "-r", "--preserve=timestamps", mnt, tmp_path / "copy")
    assert await run(program("rsync"), "-nrtci", "--delete", f"{mnt}/", f"{tmp_path / 'copy'}/") == ""
    assert await run("diff", "-r", mnt, tmp_path / "copy") == ""


async def test_newest_first(mnt: Path) -> None:
    """`ls -t` and `find -newermt` tell what changed last."""
    assert (await run("ls", "-t", mnt / "ticket")).split()[:2] in (
        ["1000000.json", "2.json"],
        ["2.json", "1000000.json"],
    )
    found = await run("find", mnt / "ticket", "-type", "f", "-newermt", "2011-06-01", "-printf", "%f\n")
    assert sorted(found.split()) == ["1.json", "1000000.json", "2.json"]


async def test_days_lead_into_the_past(mnt: Path) -> None:
    """The links in the folder @ lead to the tracker on those days."""
    first, second, third = (await run("ls", mnt / "@")).split()
    assert first == "2011-04-09"
    assert await run("cat", mnt / "@" / second / "ticket/1.json") == "[1, 2]\n"
    assert await run("cat", mnt / "@" / third / "ticket/2.json") == "again\n"
    assert "Not a directory" in await run("ls", mnt / "db.json" / "x", code=2)


async def grepped(mount: Counting, *folders: Path) -> Counter[str]:
    """What a `grep -r` asks for, apart from the list of names: the best of these folders.

    One is not enough: a kernel may drop some pages at any time, and DAMON does, short of memory or not.
    """
    counted: list[Counter[str]] = []
    for folder in folders:
        mount.requests.clear()
        await run("grep", "-r", "nothing", folder, code=1)
        for name in ("opendir", "readdir", "releasedir", "statfs", "lookup", "forget"):
            del mount.requests[name]
        counted.append(mount.requests.copy())
    return min(counted, key=lambda requests: requests["read"])


async def test_warm_grep_asks_only_to_open(mount: Counting, mnt: Path) -> None:
    """A `grep -r` that was run before asks for nothing but OPEN and RELEASE, apart from the list of names."""
    cold = await grepped(mount, mnt / "ticket")
    assert cold["read"] > TICKETS
    warm = await grepped(mount, *[mnt / "ticket"] * 3)
    assert warm == {"open": TICKETS + 1, "release": TICKETS + 1}


async def test_another_past_is_not_read_again(mount: Counting, mnt: Path) -> None:
    """A version that was read in one tree is not read in others: they share their inodes."""
    await grepped(mount, mnt / "@2011-04")
    others = await grepped(mount, mnt / "@2011-05", mnt / "@2011-06", mnt / "@2011-05-31")
    assert others["read"] == 0
    assert others["open"] > TICKETS


@pytest.mark.parametrize(
    "command",
    [
        ("vim", "-es", "-u", "NONE", "-c", "set verbosefile={out} | verbose set readonly? | %print | qa!"),
        (
            "emacs",
            "-Q",
            "--batch",
            "--eval",
            '(progn (find-file "{file}") (princ (buffer-string)) '
            '(princ (if buffer-read-only "readonly" "writable")))',
        ),
    ],
    ids=["vim", "emacs"],
)
async def test_editors_open_read_only(mnt: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Vim and emacs show a ticket, and know that it is read-only."""
    file, out = mnt / "ticket/1.json", tmp_path / "said"
    first, *rest = (part.format(file=file, out=out) for part in command)
    said = await run(program(first), *rest, *([file] if first == "vim" else []))
    text = said + (await away(out.read_text) if first == "vim" else "")
    assert "[1, 2]" in text
    assert "readonly" in text
    assert "noreadonly" not in text


def screen(command: list[str], cwd: Path, wanted: bytes) -> bytes:
    """What a program shows on a terminal, up to `wanted` or the end of ten seconds; it is killed then."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | {"TERM": "xterm"}
    )
    shown = b""
    while not re.search(wanted, shown) and select.select([ours], [], [], 10)[0]:
        shown += os.read(ours, 4096)
    process.kill()
    process.wait()
    os.close(ours)
    os.close(theirs)
    return shown


async def test_nano_says_that_it_is_read_only(mnt: Path) -> None:
    """Nano opens a ticket and warns that the file cannot be written."""
    wanted = b"is meant to be read-only|is unwritable"  # to root, and to others
    shown = await away(screen, [program("nano"), "-I", "1.json"], mnt / "ticket", wanted)
    assert re.search(wanted, shown)
