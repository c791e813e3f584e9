"""The drafts of a database: texts that were saved, on top of what the tracker has."""

from __future__ import annotations

import re
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
from offtracfs.drafts.checks import (
    Definitions,
    check_closing,
    check_comment,
    check_names,
    check_values,
    definitions,
    differing,
)
from offtracfs.drafts.forms import Wanted, path_of, place, stamp_of, values_of
from offtracfs.drafts.merging import Merged, merge, normal
from offtracfs.drafts.store import Draft, DraftStore, Face, now
from offtracfs.errors import DatabaseDamaged, DraftRefused, OfftracfsError, UsageError
from offtracfs.index import Reader, Revision
from offtracfs.kinds import DB_PATH, FIELDS_PATH, changelog_path, ticket_path
from offtracfs.names import split
from offtracfs.texts import Labels, address_part, log_part
from offtracfs.trackers.registry import ticket_pages

LISTS = {"cc", "keywords"}  # whose members are added and taken away one by one, whatever a tracker calls them
SENT = " sent"  # at the end of the name of a state on top of which a draft is shown that was sent
MAX_LOGS = 50  # versions of a change log in which the lines of a text are looked for


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


class _Ticket(NamedTuple):
    """What is known of a ticket: the newest record, its change log, and a name for this state of both."""

    record: Any
    log: Any
    key: str


