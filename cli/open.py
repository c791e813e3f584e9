"""`offtracfs open`: a ticket on the tracker's own page."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from offtracfs.database import Database
from offtracfs.errors import UsageError
from offtracfs.trackers.registry import ticket_address

from . import shared
from .text import shown


@click.command()
@shared.ticket
@click.option("--print", "prints", is_flag=True, help="Print the page's address, and open nothing.")
@click.pass_obj
def command(directory: Path, number: int, prints: bool) -> None:
    """Show ticket N on the tracker's own page, in the browser.

    The browser is the desktop's, or what $BROWSER says. The ticket need not be in the database yet.

    Exit codes: 0 shown, 64 the tracker has no page that is known, or there is no browser.
    """
    settings = Database(directory).settings
    address = ticket_address(settings.url, number)
    if not address:
        raise UsageError(f"Where {settings.url} shows its tickets is not known: it has no web address.")
    if prints:
        click.echo(shown(address))
    elif not webbrowser.open(address):
        raise UsageError(f"No browser can be started: set $BROWSER, or visit {address} yourself.")
