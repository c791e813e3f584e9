"""Tickets: a record and a change log each, from which all versions of both are found."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

from offtracfs import records
from offtracfs.database import Snapshot
from offtracfs.kinds import Key, changelog_path, field_path, ticket_path
from offtracfs.sync import replay
from offtracfs.sync.changelog import paired
from offtracfs.sync.items.item import Files, Item, ItemKind, Version
from offtracfs.trackers import Missing, Ticket

RECORDED_FIELDS = ("component", "milestone", "version")  # each of their values has a record of its own


class Tickets(ItemKind):
    """Tickets with their change logs."""

    name = "ticket"
    plural = "tickets"

    def paths(self, key: Key) -> tuple[str, str]:
        """Its record, its change log."""
        assert isinstance(key, int)
        return ticket_path(key), changelog_path(key)

    def stored_keys(self, snapshot: Snapshot) -> set[Key]:
        """Their numbers."""
        return set(snapshot.tickets())

    async def listed(self) -> Collection[Key]:
        """One request."""
        return await self.tracker.ids()

    async def changed(self, since: datetime) -> Collection[Key]:
        """By their changetime."""
        return await self.tracker.changed_since(since)

    async def attached(self, since: datetime) -> Collection[Key]:
        """An attachment does not touch its ticket's changetime."""
        return await self.tracker.attached_since(since)

    async def possibly_changed(self, keys: set[Key], load: Callable[[str], Any]) -> Collection[Key]:
        """Those whose record is out of date, or that have attachments, now or in their stored log."""
        found = keys.intersection(await self.tracker.attached_since(records.EPOCH))
        found |= set(await self.tracker.outdated(lambda number: load(ticket_path(number))))
        for key in keys - found:
            log = records.rows(load(self.paths(key)[1]) or [])
            if not all(row.permanent for row in log):  # the row of an attachment is not permanent
                found.add(key)  # if that attachment was deleted, only the tracker's log shows it
        return found

    def fetch(self, keys: Collection[Key]) -> AbstractAsyncContextManager[AsyncIterator[Ticket | Missing]]:
        """In batches."""
        return self.tracker.tickets([key for key in keys if isinstance(key, int)])

    def key(self, fetched: Ticket | Missing) -> Key:
        """Its number."""
        return fetched.number

    def item(self, fetched: Ticket, stored: Files | None) -> Item:
        """As canonical bytes. Where the tracker's times are cut to seconds, those that are stored stay."""
        paths = self.paths(fetched.number)
        record, log = fetched.record, fetched.changelog
        files = dict(zip(paths, map(records.dump, (record, log)), strict=True))
        if stored and stored != files:
            old_record, old_log = self._loaded(stored)
            pairs = paired(records.rows(old_log or []), records.rows(log), self.tracker.log_rules.identity)
            stored_rows = {new: old_log[old] for old, new in pairs.items()}
            merged = (
                self._merge(old_record, record),
                [self._merge(stored_rows.get(place, row), row) for place, row in enumerate(log)],
            )
            files = dict(zip(paths, map(records.dump, merged), strict=True))
        _, created, changed, _ = record
        return Item(
            self.name, fetched.number, records.microseconds(created), records.microseconds(changed), files
        )

    def _merge(self, old: Any, new: Any) -> Any:
        return records.merge(old, new, exact_text=self.tracker.exact_text)

    def versions(self, item: Item, stored: Files | None) -> Iterator[Version]:
        """By its change log (`offtracfs.sync.replay`)."""
        record, log = self._loaded(item.files)
        old_record, old_log = self._loaded(stored) if stored else (None, None)
        old_rows = None if old_log is None else records.rows(old_log)
        paths = self.paths(record[0])
        for version in replay.since(record, records.rows(log), old_record, old_rows, self.tracker.log_rules):
            both = dict(zip(paths, (version.record, version.changelog), strict=True))
            yield Version(version.moment, version.author, version.subject, version.body, both)

    @staticmethod
    def _loaded(files: Files) -> tuple[Any, Any]:
        """A ticket's record and change log; None for one that is not there."""
        found = {path.partition("/")[0]: records.load(data) for path, data in files.items()}
        return found["ticket"], found.get("changelog")

    def mentions(self, fetched: Ticket) -> Iterable[str]:
        """The records of its component, milestone and version."""
        props = fetched.record[3]
        return [field_path(name, str(props[name])) for name in RECORDED_FIELDS if props.get(name)]
