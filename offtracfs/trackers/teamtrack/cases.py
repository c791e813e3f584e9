"""Cases and their history as tickets and their change logs. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from offtracfs.errors import TrackerError
from offtracfs.kinds import check_changelog, check_ticket
from offtracfs.records import EPOCH, iso
from offtracfs.teamtrack.history import UNLOGGED
from offtracfs.teamtrack.provisional import SUBMIT
from offtracfs.teamtrack.provisional import UPDATE as NO_TRANSITION
from offtracfs.trackers import Missing, Ticket
from offtracfs.trackers.teamtrack.fields import TRANSITION, UPDATE, Field, Site, text

Values = Mapping[str, Any]
NOT_READABLE = (ValueError, TypeError, OverflowError, OSError)


def tickets(
    site: Site,
    numbers: Iterable[int],
    cases: Iterable[Values],
    actions: Iterable[Values] = (),
    changes: Iterable[Values] = (),
) -> Iterator[Ticket | Missing]:
    """Each of `numbers` once, from the rows of the cases, of TS_CHANGEACTIONS and of TS_CHANGES."""
    found = {case["ID"]: case for case in cases}
    acted = _by(actions, "CASEID")
    changed = _by(changes, "ACTIONID")
    for number in numbers:
        if number in found:
            yield ticket(site, number, found[number], acted[number], changed)
        else:
            yield Missing(number, f"Case {number} does not exist.", gone=True)


def ticket(
    site: Site,
    number: int,
    case: Values,
    actions: list[Values],
    changes: Mapping[Any, Sequence[Values]],
) -> Ticket | Missing:
    """A case; `actions` are its own, and `changes` those of each action, by its id."""
    try:
        props = {of.prop: site.shown(of, case[of.column]) for of in site.shown_fields() if of.column in case}
        unset = iso(EPOCH)
        times = [props.get(name) or unset for name in ("time", "changetime")]
        record = [number, *times, props | dict(zip(("time", "changetime"), times, strict=True))]
        log = list(_log(site, actions, changes))
        return Ticket(number, check_ticket(number, record), check_changelog(number, log))
    except TrackerError as error:
        return Missing(number, str(error))
    except NOT_READABLE:
        return Missing(number, f"Case {number}, or its history, has a value that cannot be read.")


def _by(rows: Iterable[Values], name: str) -> defaultdict[Any, list[Values]]:
    found = defaultdict(list)
    for row in rows:
        found[row[name]].append(row)
    return found


def _in_order(rows: Iterable[Values]) -> list[Values]:
    return sorted(rows, key=lambda row: (row["TIME"] or 0, row["ID"]))


def _log(
    site: Site, actions: Iterable[Values], changes: Mapping[Any, Sequence[Values]]
) -> Iterator[list[Any]]:
    before = None
    for action in _in_order(actions):
        who_and_when = action["TIME"], action["USERID"]
        yield from _rows(site, action, changes, apart=who_and_when == before)
        before = who_and_when


def _rows(
    site: Site, action: Values, changes: Mapping[Any, Sequence[Values]], *, apart: bool
) -> Iterator[list[Any]]:
    """The rows of an action: which transition it was, and the fields that it changed.

    An update has a row of its own where it changed nothing, or must be told `apart` from what was before it.
    """
    time = iso(datetime.fromtimestamp(int(action["TIME"] or 0), UTC))
    author = site.shown(_ACTOR, action["USERID"])
    by_id = site.by_id
    which = action["TRANSITIONID"]
    found = []
    for change in sorted(changes.get(action["ID"], ()), key=lambda row: row["ID"]):
        of = by_id.get(change["FLDID"])
        if of is None:
            old, new = (text(_told(change, part) or "") for part in ("PRIOR", "NEW"))
            found.append([time, author, f"#{change['FLDID']}", old, new, 1])
        elif of.column not in UNLOGGED:
            old, new = (site.shown(of, _told(change, part)) for part in ("PRIOR", "NEW"))
            found.append([time, author, of.prop, old, new, 1])
    if which not in (SUBMIT, NO_TRANSITION, None):
        yield [time, author, TRANSITION, "", site.transitions.get(which) or f"#{which}", 1]
    elif which != SUBMIT and (apart or not found):
        yield [time, author, UPDATE, "", "", 1]
    yield from found


def _told(change: Values, part: str) -> Any:
    """The old or the new value of a row in TS_CHANGES: a number, or a text."""
    number = change[f"{part}INT"]
    return change[f"{part}TEXT"] if number is None else number


_ACTOR = Field("USERID", "", "USER", "")
