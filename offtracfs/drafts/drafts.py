"""The drafts of a database: texts that were saved, on top of what the tracker has."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from offtracfs import records
from offtracfs.database import Database
from offtracfs.drafts import forms
from offtracfs.drafts.earlier import SENT, earlier, was_sent, without
from offtracfs.drafts.examining import Examiner, became, defaults
from offtracfs.drafts.forms import Wanted, path_of, place, stamp_of, values_of
from offtracfs.drafts.known import Known
from offtracfs.drafts.merging import LISTS, Merged, merge, normal
from offtracfs.drafts.rows import Draft, Face
from offtracfs.drafts.store import DraftStore, now
from offtracfs.errors import DraftRefused, OfftracfsError, UsageError
from offtracfs.index import Reader, Revision
from offtracfs.texts import Labels
from offtracfs.trackers.registry import ticket_pages


class Shown(NamedTuple):
    """What a mount shows in place of a stored file.

    `number` stands for `data` for ever: no other draft, and no other form, ever has it. `mtime` is when the
    draft was saved, in seconds since 1970 UTC.
    """

    data: bytes
    mtime: int
    number: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A draft on top of its ticket as it is known now: what would be sent, and what is in the way.

    `theirs` is None for a new ticket, and for one that is gone from the tracker. `comment` and `action` are
    those that were not sent yet.
    """

    draft: Draft
    theirs: Any
    merged: Merged
    comment: str
    action: str

    @property
    def empty(self) -> bool:
        """Whether nothing is left to be sent."""
        return not (self.merged.send or self.merged.conflicts or self.comment or self.action)


