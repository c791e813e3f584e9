"""What is different between two moments, ticket by ticket: what `offtracfs diff` says, in parts."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby, islice
from typing import NamedTuple
from urllib.parse import urlencode

from offtracfs.changes import TicketChange
from offtracfs.changes.comparison import KINDS, kinds, values
from offtracfs.changes.words import INDENT, Line, difference_lines, record_name
from offtracfs.errors import UsageError
from offtracfs.index import Revision
from offtracfs.index.moments import revision_chosen
from offtracfs.index.spans import FATES, Span
from offtracfs.kinds import FIELDS_PATH
from offtracfs.kinds.ticket import SHORT
from offtracfs.querylanguage import Fields, no_field
from offtracfs.reports.query import fields_in
from offtracfs.texts import Labels
from offtracfs.web.addresses import described, last_day
from offtracfs.web.asking import moment_asked
from offtracfs.web.events import day_of
from offtracfs.web.page import Asked, Data, Page, Parameter

MOST = 50  # tickets on a page, and other records
MAX_LOOKED = 500  # tickets that are compared for a page
MAX_LINES = 500  # that are shown of a ticket, or of another record
DAYS = 7  # before the page's moment: where the comparison begins if the address does not say
COMPARED = ("removed", "added", "context")  # the parts of lines that compare two texts
OF_TICKETS = tuple(kind for kind in KINDS if kind not in ("record", "times"))


class Filters(NamedTuple):
    """Which tickets are shown: those with a change of a kind, and in a field, behind a number; "" for all."""

    kind: str
    field: str
    after: int

    def take(self, change: TicketChange) -> bool:
        """Whether a ticket is one of them."""
        right_field = not self.field or any(field.name == self.field for field in change.fields)
        return right_field and (not self.kind or self.kind in kinds(change))


class Side(NamedTuple):
    """One of the two moments, as addresses hold it ("": that of the page), and its revision."""

    name: str
    revision: Revision

    def data(self, asked: Asked) -> Data:
        """How a page shows it."""
        at, zone = f"@{self.name}" if self.name else asked.at, asked.database.settings.zone
        commit = self.revision.commit.hex()
        return {"name": self.name, "day": last_day(at, zone), "moment": described(at, zone), "commit": commit}


def view(asked: Asked) -> Data:
    """The tickets that differ, some at a time, and how much differs in all."""
    old, new = _from(asked), Side(*moment_asked(asked, "to", "/compare"))
    fields = fields_in(asked.snapshot.get(FIELDS_PATH))
    filters = _filters(asked, fields)
    horizons = old.revision.horizon, new.revision.horizon
    span = Span(asked.reader, old.revision, new.revision, filters.after, MAX_LOOKED + 1)
    found, rest = _tickets(asked, span, filters)
    labels = asked.timeline.labels(max(horizons))
    paths = [] if any(filters) else span.records()
    records = asked.timeline.records_between(paths[:MOST], *horizons)
    return {
        "begins": old.data(asked),
        "ends": new.data(asked),
        "counts": _counts(span, labels),
        "kind": filters.kind,
        "field": filters.field,
        "field_label": labels.label(filters.field) if filters.field else "",
        "fields": [{"name": each["name"], "label": labels.label(each["name"])} for each in fields],
        "tickets": [_ticket(change, labels) for change in found],
        "records": [
            {"name": record_name(change), **_lines(difference_lines(change, labels))} for change in records
        ],
        "records_left": len(paths[MOST:]),
        "more": _address(asked, after=str(rest)) if rest else "",
        "addresses": {
            "all": _address(asked, kind="", field="", after=""),
            "kinds": {kind: _address(asked, kind=kind, after="") for kind in OF_TICKETS},
            "fields": {name: _address(asked, field=name, after="") for name in labels.ordered(SHORT)},
        },
    }


def _from(asked: Asked) -> Side:
    """Where the comparison begins; some days before the page's moment where the address does not say."""
    name, revision = moment_asked(asked, "from", "/compare")
    if name:
        return Side(name, revision)
    zone = asked.database.settings.zone
    before = asked.reader.before(asked.revision.committed - DAYS * 86_400, asked.revision.number)
    day = day_of(before or asked.reader.revision(1) or asked.revision, zone)
    return Side(day, min(revision_chosen(asked.reader, day, zone), asked.revision))


