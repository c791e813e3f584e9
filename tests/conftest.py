"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import hypothesis
import pytest

from offtracfs import demo
from offtracfs.database import Database
from offtracfs.mount import driver
from offtracfs.store import Store
from offtracfs.teamtrack.server import Server
from tests import saving
from tests.mounting import Counting, grow, missing, mounted, new_database, unmounted_after
from tests.postgres import CannotStart, Postgres, postgres
from tests.program import ServedTrac, user
from tests.standin import StandInTrac
from tests.standinteamtrack import StandInTeamTrack
from tests.teamtracks import KINDS, Teamtracks, connected
from tests.tracclient import OnlyXml, Site
from tests.tracinstall import CannotInstall
from tests.tracservers import TracServer, served

# `make test &` begins with these signals ignored, and so would every program that the tests end by one.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)

# A busy machine is no failure.
PATIENT: Any = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("offtracfs", max_examples=30, **PATIENT)
# `make test-all`
hypothesis.settings.register_profile("new-stories", max_examples=200, print_blob=True, **PATIENT)
hypothesis.settings.load_profile("offtracfs")  # pytest's --hypothesis-profile comes after this


def needs(reason: str) -> NoReturn:
    """Skips the test, and fails it in CI: nothing that a test needs may go missing there unseen."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must have what this test needs: {reason}")
    pytest.skip(reason)


def _served(kind: str) -> Iterator[TracServer]:
    try:
        with served(kind) as server:
            yield server
    except CannotInstall as error:
        needs(f"no {kind} Trac: {error}")


@pytest.fixture(scope="session")
def modern_trac() -> Iterator[TracServer]:
    """A running Trac 1.6 with RPC plugin 1.2.0; `new()` gives an environment of one's own."""
    yield from _served("modern")


@pytest.fixture(scope="session")
def legacy_trac() -> Iterator[TracServer]:
    """A running Trac 1.2.6 with RPC plugin 1.1.9; `new()` gives an environment of one's own."""
    yield from _served("legacy")


@pytest.fixture(params=["standin", "modern", "legacy"])
def trac(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """A Trac with no tickets: the stand-in, or a real one; "modern-xml" speaks XML-RPC only.

    "teamtrack" is a TeamTrack, for tests of what every kind of tracker does.
    """
    kind, _, xml = request.param.partition("-")
    if kind == "standin":
        return StandInTrac()
    if kind == "teamtrack":
        return StandInTeamTrack(tmp_path)
    server: TracServer = request.getfixturevalue(f"{kind}_trac")
    site = server.new()
    site.transport = OnlyXml() if xml else None
    return site


@pytest.fixture(scope="session")
def teamtracks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Teamtracks]:
    """Makes databases of TeamTracks; a PostgreSQL server is started for the first that needs one."""
    with ExitStack() as stack:

        @cache
        def server() -> Postgres:
            try:
                return stack.enter_context(postgres())
            except CannotStart as error:
                needs(f"no PostgreSQL: {error}")

        yield Teamtracks(tmp_path_factory.mktemp("teamtracks"), server)


@pytest.fixture(params=KINDS)
def teamtrack_address(request: pytest.FixtureRequest, teamtracks: Teamtracks) -> str:
    """The address of a TeamTrack's database of one's own; of each kind in turn."""
    return teamtracks.new(request.param)


@pytest.fixture
def teamtrack_server(teamtrack_address: str) -> Iterator[Server]:
    """That database, connected to write."""
    with connected(teamtrack_address) as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store.create(tmp_path / "git")


@pytest.fixture
def home(tmp_path: Path, trac: ServedTrac) -> Path:
    """The home of somebody with a database of that Trac, for a module whose Trac is on loopback."""
    return user(tmp_path, trac)


@pytest.fixture
def fuse() -> None:
    """A machine on which something can be mounted."""
    if why := missing():
        needs(why)


@pytest.fixture(scope="session")
def demo_database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """The demo, made once: to be read, or copied with the folder it is in."""
    return demo.database(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def _grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = new_database(tmp_path_factory.mktemp("grown") / "db")
    grow(database)
    return database.path


@pytest.fixture
def database(_grown: Path, tmp_path: Path) -> Database:
    """A database with three revisions (see `tests.mounting.grow`), at tmp_path / "db"."""
    return Database(shutil.copytree(_grown, tmp_path / "db", symlinks=True))


@pytest.fixture
async def mount(
    fuse: None, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Counting]:
    """The operations behind a mount of it that this process serves."""
    monkeypatch.setattr(driver, "POLL", 0.05)
    async with mounted(database, tmp_path / "mnt") as operations:
        yield operations


@pytest.fixture
def mnt(mount: Counting, tmp_path: Path) -> Path:
    """Where that is mounted."""
    return tmp_path / "mnt"


@pytest.fixture(scope="session")
def _saved_site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, StandInTrac]:
    database, trac = saving.new_site(tmp_path_factory.mktemp("site"))
    return database.path, trac


@pytest.fixture
async def site(
    fuse: None, _saved_site: tuple[Path, StandInTrac], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[saving.Site]:
    """A Trac with three tickets, its database, and a mount in which they can be saved."""
    monkeypatch.setattr(driver, "POLL", 0.05)
    path, trac = _saved_site
    database = Database(shutil.copytree(path, tmp_path / "db", symlinks=True))
    made = saving.Site(database, deepcopy(trac), tmp_path / "mnt")
    async with saving.writable(database, made.mnt) as made.operations:
        yield made


@pytest.fixture
def place(fuse: None, tmp_path: Path) -> Iterator[Path]:
    """An empty directory to mount at; nothing stays mounted there."""
    path = tmp_path / "place"
    path.mkdir()
    with unmounted_after(path):
        yield path
