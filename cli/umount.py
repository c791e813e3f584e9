"""`offtracfs umount`: take a mount away."""

from __future__ import annotations

from pathlib import Path

import click

from offtracfs.mount import mountpoints
from offtracfs.status import waiting

from . import shared
from .text import said, waits


@click.command()
@click.argument(
    "mountpoint", type=shared.MountPoint(file_okay=False), shell_complete=shared.offering("mounts")
)
def command(mountpoint: Path) -> None:
    """Take the mount at MOUNTPOINT away, and come back when its processes have ended.

    It says so where changes of tickets wait that were not pushed.
    """
    found = waiting(mountpoints.unmount(mountpoint))
    if found and found.tickets:
        click.echo(said(waits(found.tickets)), err=True)
