"""Weeks of use in minutes: what the processes of a mount hold stays the same over very many syncs."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import pytest

from offtracfs.database import Database
from offtracfs.mount import mountpoints
from offtracfs.store.repository import MAX_PACKS
from tests.mounting import SPRING, append, materialise, missing, new_database, unmounted_after, walk
from tests.program import offtracfs, surroundings

MB = 1 << 20
TICKETS = 50
SLACK_FILES = 2 * MAX_PACKS  # as many packs may be open, or not yet
DELETED = {
    "sync": 0,
    "mount": 4 * MAX_PACKS,
}  # a mount lets go of replaced packs when it has seen the next sync
SLACK = 4 * MB  # of memory, for what an allocator keeps
MAX_WAL = 8 * MB
READERS = 4
BATCH = 20  # revisions that a sync brings
GRACE = 10.0  # seconds after which the kernel was told of a revision, on a busy machine, too
EVERY = 10  # syncs are there from one look at the processes to the next

# The watch loop of `offtracfs sync --watch`, without its pauses: between two syncs a ticket changes.
WATCH = """if True:
    import json
    import os
    import sys
    from datetime import UTC, datetime
    from functools import partial
    from itertools import count
    from pathlib import Path

    import trio
    from offtracfs import sync
    from offtracfs.database import Database
    from offtracfs_cli.connect import Connector

    folder, database, syncs = Path(sys.argv[1]), Database(Path(sys.argv[2])), int(sys.argv[3])
    turns = count()

    def report(outcome):
        if isinstance(outcome, Exception):
            raise outcome
        turn = next(turns)
        print(turn, outcome.commits, flush=True)
        sys.stdin.readline()
        if turn == syncs:
            sys.exit()
        number = 1 + turn % %TICKETS%
        ticket, log = folder / f"ticket/{number}.json", folder / f"changelog/{number}.json"
        record, rows = json.loads(ticket.read_text()), json.loads(log.read_text())
        when = datetime.now(UTC).replace(tzinfo=None).isoformat()
        rows.append([when, "ann", "summary", record[3]["summary"], f"summary {turn}", 1])
        record[2], record[3]["summary"] = when, f"summary {turn}"
        for file, value in ((ticket, record), (log, rows)):
            file.with_suffix(".new").write_text(json.dumps(value))
            file.with_suffix(".new").replace(file)

    watching = partial(sync.watch, database, Connector(database.settings, database.path))
    trio.run(partial(watching, interval=0, report=report))
""".replace("%TICKETS%", str(TICKETS))


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds: numbers, the names of what is deleted, and bytes of memory of its own."""

    files: int
    maps: int
    deleted: list[str]
    memory: int


def held(pid: int) -> Held:
    """What /proc says of a process."""
    files = [str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()]
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    status = Path(f"/proc/{pid}/status").read_text()
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon"))
    deleted = [each for each in files + maps if each.endswith("(deleted)")]
    return Held(len(files), len(maps), deleted, int(kilobytes) << 10)


def folder_of_tickets(place: Path) -> Path:
    """A folder as offtrac kept it."""
    for top in ("ticket", "changelog"):
        (place / top).mkdir(parents=True)
    for number in range(1, TICKETS + 1):
        when = '"2020-01-01T00:00:00"'
        record = f'[{number}, {when}, {when}, {{"summary": "new", "status": "new"}}]'
        (place / f"ticket/{number}.json").write_text(record)
        (place / f"changelog/{number}.json").write_text("[]")
    return place


