"""`offtracfs sql`: the safe door to Trac's tables."""

from __future__ import annotations

from pathlib import Path

import click

from offtracfs.database import Database
from offtracfs.reports.formats import Column, Row, Sheet
from offtracfs.reports.sandbox import run

from .questions import at, confined, form, revision_for, write


@click.command()
@click.argument("sql")
@form
@at
@click.pass_obj
def command(directory: Path, sql: str, form: str, at: str | None) -> None:
    r"""Run one SELECT on Trac's own tables, as they stand or stood.

    \b
      offtracfs sql 'SELECT owner, count(*) FROM ticket GROUP BY owner'
      offtracfs sql "SELECT count(*) FROM ticket WHERE status <> 'closed'" --at 2011-04-09
      offtracfs sql 'SELECT * FROM ticket_change WHERE ticket = 42 ORDER BY time' --format json

    The tables are ticket, ticket_change, ticket_custom, enum, component, milestone, version and report, with
    Trac's columns; times are microseconds since 1970 UTC. What SQL calls now, as in date('now'), is
    the real clock's, with --at too. The SQL is SQLite's; what only PostgreSQL or MySQL
    would take is translated where that can be done faithfully. Nothing can be written, and there are
    limits: 30 seconds of work, a million rows, 512 MB of memory, 1 GB in a file.

    Exit codes: 0 it ran, 64 it cannot run here, or no such moment, 66 no database there, or still empty.
    """
    database = Database(directory)
    with confined(database, revision_for(database, at)) as sandbox:
        names, rows = run(sandbox, sql)
        columns = [Column(name, label=name) for name in names]
        write(Sheet("", columns, map(Row, rows)), form)
