"""A folder that the first offtrac kept is taken over, with its commits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from offtracfs import records
from offtracfs.database import Database
from offtracfs.errors import NotATracker, UsageError
from offtracfs.trackers import Missing
from offtracfs.trackers.folder import Folder, checked_url
from tests.program import offtracfs, surroundings
from tests.tracclient import SPRING, fetch, outdated, stored, ticket

CHANGED = "2011-04-09T21:16:07"
TICKET = [1, "2010-01-02T03:04:05", CHANGED, {"summary": "é", "status": "closed", "component": "a/b"}]
LOG = [[CHANGED, "bob", "status", "new", "closed", 1], [CHANGED, "bob", "attachment", "", "x.txt", 0]]
FILES: dict[str, Any] = {
    "db.json": {"recent": CHANGED},
    "ticket/1.json": TICKET,
    "ticket/20000.json": [20000, "2010-01-02T03:04:05", "2010-01-02T03:04:05", {"summary": "no log"}],
    "changelog/1.json": LOG,
    "report/1.json": {"sql": "SELECT 1", "title": "One"},
    "field/component/a%2Fb.json": {"name": "a/b", "owner": "", "description": ""},
    "field/priority/high.json": "1",
}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A folder with a commit, as offtrac left it."""
    place = tmp_path / "old db"
    for path, record in FILES.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(json.dumps(record, indent=1, sort_keys=True))
    who = ["-c", "user.name=offtrac", "-c", "user.email=", "-c", "init.defaultBranch=master"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "synced in 2011"]):
        subprocess.run(["git", *who, *command], cwd=place, check=True)
    return place


async def test_records(old: Path) -> None:
    """Tickets, change logs, fields and reports are those of its files."""
    tracker = Folder(f"offtrac://{old}")
    assert await tracker.ids() == [1, 20000]
    assert (await ticket(tracker, 1)).record == TICKET
    assert (await ticket(tracker, 1)).changelog == LOG
    assert (await ticket(tracker, 20000)).changelog == []
    metadata = await tracker.metadata()
    assert metadata.records == {path: FILES[path] for path in FILES if path.startswith(("report", "field"))}
    assert set(metadata.complete) == {"report", "field/component", "field/priority"}
    known = await stored(tracker)
    assert await outdated(tracker, known) == []
    assert await outdated(tracker, {1: known[1]}, summary="another") == [1]


async def test_since(old: Path) -> None:
    """Changes and attachments count from their very second on."""
    tracker = Folder(f"offtrac://{old}")
    assert await tracker.changed_since(SPRING) == await tracker.attached_since(SPRING) == [1]
    late = SPRING + timedelta(seconds=1)
    assert await tracker.changed_since(late) == await tracker.attached_since(late) == []


def test_record_without_shape(old: Path, tmp_path: Path) -> None:
    """A record of fields or reports that cannot be used is named and left out, and all others are taken."""
    (old / "fields.json").write_text('[{"name": ["summary"]}]')
    (old / "field/priority/low.json").write_text("[NaN]")
    (old / "report/2.json").write_text('{"title": "Two", "sql": ["SELECT"]}')
    assert offtracfs(tmp_path, "--db", "db", "init", f"offtrac://{old}".replace(" ", "%20")).returncode == 0
    done = offtracfs(tmp_path, "--db", "db", "sync")
    for path in ("fields.json", "field/priority/low.json", "report/2.json"):
        assert path in done.stdout + done.stderr
    listed = offtracfs(tmp_path, "--db", "db", "report", "--format", "json")
    assert [report["report"] for report in json.loads(listed.stdout)] == [1]
    assert offtracfs(tmp_path, "--db", "db", "query", "status=closed", "--format", "csv").returncode == 0
    assert offtracfs(tmp_path, "--db", "db", "check").returncode == 0


async def test_damaged(old: Path) -> None:
    """What cannot be read is said, and nothing is taken for deleted."""
    (old / "ticket/1.json").write_text("[1,")
    (old / "report/1.json").write_text("{")
    tracker = Folder(f"offtrac://{old}")
    found = await fetch(tracker, [1, 7])
    assert [isinstance(item, Missing) and item.gone for item in found.values()] == [False, True]
    metadata = await tracker.metadata()
    assert not metadata.complete
    assert [problem.partition(" ")[0] for problem in metadata.problems] == ["report/1.json"]


ODD = [
    b"report/7\n8.json",
    b"report/\xff.json",
    b"field/compo\nnent/x.json",
    b"field/\xe9/y.json",
    b"field/.git/z.json",
]


@pytest.mark.parametrize("options", [(), ("-O",)])
def test_names_that_git_cannot_keep(old: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    """Files with a newline in their name, or one that is no UTF-8, are named and left out; all else comes."""
    for name in ODD:
        file = Path(os.fsdecode(os.fsencode(old) + b"/" + name))
        file.parent.mkdir(exist_ok=True)
        file.write_text("{}")

    def program(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *options, "-P", "-m", "offtracfs_cli", "--db", "db", *words]
        env = surroundings(tmp_path)
        return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert program("init", f"offtrac://{old}".replace(" ", "%20")).returncode == 0
    done = program("sync")
    assert done.returncode == 0, done.stderr
    left_out = [line for line in done.stderr.splitlines() if line.startswith("Left out: ")]
    assert len(left_out) == len(ODD)
    assert all(line.endswith(".") and "git cannot keep a file called" in line for line in left_out)
    assert "Left out: field/\\udce9/y.json cannot be had: " in done.stderr
    assert "Traceback" not in done.stderr
    assert (program("status").returncode, program("check").returncode) == (0, 0)
    with Database(tmp_path / "db").snapshot() as snapshot:
        assert sorted(snapshot.tickets()) == [1, 20000]
        assert snapshot.has("report/1.json")


def test_no_folder(tmp_path: Path) -> None:
    """What is no such folder, or no absolute path, is refused."""
    with pytest.raises(NotATracker, match="no folder of tickets"):
        Folder(f"offtrac://{tmp_path}")
    with pytest.raises(UsageError, match="three slashes"):
        checked_url("offtrac://db")


def test_program(old: Path, tmp_path: Path) -> None:
    """`init` and `sync` take it over: every record, its past, and its commits under a ref of their own."""
    done = offtracfs(tmp_path, "--db", "db", "init", f"offtrac://{old}".replace(" ", "%20"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 tickets" in done.stdout
    assert offtracfs(tmp_path, "--db", "db", "sync").returncode == 0
    assert offtracfs(tmp_path, "--db", "db", "check").returncode == 0

    def git(*arguments: str) -> str:
        command = ["git", f"--git-dir={tmp_path}/db/git", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert git("log", "--format=%s", "refs/offtrac/master") == "synced in 2011\n"
    assert git("show", "main:ticket/0/0/0/1.json") == records.dump(TICKET).decode()
    assert '"status":"new"' in git("show", "main~1:ticket/0/0/0/1.json") + git(
        "show", "main~2:ticket/0/0/0/1.json"
    )


def test_commits_that_cannot_be_read(old: Path, tmp_path: Path) -> None:
    """Where its commits cannot be had, that is said, and nothing is left behind."""
    (old / ".git/HEAD").write_text("nothing")
    done = offtracfs(tmp_path, "--db", "db", "init", f"offtrac://{old}")
    assert done.returncode == 74
    assert "git fetch failed" in done.stderr
    assert not (tmp_path / "db").exists()
