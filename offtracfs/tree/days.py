"""The directory ``@``: the days on which something changed, each a link into the past."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from offtracfs.tree.kind import Kind
from offtracfs.tree.nodes import FIRST_POSITION, ROOT, Directory, DirectoryEntry, Link, Listing, Node

DAYS = Directory("@", "")


class Days(Kind):
    """One link a day of the mount's time zone, up to the newest revision."""

    def serves(self, directory: Directory) -> bool:
        """``@``."""
        return directory == DAYS

    def lookup(self, listing: Listing, name: str) -> Node | None:
        """A day, only in the spelling that `entries` gives (2011-04-09)."""
        try:
            start = datetime.strptime(name, "%Y-%m-%d").replace(tzinfo=self._zone)
        except ValueError:
            return None
        if listing.revision is None or name != f"{start:%Y-%m-%d}":
            return None
        found = self._reader.next_time(int(start.timestamp()), listing.revision.number)
        end = start + timedelta(days=1)
        return Link(f"../@{name}", found) if found is not None and found < end.timestamp() else None

    def entries(self, listing: Listing, after: int) -> Iterator[DirectoryEntry]:
        """The days, oldest first; a day's position is its number in the calendar."""
        if listing.revision is None:
            return
        start = 0
        if after >= FIRST_POSITION:
            start = int((datetime.fromordinal(after).replace(tzinfo=self._zone) + timedelta(1)).timestamp())
        while (found := self._reader.next_time(start, listing.revision.number)) is not None:
            day = datetime.fromtimestamp(found, self._zone).replace(hour=0, minute=0, second=0)
            name = f"{day:%Y-%m-%d}"
            yield DirectoryEntry(day.toordinal(), name, Link(f"../@{name}", found))
            start = int((day.replace(fold=0) + timedelta(days=1)).timestamp())

    def unlisted(self, listing: Listing, name: str) -> Node | None:
        """``@`` itself.

        The root does not list it, or a program like `find` would go through all of history.
        """
        return DAYS if listing.directory == ROOT and name == DAYS.at else None

    def may_appear(self, directory: Directory, name: str) -> bool:
        """Any day: the name of a day appears with the first change on it, and nobody tells the kernel."""
        return directory == DAYS
