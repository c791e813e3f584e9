"""The tracker of a database, connected with whatever credentials this user keeps."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import trio

from offtracfs.database import Settings
from offtracfs.trackers import Tracker, credentials, folder, trac, tracdb


async def login(settings: Settings) -> trac.Credentials | None:
    """Whom to log in as. Raises UsageError."""
    user = settings.user or urlsplit(settings.url).username or ""
    find = partial(
        credentials.find,
        replace(settings, user=user),
        password=os.environ.get("OFFTRACFS_PASSWORD"),
        netrc_file=Path(os.environ.get("NETRC") or Path.home() / ".netrc"),
    )
    # A password command may wait for its user: a Ctrl-C or SIGTERM shall not.
    return await trio.to_thread.run_sync(find, abandon_on_cancel=True)


def checked_url(url: str) -> str:
    """A tracker's address as it may stand in `Settings`. Raises UsageError."""
    if url.startswith(folder.SCHEME):
        return folder.checked_url(url)
    return tracdb.checked_url(url) if url.startswith(tracdb.SCHEMES) else trac.checked_url(url)


async def connect(settings: Settings, directory: Path | None = None) -> Tracker:
    """The tracker, logged in to; `directory` has room for a copy. Raises UsageError, TrackerError."""
    return await connect_as(await login(settings), settings, directory)


async def connect_as(
    who: trac.Credentials | None, settings: Settings, directory: Path | None = None
) -> Tracker:
    """As `connect`, with credentials that were found before."""
    if settings.url.startswith(folder.SCHEME):
        return folder.Folder(settings.url)
    if settings.url.startswith(tracdb.SCHEMES):
        return await tracdb.connect(settings.url, who, directory=directory)
    return await trac.connect(settings.url, who)
