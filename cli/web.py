"""`offtracfs web`: the tracker in a browser."""

from __future__ import annotations

import secrets
import webbrowser
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

from offtracfs.database import Database
from offtracfs.errors import UsageError
from offtracfs.trackers.credentials import password_from
from offtracfs.web import Guard, Server
from offtracfs.web.guard import TOKEN, is_loopback

from .text import said

MAX_WORKERS = 64


@click.command()
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", help="Where to listen. Default: 127.0.0.1.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=5000, help="The port. Default: 5000; 0 is any free one."
)
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
@click.option(
    "--workers",
    type=click.IntRange(1, MAX_WORKERS),
    default=1,
    metavar="COUNT",
    help="How many processes answer; as many as the machine has processors is best. Default: 1.",
)
@click.option(
    "--password-command",
    metavar="COMMAND",
    help='A program that prints, as its first line, the password to ask for: "pass show tracker".',
)
@click.option(
    "--name", "names", multiple=True, help="A further name by which it may be asked. Can be repeated."
)
@click.pass_obj
def command(
    directory: Path,
    host: str,
    port: int,
    opens: bool,
    workers: int,
    password_command: str | None,
    names: Sequence[str],
) -> None:
    r"""Show the tracker in a browser, as it is and as it was, until Ctrl-C.

    \b
      offtracfs web --open                     at http://127.0.0.1:5000/
      curl http://127.0.0.1:5000/ticket/42.json
      curl http://127.0.0.1:5000/@2011-04-09/ticket/42.json
      offtracfs web --host 0.0.0.0 --password-command 'pass show tracker'

    It only reads, beside a mount or without one, and shows what each sync brings. /api says what programs can
    ask for.

    At an address that others can reach, a browser must show a secret: the password, with any name, or, where
    no command gives one, the token in the address that is printed. HTTP is not encrypted: on a network that
    others use, put a server with TLS in front of this one, and give --name the name that it has.
    """
    secret = ""
    if password_command:
        secret = password_from(password_command, "--password-command")
    elif not is_loopback(host):
        secret = secrets.token_urlsafe(16)
    with closing(Database(directory).reader(upgrades=True)):
        pass  # an index that is missing is built now, and not while somebody waits for a page
    server = Server(directory, host, port, Guard(host, names, secret))
    address = f"http://{f'[{host}]' if ':' in host else host}:{server.port}/"
    token = f"?{TOKEN}={secret}" if secret and not password_command else ""
    click.echo(said(f"{address}{token}   (Ctrl-C ends it)"))
    if opens and not webbrowser.open(address + token):
        raise UsageError(f"No browser can be started: set $BROWSER, or visit {address}{token} yourself.")
    server.serve(workers)
