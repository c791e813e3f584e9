"""Who we are to the tracker: the login that worked, and a password that is asked for at a terminal."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from offtracfs.database import Database
from tests.program import SPRING, ServedTrac, offtracfs, run, serving, user
from tests.terminal import at_a_terminal

KEYRING = """
from pathlib import Path
from keyring.backend import KeyringBackend

class Keyring(KeyringBackend):
    priority = 1
    name = "a file"
    held = Path.home() / "ring"

    def get_password(self, service, user):
        key, _, password = self.held.read_text().partition("=") if self.held.exists() else ("", "", "")
        return password if key == f"{service} {user}" else None

    def set_password(self, service, user, password):
        self.held.write_text(f"{service} {user}={password}")
"""
"""A keyring that every process of a test shares."""


@pytest.fixture
def trac() -> Iterator[ServedTrac]:
    """A Trac on loopback with three tickets, and a report about its reader."""
    with serving(3) as served:
        served.create("mine", SPRING, owner="admin")
        served.reports[7] = ("Mine", "SELECT $USER AS user", "")
        yield served


@pytest.fixture
def home(tmp_path: Path, trac: ServedTrac) -> Path:
    """The home of somebody with a database of that Trac, whose name and password only netrc has."""
    user(tmp_path, trac)
    (tmp_path / "db").rename(tmp_path / "with a name")
    run(tmp_path, "init", trac.url)
    return tmp_path


@pytest.fixture
def ring(tmp_path: Path) -> dict[str, str]:
    """The environment of a program that finds a keyring."""
    (tmp_path / "filering.py").write_text(KEYRING)
    return {"PYTHONPATH": str(tmp_path), "PYTHON_KEYRING_BACKEND": "filering.Keyring"}


# Who $USER is.


def known_as(home: Path) -> list[str]:
    """As whom the status, the report and the query know us."""
    said = re.findall(r"Tracker +\S+(?: as (.*))?\n", run(home, "status"))
    said.append(run(home, "report", "7", "--format", "csv").split()[1])
    return [*said, run(home, "query", "owner=$USER&col=id&col=summary", "--format", "csv").split()[-1]]


def test_login_of_netrc(home: Path) -> None:
    """Where netrc says who logs in, `init` keeps the name, and $USER is that; config.toml stays as it was."""
    assert Database(home / "db").settings.user == ""
    assert "as admin\n" in run(home, "status")
    run(home, "sync")
    assert known_as(home) == ["admin", "admin", "4,mine"]


def test_older_database(home: Path) -> None:
    """A database that does not know yet as whom it was synced learns that from the next sync."""
    (home / "db/state.json").unlink()
    assert "as admin" not in run(home, "status")
    run(home, "sync")
    assert known_as(home) == ["admin", "admin", "4,mine"]


def test_user_in_the_settings(home: Path) -> None:
    """Whom config.toml names, that is $USER, whoever logged in before."""
    run(home, "sync")
    file = home / "db/config.toml"
    file.write_text(file.read_text() + 'user = "carl"\n')
    assert known_as(home) == ["carl", "carl", "id,Summary"]


def test_no_login_any_more(home: Path, trac: ServedTrac, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody logs in any more, $USER is anonymous again after the next sync."""
    run(home, "sync")
    (home / ".netrc").unlink()
    monkeypatch.setattr(trac, "_knows", lambda _: True)
    assert offtracfs(home, "--db", "db", "sync").returncode == 0
    assert known_as(home) == ["", "anonymous", "id,Summary"]


# A password that is nowhere.


def test_init_asks(tmp_path: Path, trac: ServedTrac) -> None:
    """At a terminal `init` asks for a missing password, which is not shown and not kept."""
    with at_a_terminal(tmp_path, "--db", "db", "init", trac.url, "--user", "admin") as terminal:
        terminal.read_until(f"Password of admin at {trac.url}: ")
        assert not terminal.echoes
        terminal.type("secret\n")
        assert terminal.ends() == 0
    assert f"{trac.url} answers, and shows 4 tickets to admin." in terminal.shown
    assert "secret" not in terminal.shown
    assert "keyring" not in terminal.shown
    for file in (tmp_path / "db").rglob("*"):
        assert file.is_dir() or b"secret" not in file.read_bytes()


