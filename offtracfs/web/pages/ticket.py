"""A ticket: its fields, its description, and all that was said and done about it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from offtracfs.changes.comparison import values
from offtracfs.records import Row
from offtracfs.texts import Entry, Labels, entries
from offtracfs.texts.differences import differences
from offtracfs.texts.log import is_edit, is_long
from offtracfs.trackers.registry import ticket_pages
from offtracfs.web import lists
from offtracfs.web.page import Asked, Data, Missing, Page

APART = ("summary", "description", "type", "status", "resolution", "time", "changetime")  # not in the list

INDENT = "    "  # before each line in a ticket's text


def view(asked: Asked, number: int) -> Data:
    """A ticket as it stood. Raises Missing."""
    state = asked.timeline.ticket(number, asked.revision.horizon)
    if state.record is None:
        absence = asked.timeline.absence(number, asked.revision, asked.newest)
        raise Missing(absence.sentence, f"@{absence.last.commit.hex()}" if absence.last else "")
    labels, log_labels = asked.timeline.text_labels(number, asked.revision.horizon)
    found = values(state.record)
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
        "changes": [_change(entry, log_labels) for entry in entries(state.log)],
        "list": lists.around(asked, number),
        "tracker_page": f"{start}{number}" if (start := _pages(asked.database.settings.url)) else "",
    }


_pages = lru_cache(1)(ticket_pages)  # may read a file


def _times(record: Any) -> tuple[str, str]:
    """When a ticket was made and last changed; "" for a record of another shape."""
    match record:
        case [_, str(created), str(changed), _]:
            return f"{created}Z", f"{changed}Z"
    return "", ""


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
    }


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


PAGE = Page(
    "ticket",
    "/ticket/<int:number>",
    view,
    "A ticket, with all that was said and done about it.",
    parameters=(lists.LIST,),
)
