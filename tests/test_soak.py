"""Weeks of use in minutes: what the processes of a mount hold stays the same over very many syncs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from offtracfs.mount import mountpoints
from offtracfs.store.repository import MAX_PACKS
from tests.mounting import missing, unmounted_after
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
