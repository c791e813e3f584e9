"""Changes and tickets as lines for people, each with the part that it plays, for whoever has colours.

What comes from a tracker is safe to print: no line commands a terminal (`offtracfs.texts.escapes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote_plus

from offtracfs.changes.comparison import FieldChange, RecordChange, TicketChange, TicketState, values
from offtracfs.changes.timeline import Event
from offtracfs.names import SUFFIX, number_of, split
from offtracfs.records import SECOND, Row, from_microseconds, iso
from offtracfs.texts import Entry, Labels, address_part, entries, ticket_part
from offtracfs.texts.differences import differences
from offtracfs.texts.escapes import indented, on_a_line
from offtracfs.texts.log import changed_lines, entry_text, heading, is_edit, is_long, row_lines, value_lines

Part = Literal["title", "heading", "field", "removed", "added", "context", "text"]
INDENT = "    "
FIRST = ("status", "resolution")  # of the fields that a line names


class Line(NamedTuple):
    """A line without its end, and the part that it plays.

    A comparison of two texts has lines that were removed or added, and some around them as the context.
    """

    part: Part
    text: str


def ticket_lines(
    number: int, state: TicketState, labels: tuple[Labels, Labels], address: str
) -> Iterator[Line]:
    """A ticket's text (`offtracfs.texts`), line by line; the labels are those of its record and its log."""
    yield from _record_part(number, state, labels[0])
    for entry in entries(state.log):
        yield from entry_lines(entry, labels[1])
    yield from (Line("heading" if line else "text", line) for line in _lines(address_part(address)))


def _record_part(number: int, state: TicketState, labels: Labels) -> Iterator[Line]:
    part: Part = "field"
    title, *lines = _lines(ticket_part(number, state.record, labels))
    yield Line("title", title)
    for line in lines:
        if line.startswith("---- "):
            part = "text"
            yield Line("heading", line)
        else:
            yield Line(part, line)


def entry_lines(entry: Entry, labels: Labels) -> Iterator[Line]:
    """An entry of a change log as it stands in a ticket's text, with the empty line before it."""
    above, head, *lines = _lines(entry_text(entry, labels))
    changed = change_lines(changed_lines(entry, labels))
    yield from (Line("text", above), Line("heading", head), *changed)
    yield from (Line("text", line) for line in lines[len(changed) :])


def _lines(text: str) -> list[str]:
    """The lines of a text; there are none in an empty one."""
    return text.removesuffix("\n").split("\n") if text else []


def change_lines(pieces: list[str]) -> list[Line]:
    """The lines that say what has changed: fields with their values, and comparisons."""
    return [Line(_part(line), line) for line in _lines("\n".join(pieces))]


def _part(line: str) -> Part:
    marks: dict[str, Part] = {f"{INDENT}-": "removed", f"{INDENT}+": "added"}
    return marks.get(line[: len(INDENT) + 1], "context" if line.startswith(INDENT) else "field")


def time_of(event: Event) -> str:
    """When a change was made, as ISO text in UTC."""
    return iso(from_microseconds(event.revision.authored * SECOND))


def author_of(event: Event) -> str:
    """Who made a change: as the change log has it, or else as git has it."""
    found = event.change.entries if isinstance(event.change, TicketChange) else []
    return (found[0].author if len(found) == 1 else "") or event.revision.author


def sentence(event: Event, labels: Labels) -> str:
    """What a change did, on one line: what was set from what to what, and the comment's first line."""
    change = event.change
    if isinstance(change, RecordChange):
        named = ", ".join(on_a_line(part.name) for part in change.parts if part.name)
        return f"{record_name(change)}: {_fate(change) or named or 'changed'}"
    if change.created or change.deleted:
        return f"{'created' if change.created else 'deleted'}: {on_a_line(change.summary)}"
    rows = [row for entry in change.entries for row in entry.rows if not _of_comment(row)]
    rows.sort(key=lambda row: FIRST.index(row.field) if row.field in FIRST else len(FIRST))
    told = [_row_line(row, labels) for row in rows]
    told += [_field_line(field, labels) for field in change.unlogged]
    told += [f"comment: {_first_line(entry.comment)}" for entry in change.comments]
    told += [f"{_of(edit.after)} edited: {_first_line(edit.after.comment)}" for edit in change.edited]
    told += [f"{_of(entry)} of {entry.time[:10]} is gone" for entry in change.gone]
    return "; ".join(told) or "changed"


