"""A real mount, served by this process and looked at by others."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from offtracfs.database import Database
from tests.mounting import (
    AUTUMN,
    SUMMER,
    TICKETS,
    Counting,
    WithHandles,
    away,
    materialise,
    mounted,
    run,
    walk,
)

pytestmark = pytest.mark.usefixtures("fuse")


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
        "drwxr-xr-x",
        "-rw-r--r--",
        "drwxr-xr-x",
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
    assert found.f_files - found.f_ffree > TICKETS, "inode numbers that are in use"
    assert found.f_favail == found.f_ffree > found.f_files / 2, "and there is no end of others"


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


def entries(path: Path) -> tuple[list[str], list[str]]:
    """All names in a directory as readdir(3) gives them, twice: it is rewound in between."""
    library = ctypes.CDLL(None, use_errno=True)
    library.fdopendir.restype = library.readdir.restype = ctypes.c_void_p
    stream = ctypes.c_void_p(library.fdopendir(os.open(path, os.O_RDONLY)))
    found: list[list[str]] = []
    for _ in range(2):
        library.rewinddir(stream)
        found.append([])
        while entry := library.readdir(stream):
            found[-1].append(ctypes.string_at(entry + 19).decode())  # d_name of struct dirent, 64 bits
    library.closedir(stream)
    return found[0], found[1]


async def test_directory_can_be_read_again(mnt: Path) -> None:
    """A directory that is rewound gives every name once more, "." and ".." first."""
    first, second = await away(entries, mnt / "ticket")
    assert first == second
    assert first[:2] == [".", ".."]
    assert len(first) == len(set(first)) == TICKETS + 3


async def test_dots_are_the_directory_and_the_one_above(mnt: Path) -> None:
    """The numbers of "." and ".." in a listing are those of the directories that they stand for."""
    for path in ("", "field", "field/component", "@2011", "@2011/field/component", "@"):
        listed = dict(line.split()[::-1] for line in (await run("ls", "-aif", mnt / path)).splitlines())
        here, above = [(await away((mnt / path / name).stat)).st_ino for name in (".", "..")]
        assert listed["."] == str(here)
        assert path == "" or listed[".."] == str(above)


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


@pytest.mark.parametrize(("kind", "opened"), [(Counting, 0), (WithHandles, TICKETS + 1)])
async def test_warm_grep_asks_for_nothing(
    fuse: None, database: Database, place: Path, kind: type[Counting], opened: int
) -> None:
    """A `grep -r` that was run before asks for names only; with a stock pyfuse3 also for OPEN and RELEASE."""
    async with mounted(database, place, kind) as mount:
        cold = await grepped(mount, place / "ticket")
        assert cold["read"] > TICKETS
        warm = await grepped(mount, *[place / "ticket"] * 3)
        assert warm == Counter({"open": opened, "release": opened})


async def test_another_past_is_not_read_again(fuse: None, database: Database, place: Path) -> None:
    """A version that was read in one tree is not read in others: they share their inodes."""
    async with mounted(database, place, WithHandles) as mount:
        await grepped(mount, place / "@2011-04")
        others = await grepped(mount, *[place / at for at in ("@2011-05", "@2011-06", "@2011-05-31")])
        assert others["read"] == 0
        assert others["open"] > TICKETS
