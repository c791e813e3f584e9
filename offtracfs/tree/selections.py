"""Directories of tickets: links such as ``3022-points-at-birdbath.txt`` to the texts of the tickets.

Beside what is listed, ``3022.txt`` and ``3022.json`` can be entered, for whoever knows the number.
"""

from __future__ import annotations

import re
import sys
from abc import abstractmethod
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain

from offtracfs.index import Revision
from offtracfs.names import link_name
from offtracfs.reports.tickets import Ticket
from offtracfs.tree.computed import Computed, Stopped
from offtracfs.tree.nodes import Contents, Directory, Link, Listed, Listing, Node

TARGETS = {"txt": "text/{}.txt", "json": "ticket/{}.json"}
"""Where a link leads, by the suffix of its name: a path in the root of the same "@…"."""

NEAR = 1_024  # numbers of tickets that are sorted at once

_NUMBERED = re.compile(r"(0|[1-9][0-9]{0,17})\.(txt|json)", re.ASCII)


class Selections(Computed):
    """A kind of directory of tickets."""

    numbered = re.compile(r"(\d{1,18})", re.ASCII)
    """Finds the ticket's number at the beginning of a `link_name`."""

    @abstractmethod
    def tickets(
        self, path: str, revision: Revision, numbers: Sequence[int], stopped: Stopped
    ) -> Iterable[Ticket] | None:
        """The tickets of the directory at a path, in order; None where there is no such directory.

        A worker thread calls this: see `Computed.contents`.
        """

    def link_name(self, place: int, ticket: Ticket) -> str:
        """The name of a ticket's link; `place` is that of the ticket in the directory, from 0."""
        return link_name(ticket.number, ticket.summary)

    def contents(
        self, path: str, revision: Revision, numbers: Sequence[int], stopped: Stopped
    ) -> Contents | None:
        """A link for each ticket."""
        found = self.tickets(path, revision, numbers, stopped)
        if found is None:
            return None
        return Links(self.numbered, ((self.link_name(*each), each[1]) for each in enumerate(found)))

    def directory_count(self, listing: Listing) -> int:
        """There are only links."""
        return 0


class Questions(Selections):
    """A directory in each root in which names are questions: each has the tickets that answer it.

    It lists nothing. A question is answered when it is entered, and not when it is looked up: in the meantime
    the kernel lets nobody else look up another one.
    """

    top: str
    """The directory's name."""

    @abstractmethod
    def understood(self, revision: Revision) -> Callable[[str], bool]:
        """A function that says whether a name is a question at a revision, within microseconds.

        A worker thread calls this, but not the function.
        """

    @abstractmethod
    def answer(self, question: str, revision: Revision, stopped: Stopped) -> Iterable[Ticket]:
        """The tickets of a question that is understood, in order.

        A worker thread calls this: see `Computed.contents`.
        """

    def serves(self, directory: Directory) -> bool:
        """The directory, and those in it."""
        return directory.path.partition("/")[0] == self.top

    def contents(
        self, path: str, revision: Revision, numbers: Sequence[int], stopped: Stopped
    ) -> Contents | None:
        """Whatever can be asked, or the answer to a question."""
        if path == self.top:
            return _Askable(self.understood(revision))
        return super().contents(path, revision, numbers, stopped)

    def tickets(
        self, path: str, revision: Revision, numbers: Sequence[int], stopped: Stopped
    ) -> Iterable[Ticket] | None:
        """The answer to a question."""
        return self.answer(path.removeprefix(f"{self.top}/"), revision, stopped)

    def unlisted(self, listing: Listing, name: str) -> Node | None:
        """The directory itself, in each root."""
        found = name == self.top and listing.revision and listing.directory.is_root
        return listing.directory.child(name) if found else None

    def may_appear(self, directory: Directory, name: str) -> bool:
        """Any name in it; and the directory itself, with the first revision."""
        return self.serves(directory) or (name == self.top and directory.is_root)


class _Askable:
    """The contents of a directory of questions."""

    size = 1_000  # of the function, too; it shares the fields with those of other revisions

    def __init__(self, understood: Callable[[str], bool]) -> None:
        self._understood = understood

    def node(self, directory: Directory, name: str) -> Listed | None:
        """The directory of a question."""
        return directory.child(name) if self._understood(name) else None

    def listed(self, directory: Directory, first: int) -> Iterator[tuple[str, Listed]]:
        """Nothing."""
        return iter(())


class Links:
    """The contents of a directory of tickets, given as names of links and their tickets.

    These may be very many, and so they are in columns: each takes some 140 bytes, most of them for its name.
    `numbered` finds the ticket's number at the beginning of a name.

    They are made a few at a time: a single call to sort them all, or to add up their sizes, would keep the
    interpreter for tens of milliseconds, in which the thread that answers the kernel cannot run.
    """

    def __init__(self, numbered: re.Pattern[str], tickets: Iterable[tuple[str, Ticket]]) -> None:
        self._names: list[str] = []
        self._in_name = numbered
        self._numbers, self._changed = array("q"), array("q")
        self.size = 0
        near: dict[int, array[int]] = defaultdict(
            partial(array, "i")
        )  # places of tickets whose numbers are near each other
        for place, (name, (number, _, changed)) in enumerate(tickets):
            self._names.append(name)
            self._numbers.append(number)
            self._changed.append(changed)
            near[number // NEAR].append(place)
            self.size += sys.getsizeof(name)
        parts = (sorted(near[part], key=self._numbers.__getitem__) for part in sorted(near))
        self._places = array("i", chain.from_iterable(parts))
        self.size += sum(map(sys.getsizeof, (self._names, self._numbers, self._changed, self._places)))

    def node(self, directory: Directory, name: str) -> Listed | None:
        """The link of that name, whose time is that of the ticket's last change."""
        match, suffix = self._in_name.match(name), "txt"
        place = self._place(int(match[1])) if match else None
        if place is None or self._names[place] != name:
            if not (match := _NUMBERED.fullmatch(name)):
                return None
            place, suffix = self._place(int(match[1])), match[2]
        if place is None:
            return None
        target = _up(directory) + TARGETS[suffix].format(self._numbers[place])
        return Link(target, self._changed[place])

    def listed(self, directory: Directory, first: int) -> Iterator[tuple[str, Listed]]:
        """The links to the texts."""
        target = (_up(directory) + TARGETS["txt"]).format
        for place in range(first, len(self._names)):
            yield self._names[place], Link(target(self._numbers[place]), self._changed[place])

    def _place(self, number: int) -> int | None:
        """The place in the columns of the ticket with that number; None where it is not there."""
        found = bisect_left(self._places, number, key=self._numbers.__getitem__)
        if found == len(self._places) or self._numbers[self._places[found]] != number:
            return None
        return self._places[found]


def _up(directory: Directory) -> str:
    """The way from a directory to the root of its "@…"."""
    return "../" * (directory.path.count("/") + 1)
