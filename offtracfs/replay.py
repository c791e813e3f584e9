"""A ticket and its change log → every version the ticket ever had. Pure: no clock, no server, no files.

What the log does not say cannot be rolled back: a renamed milestone, a field that came or went. The past
is then what the log says, and one last version, without a moment, brings what the tracker says now.
The rules about rows are those of Trac's ``ticket/model.py`` (``get_changelog``, ``modify_comment``).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, NamedTuple

from offtracfs.records import from_microseconds, iso, microseconds

Row = list[Any]
"""``[isotime, author, field, oldvalue, newvalue, permanent]``"""

_SECOND = 1_000_000  # in microseconds
_YEAR_10000 = 253_402_300_800 * _SECOND  # the first moment that ISO text cannot say
_SUBJECT = 72  # characters that git's own listings show whole
_VALUES = 48  # characters of an old and a new value together that a subject has room for
_UNROLLED = frozenset({"_ts", "time", "changetime", "comment", "attachment"})  # no row says their value
_EDIT = re.compile(r"_comment([0-9]+)")
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?", re.ASCII)
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Version:
    """A ticket as it stood after one change.

    `moment` is in microseconds since 1970, UTC. It is None, and `author` is '', where only the present
    state shows that something changed: that is dated when this program noticed.
    `subject` is one printable line; `body` is the comment's text of the time, as the tracker holds it.
    Rows of `changelog` are shared with other versions and the arguments: not to be changed in place.
    """

    moment: int | None
    author: str
    subject: str
    body: str
    record: list[Any]
    changelog: list[Row]


def replay(record: list[Any], changelog: list[Row]) -> Iterator[Version]:
    """Every version of a ticket: the first as it was created, the last equal to the arguments.

    They come in the order in which they happened. Moments are the log's own: they ascend, unless the
    tracker's clock ran backwards.
    """
    return since(record, changelog, None, None)


def since(
    record: list[Any], changelog: list[Row], old_record: list[Any] | None, old_changelog: list[Row] | None
) -> Iterator[Version]:
    """The versions that lead from a stored state of a ticket to exactly `record` and `changelog`.

    Without a stored state they are all the ticket ever had. A row that arrives late is added to what is
    stored, and sets its field unless a stored row set it later. What no row explains comes in one last
    version. There is none at all if the stored state is that of the arguments.
    """
    log = _Log.read(changelog)
    changes, values = _in_order(_changes(log), changelog, record[3])
    version = None
    if old_record is None:
        known: set[int] = set()
        state = _State([*record[:3], {**record[3], **values}])
        state.touch(record[1], record)
        version = state.version(
            microseconds(record[1]), values.get("reporter"), f"created: {values.get('summary')}", ""
        )
    else:
        known, places, rows = _match(old_changelog or [], changelog)
        state = _State([*old_record[:3], dict(old_record[3])], places, rows)
    for change in _unknown(changes, known):
        if version:
            yield version
        version = state.apply(change, log, record)
    if (
        version
        and _to_the_second(version.record) == _to_the_second(record)
        and version.changelog == changelog
    ):
        yield replace(version, record=record, changelog=changelog)
        return
    if version:
        yield version
    if version or (old_record, old_changelog) != (record, changelog):
        yield Version(None, "", f"#{record[0]} as the tracker says now", "", record, changelog)


class _Edit(NamedTuple):
    """An edit of a comment: the comment's place in the log, which edit of it this is, and when."""

    comment: int
    turn: int
    moment: int


