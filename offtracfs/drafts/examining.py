"""What a saved text changes, or why it cannot be a draft: then every function here raises DraftRefused."""

from __future__ import annotations

from typing import Any, NamedTuple

from offtracfs.drafts import forms
from offtracfs.drafts.checks import (
    Definitions,
    check_closing,
    check_comment,
    check_names,
    check_values,
    differing,
)
from offtracfs.drafts.earlier import earlier, was_sent, without
from offtracfs.drafts.forms import Wanted, stamp_of, values_of
from offtracfs.drafts.known import Known
from offtracfs.drafts.merging import normal
from offtracfs.drafts.store import DraftStore
from offtracfs.errors import DraftRefused

BY_TRACKER = ("reporter", "status", "resolution", "time", "changetime")  # what a template leaves out


class Examined(NamedTuple):
    """The ticket that a text is about, the record that it was made from, and what it changes in that."""

    ticket: str
    base: Any
    wanted: Wanted


class Examiner:
    """Examines texts by what is known of the tracker, and by what was sent before."""

    def __init__(self, known: Known, store: DraftStore) -> None:
        self._known = known
        self._store = store

    def examined(self, ticket: str, form: str, data: bytes) -> Examined:
        """What a text changes that was saved as a ticket's (``42``, ``new-NAME``)."""
        wanted = forms.read(form, data, self._known.labels())
        if wanted.conflict:
            raise DraftRefused("There is a conflict: settle it, and take the lines about it away.")
        if ticket.startswith(forms.NEW):
            number = became(self._store, ticket)
            return (
                Examined(ticket, None, self._new(wanted)) if number is None else self._after(ticket, wanted)
            )
        if str(wanted.number) != ticket:
            whose = f"ticket {wanted.number}" if wanted.number else "a new ticket"
            raise DraftRefused(f"This is the text of {whose}, saved as that of {ticket}.")
        base = self._base(wanted)
        self._check_told(wanted)
        return Examined(ticket, base, self.checked(wanted, base))

    def checked(self, wanted: Wanted, base: Any) -> Wanted:
        """What is wanted, with just the values that differ from the base and were not sent yet."""
        known, before = self._known.definitions(), values_of(base)
        check_names(wanted.values, before, known)
        values = differing(wanted.values, before)
        check_values(values, known)
        if not wanted.action:
            check_closing(values, before, known)
        check_comment(wanted.comment)
        comment, action = wanted.comment, wanted.action
        for sent in earlier(self._store, str(wanted.number), stamp_of(base)):
            comment = without(comment, sent.comment)
            action = "" if action == sent.action else action
            values = {name: value for name, value in values.items() if not was_sent(name, value, sent)}
        return Wanted(wanted.number, wanted.stamp, values, comment, action)

    def _new(self, wanted: Wanted) -> Wanted:
        if wanted.number:
            raise DraftRefused(f"This is the text of ticket {wanted.number}: a new ticket has no number.")
        if wanted.comment:
            raise DraftRefused("A new ticket has no comments yet: write it into the description.")
        known = self._known.definitions()
        values = {name: value.strip("\r\n") for name, value in wanted.values.items() if value.strip()}
        if values == {name: value for name, value in defaults(known).items() if value}:
            return Wanted(0, "", {})  # the template
        check_names(wanted.values, {}, known)
        check_values({"summary": ""} | values, known)
        if values.get("status", "new") != "new" or "resolution" in values or wanted.action:
            raise DraftRefused("A new ticket has no action, resolution or status: the tracker gives it one.")
        return Wanted(0, "", values)

    def _after(self, name: str, wanted: Wanted) -> Examined:
        """What a new ticket's text, saved when the tracker has the ticket, says that was not sent."""
        sent = self._store.of_ticket(name, "sent")[-1]
        number = int(sent.detail["number"])
        met = self._store.met(str(number))
        base = met[-1] if met else self._known.stored(number).record
        if base is None:
            raise DraftRefused(f"This became ticket {number}: `offtracfs sync` brings it, then change that.")
        values = {
            key: value
            for key, value in wanted.values.items()
            if normal(value) != normal(sent.fields.get(key, ""))
        }
        found = Wanted(number, "", values, wanted.comment, wanted.action)
        return Examined(str(number), base, self.checked(found, base))

    def _base(self, wanted: Wanted) -> Any:
        """The record that a text was made from: of several with one stamp, the one that is most like it."""
        candidates: list[Any] = []
        for record in self._known.versions(wanted.number):
            if stamp_of(record) == wanted.stamp:
                candidates.append(record)
            elif candidates:
                break
        if not candidates:
            raise DraftRefused(
                f"No version of ticket {wanted.number} is known from which this text was made: leave the time"
                " of its last change (_ts, Modified) alone, or read the file anew."
            )
        return min(candidates, key=lambda record: len(differing(wanted.values, values_of(record))))

    def _check_told(self, wanted: Wanted) -> None:
        """Of the lines among those of the change log, one that is none of it would be lost."""
        unknown = dict.fromkeys(line.rstrip() for _, line in wanted.told)
        for log in self._known.logs(wanted.number) if unknown else ():
            for line in self._known.told(wanted.number, log).split("\n"):
                unknown.pop(line.rstrip(), None)
            if not unknown:
                return
        for place, line in wanted.told:
            if line.rstrip() in unknown:
                raise DraftRefused(
                    f"Line {place} is none of the change log, which cannot be changed: write a comment below"
                    f" a line {forms.COMMENT_MARK}."
                )


def became(store: DraftStore, ticket: str) -> int | None:
    """The number of the ticket that a new one (``new-NAME``) became; None while it was not sent."""
    sent = store.of_ticket(ticket, "sent") if ticket.startswith(forms.NEW) else []
    return int(sent[-1].detail["number"]) if sent else None


def defaults(known: Definitions) -> dict[str, str]:
    """The values of a new ticket as the tracker would set them, in the order of its fields."""
    return {name: str(field.get("value") or "") for name, field in known.items() if name not in BY_TRACKER}
