"""The demo's TeamTrack with a database of ours beside it, synced once."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from urllib.parse import quote

import trio
from sqlalchemy import create_engine

from offtracfs import sync
from offtracfs.database import Database, Settings
from offtracfs.demo import build
from offtracfs.demo.teamtrack import fill
from offtracfs.trackers import registry


def database(directory: Path) -> Database:
    """As `build.database`. The TeamTrack itself is a SQLite database, which can be synced and written again.

    Raises DatabaseError, TrackerError.
    """
    return build.database(directory, partial(_fill, directory / "teamtrack.db"))


def _fill(file: Path, part: Path) -> None:
    file.unlink(missing_ok=True)
    engine = create_engine(f"sqlite:///{quote(str(file))}")
    try:
        fill(engine)
    finally:
        engine.dispose()
    url = registry.checked_url(f"teamtrack+sqlite://{quote(str(file))}")
    made = Database.create(part, Settings(url))
    trio.run(partial(sync.once, made, partial(registry.kind(url).connect, url, None, None)))