@dataclass(frozen=True, slots=True)
class _Log:
    """A change log with what its ``_commentN`` rows say.

    `edits` are found by the place of their row; `texts` are those that an edited comment had, in order.
    """

    rows: list[Row]
    edits: dict[int, _Edit]
    texts: dict[int, list[str | None]]

    @classmethod
    def read(cls, rows: list[Row]) -> _Log:
        """Such a row has its comment's time, the earlier text as old value, and its own moment as new."""
        log = cls(rows, {}, {})
        found = sorted((int(m[1]), place) for place, row in enumerate(rows) if (m := _EDIT.fullmatch(row[2])))
        comments = defaultdict(list)
        for place, row in enumerate(rows if found else ()):
            if row[2] == "comment" and row[5]:
                comments[row[0]].append(place)
        seen: Counter[tuple[str, int]] = Counter()
        latest: dict[int, int] = {}
        for number, place in found:
            time, _, _, old, new, _ = rows[place]
            if time not in comments:
                continue
            # Where times are cut to seconds, two comments may share one: the first edits are the first one's.
            comment = comments[time][min(seen[time, number], len(comments[time]) - 1)]
            seen[time, number] += 1
            log.texts.setdefault(comment, []).append(old)
            latest[comment] = max(latest.get(comment, microseconds(time)), _edit_moment(new))
            log.edits[place] = _Edit(comment, len(log.texts[comment]), latest[comment])
        for comment, texts in log.texts.items():
            texts.append(rows[comment][4])
        return log

    def row(self, place: int, turn: int = 0) -> Row:
        """The row at `place` as it stood after so many edits."""
        row = self.rows[place]
        return [*row[:4], self.texts[place][turn], *row[5:]] if place in self.texts else row


def _edit_moment(text: str | None) -> int:
    moment = int(text) if text and text.isdecimal() and len(text) < len(str(_YEAR_10000)) + 1 else 0
    return moment if moment < _YEAR_10000 else 0


@dataclass(frozen=True, slots=True)
class _Change:
    """Rows that came at once: a change of the ticket, an attachment, or an edit of a comment.

    `changed` is the changetime it left, None if untouched. `places` finds each field's row in the log;
    fields in `late` have been set since by a row that is stored already.
    """

    moment: int
    author: str
    changed: str | None
    places: dict[str, int]
    late: frozenset[str] = frozenset()


def _changes(log: _Log) -> list[_Change]:
    """The rows put together, in the log's order.

    One author changes one field once at a moment: a field that comes again is another change, in a
    second to which times were cut.
    """
    found: list[_Change] = []
    open_: dict[tuple[str, str | None, bool], _Change] = {}
    for place, (time, author, name, _, _, permanent) in enumerate(log.rows):
        if edit := log.edits.get(place):
            changed = iso(from_microseconds(edit.moment))
            found.append(_Change(edit.moment, author or "", changed, {name: place}))
            continue
        key = time, author, bool(permanent)
        change = open_.get(key)
        if change is None or name in change.places:
            # Attachments leave the changetime alone (seen in Trac 1.2 and 1.6).
            change = _Change(microseconds(time), author or "", time if permanent else None, {})
            open_[key] = change
            found.append(change)
        change.places[name] = place
    return found


