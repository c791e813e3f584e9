"""Drafts in words: what waits, as lines for people and as JSON data."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from offtracfs import records
from offtracfs.changes.words import INDENT, Line, change_lines
from offtracfs.drafts.drafts import Drafts, Standing
from offtracfs.drafts.forms import ACTION, COMMENT, TRACKER, YOURS, Conflict, values_of
from offtracfs.drafts.rows import Draft
from offtracfs.texts import Labels
from offtracfs.texts.escapes import indented, on_a_line
from offtracfs.texts.log import value_lines

MAX_QUOTE = 60  # characters of a value in a line about a conflict


def draft_lines(drafts: Drafts, draft: Draft) -> Iterator[Line]:
    """A draft as a difference from what the tracker has, and what is in its way."""
    standing, labels = drafts.on_top(draft), drafts.labels()
    now = _now(standing)
    yield Line("title", title(standing))
    yield from _indented(_fields(standing, now, labels))
    if standing.action:
        yield from _indented([Line("field", f"{ACTION}: {on_a_line(standing.action)}")])
    if standing.comment:
        yield from _indented([Line("field", f"{COMMENT}:")])
        yield from _indented(Line("text", line) for line in indented(standing.comment).split("\n"))
    for name, conflict in standing.merged.conflicts.items():
        yield from _indented([Line("removed", f"conflict: {labels.label(name)}: {_sides(conflict)}")])
    if said := state_of(draft, standing):
        yield from _indented([Line("heading", said)])


def _fields(standing: Standing, now: dict[str, str], labels: Labels) -> Iterator[Line]:
    values = standing.merged.send
    for name in labels.ordered(values):
        listed = name in labels.lists
        yield from change_lines(
            value_lines(labels.label(name), now.get(name, ""), values[name], listed=listed)
        )


def _now(standing: Standing) -> dict[str, str]:
    record = standing.theirs or standing.draft.base
    return values_of(record) if record else {}


def _sides(conflict: Conflict) -> str:
    if conflict.is_long:
        return "both have changed the same lines"
    tracker, yours = (on_a_line(text[:MAX_QUOTE]) or "nothing" for text in (conflict.tracker, conflict.yours))
    return f"the {TRACKER} has {tracker}, {YOURS} is {yours}"


def title(standing: Standing) -> str:
    """``#42 Points stick``; a new ticket by its name."""
    draft = standing.draft
    summary = on_a_line({**_now(standing), **draft.fields}.get("summary", ""))
    return f"{draft.ticket if draft.is_new else f'#{draft.ticket}'} {summary}".rstrip()


def state_of(draft: Draft, standing: Standing) -> str:
    """What a draft waits for, beside `push`; "" for nothing."""
    if draft.state == "sending":
        when = records.iso(records.from_microseconds(draft.time))[:19].replace("T", " ")
        return f"sent at {when} without an answer: the next push finds out what became of it"
    if draft.state == "refused":
        return f"refused: {on_a_line(draft.reason)}"
    if standing.theirs is None and not draft.is_new:
        return "waits: the ticket is gone from the tracker"
    return f"waits: {on_a_line(draft.reason)}" if draft.reason else ""


def refusal_lines(draft: Draft) -> Iterator[Line]:
    """A save that was refused."""
    name = draft.ticket if draft.is_new else f"#{draft.ticket}"
    yield Line("title", name)
    yield from _indented([Line("removed", f"a save was refused: {on_a_line(draft.reason)}")])
    word = shlex.quote(draft.ticket)
    kept = f"the text is kept: `offtracfs pending {word} --text` shows it"
    yield from _indented([Line("heading", kept)])


def draft_data(drafts: Drafts, draft: Draft) -> dict[str, Any]:
    """A draft as JSON data; times are ISO text in UTC."""
    standing = drafts.on_top(draft)
    now = _now(standing)
    merged = standing.merged
    return {
        "ticket": draft.number or draft.ticket,
        "state": draft.state,
        "saved": records.iso(records.from_microseconds(draft.saved)),
        "fields": {name: {"old": now.get(name, ""), "new": value} for name, value in merged.send.items()},
        "comment": standing.comment,
        "action": standing.action,
        "conflicts": {
            name: {TRACKER: one.tracker, YOURS: one.yours} for name, one in merged.conflicts.items()
        },
        "reason": draft.reason,
    }


def refusal_data(draft: Draft) -> dict[str, Any]:
    """A save that was refused, as JSON data."""
    saved = records.iso(records.from_microseconds(draft.saved))
    return {
        "ticket": draft.number or draft.ticket,
        "state": "refused",
        "saved": saved,
        "reason": draft.reason,
    }


def _indented(lines: Iterator[Line] | list[Line]) -> Iterator[Line]:
    return (Line(line.part, line.text and INDENT + line.text) for line in lines)
