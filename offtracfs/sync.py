"""Bring a tracker's news into its database: decide, then act; and the watch loop of the side process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from offtracfs.database import Database
from offtracfs.errors import OfftracfsError
from offtracfs.trackers import Tracker

Progress = Callable[[str, int, int | None], None]
"""Called as ``progress(what, done, total)``; total is None where it is not known."""


@dataclass(slots=True)
class Outcome:
    """What a sync did."""

    new: int = 0  # tickets
    changed: int = 0  # tickets
    deleted: int = 0  # tickets
    metadata: int = 0  # records of fields and reports that came, changed or went
    commits: int = 0
    requests: int = 0
    seconds: float = 0.0
    swept: bool = False  # everything was looked at, not only what the tracker says has changed
    problems: list[str] = field(default_factory=list)  # what had to be left out, a sentence each


async def sync(
    database: Database,
    tracker: Tracker,
    *,
    full: bool = False,
    accept_deletions: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """One sync. Raises TrackerError and DatabaseError; whatever had arrived by then is kept for the next.

    `full` looks at everything at once; else that happens once a day. State and index are up to date after.
    """
    raise NotImplementedError


async def watch(
    database: Database,
    connect: Callable[[], Awaitable[Tracker]],
    *,
    interval: float,
    report: Callable[[Outcome | OfftracfsError], None],
) -> None:
    """Sync now and then every `interval` seconds, for ever; what fails is reported and tried again."""
    raise NotImplementedError
