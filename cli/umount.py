"""`offtracfs umount`: take a mount away."""

from __future__ import annotations

from pathlib import Path

import click

from offtracfs.mount import mountpoints

from . import shared


@click.command()
@shared.mountpoint
def command(mountpoint: Path) -> None:
    """Take the mount at MOUNTPOINT away, and come back when its processes have ended."""
    mountpoints.unmount(mountpoint)
