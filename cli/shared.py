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


class TicketNumber(click.ParamType[int]):
    """A ticket's number, as 42 or #42."""

    name = "number"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """The number. Raises click.BadParameter."""
        if (number := ticket_number(str(value))) is None:
            self.fail(f"{str(value)[:60]!r} is no ticket's number.", parameter, context)
        return number


def ticket_number(text: str) -> int | None:
    """The number in 42 or #42; None where there is none."""
    digits = text.removeprefix("#")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 19 else None


def offering(name: str) -> Callable[[click.Context, click.Parameter, str], list[Any]]:
    """What `offtracfs_cli.completion` offers by that name; loaded when a shell asks."""

    def offer(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
        from . import completion

        found: list[Any] = getattr(completion, name)(context, parameter, incomplete)
        return found

    return offer


def _ticket(**options: Any) -> Callable[[Any], Any]:
    return click.argument("number", type=TicketNumber(), shell_complete=offering("tickets"), **options)


ticket = _ticket(metavar="N")
ticket_or_none = _ticket(metavar="[N]", required=False)
mountpoint = click.argument("mountpoint", type=MountPoint(file_okay=False))
interval = click.option(
    "--interval",
    type=Seconds(MIN_INTERVAL, MAX_INTERVAL),
    metavar="SECONDS",
    help="The pause between two syncs. Default: what config.toml says, else 60.",
)