def _in_order(
    changes: list[_Change], log: list[Row], props: dict[str, Any]
) -> tuple[list[_Change], dict[str, Any]]:
    """The changes as they followed each other, and the values of the fields before the first of them.

    Found backwards, because the end is known: among changes of one second, last is the one that leaves
    the values with which the next begins.
    """
    values = {name: value for name, value in props.items() if name not in _UNROLLED}
    ordered: list[_Change] = []
    seconds = groupby(sorted(changes, key=lambda c: c.moment), key=lambda c: c.moment // _SECOND)
    for run in reversed([list(run) for _, run in seconds]):
        while run:
            change = run.pop(_last(run, log, values))
            for name, place in change.places.items():
                if name in values:
                    values[name] = _value(log[place][3], props[name])
            ordered.append(change)
    ordered.reverse()
    return ordered, values


def _last(run: list[_Change], log: list[Row], values: dict[str, Any]) -> int:
    """Which of these came last: one that leaves `values`, else one that no other goes on from."""

    def leaves_them(change: _Change) -> bool:
        return all((log[p][4] or "") == (values[n] or "") for n, p in change.places.items() if n in values)

    if len(run) == 1 or leaves_them(run[-1]):
        return len(run) - 1
    begun = {(name, log[place][3] or "") for change in run for name, place in change.places.items()}

    def rank(n: int) -> tuple[bool, bool, int]:
        goes_on = any((name, log[p][4] or "") in begun for name, p in run[n].places.items() if name in values)
        return leaves_them(run[n]), not goes_on, n

    return max(range(len(run)), key=rank)


def _value(text: str | None, now: Any) -> str | None:
    """A log's value as props have it: '' where unset, None if the type is time (Trac's RPC, seen)."""
    is_time = now is None or (isinstance(now, str) and _ISO.fullmatch(now))
    return text or (None if is_time else "")


def _unknown(changes: list[_Change], known: set[int]) -> Iterator[_Change]:
    """What remains of the changes without the rows that are known."""
    settled = {name: n for n, c in enumerate(changes) for name, place in c.places.items() if place in known}
    for n, change in enumerate(changes):
        places = {name: place for name, place in change.places.items() if place not in known}
        if places:
            yield replace(change, places=places, late=frozenset(f for f in places if settled.get(f, -1) > n))


def _match(old: list[Row], new: list[Row]) -> tuple[set[int], list[float], list[Row]]:
    """The places of rows in `new` that are in `old` too; and the rows of `old` with their places.

    A row may have changed in place (a comment's text) and still be the same; it then is shown as it was.
    One that is gone from `new` stands after the one before it.
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
    """What a row keeps when it is changed in place; an attachment's is its name."""
    return row[0][:19], row[2], bool(row[5]), row[4] if row[2] == "attachment" else None


@dataclass(slots=True)
class _State:
    """A ticket while changes are applied to it; `places` are its rows' in the final log, ascending."""

    record: list[Any]
    places: list[float] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def apply(self, change: _Change, log: _Log, final: list[Any]) -> Version:
        """The version that a change makes; `final` is the record in the end."""
        props = self.record[3]
        body = ""
        for name, place in change.places.items():
            row = log.row(place)
            self.put(place, row)
            if edit := log.edits.get(place):
                row = log.row(edit.comment, edit.turn)
                self.put(edit.comment, row)
            if row[2] == "comment":
                body = row[4] or ""
            elif name not in _UNROLLED and name not in change.late and (name in props or name in final[3]):
                props[name] = _value(row[4], final[3].get(name, ""))
        if change.changed and change.changed > self.record[2]:
            self.touch(change.changed, final)
        return self.version(change.moment, change.author, _what(change, log), body)

    def put(self, place: int, row: Row) -> None:
        """Set the row at its place in the final log's order."""
        at = bisect_left(self.places, place)
        if at == len(self.places) or self.places[at] != place:
            self.places.insert(at, place)
            self.rows.insert(at, row)
        else:
            self.rows[at] = row

    def touch(self, time: str, final: list[Any]) -> None:
        """Set the changetime, and ``_ts`` if all its microseconds are known: some sources cut times."""
        props = self.record[3]
        self.record[2] = time
        if "changetime" in final[3]:
            props["changetime"] = time
        stamp = final[3].get("_ts")
        props.pop("_ts", None)
        if stamp and ("." in time or stamp == str(microseconds(final[2]))):
            props["_ts"] = str(microseconds(time))

    def version(self, moment: int, author: str | None, what: str, body: str) -> Version:
        number, created, changed, props = self.record
        record = [number, created, changed, dict(props)]
        return Version(moment, author or "", _line(f"#{number} {what}"), body, record, list(self.rows))


def _to_the_second(record: list[Any]) -> list[Any]:
    """A record without what is no difference: NULL against '', and what sources know of a second."""
    values = {name: value for name, value in record[3].items() if value not in ("", None)}
    return [
        record[0],
        record[1][:19],
        record[2][:19],
        {n: v for n, v in values.items() if n not in _UNROLLED},
    ]


def _what(change: _Change, log: _Log) -> str:
    """What a change did, in a few words."""
    rows = [log.rows[place] for place in change.places.values()]
    edited = [log.edits[place].comment for place in change.places.values() if place in log.edits]
    if edited:
        number = (log.rows[edited[0]][3] or "").rpartition(".")[2]
        return " ".join(filter(None, ("comment", number, "edited")))
    if change.changed is None:
        return ", ".join(f"attachment: {row[4]}" for row in rows if row[2] == "attachment") or "attachment"
    told = [_told(*row[2:5]) for row in sorted(rows, key=_weight) if row[2] != "comment"]
    return ", ".join(told) or "comment"


def _weight(row: Row) -> int:
    """The order in which fields are told: the workflow's first."""
    return ("status", "resolution").index(row[2]) if row[2] in ("status", "resolution") else 2


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
