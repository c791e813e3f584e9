"""What pages say of a value that tickets have in a field, such as a milestone: how many, which, how far."""

from __future__ import annotations

from typing import Any

from offtracfs.errors import UsageError
from offtracfs.index import counts
from offtracfs.index.counts import Listed, Progress
from offtracfs.kinds.ticket import SHORT
from offtracfs.records import from_microseconds, iso
from offtracfs.texts import Labels
from offtracfs.web.page import Asked, Data, Missing, Parameter

MOST = 20  # tickets in a list
MAX_GROUPS = 40  # values by which tickets are counted
BY = tuple(name for name in SHORT if name != "keywords")  # by which tickets can be grouped
PARAMETERS = (Parameter("by", f"The field by which the tickets are counted: {', '.join(BY)}."),)


def value_data(asked: Asked, field: str, name: str, by: str, *, known: bool) -> Data:
    """The tickets that have a value in a field: counted by another field, and those that changed last.

    `by` is that other field where the address names none; `known` says whether there is a record of the
    value. Raises Missing where there is none, nor a ticket with the value; UsageError.
    """
    chosen = asked.args.get("by", "") or by
    if chosen not in BY:
        raise UsageError(f"Tickets are not counted by {chosen[:60]!r}: try {', '.join(BY)}.")
    labels = asked.timeline.labels(asked.revision.horizon)
    found = counts.progress_within(asked.reader, field, name, chosen, asked.revision)
    if not (found or known):
        raise missing(asked, f"There is no {labels.label(field).lower()} {name[:60]!r}", name, field)
    newest = counts.newest(asked.reader, field, name, asked.revision, MOST)
    grouped = groups(found)
    return {
        "name": name,
        **progress_data(total(found)),
        "by": chosen,
        "by_label": labels.label(chosen),
        "choices": choices(labels, field),
        "groups": grouped[:MAX_GROUPS],
        "groups_left": len(grouped[MAX_GROUPS:]),
        "newest": [*map(listed, newest)],
    }


def missing(asked: Asked, sentence: str, name: str, *fields: str) -> Missing:
    """What to raise where nothing has a value at the moment; it was last where a ticket had it in a field."""
    found = [counts.last(asked.reader, field, name, asked.revision) for field in fields]
    last = max((revision for revision in found if revision), default=None)
    return Missing(f"{sentence} at this moment.", f"@{last.commit.hex()}" if last else "")


def choices(labels: Labels, field: str) -> list[dict[str, str]]:
    """The fields by which tickets can be counted, but for the one that they have in common."""
    names = labels.ordered([name for name in BY if name != field])
    return [{"name": name, "label": labels.label(name)} for name in names]


def total(found: dict[str, Progress]) -> Progress:
    """All of them together."""
    return Progress(sum(each.open for each in found.values()), sum(each.closed for each in found.values()))


def groups(found: dict[str, Progress]) -> list[Data]:
    """The values with their progress, those with most tickets first; "" stands for none.

    `share` is how many tickets each has, in hundredths of what the first has.
    """
    ordered = sorted(found.items(), key=lambda item: (-item[1].total, item[0]))
    most = ordered[0][1].total if ordered else 1
    return [
        {"value": value, **progress_data(each), "share": 100 * each.total // most} for value, each in ordered
    ]


def progress_data(found: Progress) -> dict[str, int]:
    """How many tickets are open and closed, and how much that is in hundredths, rounded down."""
    percent = 100 * found.closed // found.total if found.total else 0
    return {"open": found.open, "closed": found.closed, "percent": percent}


def listed(ticket: Listed) -> dict[str, Any]:
    """A ticket in a list."""
    return ticket._asdict() | {"changed": time_data(ticket.changed)}


def time_data(microseconds: int) -> str:
    """A time as ISO text; "" for one that is not set, or that no calendar has."""
    try:
        return f"{iso(from_microseconds(microseconds))}Z" if microseconds else ""
    except OverflowError:
        return ""
