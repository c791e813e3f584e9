"""What bash, zsh and fish offer after Tab, asked for real."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from offtracfs_cli.main import COMMANDS

from offtracfs import records
from offtracfs.database import Database
from tests.conftest import needs
from tests.drafting import drafts_of
from tests.mounting import AUTUMN, SPRING, SUMMER, append, missing, new_database, ticket, unmounted_after
from tests.program import INSTALLED, offtracfs
from tests.terminal import watched

TITLES = {1: "Active, by owner: all", 2: "It's \x1b[31mred", 12: "Closed"}

BASH = """
    source <(_OFFTRACFS_COMPLETE=bash_source offtracfs)
    line=$1; read -r -a COMP_WORDS <<<"$line"
    [[ $line == *' ' ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _offtracfs_completion offtracfs
    printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSHRC = """
    PS1='go> '
    autoload -Uz compinit; compinit -u -D
    eval "$(_OFFTRACFS_COMPLETE=zsh_source offtracfs)"
"""
FISH = 'source (_OFFTRACFS_COMPLETE=fish_source offtracfs | psub); complete -C "$argv[1]"'

Ask = Callable[[str], list[str]]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A database with some reports, of a spring, a summer and an autumn."""
    made = new_database(tmp_path / "db")
    found: dict[str, bytes | None] = {
        f"report/{number}.json": records.dump({"title": title, "sql": "SELECT 1"})
        for number, title in TITLES.items()
    }
    append(made, (SPRING, found), (SUMMER, {"ticket/1.json": b"[]\n"}), (AUTUMN, {"ticket/2.json": b"[]\n"}))
    return made


def surroundings(home: Path, **more: str) -> dict[str, str]:
    path = f"{INSTALLED.parent}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(home), "OFFTRACFS_DB": str(home / "db"), "LC_ALL": "C.UTF-8", **more}


def shell(home: Path, *command: str, **more: str) -> list[str]:
    """The lines that a shell writes; nothing may go wrong, nor may anything be said of it."""
    done = subprocess.run(
        command, env=surroundings(home, **more), capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.splitlines()


def bash(home: Path, line: str, **more: str) -> list[str]:
    """What bash offers behind a line."""
    return [found for found in shell(home, "bash", "-c", BASH, "bash", f"offtracfs {line}", **more) if found]


def fish(home: Path, line: str, **more: str) -> list[str]:
    """What fish offers behind a line: each with a tab and its description, where it has one."""
    return shell(home, "fish", "--no-config", "-c", FISH, f"offtracfs {line}", **more)


def zsh(home: Path, line: str, wait_for: str) -> str:
    """What somebody sees who presses Tab behind a line of an interactive zsh."""
    (home / ".zshrc").write_text(ZSHRC)
    keys = [("go> ", f"offtracfs {line}\t"), (wait_for, "\x03"), ("go> ", "exit 0\n")]
    return watched(home, ["zsh", "--no-globalrcs", "-i"], keys, surroundings(home, TERM="xterm"))


def test_fish_says_all_of_each_command(database: Database) -> None:
    """Fish shows the whole sentence on each command, whatever is in it."""
    home = database.path.parent
    assert fish(home, "") == [f"{name}\t{words}" for name, words in COMMANDS.items()]


def test_reports(database: Database) -> None:
    """The numbers of the reports are offered, with their titles where the shell shows such."""
    home = database.path.parent
    assert bash(home, "report ") == ["1", "2", "12"]
    assert bash(home, "report 1") == ["1", "12"]
    assert sorted(fish(home, "report ")) == [
        "1\tActive, by owner: all",
        "12\tClosed",
        "2\tIt's \\x1b[31mred",
    ]


def test_zsh(database: Database) -> None:
    """Zsh lists commands and reports with what is said of them."""
    home = database.path.parent
    seen = zsh(home, "report ", "12  -- Closed")
    assert "1   -- Active, by owner: all" in seen
    assert "umount" in zsh(home, "", "umount")


def test_moments(database: Database) -> None:
    """For --at there are years, after a year its months, after a month its days, if anything changed then."""
    home = database.path.parent
    assert bash(home, "report 1 --at ") == ["yesterday", "today", "HEAD", "2011"]
    assert bash(home, "sql x --at 2011") == ["2011", "2011-04", "2011-07", "2011-10"]
    assert bash(home, "query x --at 2011-07") == ["2011-07", "2011-07-08"]
    assert sorted(fish(home, "report --at 2011-1")) == ["2011-10"]


def test_mounts(database: Database) -> None:
    """`umount` offers where trackers are mounted, names with blanks too, quoted."""
    if reason := missing():
        needs(reason)
    home = database.path.parent
    mountpoint = home / "my trac"
    mountpoint.mkdir()
    with unmounted_after(mountpoint):
        assert offtracfs(home, "--db", "db", "mount", "--no-sync", mountpoint).returncode == 0
        assert f"'{mountpoint}'" in bash(home, "umount ")
        assert f"{mountpoint}\t{database.path}" in fish(home, "umount ")
    assert f"'{mountpoint}'" not in bash(home, "umount ")


LINES = ["report ", "report --at ", "umount '", "--db  report ", "nonsense "]
DAMAGES = ["none", "empty", "index"]
PAIRS = [(line, DAMAGES[number % 3]) for number, line in enumerate([*LINES, *LINES[:2]])]


@pytest.mark.parametrize(
    ("line", "damage"),
    [
        pytest.param(*pair, marks=[] if pair in PAIRS else [pytest.mark.slow])
        for pair in product(LINES, DAMAGES)
    ],
)
def test_nothing_is_ever_said_of_an_error(database: Database, damage: str, line: str) -> None:
    """Whatever is wrong with the database or the line, no error stands in it, and nothing is made."""
    home = database.path.parent
    if damage == "none":
        database.path.rename(home / "elsewhere")
    elif damage == "empty":
        database.path.rename(home / "elsewhere")
        new_database(home / "db")
    else:
        (database.path / "index.db").unlink()
    before = sorted(home.glob("db/**/*"))
    bash(home, line)
    fish(home, line.replace("'", "\\'"))
    assert sorted(home.glob("db/**/*")) == before


def test_tickets(database: Database) -> None:
    """Ticket numbers are offered with their summaries, those that begin so; and the fields of a log."""
    home = database.path.parent
    append(
        database, (AUTUMN * 2, ticket(7, summary="It, like all, \x1b[31mcrashes") | ticket(71) | ticket(12))
    )
    assert sorted(bash(home, "show ")) == ["12", "7", "71"]
    assert sorted(bash(home, "log 7")) == ["7", "71"]
    assert bash(home, "open 8") == []
    assert "7\tIt, like all, \\x1b[31mcrashes" in fish(home, "show ")
    assert bash(home, "log --field stat") == ["status"]
    assert bash(home, "log --since 2011-0") == ["2011-04", "2011-07"]


def test_drafts(database: Database) -> None:
    """`push`, `pending` and `discard` offer the tickets that have a draft, with their summaries."""
    home = database.path.parent
    append(database, (AUTUMN * 2, ticket(7, summary="It crashes") | ticket(8)))
    before = sorted(home.glob("db/*"))
    assert bash(home, "push ") == []
    assert sorted(home.glob("db/*")) == before
    with drafts_of(database) as drafts:
        drafts.change("7", {}, "Hm.", "")
    assert bash(home, "push ") == ["7"]
    assert "7\tIt crashes" in fish(home, "discard ")


def test_moments_and_tickets(database: Database) -> None:
    """`diff` offers moments, and after the first of them tickets, too."""
    home = database.path.parent
    append(database, (AUTUMN * 2, ticket(2)))
    assert "2" not in bash(home, "diff 2")
    assert "2" in bash(home, "diff yesterday 2")
    assert "2011" in bash(home, "diff yesterday 2")
