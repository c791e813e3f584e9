"""What the rows of a change log mean: which came together, in which order, which are new.

A row is ``[isotime, author, field, oldvalue, newvalue, permanent]``. The rules are those of Trac's
``ticket/model.py`` (``save_changes``, ``modify_comment``, ``get_changelog``); where a source cuts times
to seconds (XML-RPC, Trac's RPC plugin before 1.2), what followed what is found from the values.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, NamedTuple

from offtracfs.records import from_microseconds, iso, microseconds

Row = list[Any]

_SECOND = 1_000_000  # in microseconds
_LAST_MOMENT = 253_402_300_800 * _SECOND - 1  # ISO text ends with the year 9999
_EDIT = re.compile(r"_comment([0-9]{1,9})")
_DELETED = re.compile(r"Milestone (.+) deleted")
_MOMENT = re.compile(r"[0-9]{1,18}")


class Edit(NamedTuple):
    """An edit of a comment: the comment's place in the log, which edit of it this is (from 1), and when."""

    comment: int
    turn: int
    moment: int  # microseconds since 1970


@dataclass(frozen=True, slots=True)
class Log:
    """A change log with what its ``_commentN`` rows say.

    `edits` are found by the place of their row, and come in order of turn; `texts` are those that an
    edited comment had, in order.
    """

    rows: list[Row]
    edits: Mapping[int, Edit]
    texts: Mapping[int, list[str | None]]

    def row(self, place: int, turn: int = 0) -> Row:
        """The row at `place` as it stood after so many edits."""
        row = self.rows[place]
        return [*row[:4], self.texts[place][turn], *row[5:]] if place in self.texts else row


def read(rows: list[Row]) -> Log:
    """The log with its edits.

    A ``_commentN`` row has its comment's time, the text so far as old value and its own moment, in
    microseconds, as new value; its author is who edited.
    """
    edits: dict[int, Edit] = {}
    texts: dict[int, list[str | None]] = {}
    found = sorted((int(m[1]), place) for place, row in enumerate(rows) if (m := _EDIT.fullmatch(row[2])))
    comments = defaultdict(list)
    for place, row in enumerate(rows if found else ()):
        if row[2] == "comment" and row[5]:
            comments[row[0]].append(place)
    latest: dict[int, int] = {}
    for _, place in found:
        time, old, new = rows[place][0], rows[place][3], rows[place][4]
        if time not in comments:
            continue
        # Two comments may share a second to which times were cut. Trac sorts by author and field:
        # authors edit their own comments mostly, and then the edits stand before the comment.
        after = bisect_left(comments[time], place)
        comment = comments[time][min(after, len(comments[time]) - 1)]
        texts.setdefault(comment, []).append(old)
        moment = min(int(new), _LAST_MOMENT) if new and _MOMENT.fullmatch(new) else 0
        latest[comment] = max(moment, latest.get(comment, microseconds(time)))
        edits[place] = Edit(comment, len(texts[comment]), latest[comment])
    for comment, earlier in texts.items():
        earlier.append(rows[comment][4])
    return Log(rows, edits, texts)


@dataclass(frozen=True, slots=True)
class Change:
    """Rows that came at once: a change of the ticket, an attachment, or an edit of a comment.

    `moment` is in microseconds since 1970; `changed` is the changetime it left, None if untouched.
    `places` finds each field's row in the log; the fields in `late` were set again by a known row.
    """

    moment: int
    author: str
    changed: str | None
    places: Mapping[str, int]
    late: frozenset[str] = frozenset()


def changes(log: Log) -> list[Change]:
    """The rows put together, in order of time: those of one author at one moment are one change."""
    together: dict[tuple[str, str, bool], list[int]] = defaultdict(list)
    for place, (time, author, _, _, _, permanent) in enumerate(log.rows):
        if place not in log.edits:
            together[time, author or "", bool(permanent)].append(place)
    found: list[Change] = []
    for (time, author, permanent), places in together.items():
        # Attachments, whose rows are not permanent, leave the changetime alone (seen in Trac 1.2 and 1.6).
        moment, changed = microseconds(time), time if permanent else None
        found += (Change(moment, author, changed, part) for part in _apart(places, log.rows))
    found.sort(key=lambda change: min(change.places.values()))
    for place, edit in log.edits.items():
        author, name = log.rows[place][1:3]
        found.append(Change(edit.moment, author or "", iso(from_microseconds(edit.moment)), {name: place}))
    return sorted(found, key=lambda change: change.moment)


