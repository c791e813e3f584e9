"""Changes and tickets as lines for people, each with the part that it plays, for whoever has colours.

What comes from a tracker is safe to print: no line commands a terminal (`offtracfs.texts.escapes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote_plus

from offtracfs.changes.comparison import RecordChange, TicketChange, TicketState
from offtracfs.changes.timeline import Event
from offtracfs.names import SUFFIX, number_of, split
from offtracfs.records import SECOND, from_microseconds, iso
from offtracfs.texts import Entry, Labels, address_part, ticket_part
from offtracfs.texts.differences import differences
from offtracfs.texts.escapes import indented, on_a_line
from offtracfs.texts.log import changed_lines, entry_text, heading, row_lines, value_lines

Part = Literal["title", "heading", "field", "removed", "added", "text"]
INDENT = "    "


class Line(NamedTuple):
    """A line without its end, and the part that it plays."""

    part: Part
    text: str


def ticket_lines(
    number: int, state: TicketState, labels: Labels, log_labels: Labels, log: Iterable[Entry], address: str
) -> Iterator[Line]:
    """A ticket's text (`offtracfs.texts`), line by line."""
    part: Part = "field"
    title, *lines = _lines(ticket_part(number, state.record, labels))
    yield Line("title", title)
    for line in lines:
        if line.startswith("---- "):
            part = "text"
            yield Line("heading", line)
        else:
            yield Line(part, line)
    for entry in log:
        yield from entry_lines(entry, log_labels)
    yield from (Line("heading" if line else "text", line) for line in _lines(address_part(address)))


def entry_lines(entry: Entry, labels: Labels) -> Iterator[Line]:
    """An entry of a change log as it stands in a ticket's text, with the empty line before it."""
    above, head, *lines = _lines(entry_text(entry, labels))
    changed = sum(1 for _ in changed_lines(entry, labels))
    yield from (Line("text", above), Line("heading", head))
    yield from map(_changed, lines[:changed])
    yield from (Line("text", line) for line in lines[changed:])


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


def _changed(line: str, indent: str = "") -> Line:
    """One of the lines that say what has changed: of a comparison, or a field with its values."""
    marks: dict[str, Part] = {f"{INDENT}-": "removed", f"{INDENT}+": "added"}
    part = marks.get(line[: len(INDENT) + 1], "text" if not line or line.startswith(INDENT) else "field")
    return Line(part, f"{indent}{line}".rstrip())


def time_of(event: Event) -> str:
    """When a change was made, as ISO text in UTC."""
    return iso(from_microseconds(event.revision.authored * SECOND)).removesuffix("+00:00")


def author_of(event: Event) -> str:
    """Who made a change: as the change log has it, or else as git has it."""
    entries = event.change.entries if isinstance(event.change, TicketChange) else []
    return (entries[0].author or "anonymous") if len(entries) == 1 else event.revision.author


def sentence(event: Event, labels: Labels) -> str:
    """What a change did, on one line: what was set from what to what, and the comment's first line."""
    change = event.change
    if isinstance(change, RecordChange):
        return f"{record_name(change)}: {_fate(change) or ', '.join(_named(change)) or 'changed'}"
    if change.created or change.deleted:
        return f"{'created' if change.created else 'deleted'}: {on_a_line(change.summary)}"
    rows = [row_lines(row, labels) for entry in change.entries for row in entry.rows]
    told = [line for line in map(_shortened, [*rows, *_unlogged(change, labels)]) if line]
    told += [f"comment: {_first_line(entry.comment)}" for entry in change.comments]
    told += [f"{_of(edit.after)} edited: {_first_line(edit.after.comment)}" for edit in change.edited]
    told += [f"{_of(entry)} of {entry.time[:10]} is gone" for entry in change.gone]
    return "; ".join(told) or "changed"


def _unlogged(change: TicketChange, labels: Labels) -> list[Iterator[str]]:
    return [_value_lines(*field, labels) for field in change.unlogged]


def _value_lines(name: str, old: str, new: str, labels: Labels) -> Iterator[str]:
    return value_lines(labels.label(name), old, new, listed=name in labels.lists)


def _shortened(lines: Iterator[str]) -> str:
    """The one line there is, or that a long text has changed; "" where there is none."""
    first, *more = [*islice(lines, 2)] or [""]
    return f"{first.removesuffix(':')} changed" if more else first


def _first_line(text: str) -> str:
    first, *more = text.strip().splitlines() or [""]
    return on_a_line(first.strip()) + " …" * bool(more)


