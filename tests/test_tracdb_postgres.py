"""A Trac whose database is in PostgreSQL, on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from offtracfs import records
from offtracfs.errors import LoginRefused, NotATracker, OfftracfsError, PermissionMissing, Unreachable
from offtracfs.trackers import tracdb
from offtracfs.trackers.credentials import Credentials
from tests.conftest import needs
from tests.postgres import PASSWORD, CannotStart, Postgres, postgres
from tests.program import offtracfs
from tests.terminal import at_a_terminal
from tests.tracclient import DAY, SPRING, outdated, stored
from tests.tracdbs import UNDECLARED, address, configure, everything, fill, opened
from tests.tracservers import RealTrac, TracServer


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A PostgreSQL server with a user that has a password."""
    try:
        with postgres() as server:
            server.run(f"CREATE ROLE guarded LOGIN PASSWORD '{PASSWORD}'", "CREATE ROLE stranger LOGIN")
            yield server
    except CannotStart as error:
        needs(f"no PostgreSQL: {error}")


@dataclass
class Both:
    """One Trac's database, in SQLite and in PostgreSQL."""

    trac: RealTrac
    sqlite: str
    postgresql: str


@pytest.fixture(scope="module")
def both(server: Postgres, modern_trac: TracServer) -> Both:
    """A Trac with something of everything, the same in both."""
    trac = modern_trac.new()
    configure(trac)
    fill(trac)
    there = server.load(trac.environment / "db/trac.db", "My Trac")
    server.run(
        'GRANT USAGE ON SCHEMA "My Trac" TO guarded, stranger',
        'GRANT SELECT ON ALL TABLES IN SCHEMA "My Trac" TO guarded',
    )
    return Both(trac, address(trac), f"{there}&trac_ini={trac.environment}/conf/trac.ini")


def _sorted(log: bytes) -> bytes:
    return records.dump(sorted(records.load(log)))


async def test_same_as_sqlite(both: Both) -> None:
    """Every record and every answer is the same as from SQLite, also what the RPC plugin leaves out."""
    async with opened(both.sqlite) as sqlite, opened(both.postgresql) as postgresql:
        assert await postgresql.ids() == await sqlite.ids()
        for moment in (SPRING, SPRING + timedelta(microseconds=1), SPRING + DAY, SPRING + DAY * 9):
            assert await postgresql.changed_since(moment) == await sqlite.changed_since(moment)
            assert await postgresql.attached_since(moment) == await sqlite.attached_since(moment)
        assert await outdated(postgresql, await stored(sqlite)) == []
        expected, found = await everything(sqlite), await everything(postgresql)
        assert postgresql.problems == []
    assert found.keys() == expected.keys()
    fields = {field["name"] for field in records.load(found["fields.json"])}
    assert fields >= UNDECLARED
    assert records.load(found["ticket/1.json"])[3]["gone"] == "x"
    assert records.load(found["ticket/2.json"])[3]["severity"] == "bad"
    for path in expected:
        if path.startswith("changelog/"):  # an unset author sorts first in SQLite, and last in PostgreSQL
            found[path], expected[path] = _sorted(found[path]), _sorted(expected[path])
    assert [(found[path], data) for path, data in expected.items() if found[path] != data] == []


async def test_without_ini(both: Both) -> None:
    """Without trac_ini in the address, custom fields are those in use, and a problem says so."""
    async with opened(both.postgresql.partition("&trac_ini")[0]) as database:
        fields = (await database.metadata()).records["fields.json"]
        assert ["trac.ini is not there" in problem for problem in database.problems] == [True]
    assert "gone" in [field["name"] for field in fields]


async def test_one_state(both: Both, server: Postgres) -> None:
    """What is written while tickets are read is not seen before the next look, and waits for nobody."""
    async with opened(both.postgresql) as database:
        async with database.tickets([1, 2] * 200) as stream:
            before = await anext(stream)
            server.run("SET lock_timeout = 1; UPDATE \"My Trac\".ticket SET summary = 'new' WHERE id = 1")
            assert {str(item) for item in [before, *[item async for item in stream]] if item.number == 1} == {
                str(before)
            }
        async with database.tickets([1]) as stream:
            assert (await anext(stream)).record[3]["summary"] == "new"  # type: ignore[union-attr]
    server.run("UPDATE \"My Trac\".ticket SET summary = 'It crashes' WHERE id = 1")


async def test_read_only(both: Both) -> None:
    """The transaction cannot write, and none stays open between two looks."""
    async with opened(both.postgresql) as database:
        source = database._source
        with source.reading() as connection:
            assert connection.exec_driver_sql("SHOW transaction_read_only").scalar_one() == "on"
            assert connection.exec_driver_sql("SHOW transaction_isolation").scalar_one() == "repeatable read"
        await database.ids()
        with source.reading() as connection:
            query = "SELECT state FROM pg_stat_activity WHERE application_name = 'offtracfs'"
            states = list(connection.exec_driver_sql(query).scalars())
    assert "active" in states
    assert "idle in transaction" not in states


