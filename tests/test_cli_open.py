"""`offtracfs open`, as a real process with a browser of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from offtracfs.database import Database, Settings
from tests.program import Done, offtracfs

ADDRESS = "https://trac.example.org/project/ticket/42"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Somebody with a database that is still empty, and a browser that notes what it shows."""
    Database.create(tmp_path / "db", Settings("https://trac.example.org/project"))
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/shown\n')
    browser.chmod(0o700)
    return tmp_path


def opened(home: Path, *arguments: str, browser: str = "browser") -> Done:
    return offtracfs(home, "--db", "db", "open", *arguments, BROWSER=str(home / browser))


def test_browser(home: Path) -> None:
    """The ticket's page is shown by $BROWSER, before the first sync too."""
    done = opened(home, "42")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (home / "shown").read_text() == f"{ADDRESS}\n"


def test_print(home: Path) -> None:
    """--print only says the address."""
    done = opened(home, "#42", "--print")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{ADDRESS}\n", "")
    assert not (home / "shown").exists()


def test_no_browser(home: Path) -> None:
    """Where none can be started, the address is there to be visited."""
    done = opened(home, "42", browser="none")
    assert (done.returncode, done.stdout) == (64, "")
    assert f"No browser can be started: set $BROWSER, or visit {ADDRESS} yourself." in done.stderr


def test_no_address(tmp_path: Path) -> None:
    """A tracker that is not in the web has no pages, and that is said."""
    Database.create(tmp_path / "db", Settings("offtrac:///srv/old"))
    for option in ((), ("--print",)):
        done = opened(tmp_path, "42", *option)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (64, "", 1)
        assert "no web address" in done.stderr


def test_wrong_number(home: Path) -> None:
    """What is no number is refused."""
    assert opened(home, "x").returncode == 64
