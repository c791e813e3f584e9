"""`offtracfs umount`: take a mount away."""

from __future__ import annotations

from pathlib import Path

import click

from offtracfs.mount import mountpoints

from . import shared


@click.command()
@click.argument(
    "mountpoint", type=shared.MountPoint(file_okay=False), shell_complete=shared.offering("mounts")
)
def command(mountpoint: Path) -> None:
    """Take the mount at MOUNTPOINT away, and come back when its processes have ended."""
    mountpoints.unmount(mountpoint)
