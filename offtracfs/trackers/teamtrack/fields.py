"""The fields of a case as those of a ticket, and their values as people know them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from offtracfs.records import EPOCH
from offtracfs.teamtrack.history import UNLOGGED
from offtracfs.teamtrack.provisional import FIELD_TYPES

PROPS = {
    "TITLE": "summary", "DESCRIPTION": "description", "ISSUETYPE": "type", "PROJECTID": "component",
    "STATE": "status", "OWNER": "owner", "SUBMITTER": "reporter", "SUBMITDATE": "time",
    "LASTMODIFIEDDATE": "changetime",
}  # fmt: skip
"""Field of a case → the field that means the same in Trac. Any other has its own name, in small letters."""

TRANSITION, UPDATE = "transition", "update"  # rows of a change log that are no field's
RESERVED = {*PROPS.values(), "id", "_ts", "comment", "attachment", TRANSITION, UPDATE}
"""Names that no other field gets: it is called as its column then, ``ts_status``."""

KINDS = {
    "TITLE": "TEXT", "DESCRIPTION": "TEXT", "ISSUEID": "TEXT", "ISSUETYPE": "SELECTION",
    "PROJECTID": "PROJECT", "STATE": "STATE", "OWNER": "USER", "SUBMITTER": "USER", "SUBMITDATE": "DATETIME",
    "CLOSEDATE": "DATETIME",
    "LASTMODIFIER": "USER", "LASTMODIFIEDDATE": "DATETIME", "LASTSTATECHANGER": "USER",
    "LASTSTATECHANGEDATE": "DATETIME", "ACTIVEINACTIVE": "BINARY", "PRIORITY": "SELECTION",
    "SEVERITY": "SELECTION",
}  # fmt: skip
"""The types of the fields that every TeamTrack has: for these the numbers in TS_FIELDS are not asked, which
are not confirmed."""

VERBATIM = ("TEXT", "NUMERIC", "BINARY", "SUMMATION")
WORDS = {"STATE": "STATE", "PROJECT": "PROJECT", "USER": "USER"} | dict.fromkeys(
    ("SELECTION", "MULTIPLE_SELECTION"), "SELECTION"
)
"""Type of a field → whose names its ids stand for."""
_EPOCH = EPOCH.replace(tzinfo=None)  # with a zone it would take three times as long
_TYPES = {number: name for name, number in FIELD_TYPES.items()}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a case: its name in the TeamTrack, without the TS_; its name in a ticket; its type."""

    column: str
    prop: str
    kind: str
    label: str
    id: int = 0


class Names(dict[Any, str]):
    """What people know the things of a kind by, by their ids; it may grow.

    `names[value]` is how a ticket shows a value: "" where it is not set, ``#17`` where nothing names it. Most
    values of a TeamTrack are such ids, so that this is a look into a dictionary, and rarely a call.
    """

    def __init__(self, names: Mapping[int, str], unnamed: str = "#{}") -> None:
        super().__init__((number, name) for number, name in names.items() if number and name)
        self._unnamed = unnamed

    def __missing__(self, value: Any) -> str:
        number = 0 if value is None or value == "" else int(value)
        return self.get(number) or self._unnamed.format(number) if number else ""

    def several(self, value: Any) -> str:
        """How a ticket shows ids with commas between them."""
        return ", ".join(self[int(part)] for part in text(value).split(",") if part)


NUMBERS = Names({}, "{}")
"""Ids that nobody knows the names of."""

Shown = Callable[[Any], str]
"""What makes a field's value as tickets have it; "" where it is not set. Raises one of `NOT_READABLE`."""

NOT_READABLE = (ValueError, TypeError, OverflowError, OSError)


@dataclass
class Site:
    """What must be known to read cases.

    `words` are the names of users, states and so on (`WORDS`).
    `transitions` are names by id. `logged` says whether history is read, which tells by itself what the
    `UNLOGGED` fields are.
    """

    fields: dict[str, Field]
    words: dict[str, Names] = field(default_factory=dict)
    transitions: dict[int, str] = field(default_factory=dict)
    logged: bool = False

    def shown_fields(self) -> Iterable[Field]:
        """Those that are a ticket's: what the change log tells by itself is not."""
        told = set(UNLOGGED) - PROPS.keys() if self.logged else set()
        return (of for name, of in self.fields.items() if name not in told and name != "ID")

    @cached_property
    def of_tickets(self) -> list[tuple[str, str, Shown]]:
        """Of each field that is a ticket's: its name, that in a ticket, and what shows its values."""
        return [(of.column, of.prop, self.shown(of.kind)) for of in self.shown_fields()]

    @cached_property
    def of_logs(self) -> dict[int, tuple[str, Shown]]:
        """By a field's id, its name in a change log, or "" if it has none, and what shows its values."""
        return {
            of.id: ("" if of.column in UNLOGGED else of.prop, self.shown(of.kind))
            for of in self.fields.values()
            if of.id
        }

    def shown(self, kind: str) -> Shown:
        """What shows the values of a type of field."""
        if kind in VERBATIM:
            return text
        if kind == "DATETIME":
            return date
        names = self.words.get(WORDS.get(kind, ""), NUMBERS)
        return names.several if kind.startswith("MULTIPLE") else names.__getitem__


def case_field(column: str, row: Mapping[str, Any] | None = None, kind: str = "") -> Field:
    """A field by its name, and its row in TS_FIELDS or its type."""
    found = row or {}
    name = column.lower()
    prop = PROPS.get(column) or (f"ts_{name}" if name in RESERVED else name)
    kind = KINDS.get(column) or kind or _TYPES.get(found.get("FLDTYPE") or 0, "TEXT")
    label = text(found.get("NAME") or "").strip() or prop.capitalize()
    number = found.get("ID")
    return Field(column, prop, kind, label, number if isinstance(number, int) else 0)


def date(value: Any) -> str:
    """Seconds since 1970 as tickets have a moment."""
    if value is None or value == "":
        return ""
    seconds = int(value)
    return (_EPOCH + timedelta(0, seconds)).isoformat() if seconds else ""


def text(value: Any) -> str:
    """A value as text."""
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    return "" if value is None else str(value)
