"""The first part of a ticket's text: its record. It can be read back."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import simplejson

from offtracfs import records
from offtracfs.errors import UsageError
from offtracfs.kinds.kind import SHAPE_ERRORS
from offtracfs.texts.escapes import block, off_the_line, on_a_line, unblock
from offtracfs.texts.labels import CREATED, MODIFIED, Labels

WIDTH = 12  # of a label with its colon: values stand below each other, whichever fields a ticket has
CRLF = " (CRLF)"  # behind the label of a text whose lines end so in the record
UNREADABLE = "this record does not have the shape of a ticket"

_FIRST = re.compile(r"#([0-9]+)(?: (.*))?")
_LINE = re.compile(r"([^:]+):[ \t]*(.*)", re.DOTALL)


def ticket_part(number: int, record: Any, labels: Labels) -> str:
    """What a record says; fields without a value are left out. A record of another shape says just that."""
    try:
        _, created, changed, props = record
        values = {name: written(value) for name, value in props.items()}
        known = derived(created, changed)
        lines = [f"#{number} {on_a_line(values.pop('summary', ''))}".rstrip(" "), ""]
        blocks = []
        description = values.pop("description", "")
        for name in labels.ordered(values):
            value = values[name]
            if name in known:
                if value != known[name]:
                    lines.append(_line(on_a_line(name), value))
            elif "\n" in value or (value and name in labels.long):
                blocks.append(_block(labels.label(name), value))
            elif value:
                lines.append(_line(labels.label(name), value))
        lines += [_line(CREATED, _people(created)), _line(MODIFIED, _people(changed)), ""]
        if description:
            blocks.insert(0, _block(labels.label("description"), description))
        return "\n".join(lines) + "".join(blocks)
    except SHAPE_ERRORS:
        return f"#{number}\n\n({UNREADABLE})\n"


def written(value: Any) -> str:
    """A value of a record as text: "" for none, numbers as JSON has them."""
    if value.__class__ is str:
        return value
    return "" if value is None else simplejson.dumps(value)


def derived(created: str, changed: str) -> dict[str, str]:
    """What a record's values mostly are that its times say already; only others are shown."""
    return {"time": created, "changetime": changed, "_ts": str(records.microseconds(changed))}


def _people(time: str) -> str:
    return time.replace("T", " ", 1)


def _line(label: str, value: str) -> str:
    return f"{label + ':':<{WIDTH - 1}} {on_a_line(value)}".rstrip(" ")


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
            f"The first line is not a ticket's number and summary, such as #42 It crashes: {lines[0][:60]!r}."
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
        name, value = _read_block(lines[start:stop], labels)
        found.values[name] = value
    return found


def _read_line(found: Parsed, line: str, place: int, labels: Labels) -> None:
    match = _LINE.fullmatch(line)
    if match is None:
        raise UsageError(f"Line {place} is no field with its value, such as Owner: bob: {line[:60]!r}.")
    label, value = match[1].strip(), off_the_line(match[2].strip())
    if label == CREATED:
        found.created = value.replace(" ", "T", 1)
    elif label == MODIFIED:
        found.changed = value.replace(" ", "T", 1)
    else:
        name = labels.name(label)
        if name in found.values:
            raise UsageError(f"Line {place} is the second one that says {label}.")
        found.values[name] = value


def _read_block(lines: list[str], labels: Labels) -> tuple[str, str]:
    head, *rest = lines
    if rest and not rest[-1]:
        rest.pop()  # it stands between this text and what comes next
    value = unblock("\n".join(rest))
    label = head.partition(" ")[2].strip()
    if label.endswith(CRLF):
        label, value = label.removesuffix(CRLF), value.replace("\n", "\r\n")
    return labels.name(label), value


def record_of(parsed: Parsed, like: Any) -> list[Any]:
    """The record that a text was made from; `like` is any record with the same fields.

    A field that the text does not show has no value. What `like` has for a field says how
    to write that: None or "", and whether a number is one. Raises UsageError where the text names a field
    that `like` does not have.
    """
    _, _, _, props = like
    if unknown := parsed.values.keys() - props.keys():
        raise UsageError(f"There is no field {min(unknown)!r} in this ticket.")
    values = derived(parsed.created, parsed.changed) | parsed.values
    made = {name: _value(values.get(name, ""), old) for name, old in props.items()}
    return [parsed.number, parsed.created, parsed.changed, made]


def _value(text: str, old: Any) -> Any:
    if isinstance(old, str):
        return text
    if old is None and not text:
        return None
    convert: Callable[[str], Any] = simplejson.loads
    try:
        return convert(text)
    except ValueError:
        return text