@contextmanager
def watching(home: Path, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """The watch loop, in a process of its own: it says a line after each sync, and goes on when told."""
    command = [sys.executable, "-P", "-c", WATCH, *map(str, arguments)]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        (home / "watch.log").open("w") as log,  # pytest's own is a deleted file, which would be counted
        subprocess.Popen(command, env=surroundings(home), cwd=home, stderr=log, **pipes) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.skipif(bool(missing()), reason=missing())
@pytest.mark.parametrize("syncs", [50, pytest.param(2_000, marks=pytest.mark.slow)])
def test_nothing_grows(tmp_path: Path, syncs: int) -> None:
    """However many syncs bring news, open files, maps, memory, SQLite's journal and packs stay as few."""
    folder, mnt, db = folder_of_tickets(tmp_path / "folder"), tmp_path / "mnt", tmp_path / "db"
    mnt.mkdir()
    for command in (["init", f"offtrac://{folder}"], ["mount", "--no-sync", mnt]):
        done = offtracfs(tmp_path, "--db", db, *command)
        assert done.returncode == 0, done.stderr
    found: dict[str, list[Held]] = {"sync": [], "mount": []}
    with unmounted_after(mnt), watching(tmp_path, folder, db, str(syncs)) as watch:
        (mount,) = mountpoints.mounts(db)
        assert watch.stdin
        assert watch.stdout
        for turn, line in enumerate(watch.stdout):
            assert line.split() == [str(turn), "51" if turn == 0 else "1"]
            if turn % EVERY == 0:
                assert len(list((mnt / "ticket").iterdir())) in (0, TICKETS)
                found["sync"].append(held(watch.pid))
                found["mount"].append(held(mount.pid))
                assert sum(file.stat().st_size for file in db.glob("index*-wal")) <= MAX_WAL
                assert len(list(db.glob("git/objects/pack/*.pack"))) <= MAX_PACKS
            watch.stdin.write("\n")
            watch.stdin.flush()
        assert watch.wait(60) == 0
        changed = mnt / f"ticket/{1 + (syncs - 1) % TICKETS}.json"
        deadline = time.monotonic() + 10
        while f"summary {syncs - 1}" not in changed.read_text():
            assert time.monotonic() < deadline
    for name, all_held in found.items():
        print(name, *all_held[:: max(1, len(all_held) // 8)], all_held[-1], sep="\n  ")  # noqa: T201  # for who is curious
        settled = all_held[len(all_held) // 4 :]
        assert max(len(each.deleted) for each in all_held) <= DELETED[name]
        assert max(each.files for each in settled) <= settled[0].files + SLACK_FILES
        assert settled[-1].memory <= settled[0].memory + SLACK


@dataclass(slots=True)
class State:
    """Which revision changed each ticket last, 0 where it is gone; and when this was published."""

    tickets: dict[int, int]
    published: float = math.inf


class Day:
    """A day of a tracker whose tickets each hold the number of the revision that changed them last."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.revision = 0
        self.states = [State({}, 0.0)]
        self.problems: list[str] = []
        self.reads = 0
        self.over = Event()

    def go_on(self, revisions: int) -> None:
        """Some revisions more, published at once: tickets change, go and come again."""
        made: list[tuple[int, dict[str, bytes | None]]] = []
        tickets = dict(self.states[-1].tickets)
        for _ in range(revisions):
            self.revision += 1
            number = 1 + self.revision * 7 % TICKETS
            gone = self.revision % 11 == 0 and tickets.get(number, 0) != 0
            tickets[number] = 0 if gone else self.revision
            contents = None if gone else b"%d\n" % self.revision * (1 + self.revision % 3)
            made.append((SPRING + self.revision, {f"ticket/{number}.json": contents}))
        self.states.append(State(tickets))
        append(self.database, *made)
        self.states[-1].published = time.monotonic()

    def read(self, mnt: Path, seed: int) -> None:
        """Be a reader who looks at all sorts of tickets until the day is over, and notes what is wrong."""
        dice = Random(seed)
        while not self.over.is_set():
            number = dice.randrange(1, TICKETS + 1)
            oldest = time.monotonic() - GRACE
            place = max(place for place, state in enumerate(self.states) if state.published < oldest)
            try:
                found = self.look(mnt, number, listing=dice.random() < 0.1)
            except (OSError, ValueError) as error:
                self.problems.append(str(error))
                continue
            self.reads += 1
            possible = {state.tickets.get(number, 0) for state in self.states[place:]}
            if found not in possible:
                self.problems.append(f"ticket {number} is of {found}, and should be of one of {possible}")

    def look(self, mnt: Path, number: int, *, listing: bool) -> int:
        """The revision that a ticket is of, 0 where it is gone. Raises ValueError where it is torn."""
        if listing:
            for _ in (mnt / "ticket").iterdir():
                pass
        try:
            with (mnt / f"ticket/{number}.json").open("rb") as file:
                size, data = os.fstat(file.fileno()).st_size, file.read()
        except FileNotFoundError:
            return 0
        lines = data.splitlines()
        if len(data) != size or len(set(lines)) != 1 or len(lines) != 1 + int(lines[0]) % 3:
            raise ValueError(f"{size} bytes are {data!r}")
        return int(lines[0])


@pytest.mark.skipif(bool(missing()), reason=missing())
@pytest.mark.parametrize("revisions", [240, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_day_in_a_minute(tmp_path: Path, revisions: int) -> None:
    """Over syncs and remounts no reader sees a stale byte or an error, and the driver's memory stays flat."""
    (mnt := tmp_path / "mnt").mkdir()
    day = Day(new_database(tmp_path / "db"))
    memory: list[int] = []
    with unmounted_after(mnt):
        for turn in range(3):
            mounted = offtracfs(tmp_path, "--db", day.database.path, "mount", "--no-sync", mnt)
            assert mounted.returncode == 0, mounted.stderr
            day.over.clear()
            with ThreadPoolExecutor(READERS) as readers:
                for seed in range(READERS):
                    readers.submit(day.read, mnt, seed)
                try:
                    memory.clear()
                    for _ in range(revisions // 3 // BATCH):
                        day.go_on(BATCH)
                        memory.append(held(mountpoints.mounts(day.database.path)[0].pid).memory)
                finally:
                    day.over.set()
            expected = materialise(day.database, "main", tmp_path / f"git-{turn}")
            deadline = time.monotonic() + 20
            while walk(mnt) != expected:
                assert time.monotonic() < deadline
            subprocess.run(["fusermount3", "-u", mnt], check=True)
    assert day.problems == []
    assert day.reads > revisions
    assert memory[-1] <= memory[len(memory) // 3] + SLACK