def _filters(asked: Asked, fields: Fields) -> Filters:
    """What the address asks for. Raises UsageError."""
    kind, field = asked.args.get("kind", ""), asked.args.get("field", "")
    if kind not in ("", *OF_TICKETS):
        raise UsageError(f"There is no kind of change {kind[:60]!r}: there are {', '.join(OF_TICKETS)}.")
    if field not in ("", *(each["name"] for each in fields)):
        raise UsageError(no_field(field, fields))
    return Filters(kind, field, asked.args.get("after", 0, int))


def _tickets(asked: Asked, span: Span, filters: Filters) -> tuple[list[TicketChange], int]:
    """The tickets of a page, and the one behind which the next page begins; 0 where there is none."""
    if filters.kind in FATES:
        numbers = span.with_fate(filters.kind)
    elif filters.field in SHORT:
        numbers = span.with_field(filters.field)
    else:
        numbers = span.numbers
    found: list[TicketChange] = []
    last = 0
    for looked, number in enumerate(number for number in numbers if number > filters.after):
        if looked == MAX_LOOKED or len(found) == MOST:
            return found, last
        change = asked.timeline.compared(number, span.old.horizon, span.new.horizon)
        if change and filters.take(change):
            found.append(change)
        last = number
    return found, 0


def _counts(span: Span, labels: Labels) -> Data:
    """How much differs; of fields, in how many tickets that were there and are still."""
    changed = span.fields()
    return {
        "tickets": span.touched,
        **span.fates(),
        "comments": span.comments(),
        "fields": [
            {"name": name, "label": labels.label(name), "count": changed[name]}
            for name in labels.ordered(changed)
        ],
    }


def _ticket(change: TicketChange, labels: Labels) -> Data:
    """A ticket that differs: what it is called, of which kinds its changes are, and what they are."""
    return {
        "number": change.number,
        "summary": change.summary,
        "status": values(change.after.record).get("status", ""),
        "there": not change.deleted,
        "kinds": kinds(change),
        **_lines(difference_lines(change, labels)),
    }


def _lines(lines: Iterable[Line]) -> Data:
    """The lines below the first, which is the title, without the indentation that all have.

    Those of a comparison of two texts are one item, each with "- ", "+ " or two blanks in front. `cut` says
    whether there are more than are shown.
    """
    _, *all_lines = islice(lines, MAX_LINES + 2)
    rest, cut = all_lines[:MAX_LINES], len(all_lines) > MAX_LINES
    found: list[Data] = []
    for compared, group in groupby(rest, key=lambda line: line.part in COMPARED):
        texts = [(line.part, line.text.removeprefix(INDENT)) for line in group]
        if compared:
            shown = [text.removeprefix(INDENT) for _, text in texts]
            found.append(
                {"part": "comparison", "lines": [f"  {text}" if text == "…" else text for text in shown]}
            )
        else:
            found += [{"part": part, "text": text} for part, text in texts]
    return {"lines": found, "cut": cut}


def _address(asked: Asked, **changes: str) -> str:
    """The query of this page's address, with other values."""
    kept = [(name, value) for name, value in asked.args.items(multi=True) if name not in changes]
    return urlencode(kept + [(name, value) for name, value in changes.items() if value])


PAGE = Page(
    "compare",
    "/compare",
    view,
    "What is different between two moments, ticket by ticket.",
    label="Compare",
    parameters=(
        Parameter("from", f"The one moment. Default: the day {DAYS} days before the other."),
        Parameter("to", "The other moment. Default: that of the page."),
        Parameter("kind", f"Only tickets with a change of a kind: {', '.join(OF_TICKETS)}."),
        Parameter("field", "Only tickets with another value in this field."),
        Parameter("after", "Only tickets with numbers above this one."),
    ),
)
