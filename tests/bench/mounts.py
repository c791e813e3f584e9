"""The mount under real programs, beside the same files on disk."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from offtracfs.mount.mountpoints import mounts
from tests.bench.counting import Counted, counted
from tests.bench.figures import MB, Figure
from tests.bench.processes import drop_caches, offtracfs, status, timed, times

TIMES = 3  # repetitions of what is quick
COMMANDS = {
    "ls -l ticket": ("ls", "-l", "ticket"),
    "find": ("find", "."),
    "grep -r": ("grep", "-r", "occurs nowhere", "."),
    "tar": ("tar", "-cf", "-", "."),
}
RECORDS, TEXTS = ("ticket", "changelog"), ("text",)  # the same, for programs and for people
OF_TEXTS = {
    "ls -l": (("ls", "-l"), None, None),
    "grep -r": (("grep", "-r", "occurs nowhere"), 3, 1.2),
}
"""Commands, and how many times as long they may take for texts as for records, cold and warm."""
OF_DIRECTORIES = ("opendir", "readdir", "releasedir", "statfs")  # grep asks for the last once


@contextmanager
def mounted(database: Path, *options: str, **environment: str) -> Iterator[Path]:
    """A database mounted by the program, for as long as the context lasts; with these variables added."""
    with tempfile.TemporaryDirectory(prefix="offtracfs-bench-") as mountpoint:
        try:
            timed(*offtracfs(database, "mount", "--no-sync", *options, mountpoint), environment=environment)
            yield Path(mountpoint)
        finally:
            if Path(mountpoint).is_mount():  # it may have been mounting that was interrupted
                timed(*offtracfs(database, "umount", mountpoint))


def first_listing(size: int, database: Path) -> Iterator[Figure]:
    """From `mount` to the first `ls ticket` done."""
    seconds = []
    for _ in range(TIMES):
        began = time.monotonic()
        with mounted(database) as mountpoint:
            timed("ls", mountpoint / "ticket")
            seconds.append(time.monotonic() - began)
    yield Figure(size, "`mount` and `ls ticket`", min(seconds), "s", most=1.5)


def measure(size: int, database: Path, disk: Path) -> Iterator[Figure]:
    """The mount beside a copy of it at `disk`, which is made anew."""
    shutil.rmtree(disk, ignore_errors=True)
    with mounted(database) as mountpoint:
        timed("cp", "-r", mountpoint, disk)
    yield from _cold(size, database, disk)
    yield from _warm(size, database, disk)
    yield from _requests(size, database)
    yield from _memory(size, database)


def _cold(size: int, database: Path, disk: Path) -> Iterator[Figure]:
    for name, command in COMMANDS.items():
        drop_caches()
        reference = timed(*command, cwd=disk)
        with mounted(database) as mountpoint:
            drop_caches()
            seconds = timed(*command, cwd=mountpoint)
        yield Figure(size, f"`{name}`, cold", seconds, "s", "on disk", reference)


def _warm(size: int, database: Path, disk: Path) -> Iterator[Figure]:
    with mounted(database) as mountpoint:
        for name, command in COMMANDS.items():
            on_disk, here = (_repeated(command, directory, times(size)) for directory in (disk, mountpoint))
            yield Figure(size, f"`{name}`, warm", here, "s", "on disk", on_disk, 1.5)


def _repeated(command: Sequence[str], directory: Path, count: int) -> float:
    """Seconds that a command takes that was run before."""
    timed(*command, cwd=directory)
    return min(timed(*command, cwd=directory) for _ in range(count))


def texts(size: int, database: Path) -> Iterator[Figure]:
    """Tickets as texts beside the same tickets as JSON, records and change logs, on two fresh mounts."""
    for name, (command, most_cold, most_warm) in OF_TEXTS.items():
        cold, warm = {}, {}
        for directories in (RECORDS, TEXTS):
            with mounted(database) as mountpoint:
                drop_caches()
                cold[directories] = timed(*command, *directories, cwd=mountpoint)
                warm[directories] = _repeated((*command, *directories), mountpoint, times(size))
        for how, seconds, most in (("cold", cold, most_cold), ("warm", warm, most_warm)):
            what = f"`{name} text`, {how}"
            yield Figure(size, what, seconds[TEXTS], "s", "as JSON", seconds[RECORDS], most)


def _requests(size: int, database: Path) -> Iterator[Figure]:
    """What a `grep -r` asks for where the kernel knows the files."""
    with counted(database) as mount:
        _asked(mount, mount.path)
        again = _least(mount, [mount.path] * TIMES)
        elsewhere = _least(mount, [mount.path / f"@HEAD{back}" for back in ("", "~0", "~00")])
    opened = again["open"] + again["release"]
    listing = sum(again[name] for name in OF_DIRECTORIES)
    other = sum(again.values()) - opened - listing - again["forget"]
    yield Figure(size, "`grep -r`, warm: OPEN and RELEASE", opened, "")
    yield Figure(size, "`grep -r`, warm: to list directories", listing, "")
    yield Figure(size, "`grep -r`, warm: all others", other, "", most=0)
    yield Figure(size, "`grep -r` in a second `@…`: OPEN", elsewhere["open"], "")
    yield Figure(size, "`grep -r` in a second `@…`: READ", elsewhere["read"], "", most=0)


def _least(mount: Counted, directories: Iterable[Path]) -> Counter[str]:
    """The requests of that `grep -r` which makes the fewest READs."""
    return min((_asked(mount, each) for each in directories), key=lambda asked: asked["read"])


def _asked(mount: Counted, directory: Path) -> Counter[str]:
    """The requests that one `grep -r` makes.

    Less the READs of what the kernel has dropped by itself, since some machines reclaim memory all the time.
    """
    before, dropped = mount.requests(), _refaults()
    timed(*COMMANDS["grep -r"], cwd=directory)
    asked = mount.requests() - before
    asked["read"] = max(0, asked["read"] - (_refaults() - dropped))
    return asked


def _refaults() -> int:
    """How many pages of files the kernel has had to get again, on the whole machine."""
    values = (line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    return int(dict(values)["workingset_refault_file"])


def _memory(size: int, database: Path) -> Iterator[Figure]:
    with mounted(database) as mountpoint:
        timed("ls", "-lR", cwd=mountpoint)
        (record,) = mounts(database)
        memory = status(record.pid, "RssAnon") / MB
    yield Figure(size, "Driver's own memory (RssAnon) after `ls -lR`", memory, "MB", most=100)