async def test_clock(both: Both) -> None:
    """The clock is the server's."""
    async with opened(both.postgresql) as database:
        assert abs(database.now() - datetime.now(UTC)) < timedelta(seconds=30)
        assert database.now().tzinfo is UTC


# Who may read.


async def _refused(url: str, kind: type[OfftracfsError], words: str, who: Credentials | None = None) -> None:
    with pytest.raises(kind, match=words) as caught:
        async with aclosing(await tracdb.connect(url, who)) as database:
            await database.ids()
    assert type(caught.value) is kind
    assert "hunter2" not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"


async def test_refused(server: Postgres, both: Both, tmp_path: Path) -> None:
    """Each way in which it cannot be read has a sentence and a kind of its own."""
    await _refused(server.address(host=str(tmp_path)), Unreachable, "cannot be reached")
    await _refused(server.address(database="nosuch"), NotATracker, "is not there")
    await _refused(server.address("nosuch"), LoginRefused, "refuses the login")
    await _refused(server.address("guarded"), LoginRefused, "refuses the login")
    await _refused(
        server.address("guarded"), LoginRefused, "refuses the login", Credentials("guarded", "hunter2")
    )
    await _refused(server.address(), NotATracker, "shows us no Trac in its schema 'public'")
    await _refused(server.address("stranger", schema="My Trac"), PermissionMissing, "does not let us read it")


async def test_password(server: Postgres, both: Both) -> None:
    """A password that was found elsewhere is used, for the user that it was found for."""
    url = server.address("nosuch", schema="My Trac")
    async with aclosing(await tracdb.connect(url, Credentials("guarded", PASSWORD))) as database:
        assert 1 in await database.ids()


def test_program(server: Postgres, both: Both, tmp_path: Path) -> None:
    """`offtracfs init` and `sync` take the password from $OFFTRACFS_PASSWORD or pgpass, and keep none."""
    url = both.postgresql.replace("admin@", "guarded@")
    done = offtracfs(tmp_path, "--db", "db", "init", url, OFFTRACFS_PASSWORD=PASSWORD)
    assert (done.returncode, done.stderr) == (0, "")
    assert "shows 6 tickets." in done.stdout
    done = offtracfs(tmp_path, "--db", "db", "sync")
    assert done.returncode == 77
    pgpass = tmp_path / ".pgpass"
    pgpass.write_text(f"*:*:*:guarded:{PASSWORD}\n")
    pgpass.chmod(0o600)
    done = offtracfs(tmp_path, "--db", "db", "sync")
    assert (done.returncode, done.stderr) == (0, "")
    assert PASSWORD not in (tmp_path / "db/config.toml").read_text()


def test_environment(server: Postgres, both: Both, tmp_path: Path) -> None:
    """An environment whose trac.ini names this server works, without the password that stands there."""
    conf = tmp_path / "env/conf"
    conf.mkdir(parents=True)
    ini = (both.trac.environment / "conf/trac.ini").read_text()
    database = f"postgres://guarded:{PASSWORD}@/postgres?host={server.socket}&schema=My+Trac"
    (conf / "trac.ini").write_text(ini.replace("sqlite:db/trac.db", database))
    (conf / "parent.ini").write_text((both.trac.environment / "conf/parent.ini").read_text())
    done = offtracfs(tmp_path, "--db", "db", "init", "env")
    assert (done.returncode, done.stdout) == (77, "")
    assert done.stderr.endswith("Its password may stand in ~/.pgpass or $OFFTRACFS_PASSWORD.\n")
    done = offtracfs(tmp_path, "--db", "db", "init", "env", OFFTRACFS_PASSWORD=PASSWORD)
    assert (done.returncode, done.stderr) == (0, "")
    assert "shows 6 tickets." in done.stdout
    assert PASSWORD not in (tmp_path / "db/config.toml").read_text()


def test_password_at_a_terminal(both: Both, tmp_path: Path) -> None:
    """A server that wants a password gets the one that is typed; one that wants none is not asked about."""
    url = both.postgresql.replace("admin@", "guarded@")
    with at_a_terminal(tmp_path, "--db", "db", "init", url) as terminal:
        terminal.read_until("Password of guarded at ")
        terminal.type(f"{PASSWORD}\n")
        assert terminal.ends() == 0
    with at_a_terminal(tmp_path, "--db", "other", "init", both.postgresql) as terminal:
        assert terminal.ends() == 0
    assert "Password" not in terminal.shown
