"""`offtracfs init` and `sync`, as real processes against a Trac on loopback."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from offtracfs.database import Database
from tests.program import ServedTrac, offtracfs, run, serving, started, user
from tests.syncing import expected, mirrored

SPRING = datetime(2011, 4, 9, tzinfo=UTC)


@pytest.fixture
def trac() -> Iterator[ServedTrac]:
    """A Trac on loopback with three tickets."""
    with serving() as served:
        served.fill(3, SPRING)
        yield served


@pytest.fixture
def home(tmp_path: Path, trac: ServedTrac) -> Path:
    """The home of somebody with a database of that Trac."""
    return user(tmp_path, trac)


def database(home: Path) -> Database:
    return Database(home / "db")


def test_init_says_what_it_found(tmp_path: Path, trac: ServedTrac) -> None:
    """`init` names the Trac, how much of it can be seen and by whom, and the next commands; all work."""
    said = offtracfs(
        tmp_path,
        "--db",
        "a b",
        "init",
        trac.url + "/login/rpc",
        "--user",
        "admin",
        OFFTRACFS_PASSWORD="secret",
    ).stdout
    assert said.startswith(f"{trac.url} answers, and shows 3 tickets to admin.\n")
    assert re.findall(r"^  (offtracfs .*?)   ", said, re.MULTILINE) == [
        f"offtracfs --db '{tmp_path}/a b' sync"
    ]
    assert Database(tmp_path / "a b").settings.url == trac.url


def test_init_keeps_its_secrets(home: Path) -> None:
    """The database is for its owner alone, and holds no password."""
    assert (home / "db").stat().st_mode & 0o777 == 0o700
    for file in (home / "db").rglob("*"):
        assert file.is_dir() or b"secret" not in file.read_bytes()


def test_init_twice(home: Path, trac: ServedTrac) -> None:
    """A database that is there is never overwritten."""
    run(home, "sync")
    done = offtracfs(home, "--db", "db", "init", trac.url)
    assert (done.returncode, done.stdout) == (64, "")
    assert "there already" in done.stderr
    assert len(mirrored(database(home))) == 6


def test_sync(home: Path, trac: ServedTrac) -> None:
    """A sync brings all, the next one only what is new, and each says so in a line."""
    assert re.match(r"3 tickets new, \d+ other records \(\d+ commits; \d+ requests, ", run(home, "sync"))
    assert run(home, "sync") == "Nothing new.\n"
    trac.change(2, trac.clock, comment="more")
    trac.create("another", trac.clock)
    assert run(home, "sync").startswith("1 ticket new, 1 ticket changed (")
    assert mirrored(database(home)) == expected(trac)


def test_quiet_sync(home: Path) -> None:
    """`--quiet` says nothing where nothing is wrong."""
    assert run(home, "sync", "--quiet") == ""


def test_json_sync(home: Path, trac: ServedTrac) -> None:
    """`--json` says one object on a line, of a failure too."""
    first = json.loads(run(home, "sync", "--json"))
    assert (first["new"], first["swept"], first["problems"]) == (3, True, [])
    datetime.fromisoformat(first["time"])
    trac.lacks.add("XML_RPC")
    done = offtracfs(home, "--db", "db", "sync", "--json")
    failed = json.loads(done.stdout)
    assert (done.returncode, failed["exit_code"]) == (77, 77)
    assert done.stderr == f"offtracfs: {failed['error']}\n"


def test_full_sync(home: Path, trac: ServedTrac) -> None:
    """`--full` finds what the tracker does not tell."""
    run(home, "sync")
    trac.delete(3)
    assert run(home, "sync") == "Nothing new.\n"
    assert run(home, "sync", "--full").startswith("1 ticket deleted (")


def test_what_is_left_out(home: Path, trac: ServedTrac) -> None:
    """A ticket that cannot be had is named on stderr, also to the quiet; the others arrive; status knows."""
    trac.broken.add(2)
    done = offtracfs(home, "--db", "db", "sync", "--quiet")
    assert (done.returncode, done.stdout) == (0, "")
    assert re.fullmatch(r"Left out: .*\b2\b.*\n", done.stderr)
    assert "Left out   " in run(home, "status")
    assert list(mirrored(database(home))) == [
        f"{top}/{n}.json" for top in ("ticket", "changelog") for n in (1, 3)
    ]


def test_hostile_tracker(home: Path, trac: ServedTrac) -> None:
    """What a tracker says in its errors cannot command a terminal."""
    error = {"name": "JSONRPCError", "code": 1, "message": "a\x1b[2J\x07b\u202ec\u009bd"}
    trac.always = lambda _: httpx.Response(200, json={"result": None, "error": error})
    said = offtracfs(home, "--db", "db", "sync").stderr
    assert said.startswith("offtracfs: ")
    assert said.removesuffix("\n").isprintable()


def on_a_terminal(home: Path, *arguments: str) -> str:
    """What a command shows on a terminal."""
    ours, theirs = os.openpty()
    with started(home, "--db", "db", *arguments, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while part := _read(ours):
            shown += part
    os.close(ours)
    assert process.returncode == 0, shown
    return shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux' way to say that nobody has it open any more
        return b""


def test_progress_on_a_terminal(home: Path) -> None:
    """On a terminal a bar counts the tickets, and the result stays."""
    shown = on_a_terminal(home, "sync")
    assert re.search(r"tickets.*3/3", shown)
    assert re.search(r"3 tickets new, .*\r\n$", shown)


def test_quiet_on_a_terminal(home: Path) -> None:
    """There is no bar for the quiet, nor around JSON."""
    assert on_a_terminal(home, "sync", "--quiet") == ""
    assert json.loads(on_a_terminal(home, "sync", "--json"))


def lines(process: Any) -> Iterator[dict[str, Any]]:
    """The objects of a watching sync, as they come."""
    return (json.loads(line) for line in process.stdout)


def test_watch(home: Path, trac: ServedTrac) -> None:
    """`--watch` goes on after a failure, and ends cleanly by SIGTERM."""
    trac.lacks.add("XML_RPC")
    watch = ("--db", "db", "sync", "--watch", "--json", "--interval", "1")
    with started(home, *watch) as process:
        said = lines(process)
        assert next(said)["exit_code"] == 77
        trac.lacks.clear()
        assert next(found for found in said if "error" not in found)["new"] == 3
        trac.create("another", trac.clock)
        assert next(found for found in said if found["new"])["new"] == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_full_watch(home: Path, trac: ServedTrac) -> None:
    """`--watch --full` looks at everything at once, and then as usual."""
    run(home, "sync")
    with started(home, "--db", "db", "sync", "--watch", "--full", "--json", "--interval", "1") as process:
        assert [found["swept"] for found, _ in zip(lines(process), range(2), strict=False)] == [True, False]
        process.terminate()


def test_watch_does_not_repeat_itself(home: Path, trac: ServedTrac) -> None:
    """In plain words a watching sync says only what it has not just said; each line has its time."""
    with started(home, "--db", "db", "sync", "--watch", "--interval", "1") as process:
        assert process.stdout is not None
        said = [process.stdout.readline(), process.stdout.readline()]
        asked = len(trac.requests)
        while len(trac.requests) < asked + 2:
            trac.asked.clear()
            assert trac.asked.wait(30)
        trac.create("another", trac.clock)
        said.append(process.stdout.readline())
        process.terminate()
    words = [line.partition(" ")[2][:12] for line in said]
    assert words == ["3 tickets ne", "Nothing new.", "1 ticket new"]
    for line in said:
        datetime.fromisoformat(line.partition(" ")[0])


@pytest.mark.parametrize(("end", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_interrupted_sync(home: Path, trac: ServedTrac, end: signal.Signals, code: int) -> None:
    """However a sync is interrupted, the database is whole, and the next one finishes the work."""
    trac.hold()
    with started(home, "--db", "db", "sync") as process:
        assert trac.asked.wait(30)
        process.send_signal(end)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said.strip()) == (code, "")
    trac.gate.set()
    assert run(home, "status").count("\n") == 4
    run(home, "sync")
    assert mirrored(database(home)) == expected(trac)


def test_watch_without_a_reader(home: Path) -> None:
    """A watching sync whose reader has gone ends quietly."""
    reading, writing = os.pipe()
    os.close(reading)
    with started(home, "--db", "db", "sync", "--watch", stdout=writing) as process:
        os.close(writing)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (1, "")