def without_netrc(home: Path) -> tuple[str, ...]:
    (home / ".netrc").unlink()
    return "--db", "with a name", "sync"


def test_sync_asks(home: Path) -> None:
    """So does `sync`; its progress does not disturb the question."""
    with at_a_terminal(home, *without_netrc(home)) as terminal:
        terminal.read_until("Password of admin at ")
        assert terminal.shown.startswith("Password")
        terminal.type("secret\n")
        assert terminal.ends() == 0
    assert re.search(r"4 tickets new, .*\r\n$", terminal.shown)


def test_wrong_password(home: Path) -> None:
    """One that is wrong is refused as ever, and not asked for again."""
    with at_a_terminal(home, *without_netrc(home)) as terminal:
        terminal.read_until("Password of admin at ")
        terminal.type("hunter2\n")
        assert terminal.ends() == 77
    assert "refused the user name 'admin' or the password" in terminal.shown
    assert terminal.shown.count("Password of") == 1


def test_wrong_password_that_was_found(home: Path) -> None:
    """Where a password was found and is wrong, its place is what is to be mended: nothing is asked."""
    with at_a_terminal(home, "--db", "db", "sync", OFFTRACFS_PASSWORD="hunter2") as terminal:
        assert terminal.ends() == 77
    assert "Password of" not in terminal.shown


def test_not_at_a_terminal(home: Path) -> None:
    """Where nobody is there to ask, a missing password is said to be missing."""
    done = offtracfs(home, *without_netrc(home))
    assert (done.returncode, done.stdout) == (77, "")
    assert "asks for the password of 'admin', and none was found" in done.stderr


@pytest.mark.parametrize(("end", "code"), [("\x03", 130), (signal.SIGTERM, 143)])
def test_interrupted_at_the_question(home: Path, end: str | signal.Signals, code: int) -> None:
    """Ctrl-C or SIGTERM at the question ends the program, and the terminal shows again what is typed."""
    with at_a_terminal(home, *without_netrc(home)) as terminal:
        terminal.read_until("Password of admin at ")
        if isinstance(end, str):
            terminal.type(end)
        else:
            terminal.process.send_signal(end)
        assert terminal.ends() == code
        assert terminal.echoes
    assert "Traceback" not in terminal.shown


def test_kept_in_the_keyring(home: Path, ring: dict[str, str]) -> None:
    """Where there is a keyring, it is offered; the next sync finds the password there."""
    pytest.importorskip("keyring")
    sync = without_netrc(home)
    with at_a_terminal(home, *sync, **ring) as terminal:
        terminal.read_until("Password of admin at ")
        terminal.type("secret\n")
        terminal.read_until("Keep it in the keyring (a file)? [y/N]: ")
        terminal.type("y\n")
        assert terminal.ends() == 0
    assert offtracfs(home, *sync, **ring).stdout == "Nothing new.\n"


def test_not_kept(home: Path, ring: dict[str, str]) -> None:
    """Whoever does not want that is asked again by the next sync; Ctrl-C at this question ends it."""
    pytest.importorskip("keyring")
    sync = without_netrc(home)
    for answer, code in (("\n", 0), ("\x03", 130)):
        with at_a_terminal(home, *sync, **ring) as terminal:
            terminal.read_until("Password of admin at ")
            terminal.type("secret\n")
            terminal.read_until("Keep it in the keyring (a file)? [y/N]: ")
            terminal.type(answer)
            assert terminal.ends() == code
        assert "Fatal" not in terminal.shown
        assert not (home / "ring").exists()


def test_watch_asks_once(home: Path, trac: ServedTrac) -> None:
    """A watching sync that has to log in again uses the password that was typed."""
    with at_a_terminal(home, *without_netrc(home), "--watch", "--interval", "1") as terminal:
        terminal.read_until("Password of admin at ")
        terminal.type("secret\n")
        terminal.read_until("4 tickets new")
        trac.lacks.add("XML_RPC")
        terminal.read_until("XML_RPC")
        trac.lacks.clear()
        trac.create("another", trac.clock)
        terminal.read_until("1 ticket new")
        terminal.process.terminate()
        assert terminal.ends() == 0
    assert terminal.shown.count("Password of") == 1
