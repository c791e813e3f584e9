"""Where a password comes from, in which order, and that no message repeats it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from offtracfs.errors import UsageError
from offtracfs.trackers.credentials import Credentials, find

URL = "https://trac.example.org/project"
SECRET = "correct-horse"
NETRC = (
    f"machine other.example.org login x password y\nmachine trac.example.org login ann password {SECRET}\n"
)


@pytest.fixture(autouse=True)
def no_keyring(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keyring of whoever runs the tests stays out of it."""
    if "ring" not in request.fixturenames:
        monkeypatch.setitem(sys.modules, "keyring", None)


@pytest.fixture
def netrc(tmp_path: Path) -> Path:
    """A netrc with an entry for the tracker."""
    file = tmp_path / "netrc"
    file.write_text(NETRC)
    file.chmod(0o600)
    return file


def found(
    netrc: Path, password: str | None = None, *, user: str = "", password_command: str = ""
) -> tuple[str, str | None] | None:
    """User and password."""
    login = find(URL, user, password_command, password=password, netrc_file=netrc)
    return (login.user, login.password) if login else None


def command(code: str) -> str:
    """A password command that runs some Python."""
    return shlex.join([sys.executable, "-c", code])


def test_nobody_logs_in_where_nobody_is_named(tmp_path: Path) -> None:
    """Without a user there are no credentials, whatever passwords lie around."""
    assert found(tmp_path / "missing", SECRET) is None


def test_a_user_without_a_password(tmp_path: Path) -> None:
    """A user for whom no password is found is still who logs in: the tracker's refusal names them."""
    assert found(tmp_path / "missing", user="ann") == ("ann", None)


def test_netrc_names_the_user(netrc: Path) -> None:
    """Where the database names no user, netrc does."""
    assert found(netrc) == ("ann", SECRET)


def test_netrc_of_another_user(netrc: Path) -> None:
    """An entry for somebody else is not ours to use."""
    assert found(netrc, user="bob") == ("bob", None)


def test_netrc_default_is_not_used(netrc: Path) -> None:
    """The default entry, which is for anonymous FTP, sends no password to a tracker."""
    netrc.write_text(f"default login ann password {SECRET}\n")
    assert found(netrc) is None


def test_order(netrc: Path) -> None:
    """The environment comes before the password command, and that before netrc."""
    printing = command("print('from-command')")
    assert found(netrc, "from-environment", user="ann", password_command=printing) == (
        "ann",
        "from-environment",
    )
    assert found(netrc, user="ann", password_command=printing) == ("ann", "from-command")
    assert found(netrc, user="ann") == ("ann", SECRET)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_netrc_that_others_can_read(netrc: Path, mode: int) -> None:
    """A netrc with our password that is open to others is refused, with the remedy."""
    netrc.chmod(mode)
    with pytest.raises(UsageError, match="chmod 600") as caught:
        found(netrc)
    assert SECRET not in str(caught.value)


def test_open_netrc_without_our_entry(netrc: Path) -> None:
    """A netrc that holds nothing for this tracker is nobody's business here."""
    netrc.write_text("machine other.example.org login x password y\n")
    netrc.chmod(0o644)
    assert found(netrc) is None


def test_broken_netrc(netrc: Path) -> None:
    """What netrc does not know is named by its line, without the words in it."""
    netrc.write_text(f"machine trac.example.org login ann passwd {SECRET}\n")
    with pytest.raises(UsageError, match="line 1") as caught:
        found(netrc)
    assert SECRET not in str(caught.value)


def test_first_line_of_the_command(tmp_path: Path) -> None:
    """A password store may print more than the password."""
    printing = command("print('first word  ');print('url: x')")
    assert found(tmp_path / "missing", user="ann", password_command=printing) == ("ann", "first word  ")


@pytest.mark.parametrize(
    ("failing", "says"),
    [
        (command(f"print('{SECRET}'); exit(3)"), "exit code 3"),
        (command("pass"), "printed no password"),
        (command("import os; os.write(1, b'\\xff\\xfe')"), "not UTF-8"),
        ("no-such-program --x", "no-such-program"),
        ("unbalanced '", "split into words"),
        (" ", "split into words"),
    ],
)
def test_command_that_fails(tmp_path: Path, failing: str, says: str) -> None:
    """A password command that fails is one sentence that says how, and not what it printed."""
    with pytest.raises(UsageError, match=says) as caught:
        found(tmp_path / "missing", user="ann", password_command=failing)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_command_gets_no_shell(tmp_path: Path) -> None:
    """Nothing in a password command is expanded."""
    printing = command("import sys; print(sys.argv[1])") + " '$HOME;ls'"
    assert found(tmp_path / "missing", user="ann", password_command=printing) == ("ann", "$HOME;ls")


def test_credentials_do_not_show_their_password() -> None:
    """What a traceback or a log may show of credentials holds no password."""
    assert SECRET not in repr(Credentials("ann", SECRET))


@pytest.fixture
def ring() -> Iterator[dict[tuple[str, str], str]]:
    """A real keyring, kept in memory: (service, user) → password."""
    keyring = pytest.importorskip("keyring", reason="the optional package keyring is not installed")
    held: dict[tuple[str, str], str] = {}

    def get(_: object, service: str, user: str) -> str | None:
        if user == "locked":
            raise keyring.errors.KeyringLocked("it is locked")
        return held.get((service, user))

    kind = type("Memory", (keyring.backend.KeyringBackend,), {"get_password": get, "set_password": get})
    before = keyring.get_keyring()
    keyring.set_keyring(kind())
    yield held
    keyring.set_keyring(before)


def test_keyring(tmp_path: Path, ring: dict[tuple[str, str], str]) -> None:
    """The keyring's entry is the one of this tracker's URL, and this user."""
    ring |= {(URL, "ann"): SECRET, ("https://other.example.org", "bob"): "other"}
    assert found(tmp_path / "missing", user="ann") == ("ann", SECRET)
    assert found(tmp_path / "missing", user="bob") == ("bob", None)


def test_keyring_that_fails(tmp_path: Path, ring: dict[tuple[str, str], str]) -> None:
    """A keyring that cannot be read is one sentence."""
    assert not ring
    with pytest.raises(UsageError, match="keyring cannot be read"):
        found(tmp_path / "missing", user="locked")
