"""Real Tracs with reports, what they answer to `?format=csv`, and what we make of the same data."""

from __future__ import annotations

import csv
import io
import random
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from offtracfs.database import Database
from offtracfs.index.moments import revision_chosen
from offtracfs.reports import query, report, sandbox
from offtracfs.reports.formats import write_csv
from tests.tracclient import SPRING
from tests.tracinstall import PASSWORD, Installation
from tests.tracservers import RealTrac

STOCK = range(1, 9)
"""The reports that a new Trac has."""

_ADD_STOCK = """
import sys
from trac.env import open_environment
from trac.db_default import get_reports
with open_environment(sys.argv[1]).db_transaction as database:
    statement = "INSERT INTO report (title, description, query) VALUES (%s, %s, %s)"
    database.executemany(statement, get_reports(database))
"""

Table = list[list[str]]
"""A row of column names, and then the rows."""


def add_stock_reports(installation: Installation, environment: Path) -> None:
    """The reports with which an environment of this Trac would have begun."""
    command = [*installation.python, "-c", _ADD_STOCK, str(environment)]
    subprocess.run(command, env=installation.environ, check=True)


class Visitor:
    """An administrator who reads reports."""

    def __init__(self, trac: RealTrac, client: httpx.Client) -> None:
        self._trac = trac
        self._client = client
        client.get(f"{trac.url}/login").raise_for_status()  # for a cookie

    def text(self, number: int, **variables: str) -> str:
        """What the site gives as "Comma-delimited Text"."""
        answer = self._client.get(
            f"{self._trac.url}/report/{number}", params={"format": "csv", **variables}
        ).raise_for_status()
        assert answer.headers["content-type"].startswith("text/csv"), answer.text
        return answer.content.decode("utf-8-sig")

    def table(self, number: int, **variables: str) -> Table:
        """The rows of that."""
        return table(self.text(number, **variables))


def visiting() -> httpx.Client:
    """A client for a `Visitor`."""
    return httpx.Client(auth=("admin", PASSWORD), timeout=60, follow_redirects=True)


def table(text: str) -> Table:
    """The rows of a CSV text."""
    return list(csv.reader(io.StringIO(text, newline="")))


def written(database: Database, number: int, at: str = "", **variables: str) -> str:
    """What a database gives for a report, as the command line would write it; the user is "admin"."""
    with closing(database.reader()) as reader:
        revision = revision_chosen(reader, at, database.settings.zone)
    context = report.Context(query.fields_at(database, revision), "admin", datetime.now(UTC))
    out = io.StringIO(newline="")
    with closing(sandbox.connect(database.path, revision.number)) as box:
        shown, _ = report.sheet(box, report.get(box, number), context, variables)
        write_csv(shown, out)
    return out.getvalue()


def ours(database: Database, number: int, at: str = "", **variables: str) -> Table:
    """The rows of that."""
    return table(written(database, number, at, **variables))


def up_to_ties(number: int, found: Table) -> tuple[list[Any], Table]:
    """What a stock report's order goes by, row for row, and the rows in an order of ours."""
    names, *rows = found
    return [names, *(_place(number, dict(zip(names, row, strict=True)), row) for row in rows)], sorted(rows)


def _place(number: int, row: Mapping[str, str], cells: Sequence[str]) -> Sequence[str]:
    """All that there is, but in "All Tickets By Milestone": open tickets are ordered by priority alone."""
    if number != 6:
        return cells
    return row["__group__"], row["modified"] if row["status"] == "closed" else row["priority"]


PEOPLE = ("admin", "ann", "bob", "é (née è)")


def fill(trac: RealTrac, tickets: int = 40) -> None:
    """Tickets of every state, no two of them opened or changed at the same time."""
    pick = random.Random(tickets).choice
    for number in range(1, tickets + 1):
        opened = SPRING + timedelta(hours=number * 7, microseconds=number)
        trac.create(
            f"ticket {number}",
            opened,
            author=pick(PEOPLE),
            owner=pick((*PEOPLE, "")),
            component=pick(("component1", "component2")),
            version=pick(("", "1.0", "2.0")),
            milestone=pick(("", "milestone1", "milestone2", "gone")),
            priority=pick(("blocker", "critical", "major", "minor", "trivial")),
            type=pick(("defect", "enhancement", "task")),
            cc=pick(("", "ann;bob", " ann , carl ")),
            description=pick(("", 'It "crashes", often.\r\n\r\nAlways.', "é")),
        )
        status = pick(("new", "accepted", "accepted", "closed", "reopened"))
        resolution = pick(("fixed", "wontfix")) if status == "closed" else ""
        later = opened + timedelta(days=100, minutes=number)
        trac.change(number, later, pick(PEOPLE), pick(("", "Yes.")), status=status, resolution=resolution)
