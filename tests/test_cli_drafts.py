"""`offtracfs comment`, `new`, `pending`, `push`, `discard`, as real processes."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.drafting import drafts_of
from tests.program import SPRING, ServedTrac, database, offtracfs, run, serving, started

EDITOR = """
import sys
from pathlib import Path
file = Path(sys.argv[-1])
text = file.read_text()
old, new, more = sys.argv[1:4]
assert old in text, text
file.write_text(text.replace(old, new, 1) + more)
"""


@pytest.fixture
def trac() -> Iterator[ServedTrac]:
    """A Trac on loopback with three tickets."""
    with serving(3) as served:
        yield served


@pytest.fixture
def desk(home: Path, trac: ServedTrac) -> Path:
    """Somebody whose database was just synced."""
    run(home, "sync")
    return home


def editor(home: Path, old: str, new: str, more: str = "") -> str:
    """An editor that replaces a text by another, and adds one at the end."""
    script = home / "editor.py"
    script.write_text(EDITOR)
    quoted = [
        subprocess.list2cmdline([part]) if "\n" not in part else f"'{part}'" for part in (old, new, more)
    ]
    return " ".join([sys.executable, str(script), *(part or "''" for part in quoted)])


def test_from_a_comment_to_the_tracker(desk: Path, trac: ServedTrac) -> None:
    """What is saved shows in `pending` and `status`, `push` sends it, and then nothing is left."""
    assert "Nothing is pending" in run(desk, "pending")
    said = run(desk, "comment", "1", "-m", "Oiled.", "--set", "owner=bob", "--set", "Priority=minor")
    assert said == "#1: owner, priority, a comment. It waits for `offtracfs --db db push`.\n"
    run(desk, "comment", "1", "-m", "And tried.", "--action", "resolve", "--set", "resolution=fixed")
    said = run(desk, "pending")
    assert said.startswith("#1 ticket 0\n    Owner: → bob\n")
    assert "    Priority: major → minor\n" in said
    assert "    Resolution: → fixed\n" in said
    assert "    action: resolve\n    comment:\n        Oiled.\n\n        And tried.\n" in said
    (found,) = map(json.loads, run(desk, "pending", "--json").splitlines())
    assert found["fields"]["owner"] == {"old": "", "new": "bob"}
    assert "Pending    changes of 1 ticket; `offtracfs --db db pending` shows them\n" in run(desk, "status")
    before = len(trac.tickets[1].log)
    assert "#1: would send (action=resolve" in run(desk, "push", "--dry-run")
    assert len(trac.tickets[1].log) == before
    assert run(desk, "push").startswith("#1: sent (action=resolve")
    assert trac.tickets[1].values["status"] == "closed"
    assert trac.tickets[1].log[0][4] == "Oiled.\n\nAnd tried."
    assert run(desk, "push") == "Nothing is pending.\n"
    assert "Pending" not in run(desk, "status")
    assert run(desk, "check").startswith("All is well")


def test_an_editor_on_a_ticket(desk: Path, trac: ServedTrac) -> None:
    """`comment` without a text opens the ticket's text; what is refused is kept, and can be had again."""
    run_editor = editor(desk, "major", "minor", "==== Comment\nI shall look.\n")
    done = offtracfs(desk, "--db", "db", "comment", "2", EDITOR=run_editor)
    assert done.returncode == 0, done.stderr
    assert "#2: priority, a comment." in done.stdout
    done = offtracfs(desk, "--db", "db", "comment", "2", EDITOR=editor(desk, "minor", "huge"))
    assert done.returncode == 64
    assert "Priority cannot be 'huge'" in done.stderr
    said = run(desk, "pending")
    assert "a save was refused: Priority cannot be 'huge'" in said
    assert "Priority:   huge\n" in run(desk, "pending", "2", "--text")
    done = offtracfs(desk, "--db", "db", "comment", "3", EDITOR="true")
    assert "was not saved: no draft" in done.stdout
    run(desk, "push")
    assert trac.tickets[2].values["priority"] == "minor"
    assert trac.tickets[2].log[0][4] == "I shall look."


def test_a_new_ticket(desk: Path, trac: ServedTrac) -> None:
    """`new` opens a template; until it is pushed the ticket has a name, and then a number."""
    run_editor = editor(desk, "#new", "#new Crossing dark", "Not a light is on.\n")
    done = offtracfs(desk, "--db", "db", "new", "--set", "keywords=rain", EDITOR=run_editor)
    assert done.stdout.startswith("new-1: summary"), done.stderr
    run(desk, "new", "--set", "summary=Signal dark", "-m", "No light.")
    assert "new-2 Signal dark" in run(desk, "pending", "new-2")
    said = run(desk, "push")
    assert re.search(r"^new-1 is #4: sent \(", said, re.MULTILINE)
    assert re.search(r"^new-2 is #5: sent \(", said, re.MULTILINE)
    assert trac.tickets[4].values["summary"] == "Crossing dark"
    assert trac.tickets[4].values["keywords"] == "rain"
    assert trac.tickets[4].values["description"] == "Not a light is on."
    assert run(desk, "new", "--set", "summary=Third", "-m", "").startswith("new-3: ")


