"""Tickets for people to read: ``text/42.txt``, and the same file as ``ticket/42.txt``."""

from __future__ import annotations

from collections.abc import Iterator

from offtracfs.kinds import LOGS, TICKETS
from offtracfs.names import SUFFIX, number_of, text_name, text_number
from offtracfs.tree.kind import Kind
from offtracfs.tree.nodes import FIRST_POSITION, Directory, DirectoryEntry, File, Listing, Node

TEXTS = "text"


class Texts(Kind):
    """A text for each ticket that is there; listed nowhere else, or `grep -r` would read all of it, too."""

    def serves(self, directory: Directory) -> bool:
        """``text``."""
        return directory.path == TEXTS

    def lookup(self, listing: Listing, name: str) -> Node | None:
        """The text of a ticket."""
        return self._text(listing, name)

    def _text(self, listing: Listing, name: str) -> File | None:
        number = text_number(name)
        found = None if number is None else self._reader.text(f"{number}{SUFFIX}", listing.horizon)
        return self._texts.node(found) if found else None

    def entries(self, listing: Listing, after: int) -> Iterator[DirectoryEntry]:
        """The texts as their tickets first appeared; a position is that of the ticket's path in the index."""
        for found in self._reader.texts(listing.horizon, max(after - FIRST_POSITION, 0)):
            number = number_of(found.name)
            if number is not None:
                yield DirectoryEntry(
                    FIRST_POSITION + found.position, text_name(number), self._texts.node(found)
                )

    def unlisted(self, listing: Listing, name: str) -> Node | None:
        """The directory of texts, in every root; a ticket's text beside its record."""
        if listing.directory.path == TICKETS:
            return self._text(listing, name)
        return listing.directory.child(name) if listing.directory.is_root and name == TEXTS else None

    def changed_names(self, after: int, horizon: int) -> Iterator[tuple[str, str]]:
        """The texts of the tickets that came, changed or went, or whose log did."""
        for directory, name in self._reader.changed_names(after, horizon):
            if directory in (TICKETS, LOGS) and (number := number_of(name)) is not None:
                yield TEXTS, text_name(number)
                yield TICKETS, text_name(number)
