"""What is known of the tracker without asking it: the newest revision, and what pushes met beyond that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from offtracfs import records
from offtracfs.drafts.checks import Definitions, definitions
from offtracfs.drafts.forms import NEW, stamp_of
from offtracfs.drafts.store import DraftStore
from offtracfs.errors import DatabaseDamaged
from offtracfs.index import Reader, Revision
from offtracfs.kinds import DB_PATH, FIELDS_PATH, changelog_path, ticket_path
from offtracfs.names import split
from offtracfs.texts import Labels, address_part, log_part

MAX_LOGS = 50  # versions of a change log in which the lines of a text are looked for


class Ticket(NamedTuple):
    """The newest state of a ticket: its record, None where there is none, and its change log.

    `key` names this state: the record's stamp, and the blobs.
    """

    record: Any
    log: Any
    key: str


class Known:
    """The tickets and fields of a database; `blob` gives a git object by its id.

    `pages` is what a ticket's number is put behind to make its address; "" where that is not known. Methods
    raise DatabaseDamaged where the index or git cannot be read.
    """

    def __init__(self, reader: Reader, blob: Callable[[bytes], bytes], pages: str, store: DraftStore) -> None:
        self._reader = reader
        self._blob = blob
        self._pages = pages
        self._store = store
        self._labelled: tuple[bytes | None, Labels] | None = None

    def refresh(self) -> Revision | None:
        """Go over to the newest revision that is published, and return it."""
        self._reader.refresh()
        return self._reader.head()

    def ticket(self, ticket: str) -> Ticket:
        """A ticket by its number; nothing is known of one that is new."""
        if ticket.startswith(NEW):
            return Ticket(None, None, "")
        stored = self.stored(int(ticket))
        met = self._store.met(ticket)
        if met and not self.has_caught_up(ticket, stored.record):
            return Ticket(met[0], stored.log, f"{stamp_of(met[0])} met {stored.key}")
        return stored

    def stored(self, number: int) -> Ticket:
        """A ticket as the newest revision has it."""
        blobs = [self._newest(path) for path in (ticket_path(number), changelog_path(number), FIELDS_PATH)]
        record = self._loaded(blobs[0])
        record = record if _is_ticket(record) else None
        key = " ".join(
            [stamp_of(record) if record else "-", *(blob.hex() if blob else "-" for blob in blobs)]
        )
        return Ticket(record, self._loaded(blobs[1]), key)

    def has_caught_up(self, ticket: str, record: Any) -> bool:
        """Whether what is stored of a ticket is at least as new as what a push met last."""
        met = self._store.met(ticket)
        if not met or (record is not None and stamp_of(record) == stamp_of(met[0])):
            return True
        known = self._loaded(self._newest(DB_PATH))
        recent = known.get("recent") if isinstance(known, dict) else None
        return isinstance(recent, str) and recent > str(met[0][2])

    def versions(self, number: int) -> Iterator[Any]:
        """All states of a ticket that are known, the newest first. Those in git are read one by one."""
        yield from self._store.met(str(number))
        yield from filter(_is_ticket, self._past(ticket_path(number)))
        yield from self._store.bases(str(number))

    def logs(self, number: int) -> Iterator[Any]:
        """The change logs that a ticket had, the newest first."""
        return self._past(changelog_path(number), MAX_LOGS)

    def _past(self, path: str, most: int | None = None) -> Iterator[Any]:
        head = self._reader.head()
        past = self._reader.past(*split(path), head.horizon if head else 0)
        for version in past[: -most - 1 if most else None : -1]:
            found = self._reader.version(version.inode)
            yield self._loaded(found.blob if found else None)

    def labels(self) -> Labels:
        """What the fields are called now."""
        blob = self._newest(FIELDS_PATH)
        if self._labelled is None or self._labelled[0] != blob:
            self._labelled = blob, Labels(self._loaded(blob))
        return self._labelled[1]

    def definitions(self) -> Definitions:
        """The fields as they are defined now."""
        return definitions(self._loaded(self._newest(FIELDS_PATH)))

    def told(self, number: int, log: Any) -> str:
        """What follows a ticket's record in its text: the change log and the address."""
        address = address_part(f"{self._pages}{number}") if self._pages else ""
        return log_part(log, self.labels()) + address

    def _newest(self, path: str) -> bytes | None:
        head = self._reader.head()
        return self._reader.blob_before(path, head.horizon + 1) if head else None

    def _loaded(self, blob: bytes | None) -> Any:
        try:
            return None if blob is None else records.load(self._blob(blob))
        except DatabaseDamaged:
            return None


def _is_ticket(record: Any) -> bool:
    match record:
        case [int(), str(), str(), dict()]:
            return True
    return False