def test_discard_and_undo(desk: Path) -> None:
    """A draft that was taken back can be had again; nothing is ever deleted."""
    run(desk, "comment", "1", "-m", "Hm.")
    run(desk, "discard", "1")
    assert "Nothing is pending" in run(desk, "pending")
    run(desk, "discard", "1", "--undo")
    assert "        Hm.\n" in run(desk, "pending", "1")
    done = offtracfs(desk, "--db", "db", "discard", "2")
    assert (done.returncode, done.stderr) == (64, "offtracfs: There is no draft of 2.\n")
    offtracfs(desk, "--db", "db", "comment", "3", EDITOR=editor(desk, "major", "huge"))
    assert "a save was refused" in run(desk, "pending", "3")
    assert "changes of 1 ticket; 1 save refused; " in run(desk, "status")
    run(desk, "discard", "1")
    assert "Pending    1 save refused; " in run(desk, "status")
    assert "--undo" not in run(desk, "discard", "3"), "what was refused cannot become a draft"
    assert "Nothing is pending" in run(desk, "pending", "3")
    assert "huge" in run(desk, "pending", "3", "--text")


def test_many_tickets_need_to_be_meant(home: Path, trac: ServedTrac) -> None:
    """More than 20 tickets at once need --all; a conflict and a refusal give exit code 1."""
    trac.fill(19, SPRING)
    run(home, "sync")
    with drafts_of(database(home)) as drafts:
        for number in range(1, 22):
            drafts.change(str(number), {"owner": "bob"}, "", "")
    done = offtracfs(home, "--db", "db", "push")
    assert done.returncode == 64
    assert "21 tickets would be changed: --all says that this is meant." in done.stderr
    assert run(home, "push", "--dry-run").count("would send") == 21, "which changes nothing"
    run(home, "push", "1", "2")
    trac.change(3, trac.clock, "eve", "", owner="eve")
    done = offtracfs(home, "--db", "db", "push", "--all", "--json")
    assert done.returncode == 1
    fates = {found["ticket"]: found["fate"] for found in map(json.loads, done.stdout.splitlines())}
    assert fates.pop("3") == "conflict"
    assert set(fates.values()) == {"sent"}
    assert len(fates) == 18
    assert "conflict: Owner: the tracker has eve, yours is bob" in run(home, "pending")


def test_what_cannot_be_asked(desk: Path) -> None:
    """Each mistake is one sentence and exit code 64."""
    for arguments, sentence in {
        ("comment", "77", "-m", "x"): "There is no ticket 77 here",
        ("comment", "1", "--set", "owner"): "--set takes FIELD=VALUE",
        ("comment", "1", "--set", "color=red"): "There is no field 'color'",
        ("comment", "1", "--set", "status=closed"): "closed with a resolution",
        ("comment", "1", "-m", " "): "The comment is empty",
        ("push", "3"): "Nothing waits to be sent of 3",
        ("pending", "3", "--text"): "--text goes with a ticket",
        ("discard", "x"): "neither a ticket's number nor new-NAME",
    }.items():
        done = offtracfs(desk, "--db", "db", *arguments)
        assert done.returncode == 64, arguments
        assert sentence in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_tracker_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """Trac's own database, read directly, cannot be changed."""
    config = tmp_path / "db/config.toml"
    (tmp_path / "db/git").mkdir(parents=True)
    config.write_text('url = "trac+sqlite:///srv/trac/db/trac.db"\n')
    for command in (["comment", "1", "-m", "x"], ["new"], ["push"]):
        done = offtracfs(tmp_path, "--db", "db", *command)
        assert done.returncode == 64
        assert "cannot be written" in done.stderr


def test_push_after(desk: Path, trac: ServedTrac) -> None:
    """With push_after, the process that syncs sends what has rested for so long."""
    config = database(desk).path / "config.toml"
    config.write_text(f"{config.read_text()}push_after = 0.1\n".replace("# push_after", "#"))
    run(desk, "comment", "1", "-m", "By itself.")
    with started(desk, "--db", "db", "sync", "--watch", "--interval", "1") as process:
        assert process.stdout
        try:
            assert "#1: sent (a comment)." in process.stdout.readline()
        finally:
            process.terminate()
    assert trac.tickets[1].log[0][4] == "By itself."


def test_check_finds_damaged_drafts(desk: Path) -> None:
    """A drafts.db that cannot be read is found; nothing overwrites it."""
    run(desk, "comment", "1", "-m", "Hm.")
    file = database(desk).path / "drafts.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE event SET state = 'eaten'")
    done = offtracfs(desk, "--db", "db", "check")
    assert done.returncode == 1
    assert "the draft 1 of 1 is in a state 'eaten'" in done.stdout
    file.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    before = file.read_bytes()
    for command in (["check"], ["pending"], ["comment", "1", "-m", "x"], ["push"]):
        done = offtracfs(desk, "--db", "db", *command)
        assert done.returncode in (1, 65, 74), command
        assert "drafts.db" in done.stdout + done.stderr
    run(desk, "status")
    assert file.read_bytes() == before


def test_a_draft_waits_and_says_what_for(desk: Path, trac: ServedTrac) -> None:
    """Without a permission, or an answer, the draft waits; `pending` has the reason."""
    run(desk, "comment", "1", "-m", "Hm.")
    trac.lacks.add("XML_RPC")
    done = offtracfs(desk, "--db", "db", "push")
    assert done.returncode == 77
    assert "waits: " in run(desk, "pending")
    assert "XML_RPC" in run(desk, "pending")
    trac.lacks.clear()
    assert run(desk, "push") == "#1: sent (a comment).\n"