def _of(entry: Entry) -> str:
    return on_a_line(entry.reference.partition(",")[0]) or "comment"


def full_lines(event: Event, labels: Labels) -> Iterator[Line]:
    """All of a change: what it is about, and what the text of a ticket says of it; an empty line behind."""
    change = event.change
    if isinstance(change, RecordChange):
        yield Line("title", record_name(change))
        yield from _headed(event, _record_lines(change))
    elif change.created:
        yield from ticket_lines(change.number, change.after._replace(log=None), labels, labels, (), "")
    else:
        yield Line("title", _title(change))
        if change.deleted:
            yield from _headed(event, [Line("field", "deleted")])
        for entry in change.entries:
            yield from entry_lines(entry, labels)
        rest = [_changed(line) for lines in _unlogged(change, labels) for line in lines]
        rest += [*_edits(change), *_gone(change)]
        if rest:
            yield from _headed(event, rest)
    yield Line("text", "")


def _headed(event: Event, lines: Iterable[Line]) -> Iterator[Line]:
    """Lines under a heading such as those of a change log's entries."""
    yield Line("text", "")
    yield Line("heading", f"==== {heading(Entry(time_of(event), author_of(event)))}")
    yield from lines


def difference_lines(change: TicketChange | RecordChange, labels: Labels) -> Iterator[Line]:
    """What differs between two moments: what it is about, and indented below that the values and comments."""
    if isinstance(change, RecordChange):
        yield Line("title", record_name(change))
        yield from _indented(_record_lines(change))
        return
    yield Line("title", _title(change))
    if change.created or change.deleted:
        yield Line("field", INDENT + ("new" if change.created else "deleted"))
    fields = [_changed(line) for field in change.fields for line in _value_lines(*field, labels)]
    yield from _indented([*fields, *_edits(change), *_gone(change)])
    said = [entry for entry in change.entries if entry.comment or not entry.rows[0].permanent]
    nothing = not (change.created or change.deleted or fields or said or change.edited or change.gone)
    for entry in change.entries if nothing else said:
        above = [_changed(line) for line in changed_lines(entry, labels)] if entry not in said else []
        attached = [_changed(line) for row in entry.rows if not row.permanent for line in row_lines(row, labels)]
        yield Line("heading", INDENT + heading(entry))
        yield from _indented([*above, *attached], 2)
        yield from (Line("text", line) for line in indented(entry.comment, INDENT * 2).split("\n") if entry.comment)


def _indented(lines: Iterable[Line], times: int = 1) -> Iterator[Line]:
    return (Line(line.part, line.text and INDENT * times + line.text) for line in lines)


def _edits(change: TicketChange) -> Iterator[Line]:
    for before, after in change.edited:
        yield Line("field", f"{_of(after)} of {after.time[:10]}, edited:")
        yield from map(_changed, differences(before.comment, after.comment))


def _gone(change: TicketChange) -> Iterator[Line]:
    for entry in change.gone:
        yield Line("field", f"{heading(entry)}: gone")


def _title(change: TicketChange) -> str:
    return f"#{change.number} {on_a_line(change.summary)}".rstrip()


def record_name(change: RecordChange) -> str:
    """What a record that is no ticket is called: ``milestone 1.5 Crocus``, ``report 3 My tickets``."""
    directory, file = split(change.path)
    record: Any = change.before if change.after is None else change.after
    named = record if isinstance(record, dict) else {}
    if directory == "report":
        name = f"report {number_of(file)} {named.get('title') or ''}".rstrip()
    elif directory:
        stem = unquote_plus(file.removesuffix(SUFFIX))
        name = f"{directory.rpartition('/')[2]} {named.get('name') or stem}"
    else:
        name = "definitions of fields"
    return on_a_line(name)


def _fate(change: RecordChange) -> str:
    return "new" if change.before is None else "deleted" if change.after is None else ""


def _named(change: RecordChange) -> list[str]:
    return [on_a_line(part.name) for part in change.parts if part.name]


def _record_lines(change: RecordChange) -> Iterator[Line]:
    if fate := _fate(change):
        yield Line("field", fate)
        return
    for name, old, new in change.parts:
        if isinstance(change.after, list):
            yield Line("field", f"{on_a_line(name)}: " + ("changed" if old and new else "new" if new else "deleted"))
        else:
            yield from map(_changed, value_lines(on_a_line(name) or "value", old, new))
