"""What the rows of a Trac's change logs mean.

The rules are those of Trac's ``ticket/model.py`` (``save_changes``, ``modify_comment``, ``get_changelog``).
Some sources cut times to seconds (XML-RPC, Trac's RPC plugin before 1.2). Then the order of the rows shows
which of them belong to one change: Trac sorts them by time, author and field.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from offtracfs.records import ISO, Row, from_microseconds, iso, microseconds
from offtracfs.trackers.changelog import Change, LogRules, Values, grouped, summary

_LAST_MOMENT = 253_402_300_800_000_000 - 1  # in microseconds; ISO text ends with the year 9999
_EDIT = re.compile(r"_comment([0-9]{1,9})")
_DELETED = re.compile(r"Milestone (.+) deleted")
_MOMENT = re.compile(r"[0-9]{1,18}")
_TIMES = frozenset({"_ts", "time", "changetime"})
_NO_FIELDS = _TIMES | {"comment", "attachment"}


class TracRules(LogRules):
    """Trac's rules: comments and their edits, attachments, what deleting a milestone leaves."""

    times = _TIMES

    def changes(self, rows: list[Row]) -> list[Change]:
        """As of any tracker; an edit of a comment is a change too, and an attachment one of its own."""
        edits = _edits(rows)
        original = dict(enumerate(rows))  # without edits: each comment with the text that it had at first
        for place, edit in edits.items():
            del original[place]
            if edit.turn == 1:
                original[edit.comment] = original[edit.comment]._replace(new=rows[place].old)
        found = []
        for part in grouped(original.items(), _key, _split_where_order_restarts):
            time, author, permanent = _key(next(iter(part.values())))
            # Rows that are not permanent are attachments, which do not set the changetime (Trac 1.2 and 1.6,
            # seen).
            changed = time if permanent else None
            found.append(Change(microseconds(time), author, changed, part, _values(part)))
        for place, edit in edits.items():
            row, changed = rows[place], iso(from_microseconds(edit.moment))
            rewrites = {edit.comment: rows[edit.comment]._replace(new=edit.text)}
            found.append(Change(edit.moment, row.author or "", changed, {place: row}, {}, rewrites))
        return sorted(found, key=lambda change: change.moment)

    def describe(self, change: Change) -> tuple[str, str]:
        """What a change did in a few words, status and resolution first; and its comment's text then."""
        rows = [*change.rows.values()]
        comment = next((row for row in (*change.rewrites.values(), *rows) if row.field == "comment"), None)
        body = (comment.new or "") if comment else ""
        if comment and change.rewrites:
            number = (comment.old or "").rpartition(".")[2]
            return f"comment {number} edited" if number else "comment edited", body
        if change.changed is None:
            names = ", ".join(f"attachment: {row.new}" for row in rows if row.field == "attachment")
            return names or "attachment", body
        rows.sort(key=lambda row: (row.field != "status", row.field != "resolution"))
        return ", ".join(summary(row) for row in rows if row.field != "comment") or "comment", body

    def identity(self, row: Row) -> Hashable:
        """As of any tracker; an attachment keeps its name."""
        return (
            row.time[:19],
            row.field,
            bool(row.permanent),
            row.new if row.field == "attachment" else None,
        )

    def unset(self, now: Any) -> Any:
        """``''``; None where the field's type is time (Trac's RPC, seen)."""
        return None if now is None or (isinstance(now, str) and ISO.fullmatch(now)) else ""

    def stamp(self, props: dict[str, Any], time: str, final: list[Any]) -> None:
        """Set ``changetime``, and ``_ts``, the same in microseconds.

        Where the source cuts times to seconds, the microseconds are not known, and ``_ts`` is left out.
        """
        _, _, changed, last = final
        if "changetime" in props:
            props["changetime"] = time
        token = props.pop("_ts", None) or last.get("_ts")
        if token and ("." in time or last.get("_ts") == str(microseconds(changed))):
            props["_ts"] = str(microseconds(time))


@dataclass(frozen=True, slots=True)
class _Edit:
    """An edit of a comment; the moment in microseconds since 1970 UTC."""

    comment: int  # the index of the comment's row in the log
    turn: int  # which edit of it this is, from 1
    moment: int
    text: str | None  # of the comment after it


def _edits(rows: list[Row]) -> dict[int, _Edit]:
    """The edits by the place of their ``_commentN`` rows, each comment's in order of turn.

    Such a row has the time of its comment. Its old value is the text before the edit, its new value is the
    time of the edit in microseconds, and its author is who edited.
    """
    found = sorted((int(m[1]), place) for place, row in enumerate(rows) if (m := _EDIT.fullmatch(row.field)))
    if not found:
        return {}
    comments = defaultdict(list)
    for place, row in enumerate(rows):
        if row.field == "comment" and row.permanent:
            comments[row.time].append(place)
    edits_of: dict[int, list[int]] = defaultdict(list)
    for _, place in found:
        if there := comments.get(rows[place].time):
            # Two comments may share a second to which times were cut. Trac sorts by author and field:
            # authors edit their own comments mostly, and then the edits stand before the comment.
            edits_of[there[min(bisect_left(there, place), len(there) - 1)]].append(place)
    edits: dict[int, _Edit] = {}
    for comment, places in edits_of.items():
        moment = microseconds(rows[comment].time)
        texts = [*(rows[place].old for place in places[1:]), rows[comment].new]
        for turn, (place, text) in enumerate(zip(places, texts, strict=True), 1):
            new = rows[place].new
            said = min(int(new), _LAST_MOMENT) if new and _MOMENT.fullmatch(new) else 0
            moment = max(moment, said)
            edits[place] = _Edit(comment, turn, moment, text)
    return edits


def _key(row: Row) -> tuple[str, str, bool]:
    return row.time, row.author or "", bool(row.permanent)


def _split_where_order_restarts(group: Mapping[int, Row]) -> list[dict[int, Row]]:
    """Rows of one author and second, split into changes.

    A field comes twice only where times are cut to seconds. Trac sorts the rows of a change by the name of
    the field. So where a name is not greater than the one before it, the next change begins.
    """
    parts: list[dict[int, Row]] = []
    before = None
    for place, row in group.items():
        if before is None or row.field <= before:
            parts.append({})
        parts[-1][place] = row
        before = row.field
    return parts


def _values(rows: Mapping[int, Row]) -> Values:
    """The fields that a change set.

    When a site's last milestone was deleted, Trac before 1.0 (``Milestone.delete``) no longer had the
    field, and wrote a row with two empty values. Only the comment that it made says which milestone it was.
    """
    found = {row.field: (row.old, row.new) for row in rows.values() if row.field not in _NO_FIELDS}
    if "milestone" in found and not any(found["milestone"]):
        comment = next((row.new or "" for row in rows.values() if row.field == "comment"), "")
        if named := _DELETED.fullmatch(comment):
            found["milestone"] = named[1], None
    return found
