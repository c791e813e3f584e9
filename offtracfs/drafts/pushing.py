"""Sends drafts to the tracker, each exactly once.

Before a request that changes something, the draft becomes ``sending`` on the disk. Whoever finds it so later
(after a kill, or an answer that was lost) looks whether the change is in the tracker, before it is sent
again. A ticket's `stamp` makes the tracker refuse a change that was made for another version of it; since its
check is not atomic, the change log is read afterwards, too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from offtracfs import records
from offtracfs.drafts import evidence
from offtracfs.drafts.drafts import Drafts, Standing
from offtracfs.drafts.forms import stamp_of, values_of
from offtracfs.drafts.rows import Draft
from offtracfs.drafts.store import now
from offtracfs.drafts.workflow import planned
from offtracfs.errors import (
    ChangeRejected,
    DatabaseBusy,
    DraftRefused,
    LoginRefused,
    NotATracker,
    PermissionMissing,
    TrackerError,
    Unreachable,
)
from offtracfs.trackers import Missing, Seen, Ticket, Value, Writing

SETTLING = 120.0  # seconds in which a server may still carry out a request of which the answer was lost
MAX_TRIES = 3  # of a change whose ticket moves each time between our look and our request
CLOCKS = timedelta(minutes=1)  # that two looks at a server's clock may differ

Fate = Literal["sent", "would send", "conflict", "refused", "waits", "unknown"]


@dataclass(slots=True)
class Result:
    """What became of a ticket's draft.

    `fate` is ``unknown`` where it was sent and no answer came, until a later push finds out. `values` are the
    fields and the action with its inputs that were sent, or would be, and `comment` is the comment.
    `sentences` are what somebody should know: why it was not sent, or what came out otherwise than wanted.
    """

    ticket: str
    fate: Fate
    number: int | None = None
    values: dict[str, str] = field(default_factory=dict)
    comment: str = ""
    sentences: list[str] = field(default_factory=list)


class Push:
    """Sends the drafts of a database, whose lock `Database.pushing` the caller holds.

    `settling` is as `SETTLING`. Methods raise TrackerError where going on makes no sense, and the errors of
    `Drafts`.
    """

    def __init__(self, drafts: Drafts, tracker: Writing, *, settling: float = SETTLING) -> None:
        self._drafts = drafts
        self._store = drafts.store
        self._tracker = tracker
        self._settling = settling
        self._me = tracker.user or evidence.ANONYMOUS

    async def run(
        self, tickets: Collection[str], report: Callable[[Result], None], *, dry_run: bool = False
    ) -> None:
        """Send the drafts of these tickets, one after the other. `report` gets what became of each.

        With `dry_run` the tracker is asked, and nothing is changed there or here. Where the tracker does not
        answer, or does not let us in, the rest waits, and the error is raised.
        """
        left = list(tickets)
        if not dry_run:
            self._drafts.retire()
        try:
            while left:
                report(await self._tried(left[0], dry_run=dry_run))
                left.pop(0)
        except TrackerError as error:
            if not dry_run:
                self._drafts.waits(left, str(error))
            raise

    async def _tried(self, ticket: str, *, dry_run: bool) -> Result:
        """As `_push`. What is wrong with one ticket does not keep back the others."""
        try:
            return await self._push(ticket, dry_run=dry_run)
        except (Unreachable, LoginRefused, PermissionMissing, NotATracker):
            raise
        except TrackerError as error:
            return Result(ticket, "waits", sentences=[str(error)])

    async def _push(self, ticket: str, *, dry_run: bool) -> Result:
        told: list[str] = []
        for draft in self._store.of_ticket(ticket, "sending"):
            if dry_run:
                return Result(ticket, "unknown", draft.number, sentences=["It is being sent."])
            result = await self._settled(draft)
            if result.fate == "unknown" or not self._standing(ticket):
                return result
            told += result.sentences
        for _ in range(MAX_TRIES):
            standing = self._standing(ticket)
            if standing is None:
                return Result(ticket, "sent", sentences=["Nothing is left to be sent."])
            send = self._create if standing.is_new else self._update
            if done := await send(standing, dry_run=dry_run):
                done.sentences[:0] = told
                return done
        return Result(ticket, "waits", sentences=["It is changed all the time: push again later."])

    def _standing(self, ticket: str) -> Draft | None:
        """The draft of a ticket that is to be sent."""
        found = self._drafts.draft(ticket)
        return None if found is None or found.state == "sent" else found

    # A change of a ticket. None says that the ticket, or the draft, has moved meanwhile.

    async def _update(self, draft: Draft, *, dry_run: bool) -> Result | None:
        seen = await self._tracker.look(int(draft.ticket))
        if isinstance(seen, Missing):
            return self._waits(draft, _missing(seen), dry_run=dry_run)
        return await self._update_seen(draft, seen, dry_run=dry_run)

    async def _update_seen(self, draft: Draft, seen: Seen, *, dry_run: bool) -> Result | None:
        """Send a change on top of what was seen."""
        record = seen.ticket.record
        standing = self._drafts.on_top(draft, record)
        if standing.merged.conflicts:
            return self._conflict(draft, standing, dry_run=dry_run)
        if standing.empty:
            if not dry_run:
                self._store.becomes(draft, "sent", met=record, number=draft.number, stamp=stamp_of(record))
            return Result(
                draft.ticket, "sent", draft.number, sentences=["The tracker has all of it already."]
            )
        try:
            values = planned(
                standing.merged.send,
                values_of(record),
                seen.actions,
                standing.action,
                self._drafts.statuses(),
            )
        except DraftRefused as error:
            return self._refused(draft, str(error), record, dry_run=dry_run)
        result = Result(draft.ticket, "would send", draft.number, values, standing.comment)
        if dry_run:
            return result
        mark = evidence.mark(seen.ticket, standing.comment, standing.action, self._me)
        sending = self._journaled(draft, met=record, **mark)
        if sending is None:
            return None
        try:
            answer = await self._tracker.update(
                int(draft.ticket), standing.comment, self._typed(values), stamp_of(record)
            )
        except (PermissionMissing, LoginRefused) as error:
            return self._waits(sending, str(error), dry_run=False, error=error)
        except ChangeRejected as error:
            return await self._rejected(sending, error)
        except TrackerError as error:
            return await self._settled(sending, error)
        return await self._verified(sending, seen.ticket, answer, standing, result)

    def _journaled(self, draft: Draft, **detail: Any) -> Draft | None:
        """The draft, once the disk has it that it is being sent; None where it was saved again."""
        try:
            return self._store.becomes(draft, "sending", **detail)
        except DatabaseBusy:
            return None

    async def _rejected(self, sending: Draft, error: ChangeRejected) -> Result | None:
        """A fault: a refusal where the ticket stands as before, else a collision. No text is compared."""
        seen = await self._tracker.look(int(sending.ticket))
        if isinstance(seen, Missing):
            return self._waits(sending, _missing(seen), dry_run=False)
        record = seen.ticket.record
        if self._is_ours(sending, seen.ticket):
            return self._arrived(sending, record)
        if stamp_of(record) == sending.detail["stamp"]:
            return self._refused(sending, str(error), record, dry_run=False)
        self._store.becomes(sending, "draft", met=record)
        return None

    async def _verified(
        self, sending: Draft, before: Ticket, answer: Any, standing: Standing, result: Result
    ) -> Result:
        """What came out: a change that slipped in between, and values that are not as wanted, are told."""
        result.fate = "sent"
        self._sent(sending, answer)
        result.sentences += evidence.unlike(standing.merged.send, answer)
        try:
            seen = await self._tracker.look(int(sending.ticket))
        except TrackerError as error:
            result.sentences.append(f"What others did meanwhile is not known: {error}")
            return result
        if isinstance(seen, Seen):
            result.sentences += evidence.slipped_in(before, seen.ticket, str(answer[2]), self._me)
        return result

    # A new ticket.

    async def _create(self, draft: Draft, *, dry_run: bool) -> Result | None:
        values = dict(draft.fields)
        if not values.get("owner"):
            values["owner"] = await self._tracker.default_owner(values)
        result = Result(draft.ticket, "would send", None, values)
        if dry_run:
            return result
        since = records.iso(self._tracker.now() - CLOCKS)
        sending = self._journaled(draft, since=since, values=values)
        if sending is None:
            return None
        try:
            number = await self._tracker.create(self._typed(values))
        except (PermissionMissing, LoginRefused) as error:
            return self._waits(sending, str(error), dry_run=False, error=error)
        except ChangeRejected as error:
            # What goes wrong in a plugin, after the ticket was stored, is a fault, too.
            found = await self._created(sending)
            if found:
                return self._arrived(sending, found.record)
            return self._refused(sending, str(error), None, dry_run=False)
        except TrackerError as error:
            return await self._settled(sending, error)
        result.fate, result.number = "sent", number
        sent = self._store.becomes(sending, "sent", number=number)
        seen = await self._tracker.look(number)
        if isinstance(seen, Seen):
            self._store.becomes(sent, "sent", met=seen.ticket.record, number=number)
            result.sentences += evidence.unlike(values, seen.ticket.record)
        return result

    # What nobody has answered.

    async def _settled(self, sending: Draft, error: TrackerError | None = None) -> Result:
        """Look what became of a change that was sent, and of which no answer came."""
        if sending.is_new:
            ticket = await self._created(sending)
        else:
            seen = await self._tracker.look(int(sending.ticket))
            if isinstance(seen, Missing):
                return self._waits(sending, _missing(seen), dry_run=False)
            ticket = seen.ticket if self._is_ours(sending, seen.ticket) else None
        if ticket:
            return self._arrived(sending, ticket.record)
        if 0 <= now() - sending.time < self._settling * records.SECOND:
            why = f" ({error})" if error else ""
            said = f"It was sent, and no answer came{why}: push again in {self._settling:.0f} seconds."
            return Result(sending.ticket, "unknown", sending.number, sentences=[said])
        self._store.becomes(sending, "draft", "It was sent once, and did not arrive.")
        return Result(
            sending.ticket, "waits", sending.number, sentences=["What was sent before had not arrived."]
        )

    def _is_ours(self, sending: Draft, ticket: Ticket) -> bool:
        left = self._drafts.on_top(sending, ticket.record).merged
        return evidence.has_arrived(sending.detail, ticket, left, self._me)

    async def _created(self, sending: Draft) -> Ticket | None:
        """The ticket that a new one became: ours, with the same summary and description, since then."""
        since = sending.detail["since"]
        taken = {draft.detail.get("number") for draft in self._store.in_state("sent")}
        recent = await self._tracker.changed_since(records.from_iso(since))
        async with self._tracker.tickets([number for number in recent if number not in taken]) as stream:
            found = [
                ticket
                async for ticket in stream
                if isinstance(ticket, Ticket)
                and evidence.is_created(ticket.record, sending.detail["values"], since, self._me)
            ]
        return min(found, key=lambda ticket: ticket.number, default=None)

    # What becomes of a draft.

    def _arrived(self, sending: Draft, record: Any) -> Result:
        self._sent(sending, record)
        said = "It had arrived: only the answer was lost."
        return Result(sending.ticket, "sent", record[0], sentences=[said])

    def _sent(self, sending: Draft, record: Any) -> None:
        stamp = sending.detail.get("stamp", "")
        self._store.becomes(sending, "sent", met=record, number=record[0], stamp=stamp)

    def _conflict(self, draft: Draft, standing: Standing, *, dry_run: bool) -> Result:
        names = ", ".join(standing.merged.conflicts)
        reason = f"Both you and somebody else changed {names}: settle that in the file, or with `comment`."
        if not dry_run:
            self._store.becomes(draft, "draft", reason, met=standing.theirs)
        return Result(draft.ticket, "conflict", draft.number, sentences=[reason])

    def _refused(self, draft: Draft, reason: str, record: Any, *, dry_run: bool) -> Result:
        if not dry_run:
            self._store.becomes(draft, "refused", reason, met=record)
        return Result(draft.ticket, "refused", draft.number, sentences=[reason])

    def _waits(
        self, draft: Draft, reason: str, *, dry_run: bool, error: TrackerError | None = None
    ) -> Result:
        if not dry_run and (draft.state, draft.reason) != ("draft", reason):
            self._store.becomes(draft, "draft", reason)
        if isinstance(error, LoginRefused):
            raise error
        return Result(draft.ticket, "waits", draft.number, sentences=[reason])

    def _typed(self, values: Mapping[str, str]) -> dict[str, Value]:
        times = self._drafts.times()
        return {
            name: records.from_iso(value) if name in times and value else value
            for name, value in values.items()
        }


def _missing(found: Missing) -> str:
    return f"The tracker has no ticket {found.number} any more." if found.gone else found.reason
