"""What is different between two states of a record; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from offtracfs.kinds import is_definition
from offtracfs.kinds.kind import SHAPE_ERRORS
from offtracfs.kinds.ticket import CLOSED
from offtracfs.records import Row
from offtracfs.texts import Entry, entries
from offtracfs.texts.log import is_edit
from offtracfs.texts.ticket import derived, written

KINDS = (
    "new", "closed", "reopened", "changed", "commented", "attached", "edited", "deleted", "record", "times",
)  # fmt: skip
"""What a change may be (`kinds`): "record" is one of anything but a ticket, "times" of its times alone."""


class TicketState(NamedTuple):
    """A ticket's record and its change log, as JSON data of any shape; None where there is none."""

    record: Any = None
    log: Any = None


class FieldChange(NamedTuple):
    """A field, or another value that has a name: as text, "" where it had or has none."""

    name: str
    old: str
    new: str


class Edit(NamedTuple):
    """A comment's entry before and after it was edited."""

    before: Entry
    after: Entry


@dataclass(frozen=True, slots=True)
class TicketChange:
    """What is different in a ticket.

    `fields` are the values that differ, of a ticket that was there and is still. `entries` are the changes
    that only the later log tells of, in its order, and `gone` those that only the earlier one tells of.
    `edited` are the comments with another text.
    """

    number: int
    before: TicketState
    after: TicketState
    fields: list[FieldChange]
    entries: list[Entry]
    edited: list[Edit]
    gone: list[Entry]

    @property
    def created(self) -> bool:
        """Whether the ticket was not there before."""
        return self.before.record is None and self.after.record is not None

    @property
    def deleted(self) -> bool:
        """Whether it is there no more."""
        return self.after.record is None

    @property
    def summary(self) -> str:
        """What the ticket is called after the change, or was before it was deleted."""
        return values(self.before.record if self.deleted else self.after.record).get("summary", "")

    @property
    def comments(self) -> list[Entry]:
        """The new comments."""
        return [entry for entry in self.entries if entry.comment]

    @property
    def touched(self) -> set[str]:
        """What the change was about: fields, and ``comment`` and ``attachment``, as logs have them."""
        rows = (row for entry in self.entries for row in entry.rows if row.field != "comment" or row.new)
        logged = {row.field for row in rows}
        return logged | {field.name for field in self.unlogged} | ({"comment"} if self.edited else set())

    @property
    def unlogged(self) -> list[FieldChange]:
        """Values that differ although the new entries do not say so."""
        told = {row.field: row.new or "" for entry in self.entries for row in entry.rows if row.permanent}
        return [field for field in self.fields if told.get(field.name) != field.new]


@dataclass(frozen=True, slots=True)
class RecordChange:
    """What is different in a record that is no ticket: JSON data of any shape; None where there is none."""

    path: str
    before: Any
    after: Any

    @property
    def created(self) -> bool:
        """Whether the record was not there before."""
        return self.before is None

    @property
    def deleted(self) -> bool:
        """Whether it is there no more."""
        return self.after is None

    @property
    def parts(self) -> list[FieldChange]:
        """The values that differ, by their names; a record without such has one of the name ""."""
        old, new = _parts(self.before), _parts(self.after)
        return _differing(old, new)


def compare(number: int, before: TicketState, after: TicketState) -> TicketChange:
    """What is different in a ticket between two of its states."""
    fields: list[FieldChange] = []
    both = before.record is not None and after.record is not None
    if both:
        fields = _differing(values(before.record), values(after.record))
    old, new = _by_change(before.log), _by_change(after.log)
    added = [entry for key, entry in new.items() if key not in old]
    edited = []
    for key in new:
        if key not in old or new[key].rows == old[key].rows:
            continue
        if new[key].comment != old[key].comment:
            edited.append(Edit(old[key], new[key]))
        if rows := _added_rows(old[key], new[key]):
            added.append(Entry(new[key].time, new[key].author, rows))
    gone = [entry for key, entry in old.items() if key not in new]
    if both and not (fields or added or edited or gone):
        fields = _differing(_times(before.record), _times(after.record))
    return TicketChange(number, before, after, fields, added, edited, gone)


def kinds(change: TicketChange | RecordChange) -> list[str]:
    """Which of `KINDS` a change is, in their order; at least one."""
    if isinstance(change, RecordChange):
        return ["record"]
    if change.created or change.deleted:
        return ["new" if change.created else "deleted"]
    status = next((field for field in change.fields if field.name == "status"), FieldChange("", "", ""))
    closed, reopened = status.new == CLOSED, status.old == CLOSED
    told = {"status", "resolution"} if closed or reopened else set()
    fields = {name for name in change.touched if not is_edit(name)} - told
    found = {
        "closed": closed,
        "reopened": reopened,
        "changed": bool(fields - {"comment", "attachment", "time", "changetime"}),
        "commented": bool(change.comments),
        "attached": "attachment" in fields,
        "edited": bool(change.edited or change.gone),
    }
    return [kind for kind in KINDS if found.get(kind)] or ["times"]


def values(record: Any) -> dict[str, str]:
    """The values of a ticket's record as text, without those that only repeat its times; {} for no record."""
    try:
        _, created, changed, props = record
        known = derived(created, changed)
        texts = {name: written(value) for name, value in props.items()}
    except SHAPE_ERRORS:
        return {}
    return {name: text for name, text in texts.items() if known.get(name) != text}


def _times(record: Any) -> dict[str, str]:
    match record:
        case [_, str(created), str(changed), _]:
            return {"time": created, "changetime": changed}
    return {}


def _differing(old: dict[str, str], new: dict[str, str]) -> list[FieldChange]:
    """The names that have another text, in the order of `old` and then of `new`."""
    pairs = [(name, old.get(name, ""), new.get(name, "")) for name in {**old, **new}]
    return [FieldChange(*pair) for pair in pairs if pair[1] != pair[2]]


def _by_change(log: Any) -> dict[tuple[str, str, int], Entry]:
    """The entries of a log by what stays the same in one that is edited."""
    found = entries(log)
    return {(entry.time, entry.author, entry.rows[0].permanent): entry for entry in found}


def _added_rows(old: Entry, new: Entry) -> list[Row]:
    """What a late row, or SQL, has added to a change that was there; edits of comments are told apart."""
    return [
        row for row in new.rows if row not in old.rows and not row.field.startswith(("comment", "_comment"))
    ]


def _parts(record: Any) -> dict[str, str]:
    if isinstance(record, dict):
        return {name: written(value) for name, value in record.items()}
    if isinstance(record, list) and all(map(is_definition, record)):  # fields.json
        return {item["name"]: written(item) for item in record}
    return {"": written(record)}
