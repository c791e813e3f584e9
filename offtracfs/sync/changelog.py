"""Which change of a log came first, and which rows of a log are new; the same for any kind of tracker."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from offtracfs.records import SECOND, Row
from offtracfs.trackers.changelog import Change

MAX_CONNECTED = 200  # changes of one second that are ordered by their values, which takes quadratic time
Identity = Callable[[Row], Hashable]
"""What stays the same in a row that is edited in place (`LogRules.identity`)."""


def in_order(found: list[Change], values: Mapping[str, Any]) -> tuple[list[Change], dict[str, Any]]:
    """The changes in the order in which they were made, and the values before the first of them.

    `values` are the present values of the fields; changes of other fields are not looked at. Where times are
    cut to seconds, several changes have one time. This goes through them from the last to the first, since
    only the present values are known: the last change of a second left the values with which the next second
    began.
    """
    state = dict(values)
    ordered: list[Change] = []
    seconds = groupby(found, key=lambda change: change.moment // SECOND)
    for run in reversed([list(run) for _, run in seconds]):
        while run:
            change = run.pop(_last(run, state))
            state.update((name, old or "") for name, (old, _) in change.values.items() if name in state)
            ordered.append(change)
    ordered.reverse()
    return ordered, state


def _last(run: list[Change], state: Mapping[str, Any]) -> int:
    """The index of the change that came last: one whose new values are those in `state`.

    If there is none, one whose new values are no other change's old values. Of more than MAX_CONNECTED
    changes it is the last in the log: nobody makes so many in a second, so there is nothing true to find.
    """

    def leaves(change: Change) -> list[tuple[str, str]]:
        return [(name, new or "") for name, (_, new) in change.values.items() if name in state]

    def connects(change: Change) -> bool:
        return all((state[name] or "") == value for name, value in leaves(change))

    if len(run) == 1 or len(run) > MAX_CONNECTED or connects(run[-1]):
        return len(run) - 1
    begins = {(name, old or "") for change in run for name, (old, _) in change.values.items()}
    return max(range(len(run)), key=lambda n: (connects(run[n]), begins.isdisjoint(leaves(run[n])), n))


def paired(old: list[Row], new: list[Row], identity: Identity) -> dict[int, int]:
    """Index in `old` → index in `new`, for each row that is in both.

    A row that was changed in place (a comment's text) is the same row.
    """
    found: dict[int, int] = {}
    keys: tuple[Identity, ...] = (_normalized, identity)
    for key in keys:
        free = defaultdict(list)
        taken = set(found.values())
        for place in reversed(range(len(new))):
            if place not in taken:
                free[key(new[place])].append(place)
        for n, row in enumerate(old):
            if n not in found and (places := free.get(key(row))):
                found[n] = places.pop()
    return found


class _Placed(NamedTuple):
    place: float
    row: Row


def match(old: list[Row], new: list[Row], identity: Identity) -> tuple[set[int], list[float], list[Row]]:
    """The indexes in `new` of the rows that `old` had; then, for all rows of `old`, places and rows in order.

    A place is the row's index in `new`. A row that `new` does not have any more stands half an index after
    the row before it. A row that was edited in place (a comment's text) is the same row, and stays as `old`
    has it.
    """
    found = paired(old, new, identity)
    stored: list[_Placed] = []
    before = -1
    for n, row in enumerate(old):
        before = found.get(n, before)
        same = n in found and _normalized(new[before]) == _normalized(row)
        stored.append(_Placed(before if n in found else before + 0.5, new[before] if same else row))
    stored.sort(key=attrgetter("place"))
    return set(found.values()), [place for place, _ in stored], [row for _, row in stored]


def _normalized(row: Row) -> Hashable:
    """A row such that two are equal if they differ only in None for '' or in a fraction of a second."""
    return row.time[:19], row.author or "", row.field, row.old or "", row.new or "", bool(row.permanent)


def unknown(ordered: list[Change], known: set[int]) -> Iterator[Change]:
    """The changes without the rows that are stored already (`known`: their indexes in the log).

    A change does not set a field that a stored row of a later change set.
    """
    if not known:  # of a ticket that is new here: by far the most frequent case
        yield from ordered
        return
    last_known = {
        row.field: n for n, change in enumerate(ordered) for at, row in change.rows.items() if at in known
    }
    for n, change in enumerate(ordered):
        rows = {place: row for place, row in change.rows.items() if place not in known}
        if rows:
            fields = {row.field for row in rows.values() if last_known.get(row.field, -1) <= n}
            values = {name: value for name, value in change.values.items() if name in fields}
            yield replace(change, rows=rows, values=values)
