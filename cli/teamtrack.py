"""`offtracfs teamtrack`: a TeamTrack asked directly, in its own words."""

from __future__ import annotations

import os
from pathlib import Path

import click

from offtracfs import teamtrack
from offtracfs.database import Database
from offtracfs.database.settings import PASSWORD
from offtracfs.errors import UsageError
from offtracfs.reports.formats import Column, Row, Sheet
from offtracfs.teamtrack.server import Server
from offtracfs.trackers import credentials

from .questions import form, write
from .text import shown

MAX_DIGITS = 19  # of an id: a column holds no more
PREFIX = "teamtrack+"  # of a tracker's address, which is a server's after it


@click.command()
@click.argument("action", type=click.Choice(("query",)))
@click.argument("table")
@click.option(
    "--where", metavar="CLAUSE", default="", help="Which records, in the words of SQL. Default: all."
)
@click.option("--fields", metavar="NAME,…", help="Which fields, in this order. Default: all.")
@form
@click.option(
    "--server",
    metavar="ADDRESS",
    help="The TeamTrack: the address of its database, or the host that has its SOAP service. Default: the"
    " tracker of --db.",
)
@click.pass_obj
def command(
    directory: Path, action: str, table: str, where: str, fields: str | None, form: str, server: str | None
) -> None:
    r"""Ask a TeamTrack itself: list the records of a table.

    \b
      offtracfs teamtrack query USERS --server sqlite:////srv/teamtrack.db
      offtracfs teamtrack query CASES --where "TS_STATE = 2 ORDER BY TS_SUBMITDATE" --fields ID,TITLE
      offtracfs teamtrack query CASES --where \
        'TS_PROJECTID IN (SELECT TS_ID FROM TS_PROJECTS WHERE TS_PARENTID = 1)' --format json

    TABLE is a table's name, with or without its TS_, or its id; CASES is the table of the cases, whatever its
    name. A clause is a condition, with subselects and an ORDER BY, on columns with their TS_. Fields have no
    TS_; dates are seconds since 1970, GMT. Nothing is changed. A password comes from $OFFTRACFS_PASSWORD,
    netrc or the keyring, as for `offtracfs init`.

    Exit codes: 0 whatever there is to list, 64 it cannot be asked so, 66 no database there, 68 no TeamTrack
    there, 69 it does not answer, 76 it refuses the question, 77 login refused.
    """
    with _connected(directory, server) as connected:
        number = _table(connected, table)
        known = connected.new_record(number).keys()
        names = [name.strip().upper() for name in fields.split(",")] if fields else known
        for name in names:
            if name not in known:
                raise UsageError(f"{shown(table)} has no field {shown(name)}. It has {', '.join(known)}.")
        found = connected.query(number, where)
        rows = (Row([record[name] for name in names]) for record in found)
        write(Sheet("", [Column(name, label=name) for name in names], rows), form)


def _connected(directory: Path, address: str | None) -> Server:
    user = password_command = ""
    if address is None:
        settings = Database(directory).settings
        if not settings.url.startswith(PREFIX):
            raise UsageError("The tracker of this database is no TeamTrack: name one with --server.")
        address = settings.url.removeprefix(PREFIX)
        user, password_command = settings.user, settings.password_command
    elif PASSWORD.match(address):
        raise UsageError("The address holds a password: leave it out, and use $OFFTRACFS_PASSWORD or netrc.")
    who = credentials.find(
        address if "://" in address else f"https://{address}",
        user,
        password_command,
        password=os.environ.get("OFFTRACFS_PASSWORD"),
        netrc_file=Path(os.environ.get("NETRC") or Path.home() / ".netrc"),
    )
    return teamtrack.connect(who.user if who else "", (who and who.password) or "", address)


def _table(server: Server, name: str) -> int:
    """The id of a table that is named on the command line."""
    tables = server.tables
    number = tables.get(
        name.upper().removeprefix("TS_"), int(name) if name.isdecimal() and len(name) <= MAX_DIGITS else None
    )
    if number is None:
        raise UsageError(f"There is no table {shown(name)}. There are {', '.join(sorted(tables))}.")
    return number
