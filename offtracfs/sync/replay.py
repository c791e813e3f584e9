"""Makes every version that a ticket ever had, from the ticket and its change log: no clock, server or files.

The log does not tell everything: it has no row for a renamed milestone, or a field that was added or removed.
So after the versions that the log tells of, one last version brings what the tracker says now.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from offtracfs.records import Row, microseconds
from offtracfs.sync.changelog import in_order, match, unknown
from offtracfs.trackers.changelog import Change, LogRules

MAX_SUBJECT = 72  # characters; `git log --oneline` fits into 80 columns then
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class TicketVersion:
    """A ticket as it stood after one change.

    `moment` is in microseconds since 1970, UTC; None where only a comparison with the stored state shows that
    something changed: the date is then that of the sync which noticed it. `author` is '' where the tracker
    names none. `subject` is one printable line; `body` is the comment's text of the time, as the tracker has
    it. Rows of `changelog` are shared with other versions and the arguments: not to be changed in place.
    """

    moment: int | None
    author: str
    subject: str
    body: str
    record: list[Any]
    changelog: list[Row]


def replay(record: list[Any], changelog: list[Row], rules: LogRules) -> Iterator[TicketVersion]:
    """Every version of a ticket: the first as it was created, the last equal to the arguments.

    They come in the order in which they happened, and no moment is before that of the version before it:
    where the tracker's clock ran backwards, a version gets the moment of the one before. `rules` are those of
    the kind of tracker.
    """
    return since(record, changelog, None, None, rules)


def since(
    record: list[Any],
    changelog: list[Row],
    old_record: list[Any] | None,
    old_changelog: list[Row] | None,
    rules: LogRules,
) -> Iterator[TicketVersion]:
    """The versions that lead from a stored state of a ticket to exactly `record` and `changelog`.

    Without a stored state these are all versions that the ticket ever had. The same is true where the stored
    state is of another ticket that was deleted: on SQLite, Trac gives its number to the next ticket if it was
    the highest. A row may arrive that is older than rows that are stored. It is added to the log, and sets
    its field unless a stored row set that later.

    What no row explains comes in one last version. For a ticket that is new here, its moment is the
    changetime, or the last logged change where that is later: the tracker says that the ticket has been as it
    is since then. For a ticket that is stored here, the difference came after the last sync, nobody knows
    when, and its moment is None. If the stored state equals the arguments, there is no version at all.
    """
    number, created, last_changed, props = record
    fields = {name: value for name, value in props.items() if name not in rules.times}
    ordered, first = in_order(rules.changes(changelog), fields)
    version = None
    if new := old_record is None or _is_another(record, old_record):
        known: set[int] = set()
        ticket = _Replayed(rules, record, created, last_changed, dict(props))
        version = ticket.create(first)
    else:
        known, places, rows = match(old_changelog or [], changelog, rules.identity)
        _, created, changed, props = old_record
        ticket = _Replayed(rules, record, created, changed, dict(props), places, rows)
    for change in unknown(ordered, known):
        if version:
            yield version
        version = ticket.apply(change)
    explained = ticket.has_all_values() and ticket.rows == changelog
    if version and explained and ticket.changed[:19] == last_changed[:19]:
        yield replace(version, record=record, changelog=changelog)
        return
    if version:
        yield version
    if version or (old_record, old_changelog) != (record, changelog):
        # Where nothing but the changetime has moved, the changetime itself is the moment.
        dated = new or (explained and ticket.changed < last_changed)
        moment = max(ticket.moment, microseconds(last_changed)) if dated else None
        what = "changed, the log does not say how" if dated else "as the tracker says now"
        yield TicketVersion(moment, "", f"#{number} {what}", "", record, changelog)


def _is_another(record: list[Any], stored: list[Any]) -> bool:
    """Whether two records of one number are of two tickets: one was created after the other's last change.

    A creation time that somebody corrected does not make another ticket.
    """
    (_, created, _, _), (_, stored_created, stored_changed, _) = record, stored
    return bool(created[:19] != stored_created[:19] and created[:19] >= stored_changed[:19])


@dataclass(slots=True)
class _Replayed:
    """A ticket while changes are applied to it. `final` is the record to which they lead.

    `rows` are the rows of its log so far. `places` has for each of them its index in the final log,
    ascending; for a row that the final log has no more, it is half an index more than that of the row before
    (`match`). `moment` is that of the last version so far.
    """

    rules: LogRules
    final: list[Any]
    created: str
    changed: str
    props: dict[str, Any]
    places: list[float] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    moment: int = microseconds("0001-01-01T00:00:00")

    def create(self, values: dict[str, Any]) -> TicketVersion:
        """The ticket's first version, as it was created with these values."""
        *_, last = self.final
        self.props.update((name, self._value(text, last[name])) for name, text in values.items())
        self._touch(self.created)
        what = f"created: {values.get('summary') or ''}"
        return self._version(microseconds(self.created), values.get("reporter") or "", what, "")

    def apply(self, change: Change) -> TicketVersion:
        """The version that a change makes."""
        *_, last = self.final
        for place, row in (*change.rows.items(), *change.rewrites.items()):
            self._put(place, row)
        for name, (_, new) in change.values.items():
            if name in self.props or name in last:
                self.props[name] = self._value(new, last.get(name, ""))
        if change.changed and change.changed > self.changed:
            self._touch(change.changed)
        return self._version(change.moment, change.author, *self.rules.describe(change))

    def has_all_values(self) -> bool:
        """Whether the fields have their final values. None, '' and a missing field count as equal."""
        *_, last = self.final
        return self._set_fields(self.props) == self._set_fields(last)

    def _set_fields(self, props: dict[str, Any]) -> dict[str, Any]:
        times = self.rules.times
        return {n: value for n, value in props.items() if value not in ("", None) and n not in times}

    def _value(self, value: Any, now: Any) -> Any:
        """A value of a log's row as the record has it: an empty one may be '' or None there."""
        return self.rules.unset(now) if value in ("", None) else value

    def _put(self, place: int, row: Row) -> None:
        at = bisect_left(self.places, place)
        if at == len(self.places) or self.places[at] != place:
            self.places.insert(at, place)
            self.rows.insert(at, row)
        else:
            self.rows[at] = row

    def _touch(self, time: str) -> None:
        self.changed = time
        self.rules.stamp(self.props, time, self.final)

    def _version(self, moment: int, author: str, what: str, body: str) -> TicketVersion:
        number, *_ = self.final
        self.moment = max(self.moment, moment)
        record = [number, self.created, self.changed, dict(self.props)]
        return TicketVersion(self.moment, author, _line(f"#{number} {what}"), body, record, list(self.rows))


def _line(text: str) -> str:
    """One printable line, cut where it is too long."""
    line = _UNPRINTABLE.sub(" ", text).strip()
    return line if len(line) <= MAX_SUBJECT else line[: MAX_SUBJECT - 1].rstrip() + "…"
