"""A ticket: its fields, its description, and all that was said and done about it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice, pairwise
from typing import Any

from offtracfs.changes.comparison import values
from offtracfs.changes.words import author_of, sentence, time_of
from offtracfs.records import Row
from offtracfs.texts import Entry, Labels, address_part, entries, log_part, ticket_part
from offtracfs.texts.differences import differences
from offtracfs.texts.log import is_edit, is_long
from offtracfs.trackers.registry import ticket_pages
from offtracfs.web import lists
from offtracfs.web.addresses import address
from offtracfs.web.page import Asked, Data, Format, Missing, Page

APART = ("summary", "description", "type", "status", "resolution", "time", "changetime")  # not in the list

INDENT = "    "  # before each line in a ticket's text


def view(asked: Asked, number: int) -> Data:
    """A ticket as it stood. Raises Missing."""
    state = asked.timeline.ticket(number, asked.revision.horizon)
    if state.record is None:
        raise missing(asked, number)
    labels, log_labels = asked.timeline.text_labels(number, asked.revision.horizon)
    found = values(state.record)
    found_entries = entries(state.log)
    names = [name for name in labels.ordered(found) if name not in APART]
    created, changed = _times(state.record)
    return {
        "number": number,
        **{name: found.get(name, "") for name in APART if name not in ("time", "changetime")},
        "created": created,
        "changed": changed,
        "fields": [
            {"name": name, "label": labels.label(name), "value": found[name], "long": name in labels.long}
            for name in names
        ],
        "changes": [_change(entry, log_labels) for entry in found_entries],
        "attachments": [
            {"name": row.new or "", "author": entry.author, "time": f"{entry.time}Z"}
            for entry in found_entries
            for row in entry.rows
            if not row.permanent
        ],
        "versions": _versions(asked, number),
        "list": lists.around(asked, number),
        "tracker_page": _tracker_page(asked, number),
    }


def missing(asked: Asked, number: int) -> Missing:
    """What to raise where there is no such ticket at the moment."""
    absence = asked.timeline.absence(number, asked.revision, asked.newest)
    return Missing(absence.sentence, f"@{absence.last.commit.hex()}" if absence.last else "")


def _tracker_page(asked: Asked, number: int) -> str:
    """The address of the ticket in the tracker itself; "" where that is not known."""
    start = _pages(asked.database.settings.url)
    return f"{start}{number}" if start else ""


_pages = lru_cache(1)(ticket_pages)  # may read a file


def _times(record: Any) -> tuple[str, str]:
    """When a ticket was made and last changed; "" for a record of another shape."""
    match record:
        case [_, str(created), str(changed), _]:
            return f"{created}Z", f"{changed}Z"
    return "", ""


def _versions(asked: Asked, number: int) -> Data:
    """How many versions the ticket had so far, and what made the last; ``before`` is the one before."""
    found = asked.timeline.versions(number, asked.revision)
    revision, *older = islice(found, 2)
    events = asked.timeline.log(revision.number, revision, number)
    event = next(iter(events))
    return {
        "count": 2 + sum(1 for _ in found) if older else 1,
        "time": f"{time_of(event)}Z",
        "author": author_of(event),
        "change": sentence(event, asked.timeline.labels(revision.horizon)),
        "before": address(f"@{older[0].commit.hex()}", f"ticket/{number}") if older else "",
    }


def _change(entry: Entry, labels: Labels) -> Data:
    """What one author did at one time. An edit of a comment is counted, and not listed."""
    parent, _, number = ((entry.said.old or "") if entry.said else "").rpartition(".")
    rows = [row for row in entry.rows if row.field != "comment" and not is_edit(row.field)]
    return {
        "time": f"{entry.time}Z",
        "author": entry.author,
        "number": number,
        "reply_to": parent,
        "fields": [_field(row, labels) for row in rows],
        "comment": entry.comment,
        "edits": entry.edits,
        "edited": _edits(entry),
    }


def _edits(entry: Entry) -> list[list[str]]:
    """What each edit of a comment changed, as the lines of comparisons; the first edit comes first."""
    older = sorted((row for row in entry.rows if is_edit(row.field)), key=lambda row: int(row.field[8:]))
    texts = [*((row.old or "") for row in older), entry.comment]
    return [_lines(old, new) for old, new in pairwise(texts)]


def _field(row: Row, labels: Labels) -> dict[str, Any]:
    """What became of a field; a long text is compared by its lines."""
    old, new = row.old or "", row.new or ""
    return {
        "name": row.field,
        "label": labels.label(row.field),
        "old": old,
        "new": new,
        "attached": not row.permanent,
        "lines": _lines(old, new) if is_long(old, new) else [],
    }


def _lines(old: str, new: str) -> list[str]:
    """The lines of a comparison, each with "- ", "+ " or two blanks in front."""
    return [line.removeprefix(INDENT) for line in "\n".join(differences(old, new)).split("\n")]


def as_text(asked: Asked, number: int) -> Iterator[str]:
    """The text that the mount has of a ticket, as it stood. Raises Missing."""
    state = asked.timeline.ticket(number, asked.revision.horizon)
    if state.record is None:
        raise missing(asked, number)
    labels, log_labels = asked.timeline.text_labels(number, asked.revision.horizon)
    yield ticket_part(number, state.record, labels)
    yield log_part(state.log, log_labels)
    yield address_part(_tracker_page(asked, number))


PAGE = Page(
    "ticket",
    "/ticket/<int:number>",
    view,
    "A ticket, with all that was said and done about it.",
    parameters=(lists.LIST,),
    formats={"txt": Format("text/plain", as_text)},
)
