"""`offtracfs sync`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--full", is_flag=True, help="Look at everything now, as is done once a day.")
@click.option("--watch", is_flag=True, help="Go on, and sync again after every interval.")
@click.option("--interval", type=click.FloatRange(1), metavar="SECONDS", help="The pause between two syncs.")
@click.option("--accept-deletions", is_flag=True, help="Believe it that many tickets are gone.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Say what was done as JSON, a line a sync.")
@click.pass_obj
def command(
    directory: Path,
    full: bool,
    watch: bool,
    interval: float | None,
    accept_deletions: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Bring the database up to date with the tracker."""
    raise NotImplementedError
