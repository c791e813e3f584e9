"""The second part of a ticket's text: its change log, an entry a change. It is not read back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from offtracfs.records import Row
from offtracfs.text import people
from offtracfs.texts.differences import differences
from offtracfs.texts.escapes import indented, on_a_line
from offtracfs.texts.labels import Labels

MAX_LINE = 200  # characters of an old and a new value on one line; longer ones are compared by their lines
_EDIT = re.compile(r"_comment[0-9]+")


@dataclass(slots=True)
class Entry:
    """One change of a ticket: the rows of its log that one author added at one time (ISO text)."""

    time: str
    author: str
    rows: list[Row] = field(default_factory=list)

    @property
    def comment(self) -> str:
        """What the author had to say."""
        return next((row.new or "" for row in self.rows if row.field == "comment" and row.permanent), "")

    @property
    def reference(self) -> str:
        """``comment:3``, as Trac's wiki refers to it; "" where the change has no number."""
        number = next((row.old or "" for row in self.rows if row.field == "comment" and row.permanent), "")
        parent, _, own = number.rpartition(".")
        answer = f", in reply to comment:{parent}" if parent else ""
        return f"comment:{own}{answer}" if own else ""

    @property
    def edits(self) -> int:
        """How often the comment was edited afterwards."""
        return sum(_is_edit(row) for row in self.rows)


def _is_edit(row: Row) -> bool:
    return _EDIT.fullmatch(row.field) is not None


def entries(log: Iterable[Any]) -> list[Entry]:
    """The changes that a change log tells of, in its order. Rows that are none are left out.

    An edit of a comment has the time of the comment, and the author of the edit.
    """
    found: dict[tuple[str, str, int], Entry] = {}
    latest: dict[str, Entry] = {}
    for item in log:
        row = _row(item)
        if row is None:
            continue
        if _is_edit(row) and row.time in latest:
            latest[row.time].rows.append(row)
            continue
        key = row.time, row.author or "", row.permanent
        entry = found.get(key) or Entry(row.time, row.author or "")
        found[key] = latest[row.time] = entry
        entry.rows.append(row)
    return list(found.values())


def _row(item: Any) -> Row | None:
    match item:
        case [str(), str() | None, str(), str() | None, str() | None, int()]:
            return Row(*item)
    return None


def log_part(log: Any, labels: Labels) -> str:
    """What a change log tells; one of another shape tells nothing."""
    return "".join(entry_text(entry, labels) for entry in entries(log if isinstance(log, list) else []))


def entry_text(entry: Entry, labels: Labels) -> str:
    """A change: when, who; what changed, from what to what; what was said."""
    return f"\n==== {heading(entry)}\n" + "".join(
        [*(f"{line}\n" for line in changed_lines(entry, labels)), _comment(entry)]
    )


def heading(entry: Entry) -> str:
    """When and who, to the second; the number of the comment."""
    edits = {0: "", 1: ", edited"}.get(entry.edits, f", edited {entry.edits} times")
    about = f", {on_a_line(entry.reference)}" if entry.reference else ""
    return f"{entry.time[:19].replace('T', ' ')} {on_a_line(entry.author) or 'anonymous'}{about}{edits}"


def changed_lines(entry: Entry, labels: Labels) -> Iterator[str]:
    """A line for each field that a change set, or several where the text is long."""
    for row in entry.rows:
        yield from row_lines(row, labels)


def row_lines(row: Row, labels: Labels) -> Iterator[str]:
    """What a row of a log says has changed; nothing where it is about a comment."""
    if row.field == "comment" or _is_edit(row):
        return
    if row.permanent:
        label, listed = labels.label(row.field), row.field in labels.lists
        yield from value_lines(label, row.old or "", row.new or "", listed=listed)
    else:
        yield f"{row.field.capitalize()}: {on_a_line(row.new or '')}"


def value_lines(label: str, old: str, new: str, *, listed: bool = False) -> Iterator[str]:
    """What a value was and is, or what came into a list and left it: a line, or several for a long text."""
    if "\n" in old or "\n" in new or len(old) + len(new) > MAX_LINE:
        yield f"{label}:"
        yield from differences(old, new)
    elif listed:
        yield f"{label}: {on_a_line(_members(old, new))}"
    else:
        yield " ".join(filter(None, (f"{label}:", on_a_line(old), "→", on_a_line(new))))


def _members(old: str, new: str) -> str:
    before, after = people(old), people(new)
    gone = [f"- {name}" for name in before if name not in after]
    return ", ".join([*(f"+ {name}" for name in after if name not in before), *gone])


def _comment(entry: Entry) -> str:
    said = [indented(row.new) for row in entry.rows if row.field == "comment" and row.new and row.new.strip()]
    return "".join(f"\n{text}\n" for text in said)