def _of_comment(row: Row) -> bool:
    return row.field == "comment" or is_edit(row.field)


def _row_line(row: Row, labels: Labels) -> str:
    if row.permanent and is_long(row.old or "", row.new or ""):
        return f"{labels.label(row.field)} changed"
    return "".join(row_lines(row, labels))


def _field_line(field: FieldChange, labels: Labels) -> str:
    if is_long(field.old, field.new):
        return f"{labels.label(field.name)} changed"
    return "".join(_value_lines(field, labels))


def _value_lines(field: FieldChange, labels: Labels) -> list[str]:
    return value_lines(labels.label(field.name), field.old, field.new, listed=field.name in labels.lists)


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
        yield from _record_part(change.number, change.after, labels)
    else:
        yield Line("title", _title(change))
        for entry in change.entries:
            yield from entry_lines(entry, labels)
        if rest := [*_fate_lines(change), *_field_lines(change.unlogged, labels), *_old_entries(change)]:
            yield from _headed(event, rest)
    yield Line("text", "")


def _headed(event: Event, lines: Iterable[Line]) -> Iterator[Line]:
    """Lines under a heading such as those of a change log's entries."""
    yield Line("text", "")
    yield Line("heading", f"==== {heading(Entry(time_of(event), author_of(event)))}")
    yield from lines


def difference_lines(change: TicketChange | RecordChange, labels: Labels) -> Iterator[Line]:
    """What differs between two moments: what it is about; indented below that, values and comments."""
    if isinstance(change, RecordChange):
        yield Line("title", record_name(change))
        yield from _indented(_record_lines(change))
        return
    yield Line("title", _title(change))
    facts = [*_fate_lines(change), *_field_lines(change.fields, labels), *_old_entries(change)]
    yield from _indented(facts)
    told = [entry for entry in change.entries if entry.comment or not entry.rows[0].permanent]
    for entry in told:
        attached = [row for row in entry.rows if not row.permanent]
        yield from _indented(_shortly(entry, attached, labels))
    if not facts and not told:  # what was changed was changed back
        for entry in change.entries:
            yield from _indented(_shortly(entry, entry.rows, labels))


def _shortly(entry: Entry, rows: Iterable[Row], labels: Labels) -> Iterator[Line]:
    """An entry's heading; below it, indented, what some of its rows say, and its comment."""
    yield Line("heading", heading(entry))
    for row in rows:
        yield from _indented(change_lines(row_lines(row, labels)))
    if entry.comment:
        yield from _indented(Line("text", line) for line in indented(entry.comment, "").split("\n"))


def _indented(lines: Iterable[Line]) -> Iterator[Line]:
    return (Line(line.part, line.text and INDENT + line.text) for line in lines)


def _fate(change: TicketChange | RecordChange) -> str:
    return "new" if change.created else "deleted" if change.deleted else ""


def _fate_lines(change: TicketChange | RecordChange) -> list[Line]:
    fate = _fate(change)
    if fate == "new" and isinstance(change, TicketChange):
        fate += f", by {on_a_line(values(change.after.record).get('reporter', '')) or 'anonymous'}"
    return [Line("field", fate)] if fate else []


def _field_lines(fields: Iterable[FieldChange], labels: Labels) -> list[Line]:
    """In the order in which the fields stand in a ticket's text."""
    named = {field.name: field for field in fields}
    return [
        line for name in labels.ordered(named) for line in change_lines(_value_lines(named[name], labels))
    ]


def _old_entries(change: TicketChange) -> Iterator[Line]:
    """What was edited, or is gone, of the entries that were there before."""
    for before, after in change.edited:
        yield Line("field", f"{_of(after)} of {after.time[:10]}, edited:")
        yield from change_lines([*differences(before.comment, after.comment)])
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


def _record_lines(change: RecordChange) -> list[Line]:
    if fate := _fate_lines(change):
        return fate
    named = [(on_a_line(name) or "value", old, new) for name, old, new in change.parts]
    if isinstance(change.after, list):  # of definitions, which are longer than anybody wants to read
        verbs = {(True, True): "changed", (False, True): "new", (True, False): "gone"}
        return [Line("field", f"{name}: {verbs[bool(old), bool(new)]}") for name, old, new in named]
    return [line for part in named for line in change_lines(value_lines(*part))]
