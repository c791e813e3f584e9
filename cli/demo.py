"""`offtracfs demo`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("mountpoint", type=click.Path(path_type=Path))
def command(mountpoint: Path) -> None:
    """Mount a made-up tracker with years of history."""
    raise NotImplementedError
