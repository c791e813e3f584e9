"""Directories of tickets: links such as ``3022-points-at-birdbath.txt`` to the texts of the tickets.

Beside what is listed, ``3022.txt`` and ``3022.json`` can be entered, for whoever knows the number.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence

from offtracfs.index import Revision
from offtracfs.names import link_name
from offtracfs.reports.tickets import Ticket
from offtracfs.tree.computed import Computed, Contents, Stopped
from offtracfs.tree.nodes import Directory, Link, Listed, Listing, Node

TARGETS = {"txt": "text/{}.txt", "json": "ticket/{}.json"}
"""Where a link leads, by the suffix of its name: a path in the root of the same "@…"."""

_NUMBERED = re.compile(r"(0|[1-9][0-9]{0,17})\.(txt|json)", re.ASCII)


class Selections(Computed):
    """A kind of directory of tickets."""

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
        return Links({self.link_name(place, ticket): ticket for place, ticket in enumerate(found)})

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

    names: Sequence[str] = ()

    def __init__(self, understood: Callable[[str], bool]) -> None:
        self._understood = understood

    def node(self, directory: Directory, name: str) -> Listed | None:
        """The directory of a question."""
        return directory.child(name) if self._understood(name) else None


class Links:
    """The contents of a directory of tickets."""

    def __init__(self, tickets: dict[str, Ticket]) -> None:
        self._numbers = {name: ticket.number for name, ticket in tickets.items()}
        self._changed = {ticket.number: ticket.changed for ticket in tickets.values()}
        self.names = [*self._numbers]

    def node(self, directory: Directory, name: str) -> Listed | None:
        """The link of that name, whose time is that of the ticket's last change."""
        number, suffix = self._numbers.get(name), "txt"
        if number is None and (match := _NUMBERED.fullmatch(name)):
            number, suffix = int(match[1]), match[2]
        if number is None or number not in self._changed:
            return None
        up = "../" * (directory.path.count("/") + 1)
        return Link(up + TARGETS[suffix].format(number), self._changed[number])
