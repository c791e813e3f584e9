"""`offtracfs query`: Trac's query language."""

from __future__ import annotations

from pathlib import Path

import click

from offtracfs.database import Database
from offtracfs.errors import QueryRefused
from offtracfs.querylanguage import no_field, parse
from offtracfs.reports import query

from .questions import at, confined, form, revision_for, write
from .text import shown


@click.command()
@click.argument("text", metavar="QUERY")
@form
@at
@click.option(
    "--like-trac", is_flag=True, help="Pass over names that no field has, as Trac does, and say so on stderr."
)
@click.pass_obj
def command(directory: Path, text: str, form: str, at: str | None, like_trac: bool) -> None:
    r"""List the tickets that a query in Trac's query language asks for.

    \b
      offtracfs query 'status!=closed&owner=$USER'             what you have to do
      offtracfs query 'status=new|assigned&summary~=crash'     either status; contains
      offtracfs query 'status=new&or&priority=blocker'         either condition
      offtracfs query 'created=2011-04-01..2011-05-01&order=time&desc=1'
      offtracfs query 'changetime=7 days ago..&group=milestone&col=id&col=owner' --at 2011-04-09
      offtracfs query '?status=!closed&keywords=~slow&max=20'  the address of Trac's query page

    Operators are = is, ~= contains, ^= begins with, $= ends with, and each with a ! in front. All tickets
    that match are listed unless there is a max. Dates are in the database's time zone, and with --at
    "today" is then. $USER is you, as the tracker knows you (`offtracfs status` says as whom). A name that no
    field has is refused.

    Exit codes: 0 whatever there is to list, 64 the query cannot be understood, or no such moment.
    """
    database = Database(directory)
    revision = revision_for(database, at)
    fields = query.fields_at(database, revision)
    asked = parse(text, fields)
    for name in asked.unknown:
        if not like_trac:
            raise QueryRefused(f"{no_field(name, fields)} Trac would pass over it, and so does --like-trac.")
        click.echo(f"offtracfs: There is no field {shown(name)}, and Trac passes over it.", err=True)
    now = query.now_at(at or "", revision, database.settings.zone)
    with confined(database, revision) as box:
        write(query.sheet(box, asked, fields, database.user() or query.NOBODY, now), form)
