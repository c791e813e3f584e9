"""What several commands take."""

from __future__ import annotations

import math
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from offtracfs.database import INTERVALS, Database
from offtracfs.index import Revision
from offtracfs.index.moments import revision_chosen
from offtracfs.reports.formats import FORMATS, Sheet


class MountPoint(click.Path):
    """A directory; click itself would ask it what it is, and wait for ever where its driver is stopped."""

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


mountpoint = click.argument("mountpoint", type=MountPoint(file_okay=False))
interval = click.option(
    "--interval",
    type=Seconds(*INTERVALS),
    metavar="SECONDS",
    help="The pause between two syncs. Default: what config.toml says, else 60.",
)
at = click.option(
    "--at",
    metavar="MOMENT",
    default="",
    help="As the tracker stood then, by what follows @ in the mount: 2011-04-09, 2011-04-09T21:16:07, HEAD~3 "
    "or a commit. Default: now.",
)
form = click.option(
    "--format",
    "form",
    type=click.Choice(tuple(FORMATS)),
    default="table",
    help="What to write: a table for people, or csv, tsv or json for programs. Default: table.",
)


def moment(database: Database, at: str) -> Revision:
    """The revision that ``--at`` stands for. Raises UsageError, NotADatabase; as `Database.reader` does."""
    with closing(database.reader()) as reader:
        return revision_chosen(reader, at.removeprefix("@"), database.settings.zone)


def write(sheet: Sheet, form: str) -> None:
    """Write to stdout what ``--format`` asked for."""
    FORMATS[form](sheet, sys.stdout)
