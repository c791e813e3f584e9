"""The timeline: what was done, newest first, day by day; and the same as an Atom feed."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple
from urllib.parse import urlencode
from uuid import NAMESPACE_OID, uuid5

from offtracfs.changes import Event
from offtracfs.changes.comparison import KINDS, kinds
from offtracfs.changes.timeline import ATTACHMENT
from offtracfs.errors import UsageError
from offtracfs.index import Revision
from offtracfs.kinds import FIELDS_PATH
from offtracfs.querylanguage import Fields, no_field
from offtracfs.records import SECOND, from_microseconds, iso
from offtracfs.reports.query import fields_in
from offtracfs.store.fastimport import name_in_git
from offtracfs.web import rendering
from offtracfs.web.addresses import address, last_day
from offtracfs.web.asking import moment_asked
from offtracfs.web.events import KIND_NAMES, day_of, event_data
from offtracfs.web.page import Asked, Data, Format, Page, Parameter

MOST = 100  # changes on a page
MAX_LOOKED = 1_000  # changes that are looked at for a page
MAX_OF_REVISION = 50  # changes of one revision: the first sync, or a sweep, may bring any number
QUIET = ("times",)  # kinds that are shown only where they are asked for
WORDS = ("comment", ATTACHMENT)  # that a change may be about, beside the fields
_TOUCHES = {"closed": "status", "reopened": "status", "commented": "comment"}  # what all of a kind do


class Filters(NamedTuple):
    """Which changes are shown: of one of these kinds, by somebody ("" for all), of a field ("" for all)."""

    kinds: list[str]
    author: str
    field: str

    @property
    def touched(self) -> str:
        """A field that all of these changes touch, "" where there is none."""
        fields = {_TOUCHES.get(kind, "") for kind in self.kinds}
        return self.field or (fields.pop() if len(fields) == 1 else "")

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """What stands of them in an address."""
        chosen = [("kind", kind) for kind in self.kinds] if self.kinds != _DEFAULT else []
        return chosen + [pair for pair in (("author", self.author), ("field", self.field)) if pair[1]]


_DEFAULT = [kind for kind in KINDS if kind not in QUIET]


class Part(NamedTuple):
    """The changes of a page, and the revision from which on the next page goes on."""

    events: list[Event]
    rest: Revision | None


def view(asked: Asked) -> Data:
    """The changes up to a moment: whole days, where one day is not too long."""
    fields = fields_in(asked.snapshot.get(FIELDS_PATH))
    filters = _filters(asked, fields)
    until, newest = moment_asked(asked, "until", "/timeline")
    events, older = _whole_days(asked, _part(asked, newest, filters))
    changes = [event_data(asked, event) | {"more": more} for event, more in _marked(asked, events)]
    labels = asked.timeline.labels(asked.revision.horizon)
    names = [*(field["name"] for field in fields), *WORDS]
    return {
        "until": until,
        "until_day": last_day(f"@{until}", asked.database.settings.zone),
        "days": [{"day": day, "changes": [*found]} for day, found in groupby(changes, key=itemgetter("day"))],
        "older": _address(filters, older) if older else "",
        "newer": _newer(asked, newest, filters),
        "feed": urlencode(filters.pairs),
        "kinds": [
            {"name": kind, "label": KIND_NAMES[kind], "chosen": ("kind", kind) in filters.pairs}
            for kind in KINDS
        ],
        "author": filters.author,
        "field": filters.field,
        "fields": [{"name": name, "label": labels.label(name)} for name in names],
    }


def _filters(asked: Asked, fields: Fields) -> Filters:
    """What the address asks for. Raises UsageError."""
    chosen = set(asked.args.getlist("kind"))
    field = asked.args.get("field", "")
    if unknown := sorted(chosen.difference(KINDS)):
        raise UsageError(f"There is no kind of change {unknown[0][:60]!r}: there are {', '.join(KINDS)}.")
    if field not in ("", *WORDS, *(each["name"] for each in fields)):
        raise UsageError(no_field(field, fields))
    return Filters(
        [kind for kind in KINDS if kind in chosen] or _DEFAULT, asked.args.get("author", ""), field
    )


def _part(asked: Asked, newest: Revision, filters: Filters) -> Part:
    """As many changes as a page may have, newest first."""
    by = name_in_git(filters.author) if filters.author else ""
    found = asked.timeline.log(1, newest, None, by, filters.touched, MAX_OF_REVISION)
    events: list[Event] = []
    for looked, event in enumerate(found):
        if looked == MAX_LOOKED or len(events) == MOST:
            return Part(events, event.revision)
        if not set(filters.kinds).isdisjoint(kinds(event.change)):
            events.append(event)
    return Part(events, None)


def _whole_days(asked: Asked, part: Part) -> tuple[list[Event], str]:
    """The changes of a page, and the moment up to which the next page is; "" where there is none.

    That is a day where this page can end with a day, and else a commit.
    """
    events, rest = part
    if rest is None:
        return events, ""
    zone = asked.database.settings.zone
    day = day_of(rest, zone)
    whole = [event for event in events if day_of(event.revision, zone) != day]
    if whole:
        return whole, day
    return [event for event in events if event.revision != rest], rest.commit.hex()


def _newer(asked: Asked, newest: Revision, filters: Filters) -> str | None:
    """The query of the page with the changes after this one's; None where there are none."""
    if newest == asked.revision:
        return None
    last = asked.reader.revision(newest.number + MOST)
    return _address(filters, last.commit.hex() if last and last < asked.revision else "")


