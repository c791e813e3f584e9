"""TeamTrack databases of the demo for the tests: both kinds of schema, in SQLite and in a real PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import create_engine
from sqlalchemy.engine import URL

from offtracfs import teamtrack
from offtracfs.demo.teamtrack import fill
from offtracfs.teamtrack.server import Record, Server
from tests.postgres import Postgres

CASES = 40
KINDS = ("sqlite-cases", "sqlite-issues", "postgresql-cases", "postgresql-issues")
"""A database system and the table of the cases: TS_CASES with dates as numbers, or TTT_ISSUES with native
ones."""
_NUMBERS = count(1)


class Teamtracks:
    """Makes databases that nobody else has, each a copy of one that is filled once."""

    def __init__(self, place: Path, postgres: Callable[[], Postgres]) -> None:
        self._place = place
        self._postgres = postgres  # which starts it, where it is needed
        self._filled: set[str] = set()

    def new(self, kind: str, cases: int = CASES) -> str:
        """The address of a new database."""
        system, _, schema = kind.partition("-")
        template = f"{schema}_{cases}"
        return (self._sqlite if system == "sqlite" else self._postgresql)(template, schema == "issues", cases)

    def _sqlite(self, template: str, issues: bool, cases: int) -> str:
        source = self._place / f"{template}.db"
        if not source.exists():
            _fill(f"sqlite:///{source}", issues, cases)
        file = self._place / f"{next(_NUMBERS)}.db"
        shutil.copy(source, file)
        return f"sqlite:///{file}"

    def _postgresql(self, template: str, issues: bool, cases: int) -> str:
        if template not in self._filled:
            self._create(template, "template1")
            _fill(self.postgresql(template), issues, cases)
            self._filled.add(template)
        name = f"teamtrack_{next(_NUMBERS)}"
        self._create(name, template)
        return self.postgresql(name)

    def _create(self, name: str, template: str) -> None:
        with psycopg.connect(
            host=str(self._postgres().socket), user="admin", dbname="postgres", autocommit=True
        ) as admin:
            words = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            admin.execute(words.format(sql.Identifier(name), sql.Identifier(template)))

    def postgresql(self, name: str, user: str = "admin") -> str:
        """The address of a database in PostgreSQL."""
        query = {"host": str(self._postgres().socket)}
        return URL.create("postgresql", user, database=name, query=query).render_as_string()


def _fill(url: str, issues: bool, cases: int) -> None:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    fill(engine, cases=cases, issues=issues, native_dates=issues)
    engine.dispose()


def writable(address: str) -> str:
    """An address whose database may be written."""
    return f"{address}{'&' if '?' in address else '?'}write=1"


def connected(address: str, userid: str = "joe") -> Server:
    """A server that may write."""
    return teamtrack.connect(userid, "", writable(address))


def everything(server: Server) -> dict[str, list[Record]]:
    """All records of all tables."""
    return {name: list(server.query(number)) for name, number in server.tables.items()}