class Drafts:
    """The drafts in ``drafts.db`` of a database directory. Not for use by several threads at once.

    `reader` and `blob`, which gives a git object by its id, are those of the same database. Methods raise the
    errors of `DraftStore`, and DatabaseDamaged where the index or git cannot be read.
    """

    def __init__(
        self, directory: Path, reader: Reader, blob: Callable[[bytes], bytes], pages: str = ""
    ) -> None:
        self.store = DraftStore(directory)
        self._known = Known(reader, blob, pages, self.store)
        self._examiner = Examiner(self._known, self.store)
        self._seen = -1
        self._standing: dict[str, Draft] = {}

    def close(self) -> None:
        """Give the connection to ``drafts.db`` back."""
        self.store.close()

    @property
    def version(self) -> int:
        """Grows with every change, whichever process made it. It costs a look at the file."""
        return self.store.version

    def refresh(self) -> Revision | None:
        """Go over to the newest revision that is published, and return it."""
        return self._known.refresh()

    def changed(self, since: int) -> tuple[int, set[str]]:
        """The `version` now, and the tickets of which a draft has changed since an earlier one."""
        version = self.store.version
        return version, self.store.changed(since) if version != since else set()

    # What is shown.

    def standing(self) -> dict[str, Draft]:
        """The draft of each ticket that has one to show or to send, by ticket."""
        version = self.store.version
        if version != self._seen:
            self._standing = {draft.ticket: draft for draft in self.store.standing()}
            self._seen = version
        return {ticket: draft for ticket, draft in self._standing.items() if not self._is_over(draft)}

    def draft(self, ticket: str) -> Draft | None:
        """The draft of a ticket that has one to show or to send."""
        known = self._seen == self.store.version
        found = self._standing.get(ticket) if known else self.store.standing_of(ticket)
        return None if found is None or self._is_over(found) else found

    def _is_over(self, draft: Draft) -> bool:
        """Whether a draft was sent, and a sync has brought what became of it."""
        if draft.state != "sent":
            return False
        if draft.is_new:
            return True  # its name stands for the ticket from now on
        return self._known.has_caught_up(draft.ticket, self._known.stored(int(draft.ticket)).record)

    def names(self) -> list[str]:
        """The paths that show a draft: both forms of each."""
        return [path_of(ticket, form) for ticket in self.standing() for form in ("json", "txt")]

    def shown(self, path: str) -> Shown | None:
        """What the mount shows in place of a stored file; None where there is no draft."""
        try:
            ticket, form = place(path)
        except DraftRefused:
            return None
        draft = self.draft(ticket)
        if draft is None:
            return None
        found = self._face(draft, form)
        return Shown(found.data, found.mtime, found.number)

    def shown_as(self, number: int) -> Shown | None:
        """What has that number (`Shown.number`), also where it is not shown any more."""
        found = self.store.face_of(number)
        return Shown(found.data, found.mtime, found.number) if found else None

    def _face(self, draft: Draft, form: str) -> Face:
        known = self._known.ticket(draft.ticket)
        key = f"{known.key}{SENT}" if draft.state == "sent" else known.key
        found = self.store.face(draft.id, form, key)
        if found:
            return found
        return self.store.keep_face(
            draft.id, form, key, draft.saved // records.SECOND, self._made(draft, form)
        )

    def _made(self, draft: Draft, form: str) -> bytes | None:
        """The bytes of a draft in a form; None where they are those that were saved."""
        standing = self.on_top(draft)
        known = self._known.ticket(draft.ticket)
        labels = self._known.labels()
        if draft.base is None:
            if draft.form == form:
                return None
            if form == "json":
                return forms.new_json(draft.fields, draft.comment)
            return forms.new_text(draft.fields, draft.comment, labels)
        record = known.record or draft.base  # a ticket that is gone is shown as it was
        untouched = stamp_of(draft.base) == stamp_of(record)
        if draft.form == form and untouched and draft.state != "sent" and standing.comment == draft.comment:
            return None
        merged = standing.merged
        parts = (record, merged.shown, standing.comment, standing.action, merged.conflicts)
        if form == "json":
            return forms.shown_json(*parts)
        return forms.shown_text(*parts, labels, self._known.told(int(draft.ticket), known.log))

    def on_top(self, draft: Draft, theirs: Any = None) -> Standing:
        """A draft on top of what the tracker has, as far as that is known, or of the record `theirs`."""
        if draft.base is None:
            fields = draft.fields
            return Standing(draft, None, Merged(dict(fields), {}, dict(fields)), draft.comment, draft.action)
        record = self._known.ticket(draft.ticket).record if theirs is None else theirs
        base, there = values_of(draft.base), values_of(record or draft.base)
        fields, comment, action = draft.fields, draft.comment, draft.action
        for sent in earlier(self.store, draft.ticket, stamp_of(draft.base)):
            fields = {name: value for name, value in fields.items() if not was_sent(name, value, sent)}
            base |= {
                name: value
                for name, value in sent.fields.items()
                if normal(value) == normal(there.get(name, ""))
            }
            comment = without(comment, sent.comment)
            action = "" if action == sent.action else action
        labels = self._known.labels()
        merged = merge(base, fields, there, lists=labels.lists | LISTS, long=labels.long | {"description"})
        return Standing(draft, record, merged, comment, action)

    def refusal(self, path: str) -> bytes | None:
        """Why the last save of a file was refused, or what was sent of it: a sentence on a line."""
        try:
            ticket, _ = place(path)
        except DraftRefused:
            return None
        last = self.store.last_saved(ticket)
        if last is None or last.state != "refused":
            return None
        return f"{last.reason}\n".encode()

    def text(self, ticket: str) -> bytes:
        """A ticket's text with its draft, if it has one. Raises UsageError where there is no such ticket."""
        shown = self.shown(path_of(ticket, "txt"))
        if shown:
            return shown.data
        known = self._known.ticket(ticket)
        if known.record is None:
            raise UsageError(f"There is no ticket {ticket} here: `offtracfs sync` brings what is new.")
        labels = self._known.labels()
        told = self._known.told(int(ticket), known.log)
        return forms.shown_text(known.record, {}, "", "", {}, labels, told)

    def free_name(self) -> str:
        """A name for a new ticket that none had yet: ``new-1``."""
        taken = self.store.names(forms.NEW)
        return next(name for number in count(1) if (name := f"{forms.NEW}{number}") not in taken)

    def became(self, ticket: str) -> int | None:
        """The number of the ticket that a new one (``new-NAME``) became; None while it was not sent."""
        return became(self.store, ticket)

    def template(self, form: str, values: Mapping[str, str] = MappingProxyType({})) -> bytes:
        """What a new ticket's file holds before it is saved, with some values set."""
        values = defaults(self._known.definitions()) | dict(values)
        return (
            forms.new_json(values, "") if form == "json" else forms.new_text(values, "", self._known.labels())
        )

    # What is saved.

    def save(self, path: str, data: bytes, saved: int | None = None) -> Draft | None:
        """Keep what was written to a file of the mount; None where nothing differs from the ticket.

        `saved` is when, in microseconds since 1970 UTC, if not now.

        `path` is ``ticket/42.json``, ``text/42.txt`` or ``ticket/42.txt``, ``text/new-NAME.txt`` or
        ``ticket/new-NAME.json``. Raises DraftRefused with the reason; text and reason are kept first.
        """
        ticket, form = place(path)
        standing, last = self.draft(ticket), self.store.last_saved(ticket)
        again = last is not None and (last.raw, last.form) == (data, form)
        if standing and standing.state != "sent" and self._face(standing, form).data == data:
            return (
                standing  # it may be that an editor puts back what there was before a text that was refused
            )
        try:
            ticket, base, wanted = self._examiner.examined(ticket, form, data)
        except OfftracfsError as error:
            reason = str(error)
            if not (again and last and not last.accepted and last.reason == reason):
                self.store.add(ticket, form, data, refusal=reason, saved=saved)
            raise DraftRefused(reason) from error
        return self._keep(ticket, form, data, base, wanted, saved)

    def _keep(
        self, ticket: str, form: str, data: bytes, base: Any, wanted: Wanted, saved: int | None = None
    ) -> Draft | None:
        if not (wanted.values or wanted.comment or wanted.action):
            standing = self.draft(ticket)
            if standing and standing.state in ("draft", "refused"):
                self.store.becomes(standing, "discarded")  # all that it changed was taken back
            return None
        with self.store.transaction():  # one wait for the disk, which takes most of the time
            draft = self.store.add(
                ticket,
                form,
                data,
                base=base,
                fields=wanted.values,
                comment=wanted.comment,
                action=wanted.action,
                saved=saved,
            )
            for each in ("json", "txt"):
                self._face(draft, each)
        return draft

    def change(self, ticket: str, values: dict[str, str], comment: str, action: str) -> Draft | None:
        """Set values of a ticket, and add to its comment, on top of its draft if it has one.

        Raises DraftRefused, and UsageError where there is no such ticket.
        """
        known = self._known.ticket(ticket)
        if known.record is None:
            raise UsageError(f"There is no ticket {ticket} here: `offtracfs sync` brings what is new.")
        draft = self.draft(ticket)
        if draft:
            standing = self.on_top(draft)
            if open_ := standing.merged.conflicts.keys() - values.keys():
                raise DraftRefused(
                    f"The draft of {ticket} has a conflict: settle it with --set {min(open_)}=…"
                )
            values = standing.merged.send | values
            comment = "\n\n".join(filter(None, (standing.comment, comment)))
            action = action or standing.action
        wanted = Wanted(int(ticket), stamp_of(known.record), values, comment, action)
        wanted = self._examiner.checked(wanted, known.record)
        data = forms.shown_json(known.record, wanted.values, wanted.comment, wanted.action, {})
        return self._keep(ticket, "json", data, known.record, wanted)

    # What is taken back.

    def discard(self, ticket: str) -> Draft:
        """Take a draft back; `undo` brings it again. Raises UsageError where there is none, or it is sent."""
        draft = self.draft(ticket)
        if draft is None or draft.state == "sent":
            draft = self.store.last_saved(ticket)
            if draft is None or draft.accepted or draft.state != "refused":
                raise UsageError(f"There is no draft of {ticket}.")
        if draft.state == "sending":
            raise UsageError(
                f"The draft of {ticket} is being sent: `offtracfs push` finds out what became of it."
            )
        return self.store.becomes(draft, "discarded")

    def undo(self, ticket: str) -> Draft:
        """Bring back the draft that was discarded last. Raises UsageError where there is none."""
        found = [draft for draft in self.store.of_ticket(ticket, "discarded") if draft.accepted]
        if not found:
            raise UsageError(f"No draft of {ticket} was discarded.")
        if self.draft(ticket):
            raise UsageError(f"There is another draft of {ticket} by now: discard that first.")
        return self.store.stands_again(found[-1])

    def retire(self) -> None:
        """Forget which drafts stand where they were sent and a sync has brought them."""
        self.standing()
        self.store.retire([draft for draft in self._standing.values() if self._is_over(draft)])

    def waits(self, tickets: Collection[str], reason: str) -> None:
        """Note what some drafts wait for, where that is news."""
        for draft in self.standing().values():
            if draft.ticket in tickets and draft.state == "draft" and draft.reason != reason:
                self.store.becomes(draft, "draft", reason)

    def pending(self) -> list[Draft]:
        """The drafts that are not in the tracker, as far as is known, in the order of their saves."""
        return [draft for draft in self.standing().values() if draft.state != "sent"]

    def rested(self, seconds: float) -> list[str]:
        """The tickets whose draft was saved that long ago, and that has no conflict and was not refused."""
        before = now() - int(seconds * records.SECOND)
        drafts = [draft for draft in self.pending() if draft.state == "draft" and draft.saved <= before]
        ready = [draft.ticket for draft in drafts if not self.on_top(draft).merged.conflicts]
        return list(dict.fromkeys([*(draft.ticket for draft in self.store.in_state("sending")), *ready]))

    def to_send(self) -> list[str]:
        """The tickets of which something waits to be sent, or was being sent, in the order of their saves."""
        sending = self.store.in_state("sending")
        return list(dict.fromkeys(draft.ticket for draft in [*sending, *self.pending()]))

    # What is known.

    def labels(self) -> Labels:
        """What the fields are called now."""
        return self._known.labels()

    def statuses(self) -> list[str]:
        """All that the status of a ticket may be."""
        return list(self._known.definitions().get("status", {}).get("options") or [])

    def times(self) -> set[str]:
        """The names of the fields that hold a time."""
        return {name for name, field in self._known.definitions().items() if field.get("type") == "time"}


@contextmanager
def opened(database: Database, *, few: bool = True) -> Iterator[Drafts]:
    """The drafts of a database; `few` as for `Database.blobs`. Raises as `Database.reader` and `Drafts`."""
    with (
        closing(database.reader()) as reader,
        closing(
            Drafts(database.path, reader, database.blobs(few=few), ticket_pages(database.settings.url))
        ) as drafts,
    ):
        yield drafts
