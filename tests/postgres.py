"""A real PostgreSQL server for the tests, on a socket of its own, with Tracs' databases in it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import BigInteger, Integer, MetaData, create_engine
from sqlalchemy.engine import URL

DEBIAN = "/usr/lib/postgresql/*/bin"
ACCESS = "local all guarded scram-sha-256\nlocal all all trust\n"
PASSWORD = "secret"


class CannotStart(Exception):
    """Why there is no PostgreSQL on this machine."""


class Postgres:
    """A running server, acted on as its administrator."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket

    def address(self, user: str = "admin", database: str = "postgres", **options: str) -> str:
        """The address of a Trac in this server."""
        query = {"host": str(self.socket), **options}
        return URL.create("trac+postgresql", user, database=database, query=query).render_as_string()

    def run(self, *statements: str) -> None:
        """Run some SQL."""
        with psycopg.connect(host=str(self.socket), user="admin", dbname="postgres") as connection:
            for statement in statements:
                connection.execute(sql.SQL(statement))

    def load(self, file: Path, schema: str) -> str:
        """The address of what stands in a SQLite database, copied into a new schema."""
        source = create_engine(f"sqlite:///{file}")
        target = create_engine(
            URL.create("postgresql+psycopg", "admin", database="postgres", query={"host": str(self.socket)})
        )
        tables = MetaData()
        tables.reflect(source)
        for table in tables.tables.values():
            table.schema = schema
            for column in table.columns:
                if isinstance(column.type, Integer):
                    column.type = BigInteger()
        self.run(f'CREATE SCHEMA "{schema}"')
        with source.connect() as reading, target.begin() as writing:
            tables.create_all(writing)
            for table in tables.sorted_tables:
                names = ", ".join(f'"{column.name}"' for column in table.columns)
                rows = [
                    dict(row)
                    for row in reading.exec_driver_sql(f"SELECT {names} FROM {table.name}").mappings()
                ]
                if rows:
                    writing.execute(table.insert(), rows)
        source.dispose()
        target.dispose()
        return self.address(schema=schema)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server for as long as the context lasts. Raises CannotStart."""
    programs = _programs()
    # Not below pytest's directory, which only this user may enter: PostgreSQL refuses to be root.
    with tempfile.TemporaryDirectory(prefix="offtracfs-pg-") as name:
        place, user = Path(name), _user()
        if user:
            os.chown(place, user.pw_uid, user.pw_gid)
        data, log = place / "data", place / "log"
        options: dict[str, Any] = (
            {"cwd": place, "user": user.pw_uid, "group": user.pw_gid} if user else {"cwd": place}
        )
        initdb = [
            str(programs / "initdb"),
            "--no-sync",
            "--username=admin",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        ]
        done = subprocess.run([*initdb, str(data)], capture_output=True, text=True, check=False, **options)
        if done.returncode:
            raise CannotStart(f"initdb: {done.stderr[-600:]}")
        (data / "pg_hba.conf").write_text(ACCESS)
        command = [str(programs / "postgres"), "-D", str(data), "-k", str(place)]
        command += ["-c", "listen_addresses=", "-c", "fsync=off"]
        with (
            log.open("wb") as output,
            subprocess.Popen(command, stdout=output, stderr=output, **options) as server,
        ):
            try:
                _wait(server, place, log)
                yield Postgres(place)
            finally:
                server.send_signal(signal.SIGINT)


def _programs() -> Path:
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    newest = sorted(Path("/").glob(f"{DEBIAN[1:]}/initdb"))
    if not newest:
        raise CannotStart("there is no initdb")
    return newest[-1].parent


def _user() -> pwd.struct_passwd | None:
    return pwd.getpwnam("nobody") if os.getuid() == 0 else None


def _wait(server: subprocess.Popen[bytes], socket: Path, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            psycopg.connect(host=str(socket), user="admin", dbname="postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise CannotStart(log.read_text()[-600:])
