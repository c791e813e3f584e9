"""`offtracfs status`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON.")
@click.pass_obj
def command(directory: Path, as_json: bool) -> None:
    """Say what is where."""
    raise NotImplementedError
