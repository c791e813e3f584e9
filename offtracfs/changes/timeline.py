"""Finds what has changed, newest first or between two moments; and a ticket as it stood."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from offtracfs import records
from offtracfs.changes.comparison import RecordChange, TicketChange, TicketState, compare
from offtracfs.database import Database
from offtracfs.errors import DatabaseDamaged
from offtracfs.index import Reader, Revision
from offtracfs.kinds import DB_PATH, FIELDS_PATH, LOGS, TICKETS, changelog_path, record_id, ticket_path
from offtracfs.names import number_of, split
from offtracfs.store.fastimport import NOBODY, name_in_git
from offtracfs.texts import Labels

ATTACHMENT = "attachment"  # in a change log; Trac's table of changes has none
UNLOGGED = (NOBODY, name_in_git(""))  # the authors of changes of which no log may tell
MAX_LABELS = 16  # definitions of fields whose labels are kept


class Event(NamedTuple):
    """A change, and the revision that brought it."""

    revision: Revision
    change: TicketChange | RecordChange


class Absence(NamedTuple):
    """Why a ticket is not there, in a sentence (times are UTC), and the last revision at which it was."""

    number: int
    sentence: str
    last: Revision | None = None

    @property
    def advice(self) -> str:
        """The sentence, and how the command line shows the ticket as it was."""
        if self.last is None:
            return self.sentence
        remedy = f"`offtracfs show {self.number} --at {self.last.commit.hex()[:12]}` shows it."
        return f"{self.sentence[:-1]}: {remedy}"


class Timeline:
    """The changes of a tracker. `blob` gives the contents of a git object by its id (20 bytes).

    Methods raise DatabaseDamaged where the index or git cannot be read. The work of each is in proportion to
    the changes that it finds, whatever the number of tickets.
    """

    def __init__(self, reader: Reader, blob: Callable[[bytes], bytes]) -> None:
        self._reader = reader
        self._blob = blob
        self._labels = lru_cache(MAX_LABELS)(lambda found: Labels(self._loaded(found)))

    def ticket(self, number: int, horizon: int) -> TicketState:
        """A ticket as it stood at a horizon."""
        return TicketState(
            self.record(ticket_path(number), horizon), self.record(changelog_path(number), horizon)
        )

    def record(self, path: str, horizon: int) -> Any:
        """A record as it stood at a horizon; None where there was none, and a text for what is no JSON."""
        return self._loaded(self._reader.blob_before(path, horizon + 1))

    def _loaded(self, blob: bytes | None) -> Any:
        if blob is None:
            return None
        data = self._blob(blob)
        try:
            return records.load(data)
        except DatabaseDamaged:
            return data.decode(errors="replace")

    def labels(self, horizon: int) -> Labels:
        """What the fields were called at a horizon."""
        return self._labels(self._reader.blob_before(FIELDS_PATH, horizon + 1))

    def text_labels(self, number: int, horizon: int) -> tuple[Labels, Labels]:
        """What the fields are called in the two parts of a ticket's text that stood at a horizon.

        It is what they were called when the record, and the log, became as they were.
        """
        found = self._reader.text(split(ticket_path(number))[1], horizon)
        return self.labels(found.record - 1 if found else 0), self.labels(found.log - 1 if found else 0)

    def log(
        self,
        oldest: int,
        newest: Revision,
        number: int | None = None,
        author: str = "",
        field: str = "",
        most: int | None = None,
    ) -> Iterator[Event]:
        """The changes that the revisions from number `oldest` to `newest` brought, newest first.

        With `number`, those of that ticket; with `author`, those of the author whom git has by that name;
        with `field`, those of tickets that touched it (`TicketChange.touched`). What one revision brought
        comes in order of number, and then what is no ticket: all of it, or the first `most` changes.
        """
        found = self._reader.newest_first(
            oldest,
            newest.number,
            author=author,
            name="" if number is None else split(ticket_path(number))[1],
            directories=(TICKETS, LOGS),
            field="" if field == ATTACHMENT else field,
            unlogged=UNLOGGED,
        )
        for revision in found:
            before = self._reader.revision(revision.number - 1)
            only = () if number is None else (number,)
            changes = self.between(before.horizon if before else 0, revision.horizon, only)
            for change in islice(changes, most):
                if not field or (isinstance(change, TicketChange) and field in change.touched):
                    yield Event(revision, change)

    def between(
        self, old: int, new: int, only: Collection[int] = ()
    ) -> Iterator[TicketChange | RecordChange]:
        """What differs between two horizons, in whichever order they are: tickets, then other records.

        With `only`, just these tickets. The numbers of the tickets that differ are kept in memory, and no
        record but those that are compared.
        """
        numbers, paths = self._changed(min(old, new), max(old, new))
        for number in sorted(numbers.intersection(only) if only else numbers):
            if change := self.compared(number, old, new):
                yield change
        if not only:
            yield from self.records_between(paths, old, new)

    def compared(self, number: int, old: int, new: int) -> TicketChange | None:
        """What differs in a ticket between two horizons; None where nothing does."""
        before, after = self.ticket(number, old), self.ticket(number, new)
        return None if before == after else compare(number, before, after)

    def records_between(self, paths: Collection[str], old: int, new: int) -> Iterator[RecordChange]:
        """What differs in some records that are no tickets, in order of their paths."""
        for path in sorted(paths):
            if path == DB_PATH or not record_id(path):  # db.json says how far a sync has seen
                continue
            change = RecordChange(path, self.record(path, old), self.record(path, new))
            if change.before != change.after:
                yield change

    def _changed(self, after: int, horizon: int) -> tuple[set[int], set[str]]:
        """Tickets and other files of which there are versions between two horizons."""
        numbers: set[int] = set()
        paths: set[str] = set()
        for directory, name in self._reader.changed_names(after, horizon):
            number = number_of(name) if directory in (TICKETS, LOGS) else None
            path = f"{directory}/{name}" if directory else name
            if number is not None:
                numbers.add(number)
            else:
                paths.add(path)
        return numbers, paths

    def versions(self, number: int, newest: Revision) -> Iterator[Revision]:
        """The revisions up to one that brought a version of a ticket or its change log, newest first."""
        name = split(ticket_path(number))[1]
        return self._reader.newest_first(1, newest.number, name=name, directories=(TICKETS, LOGS))

    def knew(self, number: int, revision: Revision) -> bool:
        """Whether there was such a ticket at a revision, or before it."""
        name = split(ticket_path(number))[1]
        return any(self._reader.newest_first(1, revision.number, name=name, directories=[TICKETS]))

    def absence(self, number: int, at: Revision, newest: Revision) -> Absence:
        """Why there is no such ticket at a revision."""
        name = split(ticket_path(number))[1]
        found = [*self._reader.newest_first(1, newest.number, name=name, directories=[TICKETS])]
        before = [revision for revision in found if revision.number <= at.number]
        if not found:
            return Absence(number, f"There is no ticket {number}, nor was there one.")
        if not before:
            return Absence(number, f"There was no ticket {number} yet: it came on {_when(found[-1])}.")
        sentence = f"Ticket {number} was deleted, which was noticed on {_when(before[0])}."
        return Absence(number, sentence, self._reader.revision(before[0].number - 1))


def _when(revision: Revision) -> str:
    return f"{records.from_microseconds(revision.committed * records.SECOND):%Y-%m-%d at %H:%M:%S}"


@contextmanager
def opened(database: Database, *, few: bool = False) -> Iterator[tuple[Timeline, Reader]]:
    """The timeline of a database, and the reader that it asks; `few` as for `Database.blobs`.

    Raises as `Database.reader`.
    """
    with closing(database.reader()) as reader:
        yield Timeline(reader, database.blobs(few=few)), reader
