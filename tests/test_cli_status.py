"""`offtracfs status`, as a real process."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from offtracfs.database import State
from offtracfs.mount import mountpoints
from tests.program import ServedTrac, database, offtracfs, run, serving, started

HOSTILE = "a\x1b[2J\x07b\u202ec"
SHOWN = r"a\x1b[2J\x07b\u202ec"


@pytest.fixture
def trac() -> Iterator[ServedTrac]:
    """A Trac on loopback with three tickets."""
    with serving(3) as served:
        yield served


def test_status_before_the_first_sync(home: Path, trac: ServedTrac) -> None:
    """An empty database has a status."""
    said = run(home, "status")
    assert f"Tracker    {trac.url} as admin\n" in said
    assert "Tickets    none yet\n" in said
    assert "Last sync  never\n" in said


def test_status(home: Path, trac: ServedTrac) -> None:
    """After a sync the status tells how much there is, how the sync ended, and what it takes of the disk."""
    run(home, "sync")
    said = run(home, "status")
    assert re.search(
        r"^Tickets    3, in \d+ revisions; the newest is of \d{4}-\d\d-\d\dT", said, re.MULTILINE
    )
    assert re.search(r"^Last sync  [0-9T:-]+Z, successful$", said, re.MULTILINE)
    found = json.loads(run(home, "status", "--json"))
    assert found["contents"]["tickets"] == 3
    assert found["url"] == trac.url
    assert found["disk"]["git"] > 0
    assert found["disk"]["index"] > 0


def test_status_after_a_failure(home: Path, trac: ServedTrac) -> None:
    """After a failure the status says what it was, and when all was well last."""
    run(home, "sync")
    well = database(home).state().succeeded
    trac.lacks.add("XML_RPC")
    offtracfs(home, "--db", "db", "sync")
    assert re.search(
        rf"^Last sync  .*failed: .*XML_RPC.*last successful one was {well}Z",
        run(home, "status"),
        re.MULTILINE,
    )


def test_status_while_a_sync_is_at_work(home: Path, trac: ServedTrac) -> None:
    """While other processes fetch or write, the status says which ones, and waits for none."""
    trac.hold(b"ticket.query")
    with started(home, "--db", "db", "sync") as process:
        assert trac.asked.wait(30)
        said = run(home, "status")
        assert f"Fetching   process {process.pid} (sync, since" in said
        assert "Writing" not in said
        with database(home).writing("a test"):
            assert f"Writing    process {os.getpid()} (a test, since" in run(home, "status")
        trac.gate.set()
        assert process.wait(30) == 0
    said = run(home, "status")
    assert "Fetching" not in said
    assert "Writing" not in said


def test_status_of_a_mount(home: Path) -> None:
    """The status names the mounts and their processes, and how often the side process was started again."""
    path = database(home).path
    with mountpoints.recorded(path, home / "mnt") as record:
        said = run(home, "status")
        assert f"Mounted    {home}/mnt since {record.since}, process {os.getpid()}; not syncing\n" in said
        ended = "was ended by signal 9 at 2020-01-01T00:00:00Z"
        record.sync = mountpoints.Sync(pid=4711, restarts=2, ended=ended)
        record.save(path)
        assert "syncing by process 4711 (restarted 2 times: the last one was ended by" in run(home, "status")
        record.sync = mountpoints.Sync(0, 3, "ended with exit code 77", "2020-01-01T00:01:00Z")
        record.save(path)
        assert "not syncing: the last process ended with exit code 77, the next one" in run(home, "status")
        assert json.loads(run(home, "status", "--json"))["mounts"][0]["sync"]["restarts"] == 3
    assert "Mounted" not in run(home, "status")


def test_hostile_text(home: Path) -> None:
    """What a tracker has said cannot command a terminal; as JSON it is what it was."""
    state = State(problems=[f"The component {HOSTILE}."], error=HOSTILE, ended="2020-01-01T00:00:00")
    database(home).save(state)
    said = run(home, "status")
    assert said.count(SHOWN) == 2
    assert said.replace("\n", "").isprintable()
    assert json.loads(run(home, "status", "--json"))["sync"]["error"] == HOSTILE


def test_status_without_an_index(home: Path) -> None:
    """Where the index is gone the status says so, and the next sync brings it back."""
    run(home, "sync")
    (home / "db" / "index.db").unlink()
    assert "Tickets    unknown: There is no index" in run(home, "status")
    run(home, "sync")
    assert "Tickets    3, in" in run(home, "status")
