"""`offtracfs init`: a database for a Trac."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("url")
@click.option("--user", metavar="NAME", default="", help="The name to log in with.")
@click.pass_obj
def command(directory: Path, url: str, user: str) -> None:
    """Make a database for the Trac at URL."""
    raise NotImplementedError
