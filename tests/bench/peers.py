"""The mount beside the disk and other file systems: ``python -m tests.bench.peers``, or ``make bench-peers``.

All serve the same files. The rounds are interleaved: each runs a command once on every file system. What is
not installed is left out. Processor time is that of the command and of the file system's process together.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click

from offtracfs.mount.mountpoints import mounts
from tests.bench import figures, generate, importing
from tests.bench.counting import counted
from tests.bench.mounts import mounted
from tests.bench.processes import ENVIRONMENT, drop_caches, timed

STOCK = Path(sys.prefix, "stock")  # the stock pyfuse3, where `make test` puts it
WAIT = 60.0  # seconds for a file system to be mounted
THEN = "@2024-06"  # shortly before the last of the changes that are made up
NAMES: dict[str, Sequence[str]] = {
    "ls": ("ls", "ticket"),
    "ls -l": ("ls", "-l", "ticket"),
    "find": ("find", "."),
    "find -newermt": ("find", ".", "-newermt", "2024-06-01"),
    "du": ("du", "-s", "."),
}
CONTENTS: dict[str, Sequence[str]] = {
    "grep -r": ("grep", "-r", "occurs nowhere", "."),
    "rg": ("rg", "--no-ignore", "occurs nowhere", "."),
    "tar": ("tar", "-cf", "-", "."),
    "cp -r": ("cp", "-r", ".", "{copy}"),
    "diff -r": ("diff", "-rq", "{then}", "ticket"),
}
COMMANDS = {**NAMES, **CONTENTS}
"""Run at the root of a file system. `{then}` are the tickets in `THEN`, where those are to be had."""


Systems = dict[str, Callable[[], AbstractContextManager["Served"]]]
"""File systems by name; each is mounted, for as long as the context lasts, by calling it."""


class Took(NamedTuple):
    """What one run of a command took, in seconds."""

    wall: float
    cpu: float


@dataclass(slots=True)
class Served:
    """A file system at work; `then` is where its tickets of `THEN` are, `process` the one that serves it."""

    root: Path
    then: Path | None = None
    process: int | None = None
    took: dict[str, list[Took]] = field(default_factory=dict)

    def run(self, name: str, scratch: Path) -> None:
        """Run a command once."""
        copy = scratch / "copy"
        words = [word.format(copy=copy, then=self.then) for word in COMMANDS[name]]
        before, began = _cpu(self.process), time.perf_counter()
        with subprocess.Popen(words, cwd=self.root, env=ENVIRONMENT, stdout=subprocess.PIPE) as child:
            assert child.stdout
            while child.stdout.read(2**16):
                pass
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        took = Took(time.perf_counter() - began, used.ru_utime + used.ru_stime + _cpu(self.process) - before)
        self.took.setdefault(name, []).append(took)
        if child.returncode > 1:
            raise subprocess.CalledProcessError(child.returncode, words)
        shutil.rmtree(copy, ignore_errors=True)

    def can(self, name: str) -> bool:
        """Whether a command can be run there."""
        return bool(shutil.which(COMMANDS[name][0])) and (
            self.then is not None or "{then}" not in COMMANDS[name]
        )


def _cpu(process: int | None) -> float:
    """Seconds of processor time that the threads of a process have had."""
    if process is None:
        return 0.0
    threads = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


@contextmanager
def _ours(database: Path, **environment: str) -> Iterator[Served]:
    with mounted(database, **environment) as mountpoint:
        record = next(each for each in mounts(database) if each.mountpoint == str(mountpoint))
        yield Served(mountpoint, mountpoint / THEN / "ticket", record.pid)


@contextmanager
def _foreground(place: Path, *command: str | Path, below: str = "") -> Iterator[Served]:
    """A file system that a command serves at `place` until it is unmounted; our files are at `below`."""
    place.mkdir(exist_ok=True)
    silent = subprocess.DEVNULL
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=silent, stderr=silent) as process:
        try:
            deadline = time.monotonic() + WAIT
            while not place.is_mount():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise click.ClickException(f"{command[0]} did not mount anything.")
                time.sleep(0.05)
            yield Served(place / below, process=process.pid)
        finally:
            if place.is_mount():
                timed("fusermount3" if shutil.which("fusermount3") else "fusermount", "-uz", place)
            process.terminate()


def _bindfs(disk: Path, scratch: Path) -> AbstractContextManager[Served]:
    return _foreground(scratch / "bindfs", "bindfs", "-f", "-r", disk, scratch / "bindfs")


def _squashfuse(disk: Path, scratch: Path) -> AbstractContextManager[Served]:
    image = scratch / "image.squashfs"
    timed("mksquashfs", disk, image, "-quiet", "-no-progress")
    return _foreground(scratch / "squashfuse", "squashfuse", "-f", image, scratch / "squashfuse")


def _ratarmount(disk: Path, scratch: Path) -> AbstractContextManager[Served]:
    timed("tar", "-cf", scratch / "files.tar", "-C", disk, ".")
    place = scratch / "ratarmount"
    return _foreground(place, "ratarmount", "-f", scratch / "files.tar", place)


def _restic(disk: Path, scratch: Path) -> AbstractContextManager[Served]:
    words = ("restic", "--quiet", "--password-command", "echo secret", "-r", scratch / "restic")
    timed(*words, "init")
    timed(*words, "backup", disk)
    place = scratch / "restic-mounted"
    return _foreground(place, *words, "mount", place, below=f"snapshots/latest{disk}")


def _borg(disk: Path, scratch: Path) -> AbstractContextManager[Served]:
    repository = scratch / "borg"
    timed("borg", "init", "-e", "none", repository)
    timed("borg", "create", f"{repository}::files", ".", cwd=disk)
    place = scratch / "borg-mounted"
    return _foreground(place, "borg", "mount", "-f", f"{repository}::files", place)


PEERS: dict[str, Callable[[Path, Path], AbstractContextManager[Served]]] = {
    "bindfs": _bindfs,
    "squashfuse": _squashfuse,
    "ratarmount": _ratarmount,
    "restic": _restic,
    "borg": _borg,
}
"""Others of the field, by the name of their program: over a folder, an archive, a backup."""


def _ourselves(database: Path, disk: Path) -> Systems:
    """The disk first, then ours."""

    @contextmanager
    def on_disk() -> Iterator[Served]:
        yield Served(disk, disk.with_name("then"))

    found: Systems = {"disk": on_disk, "offtracfs": partial(_ours, database)}
    if STOCK.exists():
        found["stock pyfuse3"] = partial(_ours, database, PYTHONPATH=str(STOCK))
    return found


def warm(systems: Systems, commands: Sequence[str], scratch: Path, rounds: int) -> dict[str, Served]:
    """The commands on every file system, after one run that is not counted."""
    with ExitStack() as stack:
        served = {}
        for name, make in systems.items():
            try:
                served[name] = stack.enter_context(make())
            except (
                click.ClickException,
                subprocess.CalledProcessError,
            ) as error:  # such as a borg without FUSE
                click.echo(f"{name} is left out: {error}", err=True)
        for name in commands:
            able = [each for each in served.values() if each.can(name)]
            for turn in range(rounds + 1):
                for each in able:
                    each.run(name, scratch)
                    if turn == 0:
                        each.took[name].clear()
            click.echo(f"{name}, warm", err=True)
    return served


def cold(systems: Systems, commands: Sequence[str], scratch: Path, rounds: int) -> dict[str, Served]:
    """The commands on every file system, mounted anew for each run, when nothing is cached."""
    found: dict[str, Served] = {}
    for name in commands:
        for _ in range(rounds):
            for system, make in systems.items():
                with make() as served:
                    if served.can(name):
                        drop_caches()
                        served.took = found.setdefault(system, served).took
                        served.run(name, scratch)
        click.echo(f"{name}, cold", err=True)
    return found


def requests(database: Path, commands: Sequence[str], scratch: Path) -> dict[str, str]:
    """What the commands ask of ours when they are run for the second time."""
    found = {}
    with counted(database) as mount:
        served = Served(mount.path, mount.path / THEN / "ticket")
        for name in filter(served.can, commands):
            served.run(name, scratch)
            before = mount.requests()
            served.run(name, scratch)
            asked = mount.requests() - before
            found[name] = ", ".join(f"{count} {what}" for what, count in sorted(asked.items()))
    return found


def table(served: dict[str, Served], what: Callable[[Sequence[float]], float]) -> str:
    """Milliseconds of the disk; how many times as long the others took, by the clock and of the processor."""
    others = [name for name in served if name != "disk"]
    lines = [f"| | disk: ms, of CPU | {' | '.join(others)} |", f"|---|{'--:|' * len(served)}"]
    for name in served["disk"].took:
        wall, cpu = _of(served["disk"], name, what)
        cells = [f"{wall * 1e3:.0f}, {cpu * 1e3:.0f}"]
        for other in others:
            if name in served[other].took:
                longer, more = _of(served[other], name, what)
                cells.append(f"× {longer / wall:.2f}, {more / cpu:.2f}")
            else:
                cells.append("")
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _of(served: Served, name: str, what: Callable[[Sequence[float]], float]) -> Took:
    took = served.took[name]
    return Took(what([each.wall for each in took]), what([each.cpu for each in took]))


def measure(
    size: int, cache: Path, commands: Sequence[str], rounds: tuple[int, int], *, peers: bool
) -> Iterator[str]:
    """The tables of one size, in tickets; `rounds` are those that are warm, and cold."""
    source, database = generate.environment(size, cache) / "db/trac.db", cache / f"offtracfs-{size}"
    if not database.exists():
        importing.make(source, database)
    with TemporaryDirectory(prefix="scratch-", dir=cache) as name:
        scratch = Path(name)
        disk = scratch / "disk"
        with mounted(database) as mountpoint:
            timed("cp", "-r", mountpoint, disk)
            timed("cp", "-r", mountpoint / THEN / "ticket", disk.with_name("then"))
        ours = _ourselves(database, disk)
        others = {each: partial(PEERS[each], disk, scratch) for each in PEERS if peers and shutil.which(each)}
        yield f"## {size:,} tickets"
        served = warm({**ours, **others}, commands, scratch, rounds[0])
        for what, of in (("Minima", min), ("Medians", statistics.median)):
            yield f"{what} of {rounds[0]} interleaved rounds, warm:\n\n{table(served, of)}"
        asked = requests(database, commands, scratch).items()
        yield "Requests, warm:\n\n" + "\n".join(f"- `{each}`: {told or 'none'}" for each, told in asked)
        if rounds[1]:
            found = table(cold(ours, commands, scratch, rounds[1]), min)
            yield f"Minima of {rounds[1]} rounds, cold:\n\n{found}"


@click.command()
@click.option("--sizes", default="10000,50000", show_default=True, help="In tickets, with commas between.")
@click.option("--rounds", default=9, show_default=True, help="Of each command, warm.")
@click.option("--cold", default=3, show_default=True, help="The same with nothing cached; 0 for none.")
@click.option("--only", type=click.Choice([*COMMANDS]), multiple=True, help="This command; can be repeated.")
@click.option("--peers/--no-peers", default=True, help="Beside others, or beside the disk alone.")
@click.option(
    "--cache",
    type=click.Path(path_type=Path, resolve_path=True),
    default=".cache/bench",
    show_default=True,
    help="Where what is made is kept: trackers of each size, and their databases.",
)
def main(sizes: str, rounds: int, cold: int, only: tuple[str, ...], cache: Path, *, peers: bool) -> None:
    """Measure the mount beside the disk and other file systems, and print Markdown."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # to clean up then too
    cache.mkdir(parents=True, exist_ok=True)
    click.echo("".join(f"- {line}\n" for line in figures.machine()))
    for size in map(int, sizes.split(",")):
        for part in measure(size, cache, only or [*COMMANDS], (rounds, cold), peers=peers):
            click.echo(f"{part}\n")


if __name__ == "__main__":
    main()
