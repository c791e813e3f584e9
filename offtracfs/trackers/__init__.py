"""Where records come from: what every kind of tracker gives to a sync.

A kind of tracker is a module below this package with a class that has the shape of `Tracker`, and a line in
`offtracfs.trackers.registry`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from offtracfs.kinds import Key
from offtracfs.trackers.changelog import LogRules

MAX_AHEAD = timedelta(days=1)  # that a server's clock may be ahead of this machine's; more is cut


def believed(clock: datetime) -> datetime:
    """What a server's clock (UTC) says, but not far ahead of ours.

    Commits get this date at most: with a clock that is years ahead, no later commit could have a true one.
    """
    return min(clock, datetime.now(UTC) + MAX_AHEAD)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as the tracker gave it, in the shapes of `offtracfs.records`; already checked."""

    number: int
    record: list[Any]
    changelog: list[list[Any]]


@dataclass(frozen=True, slots=True)
class Missing:
    """A ticket, or another kind of item, that was asked for, and that the tracker did not give.

    `gone` says that the tracker knows no such item; else its answer was an error (a permission may be
    missing) or could not be used, and `reason` is one sentence about it.
    """

    number: Key  # or its name
    reason: str
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Metadata:
    """All records that are no ticket's: fields, reports.

    `records` maps paths as in the mount (``fields.json``, ``field/component/ui.json``,
    ``report/1.json``) to records. `complete` names the directories (``field/component``, ``report``) that
    were listed completely. A stored path in one of these that is not in `records` is gone from the tracker.
    Any other stored path is kept.
    """

    records: Mapping[str, Any]
    complete: Collection[str]
    problems: list[str] = field(default_factory=list)


Stored = Callable[[int], list[Any] | None]
"""The stored record of a ticket, by its number; None where there is none."""


class Tracker(Protocol):
    """One tracker, connected. Every method may raise `offtracfs.errors.TrackerError`."""

    exact_text: bool
    """False where the protocol loses characters (XML-RPC): see `records.merge`."""

    problems: list[str]
    """What went wrong without stopping anything, a sentence each; grows while the tracker is used."""

    @property
    def user(self) -> str | None:
        """The name by which the tracker knows us; "" for a visitor, None where there are no users."""
        ...

    @property
    def log_rules(self) -> LogRules:
        """What the rows of its change logs mean."""
        ...

    @property
    def requests(self) -> int:
        """How many HTTP requests were made so far."""
        ...

    def now(self) -> datetime:
        """The tracker's own clock (UTC), as of its last answer; this machine's before any answer."""
        ...

    async def ids(self) -> list[int]:
        """The ids of all tickets that can be seen, ascending. One request."""
        ...

    async def changed_since(self, moment: datetime) -> list[int]:
        """Ids of the tickets changed at or after `moment`. One request."""
        ...

    async def attached_since(self, moment: datetime) -> list[int]:
        """Ids of the tickets that got an attachment at or after `moment`, as far as the tracker can tell."""
        ...

    def tickets(
        self, numbers: Collection[int]
    ) -> AbstractAsyncContextManager[AsyncIterator[Ticket | Missing]]:
        """Each of `numbers` once, in any order, in batches behind the scenes."""
        ...

    async def metadata(self) -> Metadata:
        """Field definitions, the values of every field, and the reports."""
        ...

    async def outdated(self, stored: Stored) -> list[int]:
        """The numbers of the tickets whose stored record is out of date, as far as that is cheap to tell.

        This finds changes that do not move a ticket's time of change. It costs a few requests for all tickets
        together. The numbers are ascending; tickets that are not stored are not among them.
        """
        ...

    async def aclose(self) -> None:
        """Give back the connections."""
        ...


Value = str | datetime
"""What a field of a ticket is set to: a datetime where the field's type is time, else a text."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that the tracker's workflow lets us do with a ticket now.

    `hint` says in the tracker's own words, which may be of any language, what it does. `inputs` maps the
    names of what it asks for to the value that it has by default, and to all that it may have (() for any).
    """

    name: str
    hint: str = ""
    inputs: Mapping[str, tuple[str, Collection[str]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Seen:
    """A ticket as the tracker has it at this moment, with what can be done with it."""

    ticket: Ticket
    actions: list[Action]


@runtime_checkable
class Writing(Tracker, Protocol):
    """A tracker that can be written. Changes carry the name of the user who is logged in.

    `update` and `create` are one request each, which is never sent a second time: not by them, and by nothing
    below them. They raise ChangeRejected, PermissionMissing or LoginRefused where the tracker has said that
    nothing was done. After any other TrackerError, nobody knows.
    """

    async def look(self, number: int) -> Seen | Missing:
        """A ticket, its change log and its actions. One request."""
        ...

    async def update(self, number: int, comment: str, values: Mapping[str, Value], stamp: str) -> list[Any]:
        """Change a ticket, and give its record then. One request.

        `values` are those of fields, and of the action with its inputs. `stamp` is the version that the
        change was made for: the tracker refuses it where the ticket has moved, as far as it notices.
        """
        ...

    async def create(self, values: Mapping[str, Value]) -> int:
        """Make a ticket, and give its number. One request."""
        ...

    async def default_owner(self, values: Mapping[str, str]) -> str:
        """Who owns a new ticket with these values, where nobody is named: "" for nobody."""
        ...

    async def may_change(self, number: int) -> bool:
        """Whether we may change a ticket, as far as the tracker tells. One request."""
        ...


async def compared(tracker: Tracker, stored: Stored) -> list[int]:
    """`Tracker.outdated` for trackers of which every ticket can be read cheaply: it compares all records."""
    async with tracker.tickets(await tracker.ids()) as stream:
        found = [
            item.number
            async for item in stream
            if isinstance(item, Ticket) and stored(item.number) not in (None, item.record)
        ]
    return sorted(found)
