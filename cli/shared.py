"""What several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from offtracfs.database import INTERVALS


class MountPoint(click.Path):
    """A directory; click itself would ask it what it is, and wait for ever where its driver is stopped."""

    def convert(self, value: Any, _parameter: click.Parameter | None, _context: click.Context | None) -> Any:
        """The path as it is."""
        return Path(value)


mountpoint = click.argument("mountpoint", type=MountPoint(file_okay=False))
interval = click.option(
    "--interval",
    type=click.FloatRange(*INTERVALS),
    metavar="SECONDS",
    help="The pause between two syncs. Default: what config.toml says, else 60.",
)
