"""Databases made of plain files, and real mounts of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from hashlib import sha1
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, TypeVar

import pyfuse3
import trio

from offtracfs import records
from offtracfs.database import Database, Settings
from offtracfs.kinds import path_in_git
from offtracfs.mount import driver, mountpoints
from offtracfs.mount.fuse import Operations
from offtracfs.names import file_name
from offtracfs.reports.outputs import Command, Outputs, ReportFile
from offtracfs.tree import Tree
from tests import forkserver
from tests.program import Done

SPRING = int(datetime(2011, 4, 9, 12, tzinfo=UTC).timestamp())
SUMMER = SPRING + 90 * 86_400
AUTUMN = SPRING + 180 * 86_400
TICKETS = 1_300  # more than a page of the index, and than the kernel asks for at once

T = TypeVar("T")
Files = Mapping[str, bytes | None]


def new_database(path: Path, **settings: Any) -> Database:
    """An empty database of a tracker that nobody answers for."""
    return Database.create(path, Settings("http://127.0.0.1:9/", **settings))


def append(database: Database, *revisions: tuple[int, Files]) -> None:
    """Commit files (None deletes one) at moments, in seconds since 1970 UTC, and publish that."""
    with database.writing("a test"):
        with database.store.writer() as writer:
            for when, files in revisions:
                changed = [
                    (path, None if data is None else writer.blob(data)) for path, data in files.items()
                ]
                writer.commit(author="ann", authored=when - 5, committed=when, message="", files=changed)
        database.catch_up()


def grow(database: Database) -> None:
    """Three revisions with a bit of everything: the first made, changed and deleted in."""
    first: dict[str, bytes | None] = {f"ticket/{n}.json": b'[%d,"needle"]\n' % n for n in range(1, TICKETS)}
    first |= {f"changelog/{n}.json": b"[%d]\n" % n for n in range(1, 40)}
    first |= {"db.json": b"{}\n", "fields.json": b"[]\n", "report/1.json": b"{}\n"}
    values = ("ui", "é/ü", "..", "", "%", "a b", "😀" * 300)
    first |= {f"field/component/{file_name(value)}": value.encode() for value in values}
    first |= {"field/type/bug.json": b"", "ticket/20000.json": b"large " * 100_000}
    append(
        database,
        (SPRING, first),
        (SUMMER, {"ticket/1.json": b"[1, 2]\n", "ticket/2.json": None, "field/type/bug.json": None}),
        (
            AUTUMN,
            {"ticket/2.json": b"again\n", "db.json": b'{"recent":""}\n', "ticket/1000000.json": b"new\n"},
        ),
    )


def tree_of(database: Database, **options: Any) -> Tree:
    """The tree of a database, as the mount has it."""
    return Tree(database, database.reader(), **options)


def ticket(number: int, moment: float = SPRING, **props: str) -> dict[str, bytes | None]:
    """The records of a new ticket without changes, made at a moment in seconds since 1970 UTC."""
    when = records.iso(records.from_microseconds(round(moment * records.SECOND)))
    props = {"summary": f"ticket {number}", "status": "new", "time": when, "changetime": when, **props}
    return {
        f"ticket/{number}.json": records.dump([number, when, when, props]),
        f"changelog/{number}.json": records.dump([]),
    }


def damage(database: Database, contents: bytes) -> None:
    """Damage the one git object that has these contents; the others are moved out of their pack."""
    objects = database.path / "git" / "objects"
    git = ["git", f"--git-dir={database.path / 'git'}"]
    for pack in (objects / "pack").glob("*.pack"):
        aside = pack.rename(database.path / "aside")
        pack.with_suffix(".idx").unlink()
        with aside.open("rb") as stream:
            subprocess.run([*git, "unpack-objects", "-q"], stdin=stream, check=True)
    name = sha1(b"blob %d\0%b" % (len(contents), contents)).hexdigest()
    broken = objects / name[:2] / name[2:]
    broken.chmod(0o600)
    broken.write_bytes(b"not an object")


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


class Counted:
    """For operations that count the requests by name."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.requests: Counter[str] = Counter()

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name in REQUESTS:
            self.requests[name] += 1
        return found


class Counting(Counted, Operations):
    """Those of a mount that is read."""


class WithHandles(Counting):
    """The same as with a stock pyfuse3: the kernel asks to open each file, and keeps no listing."""

    inode_as_fh = False
    listings_are_kept = False


REQUESTS = [name for name, found in vars(pyfuse3.Operations).items() if iscoroutinefunction(found)]


def told(report: ReportFile) -> list[str]:
    """A process that writes what it was asked for, in the place of one that runs a report."""
    return ["echo", f"report {report.report} as {report.suffix} at {report.commit.hex()}"]


@asynccontextmanager
async def mounted(
    database: Database, mountpoint: Path, kind: type[Operations] = Counting, command: Command = told
) -> AsyncIterator[Any]:
    """A mount that this process itself serves: only other threads and processes may look at it."""
    await trio.Path(mountpoint).mkdir(exist_ok=True)
    outputs = Outputs(command)
    operations = kind(tree_of(database), outputs)
    with (
        closing(outputs),
        driver.mounted(operations, mountpoint, mountpoints.options(database.path, allow_other=False)),
    ):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(driver.serve, operations, lambda: database.state().settled)
            try:
                yield operations
            finally:
                with trio.CancelScope(shield=True):  # else a failing test never ends
                    await driver.end(operations)


async def run(*command: str | Path, code: int = 0, **options: Any) -> str:
    """What a command prints on both streams; it must end with that code, and soon."""
    with trio.fail_after(60):
        done = await trio.run_process(
            [str(part) for part in command],
            stdin=b"",
            capture_stdout=True,
            stderr=subprocess.STDOUT,
            check=False,
            **options,
        )
    text = done.stdout.decode(errors="replace")
    assert done.returncode == code, text
    return text


async def away(function: Any, *arguments: Any) -> Any:
    """Call something that looks at a mount, in another thread."""
    return await trio.to_thread.run_sync(partial(function, *arguments))


async def until(condition: Any, seconds: float = 10) -> None:
    """Wait until something that is called in another thread is true."""
    with trio.fail_after(seconds):
        while not await trio.to_thread.run_sync(condition):  # noqa: ASYNC110  # other processes bring it about
            await trio.sleep(0.02)


@contextmanager
def unmounted_after(mountpoint: Path) -> Iterator[None]:
    """Whatever a test leaves mounted there is taken away."""
    try:
        yield
    finally:
        while mountpoints.mounted_at(mountpoint):
            subprocess.run(["fusermount3", "-uz", mountpoint], check=True)


def missing() -> str:
    """Why nothing can be mounted on this machine, "" where it can."""
    if not Path("/dev/fuse").exists():
        return "there is no /dev/fuse"
    return "" if shutil.which("fusermount3") else "there is no fusermount3"


def program(name: str) -> str:
    """The path of a program whose behaviour on the mount is tested."""
    found = shutil.which(name)
    assert found, f"{name} is missing: packaging/system-dependencies test"
    return found


def gone(*processes: int) -> bool:
    """Whether none of these processes is left, but for those that nobody has waited for."""
    for pid in processes:
        with suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                return False
    return True


def arguments(pid: int) -> list[str]:
    """The command line of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]


async def offtracfs(database: Database, *words: str | Path, code: int = 0) -> str:
    """What one of our commands prints; it must end with that code."""
    command = ["--db", *map(str, (database.path, *words))]
    done: Done = await away(partial(forkserver.run, command, env=os.environ, cwd=Path.cwd()))
    text = done.stdout + done.stderr
    assert done.returncode == code, text
    return text
