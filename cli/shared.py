"""What several commands take."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from offtracfs.database import MAX_INTERVAL, MIN_INTERVAL


class MountPoint(click.Path):
    """A directory.

    Click's own check would call stat, which waits for ever if the mount's driver is stopped.
    """

    def convert(self, value: Any, _parameter: click.Parameter | None, _context: click.Context | None) -> Any:
        """The path as it is."""
        return Path(value)


class Seconds(click.FloatRange):
    """A number in a range; click itself would let "nan" through."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """The number. Raises click.BadParameter."""
        number = super().convert(value, parameter, context)
        if math.isnan(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", parameter, context)
        return number


def offering(name: str) -> Callable[[click.Context, click.Parameter, str], list[Any]]:
    """What `offtracfs_cli.completion` offers by that name; loaded when a shell asks."""

    def offer(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
        from . import completion

        found: list[Any] = getattr(completion, name)(context, parameter, incomplete)
        return found

    return offer


mountpoint = click.argument("mountpoint", type=MountPoint(file_okay=False))
interval = click.option(
    "--interval",
    type=Seconds(MIN_INTERVAL, MAX_INTERVAL),
    metavar="SECONDS",
    help="The pause between two syncs. Default: what config.toml says, else 60.",
)
