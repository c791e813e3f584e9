"""The first part of a ticket's text: its record. It can be read back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import simplejson

from offtracfs import records
from offtracfs.errors import UsageError
from offtracfs.kinds.kind import SHAPE_ERRORS
from offtracfs.texts.escapes import block, off_the_line, on_a_line, unblock
from offtracfs.texts.labels import CREATED, MODIFIED, Labels

WIDTH = 12  # of a label with its colon: values stand below each other, whichever fields a ticket has
CRLF = " (CRLF)"  # behind the label of a text whose lines end so in the record
UNREADABLE = "this record does not have the shape of a ticket"
MAX_QUOTE = 60  # characters of a line in a message

_FIRST = re.compile(r"#([0-9]{1,18})(?: (.*))?")
_LINE = re.compile(r"([^:]+):(.*)", re.DOTALL)
_PLAIN = frozenset((str, type(None)))


def _line(label: str, value: str) -> str:
    return f"{label + ':':<{WIDTH - 1}} {on_a_line(value)}".rstrip(" ") + "\n"


def ticket_part(number: int, record: Any, labels: Labels) -> str:
    """What a record says; fields without a value are left out. A record of another shape says just that."""
    said = _said(number, record)
    if said is None:
        return _unreadable(number)
    plain = said.values.keys() - said.derived.keys()
    pieces = {name: _piece(name, value, labels) for name in plain if (value := said.values[name])}
    pieces |= _stamps(said, labels)
    summary, description = pieces.pop("summary", ""), pieces.pop("description", "")
    ordered = [pieces[name] for name in labels.ordered(pieces)]
    lines = [piece for piece in ordered if not piece.startswith("\n")]
    blocks = [piece for piece in ordered if piece.startswith("\n")]
    times = [_line(CREATED, _people(said.created)), _line(MODIFIED, _people(said.changed))]
    return "".join([f"#{number}{summary}\n\n", *lines, *times, description, *blocks])


class TicketSize:
    """The size of a ticket's part, version after version: each costs what has changed in it."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._beside = len(f"#{number}\n\n") + len(_line(CREATED, "x") + _line(MODIFIED, "x")) - 2
        self._labels: Labels | None = None
        self._values: Mapping[str, str | None] = {}
        self._sizes: dict[str, int] = {}  # of the piece of each field
        self._total = 0  # of them all

    def of(self, record: Any, labels: Labels, *, appended: bool = False) -> int:
        """Bytes in the part of a record; `appended` is for change logs."""
        said = _said(self._number, record)
        if said is None:
            return len(_unreadable(self._number))
        if labels is not self._labels:
            self._labels, self._values, self._sizes, self._total = labels, {}, {}, 0
        created, changed, values, known = said
        before, sizes = self._values, self._sizes
        names = [name for name, value in values.items() if before.get(name, before) != value]
        if before.keys() != values.keys():
            names += before.keys() - values.keys()
        for name in names:
            if name not in known:
                value = values.get(name)
                size = len(_piece(name, value, labels).encode()) if value else 0
                self._total += size - sizes.get(name, 0)
                sizes[name] = size
        self._values = values
        total = self._total + self._beside + len(created) + len(changed)
        if stamps := _stamps(said, labels):
            total += sum(len(line.encode()) for line in stamps.values())
        return total


class _Said(NamedTuple):
    """What a record says: its times as they stand in it; its values; and what its times say of these."""

    created: str
    changed: str
    values: Mapping[str, str | None]
    derived: Mapping[str, str]


def _said(number: int, record: Any) -> _Said | None:
    """None for a record of another shape, or another ticket's."""
    try:
        found, created, changed, values = record
        known = derived(created, changed)
        if not _PLAIN.issuperset(map(type, values.values())):
            values = {name: written(value) for name, value in values.items()}
    except (*SHAPE_ERRORS, RecursionError):
        return None
    return _Said(created, changed, values, known) if found == number else None


def _unreadable(number: int) -> str:
    return f"#{number}\n\n({UNREADABLE})\n"


def written(value: Any) -> str:
    """A value of a record as text: "" for none, numbers as JSON has them."""
    if value.__class__ is str:
        return value
    return "" if value is None else simplejson.dumps(value)


def derived(created: str, changed: str) -> dict[str, str]:
    """What a record's values mostly are that its times say already; only others are shown.

    Raises ValueError or TypeError for what is no time of a record.
    """
    records.microseconds(created)
    return {"time": created, "changetime": changed, "_ts": str(records.microseconds(changed))}


def _stamps(said: _Said, labels: Labels) -> dict[str, str]:
    """The lines of those values that the record's times should say, and do not."""
    values = said.values
    return {
        name: _line(labels.label(name), values[name] or "")
        for name, value in said.derived.items()
        if values.get(name, value) != value
    }


