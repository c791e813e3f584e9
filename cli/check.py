"""`offtracfs check`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.pass_obj
def command(directory: Path) -> None:
    """Say whether all is well."""
    raise NotImplementedError