def _apart(places: list[int], rows: list[Row]) -> list[dict[str, int]]:
    """The fields at these places, in as many changes as they came by.

    Only where times are cut to seconds does a field come twice. Then a change ends where the names of
    the fields, by which Trac sorts them, begin anew.
    """
    names = [rows[place][2] for place in places]
    if len(set(names)) == len(names):
        return [dict(zip(names, places, strict=True))]
    parts: list[dict[str, int]] = []
    for before, name, place in zip([None, *names], names, places, strict=False):
        if before is None or name <= before:
            parts.append({})
        parts[-1][name] = place
    return parts


def in_order(
    found: list[Change], rows: list[Row], values: Mapping[str, Any]
) -> tuple[list[Change], dict[str, Any]]:
    """The changes as they followed each other, and the values before the first of them.

    `values` are those in the end, of the fields to follow. The way goes backwards because only the end
    is known: last in a second is the change that leaves the values with which the next begins.
    """
    state = dict(values)
    ordered: list[Change] = []
    seconds = groupby(found, key=lambda change: change.moment // _SECOND)
    for run in reversed([list(run) for _, run in seconds]):
        while run:
            change = run.pop(_last(run, rows, state))
            state.update((name, old) for name, old in _replaced(change, rows) if name in state)
            ordered.append(change)
    ordered.reverse()
    return ordered, state


def _replaced(change: Change, rows: list[Row]) -> Iterator[tuple[str, str]]:
    """The values that a change replaced.

    When a site's last milestone was deleted, Trac before 1.0 (``Milestone.delete``) no longer had such a
    field, and wrote that nothing became nothing; only the comment that it made says which milestone it was.
    """
    for name, at in change.places.items():
        old = rows[at][3] or ""
        if name == "milestone" and not (old or rows[at][4]) and "comment" in change.places:
            comment = rows[change.places["comment"]][4] or ""
            old = named[1] if (named := _DELETED.fullmatch(comment)) else old
        yield name, old


def _last(run: list[Change], rows: list[Row], state: Mapping[str, Any]) -> int:
    """Which of these came last: one that leaves `state`, else one that no other goes on from."""

    def leaves(change: Change) -> list[tuple[str, str]]:
        return [(name, rows[at][4] or "") for name, at in change.places.items() if name in state]

    def connects(change: Change) -> bool:
        return all((state[name] or "") == value for name, value in leaves(change))

    if len(run) == 1 or connects(run[-1]):
        return len(run) - 1
    begins = {(name, rows[at][3] or "") for change in run for name, at in change.places.items()}
    return max(range(len(run)), key=lambda n: (connects(run[n]), begins.isdisjoint(leaves(run[n])), n))


def paired(old: list[Row], new: list[Row]) -> dict[int, int]:
    """For the place of each row in `old` that `new` has too, its place there.

    A row that was changed in place (a comment's text) is the same row.
    """
    found: dict[int, int] = {}
    for key in (_plain, _loose):
        free = defaultdict(list)
        taken = set(found.values())
        for place in reversed(range(len(new))):
            if place not in taken:
                free[key(new[place])].append(place)
        for n, row in enumerate(old):
            if n not in found and (places := free.get(key(row))):
                found[n] = places.pop()
    return found


def match(old: list[Row], new: list[Row]) -> tuple[set[int], list[float], list[Row]]:
    """The places in `new` of the rows that `old` had; and those rows with their places, in order.

    A row that was changed in place (a comment's text) is the same row, given as it was. One that is gone
    stands after the one before it.
    """
    found = paired(old, new)
    stored: list[tuple[float, Row]] = []
    before = -1
    for n, row in enumerate(old):
        before = found.get(n, before)
        same = n in found and _plain(new[before]) == _plain(row)
        stored.append((before if n in found else before + 0.5, new[before] if same else row))
    stored.sort(key=lambda pair: pair[0])
    return set(found.values()), [place for place, _ in stored], [row for _, row in stored]


def _plain(row: Row) -> tuple[Any, ...]:
    """A row without what is no difference: NULL against '', and a second's fraction."""
    return row[0][:19], row[1] or "", row[2], row[3] or "", row[4] or "", bool(row[5])


def _loose(row: Row) -> tuple[Any, ...]:
    """What a row keeps when it is changed in place; an attachment keeps its name."""
    return row[0][:19], row[2], bool(row[5]), row[4] if row[2] == "attachment" else None


def unknown(ordered: list[Change], known: set[int]) -> Iterator[Change]:
    """What is left of the changes without the rows at the places `known`."""
    settled = {name: n for n, c in enumerate(ordered) for name, place in c.places.items() if place in known}
    for n, change in enumerate(ordered):
        places = {name: place for name, place in change.places.items() if place not in known}
        if places:
            late = frozenset(name for name in places if settled.get(name, -1) > n)
            yield replace(change, places=places, late=late)