class Drafts:
    """The drafts in ``drafts.db`` of a database directory. Not for use by several threads at once.

    `reader` and `blob`, which gives a git object by its id, are those of the same database. Methods raise the
    errors of `DraftStore`, and DatabaseDamaged where the index or git cannot be read.
    """

    def __init__(
        self, directory: Path, reader: Reader, blob: Callable[[bytes], bytes], pages: str = ""
    ) -> None:
        self.store = DraftStore(directory)
        self._reader = reader
        self._blob = blob
        self._pages = pages
        self._seen = -1
        self._standing: dict[str, Draft] = {}
        self._labelled: tuple[bytes | None, Labels] | None = None

    def close(self) -> None:
        """Give the connection to ``drafts.db`` back."""
        self.store.close()

    @property
    def version(self) -> int:
        """Grows with every change, whichever process made it. It costs a look at the file."""
        return self.store.version

    def refresh(self) -> Revision | None:
        """Go over to the newest revision that is published, and return it."""
        self._reader.refresh()
        return self._reader.head()

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
        return self._has_caught_up(draft.ticket, self._stored(int(draft.ticket)).record)

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
        known = self._known(draft.ticket)
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
        known = self._known(draft.ticket)
        labels = self._labels()
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
        return forms.shown_text(*parts, labels, self._told(int(draft.ticket), known.log, labels))

    def on_top(self, draft: Draft, theirs: Any = None) -> Standing:
        """A draft on top of what the tracker has, as far as that is known, or of the record `theirs`."""
        if draft.base is None:
            fields = draft.fields
            return Standing(draft, None, Merged(dict(fields), {}, dict(fields)), draft.comment, draft.action)
        record = self._known(draft.ticket).record if theirs is None else theirs
        base, there = values_of(draft.base), values_of(record or draft.base)
        fields, comment, action = draft.fields, draft.comment, draft.action
        for sent in self._sent(draft):
            fields = {name: value for name, value in fields.items() if not _was_sent(name, value, sent)}
            base |= {
                name: value
                for name, value in sent.fields.items()
                if normal(value) == normal(there.get(name, ""))
            }
            comment = without(comment, sent.comment)
            action = "" if action == sent.action else action
        labels = self._labels()
        merged = merge(base, fields, there, lists=labels.lists | LISTS, long=labels.long | {"description"})
        return Standing(draft, record, merged, comment, action)

    def _sent(self, draft: Draft) -> list[Draft]:
        """The drafts that are in the tracker, and may stand in the text of a later one.

        An editor stayed open: that text was made from a version on top of which the earlier draft was shown
        before it was sent.
        """
        return self._in_texts_of(draft.ticket, stamp_of(draft.base))

    def _in_texts_of(self, ticket: str, stamp: str) -> list[Draft]:
        return [sent for sent in self.store.of_ticket(ticket, "sent") if stamp in self._shown_on(sent)]

    def _shown_on(self, sent: Draft) -> set[str]:
        """The stamps of the versions on top of which a draft was shown until it was sent."""
        own = {stamp_of(sent.base)} if sent.base is not None else set()
        shown = (key.split(" ", 1)[0] for key in self.store.shown_on(sent.id) if not key.endswith(SENT))
        return own | {sent.detail.get("stamp", "")} | set(shown)

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
        known = self._known(ticket)
        if known.record is None:
            raise UsageError(f"There is no ticket {ticket} here: `offtracfs sync` brings what is new.")
        labels = self._labels()
        told = self._told(int(ticket), known.log, labels)
        return forms.shown_text(known.record, {}, "", "", {}, labels, told)

    def free_name(self) -> str:
        """A name for a new ticket that none had yet: ``new-1``."""
        taken = self.store.names(forms.NEW)
        return next(name for number in count(1) if (name := f"{forms.NEW}{number}") not in taken)

    def became(self, ticket: str) -> int | None:
        """The number of the ticket that a new one (``new-NAME``) became; None while it was not sent."""
        sent = self.store.of_ticket(ticket, "sent") if ticket.startswith(forms.NEW) else []
        return int(sent[-1].detail["number"]) if sent else None

    def template(self, form: str, values: Mapping[str, str] = MappingProxyType({})) -> bytes:
        """What a new ticket's file holds before it is saved, with some values set."""
        values = _defaults(self._definitions()) | dict(values)
        return forms.new_json(values, "") if form == "json" else forms.new_text(values, "", self._labels())

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
            ticket, base, wanted = self._examined(ticket, form, data)
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
        self._face(draft, form)
        return draft

    def change(self, ticket: str, values: dict[str, str], comment: str, action: str) -> Draft | None:
        """Set values of a ticket, and add to its comment, on top of its draft if it has one.

        Raises DraftRefused, and UsageError where there is no such ticket.
        """
        known = self._known(ticket)
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
        wanted = self._checked(wanted, known.record)
        data = forms.shown_json(known.record, wanted.values, wanted.comment, wanted.action, {})
        return self._keep(ticket, "json", data, known.record, wanted)

    def _examined(self, ticket: str, form: str, data: bytes) -> tuple[str, Any, Wanted]:
        """The ticket that a text is about, its base, and what the text changes. Raises DraftRefused."""
        wanted = forms.read(form, data, self._labels())
        if wanted.conflict:
            raise DraftRefused("There is a conflict: settle it, and take the lines about it away.")
        if ticket.startswith(forms.NEW):
            number = self.became(ticket)
            if number is None:
                return ticket, None, self._new(wanted)
            return self._after_creation(ticket, number, wanted)
        if str(wanted.number) != ticket:
            raise DraftRefused(
                f"This is the text of ticket {wanted.number}, and the file is that of {ticket}."
            )
        base = self._base(wanted)
        self._check_told(wanted)
        return ticket, base, self._checked(wanted, base)

    def _new(self, wanted: Wanted) -> Wanted:
        if wanted.number:
            raise DraftRefused(f"This is the text of ticket {wanted.number}: a new ticket has no number.")
        known = self._definitions()
        values = {name: value.strip("\r\n") for name, value in wanted.values.items() if value.strip()}
        if (
            values == {name: value for name, value in _defaults(known).items() if value}
            and not wanted.comment
        ):
            return Wanted(0, "", {})
        check_names(wanted.values, {}, known)
        check_values({"summary": ""} | values, known)
        if values.get("status", "new") != "new" or "resolution" in values or wanted.action:
            raise DraftRefused(
                "A new ticket has no action, resolution or status yet: the tracker gives it one."
            )
        return Wanted(0, "", values, wanted.comment)

    def _after_creation(self, name: str, number: int, wanted: Wanted) -> tuple[str, Any, Wanted]:
        """What a new ticket's text, saved when the tracker has the ticket, says that was not sent."""
        sent = self.store.of_ticket(name, "sent")[-1]
        met = self.store.met(str(number))
        base = met[-1] if met else self._stored(number).record
        if base is None:
            raise DraftRefused(f"This became ticket {number}: `offtracfs sync` brings it, then change that.")
        values = {
            key: value
            for key, value in wanted.values.items()
            if normal(value) != normal(sent.fields.get(key, ""))
        }
        comment = without(wanted.comment, sent.comment)
        return str(number), base, self._checked(Wanted(number, "", values, comment, wanted.action), base)

    def _checked(self, wanted: Wanted, base: Any) -> Wanted:
        """With just the values that differ from the base. Raises DraftRefused."""
        known, before = self._definitions(), values_of(base)
        check_names(wanted.values, before, known)
        values = differing(wanted.values, before)
        check_values(values, known)
        if not wanted.action:
            check_closing(values, before, known)
        check_comment(wanted.comment)
        comment, action = wanted.comment, wanted.action
        for sent in self._in_texts_of(str(wanted.number), stamp_of(base)):
            comment = without(comment, sent.comment)
            action = "" if action == sent.action else action
            values = {name: value for name, value in values.items() if not _was_sent(name, value, sent)}
        return Wanted(wanted.number, wanted.stamp, values, comment, action)

    def _base(self, wanted: Wanted) -> Any:
        """The record that a text was made from: of several with one stamp, the one that is most like it."""
        candidates = [record for record in self._versions(wanted.number) if stamp_of(record) == wanted.stamp]
        if not candidates:
            raise DraftRefused(
                f"No version of ticket {wanted.number} is known from which this text was made: leave the time"
                " of its last change (_ts, Modified) alone, or read the file anew."
            )
        return min(candidates, key=lambda record: len(differing(wanted.values, values_of(record))))

    def _versions(self, number: int) -> Iterator[Any]:
        """All states of a ticket that are known, the newest first. Those in git are read one by one."""
        yield from self.store.met(str(number))
        head = self._reader.head()
        newest = ""
        for past in reversed(self._reader.past(*split(ticket_path(number)), head.horizon if head else 0)):
            found = self._reader.version(past.inode)
            record = self._loaded(found.blob if found else None)
            if _is_ticket(record):
                stamp = stamp_of(record)
                if newest and stamp != newest:
                    yield from self.store.bases(str(number))
                newest = newest or stamp
                yield record
        yield from self.store.bases(str(number))

    def _check_told(self, wanted: Wanted) -> None:
        """Raises DraftRefused where a line among those of the change log is none of it: it would be lost."""
        if not wanted.told:
            return
        unknown = dict.fromkeys(line.rstrip() for _, line in wanted.told)
        for log in self._logs(wanted.number):
            for line in self._told(wanted.number, log, self._labels()).split("\n"):
                unknown.pop(line.rstrip(), None)
            if not unknown:
                return
        place = next(number for number, line in wanted.told if line.rstrip() in unknown)
        raise DraftRefused(
            f"Line {place} is none of the change log, which cannot be changed: write a comment below a line"
            f" {forms.COMMENT_MARK}."
        )

    def _logs(self, number: int) -> Iterator[Any]:
        head = self._reader.head()
        past = self._reader.past(*split(changelog_path(number)), head.horizon if head else 0)
        for version in reversed(past[-MAX_LOGS:]):
            found = self._reader.version(version.inode)
            yield self._loaded(found.blob if found else None)

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
        return self._labels()

    def statuses(self) -> list[str]:
        """All that the status of a ticket may be."""
        return list(self._definitions().get("status", {}).get("options") or [])

    def times(self) -> set[str]:
        """The names of the fields that hold a time."""
        return {name for name, field in self._definitions().items() if field.get("type") == "time"}

    def _known(self, ticket: str) -> _Ticket:
        if ticket.startswith(forms.NEW):
            return _Ticket(None, None, "")
        stored = self._stored(int(ticket))
        met = self.store.met(ticket)
        if met and not self._has_caught_up(ticket, stored.record):
            return _Ticket(met[0], stored.log, f"{stamp_of(met[0])} met {stored.key}")
        return stored

    def _stored(self, number: int) -> _Ticket:
        """A ticket as the newest revision has it."""
        blobs = [self._newest(path) for path in (ticket_path(number), changelog_path(number), FIELDS_PATH)]
        record = self._loaded(blobs[0])
        record = record if _is_ticket(record) else None
        key = " ".join(
            [stamp_of(record) if record else "-", *(blob.hex() if blob else "-" for blob in blobs)]
        )
        return _Ticket(record, self._loaded(blobs[1]), key)

    def _has_caught_up(self, ticket: str, record: Any) -> bool:
        """Whether what is stored of a ticket is at least as new as what a push met last."""
        met = self.store.met(ticket)
        if not met or (record is not None and stamp_of(record) == stamp_of(met[0])):
            return True
        known = self._loaded(self._newest(DB_PATH))
        recent = known.get("recent") if isinstance(known, dict) else None
        return isinstance(recent, str) and recent > str(met[0][2])

    def _newest(self, path: str) -> bytes | None:
        head = self._reader.head()
        return self._reader.blob_before(path, head.horizon + 1) if head else None

    def _loaded(self, blob: bytes | None) -> Any:
        try:
            return None if blob is None else records.load(self._blob(blob))
        except DatabaseDamaged:
            return None

    def _labels(self) -> Labels:
        blob = self._newest(FIELDS_PATH)
        if self._labelled is None or self._labelled[0] != blob:
            self._labelled = blob, Labels(self._loaded(blob))
        return self._labelled[1]

    def _definitions(self) -> Definitions:
        return definitions(self._loaded(self._newest(FIELDS_PATH)))

    def _told(self, number: int, log: Any, labels: Labels) -> str:
        address = address_part(f"{self._pages}{number}") if self._pages else ""
        return log_part(log, labels) + address


def without(comment: str, sent: str) -> str:
    """A comment without one that was sent, where that is one of its paragraphs, or several in a row."""
    known = normal(sent)
    if not known:
        return comment
    parts = re.split(rf"(?:\A|\n\n+){re.escape(known)}(?=\n|\Z)", normal(comment), maxsplit=1)
    return "\n\n".join(filter(None, (part.strip("\n") for part in parts))) if len(parts) > 1 else comment


def _was_sent(name: str, value: str, sent: Draft) -> bool:
    return name in sent.fields and normal(sent.fields[name]) == normal(value)


def _is_ticket(record: Any) -> bool:
    match record:
        case [int(), str(), str(), dict()]:
            return True
    return False


def _defaults(known: Definitions) -> dict[str, str]:
    """The values of a new ticket as the tracker would set them, in the order of its fields."""
    left_out = ("reporter", "status", "resolution", "time", "changetime")
    return {name: str(field.get("value") or "") for name, field in known.items() if name not in left_out}


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
