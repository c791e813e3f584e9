"""The two forms of a ticket that can be saved: the record as JSON, and the text for people. Pure.

Beside the ticket itself, both can hold what is not in the tracker:

    comment    JSON: the key ``comment`` among the values; text: below a line ``==== Comment``
    action     JSON: the key ``action``; text: a line ``action: resolve`` among the fields
    conflict   JSON: the key ``conflict``; text: a line ``==== Conflict: …`` for each field

The comment ends where the next entry of the change log begins, or the address, or the text. So it can stand
above the log, or be added at the end. A line that only looks like a mark, such as a heading of Trac's
(``==== Details ====``), is a line of the text in which it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import simplejson

from offtracfs import records
from offtracfs.errors import DraftRefused, UsageError
from offtracfs.kinds.kind import is_scalar
from offtracfs.names import SUFFIX, split
from offtracfs.texts import Labels, parse
from offtracfs.texts.escapes import block, on_a_line, unblock
from offtracfs.texts.ticket import derived, ticket_part, written

COMMENT, ACTION, CONFLICT = "comment", "action", "conflict"
NEW = "new-"
COMMENT_MARK = "==== Comment"
CONFLICT_MARK = "==== Conflict:"
YOURS, TRACKER = "yours", "tracker"  # in a conflict, as git marks the lines of two sides
LEFT = re.compile(rf"^(<{{7}} {YOURS}|>{{7}} {TRACKER})$", re.MULTILINE)
"""What stays of a conflict's marks in a long text that was merged."""

_NAME = re.compile(r"(0|[1-9][0-9]{0,17}|new-[^/]+)\.(json|txt)")
_ENTRY = re.compile(r"==== (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d .*|[a-z+]+://\S+)")
_COMMENT = re.compile(rf"{COMMENT_MARK}\s*(====)?\s*", re.IGNORECASE)
_NEW_LINE = re.compile(r"#(?:new)?(?= |$)")
_BLANK = re.compile(r"[\s\x00]*")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a saved text says: each value that stands in it as text, by its field's name.

    `number` is 0 for a new ticket. `stamp` is the version of the ticket that the text was made from: Trac's
    ``_ts``, the time of its last change in microseconds; "" where the text does not say. `told` are the lines
    of the change log and the address, with the numbers of the lines.
    """

    number: int
    stamp: str
    values: dict[str, str]
    comment: str = ""
    action: str = ""
    conflict: bool = False
    told: list[tuple[int, str]] = field(default_factory=list)


def place(path: str) -> tuple[str, str]:
    """The ticket (``42``, ``new-NAME``) and the form (``json``, ``txt``) of a path in the mount.

    Raises DraftRefused for a path that is none of a ticket's.
    """
    directory, name = split(path)
    match = _NAME.fullmatch(name)
    if match is None or directory not in ("ticket", "text") or (directory == "text" and match[2] == "json"):
        raise DraftRefused(f"{path} is no file of a ticket: only those can be changed.")
    return match[1], match[2]


def path_of(ticket: str, form: str) -> str:
    """The path at which a mount shows a draft in a form."""
    return f"ticket/{ticket}{SUFFIX}" if form == "json" else f"text/{ticket}.txt"


def stamp_of(record: Any) -> str:
    """What tells a state of a ticket from its others: ``_ts``, else the time of its last change."""
    _, created, changed, props = record
    stamp = props.get("_ts")
    return str(stamp) if stamp else derived(created, changed)["_ts"]


def values_of(record: Any) -> dict[str, str]:
    """The values of a record as text, without those that say when it was created and changed."""
    return {name: written(value) for name, value in record[3].items() if name not in ("_ts", *_TIMES)}


_TIMES = ("time", "changetime")


def read(form: str, data: bytes, labels: Labels) -> Wanted:
    """What a saved text says. Raises DraftRefused with one sentence."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise DraftRefused(f"Byte {error.start + 1} is no UTF-8: save the file as UTF-8.") from None
    if _BLANK.fullmatch(text):
        raise DraftRefused("The file is empty: a ticket cannot be deleted here.")
    if "\0" in text:
        raise DraftRefused("The file holds a NUL character: it was not written to its end.")
    try:
        return _read_json(text) if form == "json" else _read_text(text, labels)
    except DraftRefused:
        raise
    except UsageError as error:
        raise DraftRefused(str(error)) from None


def _read_json(text: str) -> Wanted:
    try:
        record = simplejson.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise DraftRefused(f"This is not JSON: {error}.") from None
    match record:
        case [int(number), str(created), str(changed), dict(props)] if type(number) is int:
            pass
        case dict(props):
            number, created, changed = 0, "", ""
        case _:
            raise DraftRefused("The record does not have the shape [id, created, changed, {name: value}].")
    conflict = props.pop(CONFLICT, None) is not None
    for name, value in props.items():
        if not is_scalar(value):
            raise DraftRefused(f"The value of {name!r} is no text.")
    values = {name: written(value) for name, value in props.items()}
    comment, action = values.pop(COMMENT, ""), values.pop(ACTION, "")
    return Wanted(number, _stamp(created, changed, values), values, comment, action, conflict)


def _stamp(created: str, changed: str, values: dict[str, str]) -> str:
    """The version that a text is of. Takes out of the values those that say the same; other ones stay."""
    stamp = values.pop("_ts", "")
    if created or changed:
        try:
            known = derived(created, changed)
        except ValueError:
            raise DraftRefused(
                "A time is none: leave those of the ticket's creation and change alone."
            ) from None
        stamp = stamp or known["_ts"]
        for name in _TIMES:
            if values.get(name) == known[name]:
                del values[name]
    return stamp


