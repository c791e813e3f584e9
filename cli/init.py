"""`offtracfs init`: a database for a Trac."""

from __future__ import annotations

import shlex
from contextlib import aclosing

import click
import trio
from click.core import ParameterSource

from offtracfs.database import Database, Settings
from offtracfs.trackers.trac.http import checked_url

from .connect import connect
from .text import count, shown


@click.command()
@click.argument("url")
@click.option("--user", metavar="NAME", default="", help="The name to log in with. Default: nobody logs in.")
@click.pass_context
def command(context: click.Context, url: str, user: str) -> None:
    r"""Make a database for the Trac at URL, once it has answered.

    \b
      offtracfs init https://trac.example.org
      offtracfs --db ~/trackers/work init --user me https://trac.example.org/project

    The Trac needs the XML-RPC plugin, and for whoever logs in the permissions XML_RPC and TICKET_VIEW;
    reports need REPORT_VIEW and REPORT_SQL_VIEW. If something is missing, it is named, and nothing is
    left behind.

    A password is never an argument. It is looked for in $OFFTRACFS_PASSWORD, in what the
    `password_command` of config.toml prints, in ~/.netrc (or $NETRC), and in the desktop's keyring (if
    the Python package keyring is installed) under the URL. An example for ~/.netrc, which must have mode 600:

    \b
      machine trac.example.org login me password ...
    """
    settings = Settings(checked_url(url), user)
    tickets = trio.run(_tickets, settings)
    database = Database.create(context.obj, settings)
    program = "offtracfs"
    if context.parent and context.parent.get_parameter_source("db") is ParameterSource.COMMANDLINE:
        program += f" --db {shlex.quote(str(database.path))}"
    click.echo(f"{shown(settings.url)} answers, and shows {count(tickets, 'ticket')}{_as(settings)}.")
    click.echo(f"Its database is {shown(str(database.path))}, still empty. Next:")
    click.echo(f"  {shown(program)} sync              fetch everything; it can be interrupted, and goes on")
    click.echo(f"  {shown(program)} mount MOUNTPOINT  show it as files, and keep it in step")


def _as(settings: Settings) -> str:
    if settings.user:
        return f" to {shown(settings.user)}"
    return " to everybody; --user NAME may see more"


async def _tickets(settings: Settings) -> int:
    """How many tickets can be seen: the tracker does all that a sync will ask of it first."""
    async with aclosing(await connect(settings)) as tracker:
        return len(await tracker.ids())
