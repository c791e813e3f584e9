"""`offtracfs init` and `sync`, as real processes against a Trac on loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from offtracfs_cli.sync import sentence

from offtracfs.database import Database
from offtracfs.sync import Outcome
from tests.program import SPRING, ServedTrac, database, offtracfs, run, serving, started
from tests.syncing import expected, mirrored
from tests.terminal import seen_at_a_terminal


@pytest.fixture
def trac() -> Iterator[ServedTrac]:
    """A Trac on loopback with three tickets."""
    with serving(3) as served:
        yield served


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


def test_which_tickets(home: Path, trac: ServedTrac) -> None:
    """A sync says which tickets are new, changed and deleted, in words and as lists in JSON."""
    assert run(home, "sync").endswith("seconds): new #1, #2, #3.\n")
    trac.change(2, trac.clock, comment="more")
    trac.create("another", trac.clock)
    trac.delete(3)
    assert run(home, "sync", "--full").endswith("seconds): new #4; changed #2; deleted #3.\n")
    trac.change(1, trac.clock, comment="more")
    found = json.loads(run(home, "sync", "--json"))
    assert found["tickets"] == {"new": [], "changed": [1], "deleted": []}
    assert (found["new"], found["changed"], found["deleted"]) == (0, 1, 0)


def test_very_many_tickets() -> None:
    """Of very many tickets a line names the first, and says how many more there are."""
    outcome = Outcome(new=100_000, tickets={"new": list(range(1, 100_001)), "changed": []}, commits=7)
    said = sentence(outcome)
    assert said.startswith("100,000 tickets new (7 commits; 0 requests, 0.0 seconds): new #1, #2, ")
    assert said.endswith(", #20 … and 99,980 more.")
    assert len(said) < 250


def test_exec(home: Path, trac: ServedTrac) -> None:
    """`--exec` runs a command after a sync that brought something, with the tickets' numbers on its stdin."""
    sync = ("sync", "--quiet", "--exec", 'cat >"$HOME/numbers"; echo "$OFFTRACFS_DB" >"$HOME/database"')
    run(home, *sync)
    assert (home / "numbers").read_text() == "1\n2\n3\n"
    assert (home / "database").read_text() == f"{home}/db\n"
    (home / "numbers").unlink()
    run(home, *sync)
    assert not (home / "numbers").exists()
    trac.change(2, trac.clock, comment="$(touch hacked)")
    trac.create("`touch hacked`; touch hacked", trac.clock)
    trac.delete(1)
    run(home, *sync, "--full")
    assert (home / "numbers").read_text() == "1\n2\n4\n"
    assert not (home / "hacked").exists()


def test_exec_that_fails(home: Path, trac: ServedTrac) -> None:
    """A command that fails is named, and the exit code says so; the sync itself is done."""
    done = offtracfs(home, "--db", "db", "sync", "--exec", "exit 3")
    assert (done.returncode, done.stderr) == (1, "offtracfs: `exit 3` has ended with exit code 3.\n")
    assert mirrored(database(home)) == expected(trac)
    trac.create("another", trac.clock)
    done = offtracfs(home, "--db", "db", "sync", "--exec", "kill -9 $$")
    assert (done.returncode, done.stderr) == (1, "offtracfs: `kill -9 $$` has ended with signal 9.\n")


def test_exec_beside_json(home: Path, trac: ServedTrac) -> None:
    """With `--json` stdout has the objects alone: what the command prints goes to stderr."""
    done = offtracfs(home, "--db", "db", "sync", "--json", "--exec", "cat")
    assert (done.returncode, done.stderr) == (0, "1\n2\n3\n")
    assert [json.loads(line)["new"] for line in done.stdout.splitlines()] == [3]


def test_exec_that_does_not_read(home: Path, trac: ServedTrac) -> None:
    """A command may leave the numbers where they are."""
    run(home, "sync", "--quiet", "--exec", "exec <&-; true")


def test_exec_of_a_watch(home: Path, trac: ServedTrac) -> None:
    """`--watch --exec` runs it after each sync that brought something; that it fails ends nothing."""
    command = 'tr "\\n" " "; echo; false'
    with started(
        home, "--db", "db", "sync", "--watch", "--interval", "1", "--quiet", "--exec", command
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1 2 3 \n"
        trac.create("another", trac.clock)
        assert process.stdout.readline() == "4 \n"
        process.terminate()
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0
    assert said.endswith("has ended with exit code 1.\n")


def test_exec_is_ended_with_its_watch(home: Path, trac: ServedTrac) -> None:
    """SIGTERM is heard while a command is at work."""
    with started(home, "--db", "db", "sync", "--watch", "--exec", "echo began; exec sleep 1000") as process:
        assert process.stdout is not None
        while process.stdout.readline() != "began\n":
            pass
        process.terminate()
        assert process.wait(30) == 0


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


def test_a_dumb_terminal(home: Path) -> None:
    """A terminal that cannot move its cursor, such as an editor's, gets no bar."""
    shown = seen_at_a_terminal(home, "--db", "db", "sync", TERM="dumb")
    assert re.fullmatch(r"3 tickets new, [^\x1b]*\.\r\n", shown)


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


@pytest.mark.parametrize(("end", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_what_is_kept(home: Path, trac: ServedTrac, end: signal.Signals, code: int) -> None:
    """An interrupted sync says what it keeps, and `status` how far a first one is; the next one goes on."""
    trac.fill(197, SPRING)
    trac.hold(b"200")
    with started(home, "--db", "db", "sync") as process:
        assert trac.asked.wait(30)
        how_far = r"^Tickets +none yet, (\d+) of 200 fetched$"
        deadline = time.monotonic() + 60
        while not (found := re.search(how_far, said := run(home, "status"), re.MULTILINE)):
            assert time.monotonic() < deadline, said
        process.send_signal(end)
        _, said = process.communicate(timeout=30)
    assert process.returncode == code
    kept = re.fullmatch(
        r"Interrupted: (\d+) of 200 tickets have arrived and are kept, the next sync goes on from there\.",
        said.strip(),
    )
    assert kept
    assert 0 < int(found[1]) <= int(kept[1]) < 200
    assert f"none yet, {kept[1]} of 200 fetched: the next sync goes on from there\n" in run(home, "status")
    assert json.loads(run(home, "status", "--json"))["arrived"] == {"tickets": int(kept[1]), "total": 200}
    trac.gate.set()
    assert run(home, "sync").startswith("200 tickets new")
    assert mirrored(database(home)) == expected(trac)
    assert json.loads(run(home, "status", "--json"))["arrived"] is None


def test_watch_without_a_reader(home: Path) -> None:
    """A watching sync whose reader has gone ends quietly."""
    reading, writing = os.pipe()
    os.close(reading)
    with started(home, "--db", "db", "sync", "--watch", stdout=writing) as process:
        os.close(writing)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (1, "")
