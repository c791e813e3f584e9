"""The second part of a ticket's text: its change log, an entry a change. It is not read back."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from offtracfs.records import Row
from offtracfs.text import people
from offtracfs.texts.differences import differences
from offtracfs.texts.escapes import indented, on_a_line
from offtracfs.texts.labels import Labels

MAX_LINE = 200  # characters of an old and a new value on one line; longer ones are compared by their lines
_EDIT = re.compile(r"_comment[0-9]+")
_NONE = type(None)
_SHAPES = frozenset(product((str,), (str, _NONE), (str,), (str, _NONE), (str, _NONE), (int, bool)))


@dataclass(slots=True, eq=False)
class Entry:
    """One change of a ticket: the rows of its log that one author added at one time (ISO text).

    `said` is the row of its comment. `edits` counts how often that was edited afterwards.
    """

    time: str
    author: str
    rows: list[Row] = field(default_factory=list)
    said: Row | None = None
    edits: int = 0

    @property
    def comment(self) -> str:
        """What the author had to say."""
        return (self.said.new or "") if self.said else ""

    @property
    def reference(self) -> str:
        """``comment:3``, as Trac's wiki refers to it; "" where the change has no number."""
        parent, _, own = ((self.said.old or "") if self.said else "").rpartition(".")
        answer = f", in reply to comment:{parent}" if parent else ""
        return f"comment:{own}{answer}" if own else ""


class Grouping:
    """The rows of a change log, grouped into changes as they come.

    An edit of a comment has the time of the comment, and the author of the edit.
    """

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str, int], Entry] = {}
        self._latest: dict[str, Entry] = {}

    @property
    def entries(self) -> list[Entry]:
        """The changes so far, in the order of the log."""
        return list(self._entries.values())

    def add(self, log: Any) -> list[Entry]:
        """The changes to which the rows belong that come next. What is no row is left out."""
        touched: dict[Entry, None] = {}
        for item in log if isinstance(log, list) else ():
            if isinstance(item, list | tuple) and tuple(map(type, item)) in _SHAPES:
                touched[self._add(Row(*item))] = None
        return list(touched)

    def _add(self, row: Row) -> Entry:
        time, author, name, _, _, permanent = row
        edit = is_edit(name)
        entry = self._latest.get(time) if edit else None
        if entry is None:
            key = time, author or "", permanent
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = Entry(time, author or "")
            self._latest[time] = entry
        entry.rows.append(row)
        if edit:
            entry.edits += 1
        elif name == "comment" and permanent and entry.said is None:
            entry.said = row
        return entry


def is_edit(name: str) -> bool:
    """Whether a row of that field says that a comment was edited."""
    return name[:8] == "_comment" and _EDIT.fullmatch(name) is not None


def entries(log: Any) -> list[Entry]:
    """The changes that a change log tells of, in its order; none where it is no list."""
    grouping = Grouping()
    grouping.add(log)
    return grouping.entries


def log_part(log: Any, labels: Labels) -> str:
    """What a change log tells; one of another shape tells nothing."""
    return "".join(entry_text(entry, labels) for entry in entries(log))


class LogSize:
    """The size of a change log's part, version after version: a log that grows costs what is new in it."""

    def __init__(self, _number: int) -> None:
        self._labels: Labels | None = None
        self._restart()

    def _restart(self) -> None:
        self._grouping = Grouping()
        self._sizes: dict[Entry, int] = {}
        self._total = 0

    def of(self, log: Any, labels: Labels, *, appended: bool = False) -> int:
        """Bytes in the part of a log; `appended` says that these are rows behind those of the last one."""
        if not appended:
            self._restart()
        touched = self._grouping.add(log)
        if labels is not self._labels:
            self._labels, touched = labels, self._grouping.entries
        for entry in touched:
            size = len(entry_text(entry, labels).encode())
            self._total += size - self._sizes.get(entry, 0)
            self._sizes[entry] = size
        return self._total


def entry_text(entry: Entry, labels: Labels) -> str:
    """A change: when, who; what changed, from what to what; what was said."""
    lines = ["", f"==== {heading(entry)}", *changed_lines(entry, labels), ""]
    for row in entry.rows:
        if row.field == "comment" and row.new and not row.new.isspace():
            lines += (indented(row.new.rstrip()), "")
    return "\n".join(lines)


def heading(entry: Entry) -> str:
    """When and who, to the second; the number of the comment."""
    when = on_a_line(entry.time[:19].replace("T", " ", 1))
    who = on_a_line(entry.author) or "anonymous"
    reference = entry.reference if entry.said else ""
    about = f", {on_a_line(reference)}" if reference else ""
    edits = f", edited {entry.edits} times" if entry.edits > 1 else ", edited" if entry.edits else ""
    return f"{when} {who}{about}{edits}"


def changed_lines(entry: Entry, labels: Labels) -> list[str]:
    """What a change set, field by field: a line, or several where a text is long."""
    return [line for row in entry.rows for line in row_lines(row, labels)]


def row_lines(row: Row, labels: Labels) -> list[str]:
    """What a row of a log says has changed; nothing where it is about a comment."""
    _, _, name, old, new, permanent = row
    if name == "comment" or is_edit(name):
        return []
    label, was, now = labels.label(name), old or "", new or ""
    if not permanent:
        return [f"{'Attachment' if name == 'attachment' else label}: {on_a_line(now)}"]
    if not was and name not in labels.defined and not is_long(was, now):
        return [
            f"{label}: {on_a_line(now)}" if now else label
        ]  # what was done, such as a TeamTrack's transition
    return value_lines(label, was, now, listed=name in labels.lists)


def value_lines(label: str, old: str, new: str, *, listed: bool = False) -> list[str]:
    """What a value was and is, or what came into a list and left it: a line, or several for a long text."""
    if is_long(old, new):
        return [f"{label}:", *differences(old, new)]
    if listed:
        return [f"{label}: {on_a_line(_members(old, new))}"]
    return [f"{label}: {on_a_line(old) + ' ' if old else ''}→{' ' + on_a_line(new) if new else ''}"]


def is_long(old: str, new: str) -> bool:
    """Whether two values are compared by their lines."""
    return len(old) + len(new) > MAX_LINE or "\n" in old or "\n" in new


def _members(old: str, new: str) -> str:
    before, after = people(old), people(new)
    gone = [f"- {name}" for name in before if name not in after]
    return ", ".join([*(f"+ {name}" for name in after if name not in before), *gone])
