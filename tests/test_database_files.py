"""The files of a database beside git and the index: settings, state, and how a file is replaced."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtracfs import database as module
from offtracfs.database import Database, Settings, State
from offtracfs.database import settings as settings_file
from offtracfs.errors import (
    DatabaseDamaged,
    DatabaseError,
    DiskFull,
    NotADatabase,
    OfftracfsError,
    UsageError,
)
from tests.helpers import SETTINGS, few, fill, one_sentence, process, small_disk


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """An empty database."""
    return Database.create(tmp_path / "db", SETTINGS)


@few
@given(
    st.builds(
        Settings,
        url=st.text(st.characters(exclude_categories=["Cs"])),
        user=st.text(st.characters(exclude_categories=["Cs"])) | st.just('😀"\\\x7f\n'),
        password_command=st.text(st.characters(exclude_categories=["Cs"])),
        timezone=st.sampled_from(["UTC", "Europe/Berlin"]),
        interval=st.integers(1, 10**6) | st.floats(1, 10**6),
    )
)
def test_settings_are_kept(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> None:
    """Whatever text the settings have, the file that create writes says the same."""
    place = tmp_path_factory.mktemp("settings")
    module.write(place / "config.toml", settings_file.settings_text(settings).encode())
    assert settings_file.read_settings(place / "config.toml") == settings


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("", UsageError, "url is missing"),
        ("url = 5", UsageError, "url is not text"),
        ('url = "x"\nuser = ["bob"]', UsageError, "user is not text"),
        ('url = "x"\ninterval = "60"', UsageError, "interval is not a number"),
        ('url = "x"\ninterval = 0', UsageError, "interval is not between"),
        ('url = "x"\ninterval = nan', UsageError, "interval is not between"),
        ('url = "x"\ninterval = 1e9', UsageError, "interval is not between"),
        ('url = "https://ann:hunter2@example.org"', UsageError, "url holds a password"),
        ('url = "ann:hunter2@example.org"', UsageError, "url holds a password"),
        ('url = "trac+postgresql://host/trac?password=hunter2"', UsageError, "url holds a password"),
        ('url = "x"\npasword_command = "x"', UsageError, "no setting called 'pasword_command'"),
        *(
            (f'url = "x"\ntimezone = "{zone}"', UsageError, "no time zone is called")
            for zone in ("", "Mars/Base", "../../etc/passwd", "/etc/passwd", "Europe", "x" * 300)
        ),
        ("url = x", DatabaseDamaged, "cannot be read"),
        ('url = "x', DatabaseDamaged, "cannot be read"),
        ("\udcff", DatabaseDamaged, "cannot be read"),
    ],
)
def test_settings_that_cannot_be(database: Database, text: str, error: type[Exception], says: str) -> None:
    """A mistake in the settings is one sentence that names it."""
    (database.path / "config.toml").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(error, match=says) as caught:
        Database(database.path)
    assert one_sentence(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://ann@example.org:8080/a:b@c",
        "http://[::1]:8000/",
        "trac+sqlite:///a:b@c/trac.db",
        "offtrac:///a@b",
    ],
)
def test_addresses_without_a_password(url: str) -> None:
    """Colons and at signs elsewhere, or a user alone, are no password."""
    assert Settings(url).url == url


def test_settings_must_be_text() -> None:
    """What was no UTF-8 on a command line cannot be kept in a file, and is refused before it is tried."""
    with pytest.raises(UsageError, match="user is not text"):
        Settings("x", user="\udcff")


def test_no_database(tmp_path: Path) -> None:
    """Where no database is, the error says how to make one."""
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "none", tmp_path / "file"):
        with pytest.raises(NotADatabase, match="`offtracfs init URL` makes one"):
            Database(place)


def test_half_a_database(database: Database) -> None:
    """Where only part of a database is, the error says which part is missing."""
    shutil.rmtree(database.path / "git")
    with pytest.raises(NotADatabase, match="git repository"):
        Database(database.path)
    (database.path / "config.toml").unlink()
    (database.path / "config.toml").mkdir()
    with pytest.raises(DatabaseDamaged, match="cannot be read"):
        Database(database.path)


def test_state(database: Database) -> None:
    """How the last sync ended is kept, and nothing is known before the first."""
    assert database.state() == State()
    state = State(ended="2011-04-09T21:16:07", settled=12, error="é", problems=["one", "two"])
    database.save(state)
    assert database.state() == Database(database.path).state() == state


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xff", b"{", b"[]", b'"ended"', b"5", b"null", b'{"ended": 5}',
        b'{"problems": null, "settled": "x"}', b'{"unknown": 1}', b'{"ended": ["x"], "error": {}}',
    ],
)  # fmt: skip
def test_a_state_that_cannot_be_read(database: Database, data: bytes) -> None:
    """Garbage for a state is no state: the next sync writes it anew."""
    (database.path / "state.json").write_bytes(data)
    assert database.state() == State()


def test_what_of_a_state_can_be_read(database: Database) -> None:
    """One bad value costs only itself."""
    (database.path / "state.json").write_bytes(b'{"ended": "2011-04-09T21:16:07", "settled": "x", "new": 1}')
    assert database.state() == State(ended="2011-04-09T21:16:07")


@pytest.mark.parametrize("settled", [10**30, -(10**30), 253_402_300_800, True, 1.5])
def test_a_moment_beyond_the_years(database: Database, settled: object) -> None:
    """A moment that no date can have is none, as one that is no number."""
    text = json.dumps({"ended": "2011-04-09T21:16:07", "settled": settled})
    (database.path / "state.json").write_text(text)
    assert database.state() == State(ended="2011-04-09T21:16:07")


REWRITE = """if True:
    import itertools
    import sys
    from pathlib import Path
    from offtracfs.database import write
    for number in itertools.count():
        write(Path(sys.argv[1]), b"%d" % (number % 10) * 1_000_000)
        if number == 3:
            print("ready", flush=True)
"""


def test_a_file_is_never_half_written(tmp_path: Path) -> None:
    """Whoever looks sees what was there before or what was written, whole, also after a kill."""
    for _ in range(3):
        with process(REWRITE, tmp_path / "file"):
            looks = [(tmp_path / "file").read_bytes() for _ in range(20)]
        for data in (*looks, (tmp_path / "file").read_bytes()):
            assert data == data[:1] * 1_000_000


def test_a_file_is_replaced(tmp_path: Path) -> None:
    """New contents are another file under the old name: whoever reads the old one reads it to its end."""
    module.write(tmp_path / "file", b"old")
    with (tmp_path / "file").open("rb") as old:
        module.write(tmp_path / "file", b"new")
        assert old.read() == b"old"
    assert (tmp_path / "file").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """Where there is no room, or no directory, the old contents stay and the error is one sentence."""
    with small_disk(tmp_path / "disk") as disk:
        module.write(disk / "file", b"old")
        fill(disk)
        with pytest.raises(DiskFull) as caught:
            module.write(disk / "file", b"new" * 100_000)
        assert one_sentence(caught.value)
        assert (disk / "file").read_bytes() == b"old"
        assert not (disk / "file.new").exists()
    with pytest.raises(DatabaseError, match="could not be written"):
        module.write(tmp_path / "none/file", b"")
    (tmp_path / "file").touch()
    with pytest.raises(OfftracfsError, match="could not be written"):
        module.write(tmp_path / "file/file", b"")
