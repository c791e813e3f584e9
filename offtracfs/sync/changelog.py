"""Which of a change log's changes came first, and which of its rows are new; the same for any tracker."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

from offtracfs.records import SECOND, Row
from offtracfs.trackers.changelog import Change

Identity = Callable[[Row], Hashable]
"""What a row keeps when it is changed in place (see `offtracfs.trackers.changelog.LogRules`)."""


def in_order(found: list[Change], values: Mapping[str, Any]) -> tuple[list[Change], dict[str, Any]]:
    """The changes as they followed each other, and the values before the first of them.

    `values` are those in the end, of the fields to follow. The way goes backwards because only the end
    is known: where times are cut to seconds, the last change of a second is the one that leaves the values
    with which the next second begins.
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
    """Which of these came last: one that leaves `state`, else one that no other goes on from."""

    def leaves(change: Change) -> list[tuple[str, str]]:
        return [(name, new or "") for name, (_, new) in change.values.items() if name in state]

    def connects(change: Change) -> bool:
        return all((state[name] or "") == value for name, value in leaves(change))

    if len(run) == 1 or connects(run[-1]):
        return len(run) - 1
    begins = {(name, old or "") for change in run for name, (old, _) in change.values.items()}
    return max(range(len(run)), key=lambda n: (connects(run[n]), begins.isdisjoint(leaves(run[n])), n))


def paired(old: list[Row], new: list[Row], identity: Identity) -> dict[int, int]:
    """For the place of each row in `old` that `new` has too, its place there.

    A row that was changed in place (a comment's text) is the same row.
    """
    found: dict[int, int] = {}
    keys: tuple[Identity, ...] = (_plain, identity)
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
    """The places in `new` of the rows that `old` had; and those rows with their places, in order.

    A row that was changed in place (a comment's text) is the same row, given as it was. One that is gone
    stands after the one before it.
    """
    found = paired(old, new, identity)
    stored: list[_Placed] = []
    before = -1
    for n, row in enumerate(old):
        before = found.get(n, before)
        same = n in found and _plain(new[before]) == _plain(row)
        stored.append(_Placed(before if n in found else before + 0.5, new[before] if same else row))
    stored.sort(key=attrgetter("place"))
    return set(found.values()), [place for place, _ in stored], [row for _, row in stored]


def _plain(row: Row) -> Hashable:
    """A row without what is no difference: NULL against '', and a second's fraction."""
    return row.time[:19], row.author or "", row.field, row.old or "", row.new or "", bool(row.permanent)


def unknown(ordered: list[Change], known: set[int]) -> Iterator[Change]:
    """What is left of the changes without the rows at the places `known`.

    A field that a known row set again keeps that row's value.
    """
    if not known:  # of a ticket that is new here: the most by far
        yield from ordered
        return
    settled = {
        row.field: n for n, change in enumerate(ordered) for at, row in change.rows.items() if at in known
    }
    for n, change in enumerate(ordered):
        rows = {place: row for place, row in change.rows.items() if place not in known}
        if rows:
            fields = {row.field for row in rows.values() if settled.get(row.field, -1) <= n}
            values = {name: value for name, value in change.values.items() if name in fields}
            yield replace(change, rows=rows, values=values)