def _address(filters: Filters, until: str) -> str:
    """The query of a page's address."""
    return urlencode([*filters.pairs, *([("until", until)] if until else [])])


def _marked(asked: Asked, events: list[Event]) -> Iterable[tuple[Event, str]]:
    """Each change; with the last one that is shown of a revision that has more, the commit before that."""
    for revision, found in groupby(events, key=lambda event: event.revision):
        of_revision = [*found]
        before = asked.reader.revision(revision.number - 1) if len(of_revision) == MAX_OF_REVISION else None
        yield from ((event, "") for event in of_revision[:-1])
        yield of_revision[-1], before.commit.hex() if before else ""


def feed(asked: Asked) -> Iterable[str]:
    """The newest changes as Atom (RFC 4287).

    An entry's id and its link are made of its commit: so they are the same in each feed, and for ever.
    """
    data = view(asked)
    entries = [change for day in data["days"] for change in day["changes"]]
    first = asked.reader.revision(1) or asked.revision
    for entry in entries:
        entry["id"] = _urn(entry["commit"], str(entry["ticket"] or entry["summary"]))
        gone = entry["ticket"] is None or "deleted" in entry["kinds"]
        entry["link"] = address(f"@{entry['commit']}", "/timeline" if gone else f"/ticket/{entry['ticket']}")
    updated = iso(from_microseconds(asked.revision.committed * SECOND))
    return rendering.feed(
        "timeline",
        entries=entries,
        id=_urn(first.commit.hex(), data["feed"]),
        updated=max([entry["time"] for entry in entries], default=f"{updated}Z"),
        kind_names=KIND_NAMES,
    )


def _urn(commit: str, name: str) -> str:
    digest = uuid5(NAMESPACE_OID, f"{commit} {name}".encode("utf-8", "replace").decode())
    return digest.urn


PAGE = Page(
    "timeline",
    "/timeline",
    view,
    "What was done, newest first.",
    label="Timeline",
    parameters=(
        Parameter("until", "A moment; the changes up to its end. Default: the moment of the page."),
        Parameter("kind", f"Only changes of a kind, can be repeated: {', '.join(KINDS)}."),
        Parameter("author", "Only changes by somebody of exactly this name."),
        Parameter("field", "Only changes of a field of tickets, by its name; also comment and attachment."),
    ),
    formats={"atom": Format("application/atom+xml", feed)},
)
