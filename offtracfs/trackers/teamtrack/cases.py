"""Cases and their history as tickets and their change logs. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from offtracfs.records import EPOCH, iso
from offtracfs.teamtrack.provisional import SUBMIT
from offtracfs.teamtrack.provisional import UPDATE as NO_TRANSITION
from offtracfs.trackers import Missing, Ticket
from offtracfs.trackers.teamtrack.fields import NOT_READABLE, TRANSITION, UPDATE, Site, date, text

Values = Mapping[str, Any]
Action = tuple[Any, ...]
"""A row of TS_CHANGEACTIONS: the values of `ACTION`."""
Change = tuple[Any, ...]
"""A row of TS_CHANGES: the values of `CHANGE`."""

ACTION = ("CASEID", "ID", "TIME", "USERID", "TRANSITIONID")
CHANGE = ("ACTIONID", "FLDID", "PRIORINT", "PRIORTEXT", "NEWINT", "NEWTEXT")
TIME = ACTION.index("TIME")
NO_TRANSITIONS = (SUBMIT, NO_TRANSITION, None)
T = TypeVar("T", Action, Change)


def tickets(
    site: Site,
    numbers: Iterable[int],
    cases: Iterable[Values],
    actions: Iterable[Action] = (),
    changes: Iterable[Change] = (),
) -> Iterator[Ticket | Missing]:
    """Each of `numbers` once, from the rows of the cases, and those of their history in the order of ids."""
    found = {case["ID"]: case for case in cases}
    acted, changed = _by_first(actions), _by_first(changes)
    for number in numbers:
        if number in found:
            yield ticket(site, number, found[number], acted.get(number, ()), changed)
        else:
            yield Missing(number, f"Case {number} does not exist.", gone=True)


def ticket(
    site: Site,
    number: int,
    case: Values,
    actions: Sequence[Action],
    changes: Mapping[Any, Sequence[Change]],
) -> Ticket | Missing:
    """A case; `actions` are its own, and `changes` those of each action, by its id.

    Nothing of it need be checked again: all values are texts that were made here, and so are the times.
    """
    try:
        props = {prop: shown(case[name]) for name, prop, shown in site.of_tickets if name in case}
        created, changed = (props.get(name) or UNSET for name in ("time", "changetime"))
        record: list[Any] = [number, created, changed, props | {"time": created, "changetime": changed}]
        log = _log(site, actions, changes)
        return Ticket(number, record, log)
    except NOT_READABLE:
        return Missing(number, f"Case {number}, or its history, has a value that cannot be read.")


def _by_first(rows: Iterable[T]) -> dict[Any, list[T]]:
    """Rows by their first values."""
    found: dict[Any, list[T]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)
    return found


def _log(site: Site, actions: Sequence[Action], changes: Mapping[Any, Sequence[Change]]) -> list[list[Any]]:
    """The rows of each action: which transition it was, and the fields that it changed.

    An update has a row of its own where it changed nothing, or must be told apart from what the same user did
    in the same second.
    """
    log: list[list[Any]] = []
    user, fields, before = site.shown("USER"), site.of_logs, None
    for _, action, moment, who, which in sorted(actions, key=_moment):
        time, author, start = date(moment) or UNSET, user(who), len(log)
        for _, number, old, old_text, new, new_text in changes.get(action, ()):
            prop, shown = fields.get(number) or (f"#{number}", text)
            if prop:
                was, now = old_text if old is None else old, new_text if new is None else new
                log.append([time, author, prop, shown(was), shown(now), 1])
        if which not in NO_TRANSITIONS:
            name = site.transitions.get(which) or f"#{which}"
            log.insert(start, [time, author, TRANSITION, "", name, 1])
        elif which != SUBMIT and (start == len(log) or before == (moment, who)):
            log.insert(start, [time, author, UPDATE, "", "", 1])
        before = moment, who
    return log


def _moment(action: Action) -> Any:
    return action[TIME] or 0


UNSET = iso(EPOCH)
