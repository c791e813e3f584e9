"""The tracker of a database, connected with whatever credentials this user keeps."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import trio

from offtracfs import credentials
from offtracfs.database import Settings
from offtracfs.trackers import trac


async def login(settings: Settings) -> trac.Credentials | None:
    """Whom to log in as. Raises UsageError."""
    find = partial(
        credentials.find,
        settings,
        password=os.environ.get("OFFTRACFS_PASSWORD"),
        netrc_file=Path(os.environ.get("NETRC") or Path.home() / ".netrc"),
    )
    # A password command may wait for its user: a Ctrl-C or SIGTERM shall not.
    return await trio.to_thread.run_sync(find, abandon_on_cancel=True)


async def connect(settings: Settings) -> trac.TracTracker:
    """The tracker, logged in to. Raises UsageError, TrackerError."""
    return await trac.connect(settings.url, await login(settings))
