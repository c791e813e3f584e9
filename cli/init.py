"""`offtracfs init`: a database for a Trac."""

from __future__ import annotations

import shlex
import shutil
from contextlib import aclosing

import click
import trio
from click.core import ParameterSource

from offtracfs.database import Database, Settings, State
from offtracfs.trackers import registry

from .connect import Connector
from .text import count, shown


@click.command()
@click.argument("url")
@click.option(
    "--user", metavar="NAME", default="", help="The name to log in with. Default: netrc's, else nobody."
)
@click.pass_context
def command(context: click.Context, url: str, user: str) -> None:
    r"""Make a database for the tracker at URL, once it has answered.

    \b
      offtracfs init https://trac.example.org
      offtracfs --db ~/trackers/work init --user me https://trac.example.org/project
      offtracfs init /srv/trac                     an environment's folder, with its own database
      offtracfs init trac+sqlite:///srv/trac/db/trac.db
      offtracfs init trac+postgresql://me@db.example.org/trac?trac_ini=/srv/trac/conf/trac.ini
      offtracfs init teamtrack+postgresql://me@db.example.org/teamtrack
      offtracfs init teamtrack+https://teamtrack.example.org
      offtracfs init offtrac:///home/me/db         a folder that offtrac kept; its commits are kept, too

    The Trac needs the XML-RPC plugin, and for whoever logs in the permissions XML_RPC and TICKET_VIEW: if
    one is missing, it is named, and nothing is left behind. Reports need REPORT_VIEW and REPORT_SQL_VIEW
    (with Trac 1.6, REPORT_MODIFY): a sync that may not read them says so. A Trac's own database needs no
    plugin; what only its trac.ini says is read from ../conf, or from where trac_ini says. One in MySQL
    cannot be read: there it takes the Trac's web address, and the plugin.

    Of a TeamTrack, cases become tickets. Its database gives their history, too; its SOAP service does not.

    A password is never an argument. The first of these that has one is taken: $OFFTRACFS_PASSWORD; what
    the `password_command` of config.toml prints; ~/.netrc (or $NETRC), which must have mode 600; the
    desktop's keyring, under the URL, where the Python package keyring is installed. Where none has it, it is
    asked for at a terminal. A line of netrc:

    \b
      machine trac.example.org login NAME password PASSWORD
    """
    settings = Settings(registry.checked_url(url), user)
    tickets, known_as, problems = trio.run(_try, settings)
    database = Database.create(context.obj, settings)
    try:
        if adopt := registry.kind(settings.url).adopt:
            adopt(settings.url, database.store.path)
        database.save(State(user=known_as or ""))
    except BaseException:
        shutil.rmtree(database.path)
        raise
    if known_as is None:
        seen_by = ""
    else:
        seen_by = f" to {known_as}" if known_as else " without a login (--user NAME may show more)"
    program = "offtracfs"
    if context.parent and context.parent.get_parameter_source("db") is ParameterSource.COMMANDLINE:
        program += f" --db {shlex.quote(str(database.path))}"
    click.echo(shown(f"{settings.url} answers, and shows {count(tickets, 'ticket')}{seen_by}."))
    for problem in problems:
        click.echo(f"Left out: {shown(problem)}", err=True)
    click.echo(shown(f"Its database is {database.path}, still empty. Next:"))
    click.echo(shown(f"  {program} sync              fetch everything; if interrupted, it goes on later"))
    click.echo(shown(f"  {program} mount MOUNTPOINT  show it as files, and keep it in step"))


async def _try(settings: Settings) -> tuple[int, str | None, list[str]]:
    """How many tickets are seen, by whom, and what is wrong, once all was tried that a sync does first."""
    async with aclosing(await Connector(settings)()) as tracker:
        return len(await tracker.ids()), tracker.user, tracker.problems
