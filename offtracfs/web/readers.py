"""The connections of the threads that answer: each thread has its own, and they follow each sync."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from offtracfs.changes import Timeline
from offtracfs.database import Database
from offtracfs.index.moments import revision_chosen
from offtracfs.web.page import Asked, Pair
from offtracfs.web.runs import Runs


class _Connections:
    """What one thread has open: neither SQLite's connection nor libgit2's repository is for several."""

    def __init__(self, directory: Path) -> None:
        self.database = Database(directory)
        self.reader = self.database.reader()
        self.timeline = Timeline(self.reader, self.database.store.blob)
        self.head = self.reader.head()

    def refresh(self) -> None:
        """Go over to the newest revision. Costs microseconds where there is no new one.

        Called before a request, never during one: that sees one state of the tracker.
        """
        self.reader.refresh()
        before, self.head = self.head, self.reader.head()
        if self.head != before:
            self.database.store.reopen()  # so that packs which a repack has replaced take no room any more


class Readers:
    """Gives each request the tracker at a moment, read through the connections of its thread."""

    def __init__(self, directory: Path, runs: Runs) -> None:
        self._directory = directory
        self._runs = runs
        self.zone = Database(directory).settings.zone
        self._own = threading.local()

    def asked(self, at: str, path: str, pairs: Sequence[Pair], gone: Callable[[], bool]) -> Asked:
        """The tracker at a moment ("@2011-04-09", or "" for now), as of the newest sync; see `Asked`.

        Raises UsageError where there is no such moment, NotADatabase before the first sync, and as
        `Database.reader` does.
        """
        own: _Connections | None = getattr(self._own, "connections", None)
        if own is None:
            own = self._own.connections = _Connections(self._directory)
        else:
            own.refresh()
        zone = own.database.settings.zone
        revision = revision_chosen(own.reader, at.removeprefix("@"), zone)
        newest = max(own.head or revision, revision)  # a sync may have ended between the two looks
        database, reader, timeline = own.database, own.reader, own.timeline
        return Asked(database, reader, timeline, revision, newest, self._runs, at, path, pairs, gone)
