"""A ticket and its change log → every version the ticket ever had. Pure: no clock, no server, no files.

What the log does not say cannot be rolled back: a renamed milestone, a field that came or went. The past
is then what the log says, and one last version brings what the tracker says now.
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

MAX_SUBJECT = 72  # characters that git's own listings show whole
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Version:
    """A ticket as it stood after one change.

    `moment` is in microseconds since 1970, UTC; None where only a comparison with the stored state shows
    that something changed: the date is then that of the sync which noticed it. `author` is '' too where
    the tracker names none. `subject` is one printable line; `body` is the comment's text of the time, as
    the tracker has it. Rows of `changelog` are shared with other versions and the arguments: not to be
    changed in place.
    """

    moment: int | None
    author: str
    subject: str
    body: str
    record: list[Any]
    changelog: list[Row]


def replay(record: list[Any], changelog: list[Row], rules: LogRules) -> Iterator[Version]:
    """Every version of a ticket: the first as it was created, the last equal to the arguments.

    They come in the order in which they happened, and their moments never descend: where the tracker's
    clock ran backwards, a moment is that of the version before. `rules` are those of the kind of tracker.
    """
    return since(record, changelog, None, None, rules)


def since(
    record: list[Any],
    changelog: list[Row],
    old_record: list[Any] | None,
    old_changelog: list[Row] | None,
    rules: LogRules,
) -> Iterator[Version]:
    """The versions that lead from a stored state of a ticket to exactly `record` and `changelog`.

    Without a stored state they are all the ticket ever had; as they are where the stored one is another
    ticket's, which was deleted: on SQLite, Trac gives the highest number anew. A row that arrives late is
    added to what is stored, and sets its field unless a stored row set it later.

    What no row explains comes in one last version. Of a ticket that is new here, it is dated at the
    changetime, or at the last logged change where that is later: the tracker itself says that the ticket
    has been as it is since then. Where a stored state shows that the difference came later, it has no
    moment. There is no version at all if the stored state is that of the arguments.
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
        # A changetime that moved alone says itself when.
        dated = new or (explained and ticket.changed < last_changed)
        moment = max(ticket.moment, microseconds(last_changed)) if dated else None
        what = "changed, the log does not say how" if dated else "as the tracker says now"
        yield Version(moment, "", f"#{number} {what}", "", record, changelog)


def _is_another(record: list[Any], stored: list[Any]) -> bool:
    """Whether two records of one number are two tickets': one was created when the stored one was over.

    A creation time that was corrected makes no other ticket.
    """
    (_, created, _, _), (_, stored_created, stored_changed, _) = record, stored
    return bool(created[:19] != stored_created[:19] and created[:19] >= stored_changed[:19])


@dataclass(slots=True)
class _Replayed:
    """A ticket while changes are applied to it, and its record in the end, to which they lead.

    `places` are those of its rows in the final log, ascending; `moment` is its last version's.
    """

    rules: LogRules
    final: list[Any]
    created: str
    changed: str
    props: dict[str, Any]
    places: list[float] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    moment: int = microseconds("0001-01-01T00:00:00")

    def create(self, values: dict[str, Any]) -> Version:
        """The first version, with these values of its fields."""
        *_, last = self.final
        self.props.update((name, self._value(text, last[name])) for name, text in values.items())
        self._touch(self.created)
        what = f"created: {values.get('summary') or ''}"
        return self._version(microseconds(self.created), values.get("reporter") or "", what, "")

    def apply(self, change: Change) -> Version:
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
        """Whether the fields are set as in the end: NULL, '' and a missing field are no difference."""
        *_, last = self.final
        return self._set(self.props) == self._set(last)

    def _set(self, props: dict[str, Any]) -> dict[str, Any]:
        times = self.rules.times
        return {n: value for n, value in props.items() if value not in ("", None) and n not in times}

    def _value(self, value: Any, now: Any) -> Any:
        """A log's value as props have it."""
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

    def _version(self, moment: int, author: str, what: str, body: str) -> Version:
        number, *_ = self.final
        self.moment = max(self.moment, moment)
        record = [number, self.created, self.changed, dict(self.props)]
        return Version(self.moment, author, _line(f"#{number} {what}"), body, record, list(self.rows))


def _line(text: str) -> str:
    """One printable line, cut where it is too long."""
    line = _UNPRINTABLE.sub(" ", text).strip()
    return line if len(line) <= MAX_SUBJECT else line[: MAX_SUBJECT - 1].rstrip() + "…"
