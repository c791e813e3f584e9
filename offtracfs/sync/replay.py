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

from offtracfs.records import ISO, microseconds
from offtracfs.sync.changelog import Change, Log, Row, changes, in_order, match, read, unknown

_SUBJECT = 72  # characters that git's own listings show whole
_VALUES = 48  # characters of an old and a new value together that a subject has room for
_NO_FIELDS = frozenset({"_ts", "time", "changetime", "comment", "attachment"})  # props that no row tells
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


def replay(record: list[Any], changelog: list[Row]) -> Iterator[Version]:
    """Every version of a ticket: the first as it was created, the last equal to the arguments.

    They come in the order in which they happened, and their moments never descend: where the tracker's
    clock ran backwards, a moment is that of the version before.
    """
    return since(record, changelog, None, None)


def since(
    record: list[Any], changelog: list[Row], old_record: list[Any] | None, old_changelog: list[Row] | None
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
    log = read(changelog)
    fields = {name: value for name, value in record[3].items() if name not in _NO_FIELDS}
    ordered, first = in_order(changes(log), changelog, fields)
    version = None
    if new := old_record is None or _is_another(record, old_record):
        known: set[int] = set()
        state = _State([*record[:3], dict(record[3])])
        version = state.create(first, record)
    else:
        known, places, rows = match(old_changelog or [], changelog)
        state = _State([*old_record[:3], dict(old_record[3])], places, rows)
    for change in unknown(ordered, known):
        if version:
            yield version
        version = state.apply(change, log, record)
    explained = _values(state.record) == _values(record) and state.rows == changelog
    if version and explained and state.record[2][:19] == record[2][:19]:
        yield replace(version, record=record, changelog=changelog)
        return
    if version:
        yield version
    if version or (old_record, old_changelog) != (record, changelog):
        # A changetime that moved alone says itself when.
        dated = new or (explained and state.record[2] < record[2])
        moment = max(state.moment, microseconds(record[2])) if dated else None
        what = "changed, the log does not say how" if dated else "as the tracker says now"
        yield Version(moment, "", f"#{record[0]} {what}", "", record, changelog)


def _is_another(record: list[Any], stored: list[Any]) -> bool:
    """Whether two records of one number are two tickets': the second was created when the first was over.

    A creation time that was corrected makes no other ticket.
    """
    created = record[1][:19]
    return bool(created != stored[1][:19] and created >= stored[2][:19])


def _values(record: list[Any]) -> dict[str, Any]:
    """The fields that are set: NULL, '' and a missing field are no difference."""
    return {n: value for n, value in record[3].items() if value not in ("", None) and n not in _NO_FIELDS}


@dataclass(slots=True)
class _State:
    """A ticket while changes are applied to it; `places` are its rows' in the final log, ascending."""

    record: list[Any]
    places: list[float] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    moment: int = microseconds("0001-01-01T00:00:00")

    def create(self, values: dict[str, Any], final: list[Any]) -> Version:
        """The first version; `final` is the record in the end."""
        self.record[3].update((name, _value(text, final[3][name])) for name, text in values.items())
        self._touch(final[1], final)
        what = f"created: {values.get('summary') or ''}"
        return self._version(microseconds(final[1]), values.get("reporter") or "", what, "")

    def apply(self, change: Change, log: Log, final: list[Any]) -> Version:
        """The version that a change makes; `final` is the record in the end."""
        props = self.record[3]
        untold = _NO_FIELDS | change.late
        body = ""
        for name, place in change.places.items():
            row = log.row(place)
            self._put(place, row)
            if edit := log.edits.get(place):
                row = log.row(edit.comment, edit.turn)
                self._put(edit.comment, row)
            if row[2] == "comment":
                body = row[4] or ""
            elif name not in untold and (name in props or name in final[3]):
                props[name] = _value(row[4], final[3].get(name, ""))
        if change.changed and change.changed > self.record[2]:
            self._touch(change.changed, final)
        return self._version(change.moment, change.author, _what(change, log), body)

    def _put(self, place: int, row: Row) -> None:
        at = bisect_left(self.places, place)
        if at == len(self.places) or self.places[at] != place:
            self.places.insert(at, place)
            self.rows.insert(at, row)
        else:
            self.rows[at] = row

    def _touch(self, time: str, final: list[Any]) -> None:
        """Set the changetime; ``_ts``, its microseconds, only if the source does not cut times."""
        props = self.record[3]
        self.record[2] = time
        if "changetime" in props:
            props["changetime"] = time
        stamp = props.pop("_ts", None) or final[3].get("_ts")
        if stamp and ("." in time or final[3].get("_ts") == str(microseconds(final[2]))):
            props["_ts"] = str(microseconds(time))

    def _version(self, moment: int, author: str, what: str, body: str) -> Version:
        number, created, changed, props = self.record
        subject = _line(f"#{number} {what}")
        self.moment = max(self.moment, moment)
        record = [number, created, changed, dict(props)]
        return Version(self.moment, author, subject, body, record, list(self.rows))


def _value(value: Any, now: Any) -> Any:
    """A log's value as props have it: '' where unset, None if the type is time (Trac's RPC, seen)."""
    if value not in ("", None):
        return value
    return None if now is None or (isinstance(now, str) and ISO.fullmatch(now)) else ""


def _what(change: Change, log: Log) -> str:
    """What a change did, in a few words, the workflow's first."""
    rows = [log.rows[place] for place in change.places.values()]
    edits = [log.edits[place] for place in change.places.values() if place in log.edits]
    if edits:
        number = (log.rows[edits[0].comment][3] or "").rpartition(".")[2]
        return f"comment {number} edited" if number else "comment edited"
    if change.changed is None:
        return ", ".join(f"attachment: {row[4]}" for row in rows if row[2] == "attachment") or "attachment"
    rows.sort(key=lambda row: (row[2] != "status", row[2] != "resolution"))
    return ", ".join(_told(*row[2:5]) for row in rows if row[2] != "comment") or "comment"


def _told(name: str, old: str | None, new: str | None) -> str:
    if not new:
        return f"{name} cleared"
    if "\n" in new or len(new) + len(old or "") > _VALUES:
        return f"{name} changed"
    return f"{name}: {old} → {new}" if old else f"{name}: {new}"


def _line(text: str) -> str:
    """One printable line, cut where it is too long."""
    line = _UNPRINTABLE.sub(" ", text).strip()
    return line if len(line) <= _SUBJECT else line[: _SUBJECT - 1].rstrip() + "…"