def _people(time: str) -> str:
    return time.replace("T", " ", 1)


def _piece(name: str, value: str, labels: Labels) -> str:
    """What a text says of a field: the end of the first line, a line, or an empty line and a block."""
    if name == "summary":
        return f" {on_a_line(value)}"
    if "\n" in value or name in labels.long or name == "description":
        return _block(labels.label(name), value)
    return _line(labels.label(name), value)


def _block(label: str, text: str) -> str:
    lines = text.count("\n")
    if lines and lines == text.count("\r\n") == text.count("\r"):
        return f"\n---- {label}{CRLF}\n{block(text.replace(chr(13), ''))}\n"
    return f"\n---- {label}\n{block(text)}\n"


@dataclass(slots=True)
class Parsed:
    """What a text says: times as records have them, and each value that stands in it, by its field's name."""

    number: int
    created: str = ""
    changed: str = ""
    values: dict[str, str] = field(default_factory=dict)


def parse(text: str, labels: Labels) -> Parsed:
    """What the first part of a text says; what follows it is not looked at. Raises UsageError."""
    lines = text.split("\n")
    first = _FIRST.fullmatch(lines[0])
    if first is None:
        raise UsageError(
            f"Line 1 is no ticket's number and summary, such as #42 It crashes{_quoted(lines[0])}."
        )
    found = Parsed(int(first[1]))
    if first[2]:
        found.values["summary"] = off_the_line(first[2])
    end = next((place for place, line in enumerate(lines) if line.startswith("==== ")), len(lines))
    marks = [place for place, line in enumerate(lines[:end]) if line.startswith("---- ")]
    for place, line in enumerate(lines[1 : min([*marks, end])], 2):
        if line.strip():
            _read_line(found, line, place, labels)
    for start, stop in zip(marks, [*marks, end][1:], strict=True):
        label, value = _read_block(lines[start:stop])
        _add(found, labels.name(label), value, start + 1, label)
    return found


def _quoted(line: str) -> str:
    return f": {line[:MAX_QUOTE]!r}" if line else ""


def _add(found: Parsed, name: str, value: str, place: int, label: str) -> None:
    if name in found.values:
        raise UsageError(f"Line {place} is the second one that says {on_a_line(label[:MAX_QUOTE])}.")
    found.values[name] = value


def _read_line(found: Parsed, line: str, place: int, labels: Labels) -> None:
    match = _LINE.fullmatch(line)
    if match is None:
        raise UsageError(f"Line {place} is no field with its value, such as Owner: bob{_quoted(line)}.")
    label, value = match[1].strip(), off_the_line(match[2].strip())
    if label in (CREATED, MODIFIED):
        time = value.replace(" ", "T", 1)
        if not records.ISO.fullmatch(time):
            raise UsageError(f"Line {place} is no time, such as {label}: 2011-04-09 21:16:07{_quoted(line)}.")
        if label == CREATED:
            found.created, before = time, found.created
        else:
            found.changed, before = time, found.changed
        if before:
            raise UsageError(f"Line {place} is the second one that says {label}.")
    else:
        _add(found, labels.name(label), value, place, label)


def _read_block(lines: list[str]) -> tuple[str, str]:
    head, *rest = lines
    if rest and not rest[-1]:
        rest.pop()  # it stands between this text and what comes next
    value = unblock("\n".join(rest))
    label = head.partition(" ")[2].strip()
    if label.endswith(CRLF):
        return label.removesuffix(CRLF), value.replace("\n", "\r\n")
    return label, value


def record_of(parsed: Parsed, like: Any) -> list[Any]:
    """The record that a text was made from; `like` is any record with the same fields.

    A field that the text does not show has no value. What `like` has for a field says how
    to write that: None or "", and whether a number is one. Raises UsageError where the text names a field
    that `like` does not have, or does not say when the ticket was created and modified.
    """
    _, _, _, props = like
    if unknown := parsed.values.keys() - props.keys():
        raise UsageError(f"There is no field {min(unknown)[:MAX_QUOTE]!r} in this ticket.")
    try:
        values = derived(parsed.created, parsed.changed) | parsed.values
    except ValueError:
        raise UsageError(f"The text has no line {CREATED}: or {MODIFIED}: with a time.") from None
    made = {name: _value(values.get(name, ""), old) for name, old in props.items()}
    return [parsed.number, parsed.created, parsed.changed, made]


def _value(text: str, old: Any) -> Any:
    if isinstance(old, str):
        return text
    if old is None:
        return text or None
    try:
        return simplejson.loads(text)
    except (ValueError, RecursionError):
        return text
