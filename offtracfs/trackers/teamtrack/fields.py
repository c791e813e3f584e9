"""The fields of a case as those of a ticket, and their values as people know them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from offtracfs.records import iso
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
_TYPES = {number: name for name, number in FIELD_TYPES.items()}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a case: its name in the TeamTrack, without the TS_; its name in a ticket; its type."""

    column: str
    prop: str
    kind: str
    label: str
    id: int = 0


@dataclass
class Site:
    """What must be known to read cases.

    `words` has what people know things by, by their ids: users, states and so on (`WORDS`). `transitions` are
    names by id. `logged` says whether history is read, which tells by itself what the `UNLOGGED` fields are.
    """

    fields: dict[str, Field]
    words: dict[str, dict[int, str]] = field(default_factory=dict)
    transitions: dict[int, str] = field(default_factory=dict)
    logged: bool = False

    @cached_property
    def by_id(self) -> dict[int, Field]:
        """The fields by their ids."""
        return {of.id: of for of in self.fields.values() if of.id}

    def shown(self, of: Field, value: Any) -> str:
        """A value as tickets have it; "" where it is not set. Raises ValueError, OverflowError, OSError."""
        if value is None or value == "":
            return ""
        if of.kind in VERBATIM:
            return text(value)
        if of.kind == "DATETIME":
            return iso(datetime.fromtimestamp(int(value), UTC)) if int(value) else ""
        if of.kind.startswith("MULTIPLE"):
            return ", ".join(self._word(of.kind, int(part)) for part in text(value).split(",") if part)
        return self._word(of.kind, int(value)) if int(value) else ""

    def _word(self, kind: str, number: int) -> str:
        names = self.words.get(WORDS.get(kind, ""), {})
        return names.get(number) or (f"#{number}" if kind in WORDS else f"{number}")

    def shown_fields(self) -> Iterable[Field]:
        """Those that are a ticket's: what the change log tells by itself is not."""
        told = set(UNLOGGED) - PROPS.keys() if self.logged else set()
        return (of for name, of in self.fields.items() if name not in told and name != "ID")


def case_field(column: str, row: Mapping[str, Any] | None = None, kind: str = "") -> Field:
    """A field by its name, and its row in TS_FIELDS or its type."""
    found = row or {}
    name = column.lower()
    prop = PROPS.get(column) or (f"ts_{name}" if name in RESERVED else name)
    kind = KINDS.get(column) or kind or _TYPES.get(found.get("FLDTYPE") or 0, "TEXT")
    label = text(found.get("NAME") or "").strip() or prop.capitalize()
    number = found.get("ID")
    return Field(column, prop, kind, label, number if isinstance(number, int) else 0)


def text(value: Any) -> str:
    """A value as text."""
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value)