def _read_text(text: str, labels: Labels) -> Wanted:
    text = text.removeprefix("\ufeff")
    if text.count("\r\n") == text.count("\n"):  # an editor of another system
        text = text.replace("\r\n", "\n")
    parts = _Parts(text.split("\n"))
    parsed = parse("\n".join(parts.ticket), labels)
    # Empty lines at the end are there to be looked at. A first line always says what the summary is.
    values = {"summary": ""} | {name: value.rstrip("\r\n") for name, value in parsed.values.items()}
    stamp = _stamp(parsed.created, parsed.changed, values)
    action = values.pop(ACTION, "")
    return Wanted(parsed.number, stamp, values, parts.said, action, parts.conflict, parts.told)


class _Parts:
    """The lines of a text, by what they are part of."""

    def __init__(self, lines: list[str]) -> None:
        self.ticket: list[str] = []
        self.conflict = False
        self.told: list[tuple[int, str]] = []
        self._comment: list[str] = []
        part: Callable[[int, str], None] = self._in_ticket
        for number, line in enumerate(lines, 1):
            if number == 1:
                self.ticket.append(_NEW_LINE.sub("#0", line))
            elif _COMMENT.fullmatch(line):
                if self._comment:
                    self._comment.append("")
                part = self._in_comment
            elif line.startswith(CONFLICT_MARK):
                self.conflict = True
            elif _ENTRY.fullmatch(line):
                part = self._in_log
                part(number, line)
            else:
                part(number, line)

    def _in_ticket(self, _: int, line: str) -> None:
        # A mark that is none of ours is a line of the description: `parse` would end there.
        self.ticket.append(f"\\{line}" if line.startswith("==== ") else line)

    def _in_comment(self, _: int, line: str) -> None:
        self._comment.append(line)

    def _in_log(self, number: int, line: str) -> None:
        if line.strip():
            self.told.append((number, line))

    @property
    def said(self) -> str:
        return unblock("\n".join(self._comment)).strip("\n").rstrip()


@dataclass(frozen=True, slots=True)
class Conflict:
    """A value that was changed both here and in the tracker."""

    tracker: str
    yours: str

    @property
    def is_long(self) -> bool:
        """Whether both are shown in the text itself, between marks."""
        return "\n" in self.tracker + self.yours


def shown_json(
    record: Any, values: dict[str, str], comment: str, action: str, conflicts: dict[str, Conflict]
) -> bytes:
    """A record with other values on top of it, and what is not in the tracker."""
    number, created, changed, props = record
    made = with_values(props, values)
    made |= {name: text for name, text in ((COMMENT, comment), (ACTION, action)) if text}
    if conflicts:
        made[CONFLICT] = {
            name: f"see the lines of {name} between the marks"
            if one.is_long
            else {TRACKER: one.tracker, YOURS: one.yours}
            for name, one in conflicts.items()
        }
    return records.dump([number, created, changed, made])


def with_values(props: dict[str, Any], values: dict[str, str]) -> dict[str, Any]:
    """The values of a record with some set to other texts; a number stays one."""
    return props | {name: _like(text, props.get(name)) for name, text in values.items()}


def _like(text: str, old: Any) -> Any:
    if isinstance(old, str | None):
        return text
    try:
        return simplejson.loads(text)
    except (ValueError, RecursionError):
        return text


def shown_text(
    record: Any,
    values: dict[str, str],
    comment: str,
    action: str,
    conflicts: dict[str, Conflict],
    labels: Labels,
    told: str,
) -> bytes:
    """A ticket's text with other values, and what is not in the tracker; `told` is the rest of the text."""
    number, created, changed, props = record
    more = {ACTION: action} if action else {}
    made = [number, created, changed, with_values(props, values) | more]
    pieces = [ticket_part(number, made, labels), *_comment_part(comment), *_conflict_part(conflicts, labels)]
    return ("".join(pieces) + told).encode()


def _comment_part(comment: str) -> Iterable[str]:
    if comment:
        yield f"\n{COMMENT_MARK}\n{block(comment)}\n"


def _conflict_part(conflicts: dict[str, Conflict], labels: Labels) -> Iterable[str]:
    if conflicts:
        yield "\n"
    for name, one in conflicts.items():
        if one.is_long:
            said = "see the lines between the marks"
        else:
            tracker, yours = (on_a_line(text) or "nothing" for text in (one.tracker, one.yours))
            said = f"the {TRACKER} has {tracker}, {YOURS} is {yours}"
        yield f"{CONFLICT_MARK} {labels.label(name)}: {said} (take this line away)\n"


def new_text(values: dict[str, str], comment: str, labels: Labels) -> bytes:
    """The text of a ticket that the tracker does not have."""
    plain = {name: value for name, value in values.items() if name not in ("summary", "description")}
    lines = "".join(
        f"{labels.label(name) + ':':<11} {on_a_line(plain[name])}".rstrip() + "\n" for name in plain
    )
    head = f"#new {on_a_line(values.get('summary', ''))}".rstrip()
    body = f"\n---- {labels.label('description')}\n{block(values.get('description', ''))}\n"
    return (f"{head}\n\n{lines}{body}" + "".join(_comment_part(comment))).encode()


def new_json(values: dict[str, str], comment: str) -> bytes:
    """The record of a ticket that the tracker does not have."""
    return records.dump(values | ({COMMENT: comment} if comment else {}))
