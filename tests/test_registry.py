"""Kinds of tracker: one module and one line in a table each, and none is loaded for another's sake."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from offtracfs_cli.main import main

from offtracfs.database import Database
from offtracfs.errors import UsageError
from offtracfs.trackers import Tracker, registry, trac
from offtracfs.trackers.credentials import Credentials
from offtracfs.trackers.registry import TrackerKind
from tests.standin import StandInTrac
from tests.syncing import mirrored

# What a new kind's module holds.

TRACKER = StandInTrac()


async def _connect(url: str, credentials: Credentials | None, _: Path | None) -> Tracker:
    return await trac.connect(TRACKER.url, TRACKER.login(), transport=TRACKER.transport)


def _adopt(url: str, repository: Path) -> None:
    (repository / "adopted").write_text(url)


KIND = TrackerKind(str.lower, _connect, adopt=_adopt)


def test_a_new_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind that nobody foresaw can be taken by `init` and `sync` once the table has its line."""
    TRACKER.fill(2, TRACKER.clock)
    monkeypatch.setitem(registry.KINDS, "made-up", "tests.test_registry:KIND")
    monkeypatch.setitem(sys.modules, "tests.test_registry", sys.modules[__name__])
    db = tmp_path / "db"
    for arguments in (["init", "made-up:SOMEWHERE"], ["sync"]):
        done = CliRunner().invoke(main, ["--db", str(db), *arguments])
        assert done.exit_code == 0, done.output
    database = Database(db)
    assert database.settings.url == "made-up:somewhere"
    assert (database.store.path / "adopted").read_text() == "made-up:somewhere"
    assert [path for path in mirrored(database) if path.startswith("ticket/")] == [
        "ticket/1.json",
        "ticket/2.json",
    ]


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("https://trac.example.org", "https://trac.example.org/ticket/42"),
        ("http://127.0.0.1:8000/env/login/rpc?x#y", "http://127.0.0.1:8000/env/ticket/42"),
        ("trac+sqlite:///no/such/db/trac.db", ""),
        ("trac+postgresql://bob@host/trac", ""),
        ("offtrac:///home/bob/db", ""),
        ("/srv/trac", ""),
        ("trac+sqlite:", ""),
        ("ftp://host", ""),
        ("https://bob@host", ""),
        ("https://[", ""),
        ("", ""),
    ],
)
def test_ticket_address(url: str, page: str) -> None:
    """A ticket's page is where its kind of tracker has it; there is none where that cannot be known."""
    assert registry.ticket_address(url, 42) == page


@pytest.mark.parametrize(
    ("ini", "page"),
    [
        ("[trac]\nbase_url = https://example.org/trac/\n", "https://example.org/trac/ticket/42"),
        ("[trac]\nbase_url = http://example.org\n", "http://example.org/ticket/42"),
        ("[trac]\nbase_url =\n", ""),
        ("[trac]\nbase_url = javascript:alert(1)\n", ""),
        ("no configuration", ""),
        ("", ""),
    ],
)
def test_ticket_address_of_a_database(tmp_path: Path, ini: str, page: str) -> None:
    """Where a Trac's database is read, its trac.ini says where its web pages are."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/trac.ini").write_text(ini)
    assert registry.ticket_address(f"trac+sqlite://{tmp_path}/db/trac.db", 42) == page
    elsewhere = f"trac+postgresql://bob@host/trac?trac_ini={tmp_path}/conf/trac.ini"
    assert registry.ticket_address(elsewhere, 42) == page


HEAVY = ("httpx", "sqlalchemy", "psycopg")


@pytest.mark.parametrize(
    ("url", "loaded"),
    [
        ("https://trac.example.org", {"httpx"}),
        ("trac+sqlite:///srv/trac/db/trac.db", {"sqlalchemy"}),
        ("trac+postgresql://bob@host/trac", {"sqlalchemy"}),
        ("teamtrack+sqlite:///srv/teamtrack.db", {"sqlalchemy"}),
        ("teamtrack+postgresql://bob@host/teamtrack", {"sqlalchemy"}),
        ("teamtrack+https://teamtrack.example.org", {"httpx", "sqlalchemy"}),
        ("offtrac:///home/bob/db", set()),
    ],
)
def test_only_what_is_used_is_loaded(url: str, loaded: set[str]) -> None:
    """An address loads the libraries of its own kind, and of no other."""
    code = (
        "import sys; from offtracfs.trackers import registry; registry.checked_url(sys.argv[1]);"
        f"print(*(name for name in {HEAVY} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == loaded


def test_an_address_of_a_page_is_had_at_once() -> None:
    """Where a Trac shows its tickets is known without loading what talks to it."""
    code = (
        "import sys; from offtracfs.trackers import registry; "
        f"registry.ticket_address('https://host', 1); print(*{{*{HEAVY}, 'trio'}} & {{*sys.modules}})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_every_line_names_a_kind() -> None:
    """What the table names is there, and a Trac can be written over its RPC plugin."""
    kinds = {scheme: registry.kind(f"{scheme}://x" if scheme else "x") for scheme in registry.KINDS}
    assert all(isinstance(kind, TrackerKind) for kind in kinds.values())
    assert {scheme for scheme, kind in kinds.items() if kind.writable} == {"http", "https"}
    assert {scheme for scheme, kind in kinds.items() if kind.takes_credentials} == {
        "https",
        "http",
        "trac+postgresql",
        "teamtrack+postgresql",
        "teamtrack+mssql+pyodbc",
        "teamtrack+oracle+oracledb",
        "teamtrack+https",
        "teamtrack+http",
    }


@pytest.mark.parametrize(
    "url", ["ftp://bob:hunter2@host", "trac.example.org", "bob:hunter2@host", "", "demo:"]
)
def test_no_kind(url: str) -> None:
    """An address of no kind is refused in a sentence that says how one begins, and repeats no password."""
    with pytest.raises(UsageError, match="https://") as caught:
        registry.checked_url(url)
    assert "hunter2" not in str(caught.value)
