"""The texts of tickets as files, by their inodes: their sizes, and what they hold."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from offtracfs import records
from offtracfs.errors import DatabaseDamaged
from offtracfs.index import Reader, TextVersion
from offtracfs.kinds import FIELDS_PATH
from offtracfs.names import number_of
from offtracfs.texts import Labels, address_part, log_part, ticket_part
from offtracfs.tree.nodes import File

TEXT = 1 << 47
"""A text's inode is this and the number of the newest version that it shows, of the ticket or of its log.

That version settles what the text shows: so the inode holds the same for ever, as those of versions do.
"""

MAX_TEXTS = 16  # kept in memory, since the kernel reads a large file in pieces
MAX_LABELS = 16  # the same, versions of fields.json
MAX_QUICK = 16 << 10  # bytes of stored records; of so many, a text is made in less than a millisecond


class TextFiles:
    """The texts of all tickets at all times.

    `blob` gives the contents of a git object by its id. `pages` is what a ticket's number is put behind to
    make its address in the tracker; "" for texts without one. Methods may raise DatabaseDamaged.
    """

    def __init__(self, reader: Reader, blob: Callable[[bytes], bytes], pages: str) -> None:
        self._reader = reader
        self._blob = blob
        self._pages = pages
        self._labels = lru_cache(MAX_LABELS)(self._read_labels)
        self._made: dict[int, bytes] = {}  # by inode; those that were made first make room for others

    def node(self, found: TextVersion) -> File:
        """A text as a file."""
        address = len(self._address(number_of(found.name) or 0).encode())
        return File(TEXT | found.inode, found.size + address, found.mtime)

    def file(self, inode: int) -> File | None:
        """The text with an inode."""
        found = self._reader.text_of(inode ^ TEXT)
        return self.node(found) if found else None

    def read(self, inode: int) -> bytes:
        """All that a text holds; b"" where there is no such text."""
        if inode not in self._made and (found := self._reader.text_of(inode ^ TEXT)):
            return self._keep(inode, self._maker(found)())
        return self._made.get(inode, b"")

    def work(self, inode: int) -> Callable[[], object] | None:
        """What is to be called in another thread before a text is read; None where reading it is quick."""
        if inode in self._made or not (found := self._reader.text_of(inode ^ TEXT)):
            return None
        make = self._maker(found)
        if found.stored > MAX_QUICK:
            return lambda: self._keep(inode, make())
        self._keep(inode, make())
        return None

    def _keep(self, inode: int, text: bytes) -> bytes:
        """Keep a text for `read`. This may run in another thread: each step here is atomic."""
        self._made[inode] = text
        for oldest in list(self._made)[:-MAX_TEXTS]:
            self._made.pop(oldest, None)
        return text

    def _maker(self, found: TextVersion) -> Callable[[], bytes]:
        """A function that makes a text, and needs neither the index nor git any more."""
        record = self._blob(found.record_blob)
        log = self._blob(found.log_blob) if found.log_blob else b""
        labels = self._labels_at(found.record), self._labels_at(found.log)
        number = number_of(found.name) or 0
        return partial(_made, number, record, log, labels, self._address(number))

    def _labels_at(self, inode: int) -> Labels:
        return self._labels(self._reader.blob_before(FIELDS_PATH, inode))

    def _read_labels(self, blob: bytes | None) -> Labels:
        return Labels(_loaded(self._blob(blob)) if blob else None)

    def _address(self, number: int) -> str:
        return address_part(f"{self._pages}{number}" if self._pages else "")


def _made(number: int, record: bytes, log: bytes, labels: tuple[Labels, Labels], address: str) -> bytes:
    of_record, of_log = labels
    told = log_part(_loaded(log), of_log) if log else ""
    return (ticket_part(number, _loaded(record), of_record) + told + address).encode()


def _loaded(data: bytes) -> Any:
    """The record in some bytes; None, which has the shape of no record, where they are no JSON."""
    try:
        return records.load(data)
    except DatabaseDamaged:
        return None
