"""What a tracker's records say of a change that was sent: is it there, is it as it was meant? Pure.

`me` is the name of the user who is logged in, as change logs have it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from offtracfs import records
from offtracfs.drafts.forms import stamp_of, values_of
from offtracfs.drafts.merging import LISTS, Merged, normal, same_value
from offtracfs.texts.log import is_edit
from offtracfs.trackers import Ticket

ANONYMOUS = "anonymous"  # whom Trac has for an author that is not logged in


def mark(ticket: Ticket, comment: str, action: str, me: str) -> dict[str, Any]:
    """What tells later whether a change was made to a ticket: JSON data.

    It is how often we had said the same before, or else how many rows of the log were ours.
    """
    said = _said(ticket, comment, me) if comment else _ours(ticket, me)
    return {"stamp": stamp_of(ticket.record), "comment": comment, "action": action, "said": said}


def has_arrived(mark: Mapping[str, Any], ticket: Ticket, left: Merged, me: str) -> bool:
    """Whether a ticket has the change in it that was sent; `left` is what is not there of its values.

    A comment of ours that was not there before says so. Where there was none to send, all values are there.
    """
    if mark["comment"]:
        return _said(ticket, mark["comment"], me) > int(mark["said"])
    done = not mark["action"] or _ours(ticket, me) > int(mark["said"])
    return stamp_of(ticket.record) != mark["stamp"] and done and not (left.send or left.conflicts)


def _ours(ticket: Ticket, me: str) -> int:
    return sum((row[1] or ANONYMOUS) == me for row in ticket.changelog)


def _said(ticket: Ticket, comment: str, me: str) -> int:
    """How often we have said something, also where it was edited since."""
    texts = []
    for row in records.rows(ticket.changelog):
        if row.field == "comment" and (row.author or ANONYMOUS) == me:
            texts.append(row.new or "")
        elif is_edit(row.field):
            texts.append(row.old or "")
    return sum(normal(text) == normal(comment) for text in texts)


def is_created(record: Any, values: Mapping[str, str], since: str, me: str) -> bool:
    """Whether a ticket is the one that was to be made with these values, not before `since` (ISO)."""
    if records.microseconds(record[1]) < records.microseconds(since):
        return False
    there = values_of(record)
    wanted = {"reporter": values.get("reporter") or me}
    wanted |= {name: values.get(name, "") for name in ("summary", "description")}
    return all(normal(value) == normal(there.get(name, "")) for name, value in wanted.items())


def slipped_in(before: Ticket, after: Ticket, changed: str, me: str) -> Iterable[str]:
    """Who has changed a ticket between two looks, beside us at the time `changed`: a sentence each."""
    known = Counter(records.rows(before.changelog))
    others: dict[str, dict[str, None]] = {}
    for row in records.rows(after.changelog):
        author = row.author or ANONYMOUS
        if known[row]:
            known[row] -= 1
        elif author != me or row.time[:19] != changed[:19]:
            others.setdefault(author, {})[row.field] = None
    for author, fields in others.items():
        yield f"Meanwhile {author} changed it, too ({', '.join(fields)}): have a look at it."


def unlike(wanted: Mapping[str, str], record: Any) -> Iterable[str]:
    """Which values did not come out as they were wanted: a sentence each."""
    there = values_of(record)
    for name, value in wanted.items():
        if not same_value(value, there.get(name, ""), listed=name in LISTS):
            yield f"The tracker has made {there.get(name, '')!r} of {name}, instead of {value!r}."
