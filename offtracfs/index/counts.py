"""Tickets by the values of their fields, at a revision and between two: counted, or the newest of them.

The table ``ticket_value`` has each value with the revisions at which it was valid, and an index by value,
which answers most of this alone. What a question costs grows with the values of one field, and not with the
texts of tickets: of a tracker with 100,000 tickets each takes a tenth of a second or so.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from offtracfs.index.queries import Reader, Revision
from offtracfs.kinds.ticket import CLOSED, SHORT

_AT = "{0}.since <= :revision AND {0}.until > :revision"
_WITH_VALUE = f"""
    FROM offtracfs_ticket_value AS given
    JOIN offtracfs_ticket AS t ON t.id = given.ticket AND {_AT.format("t")}
    WHERE given.field = :field AND given.value = :value AND {_AT.format("given")}
"""
PROGRESS = f"""
    WITH closed AS MATERIALIZED (
        SELECT ticket FROM offtracfs_ticket_value AS s
        WHERE s.field = 'status' AND s.value = :closed AND {_AT.format("s")}
    )
    SELECT v.value, count(*), sum(v.ticket IN closed) FROM offtracfs_ticket_value AS v
    WHERE v.field = :field AND {_AT.format("v")} GROUP BY v.value
"""  # noqa: S608  # no value in it, here and below
PROGRESS_WITHIN = "SELECT coalesce({by}, ''), count(*), sum(status IS :closed)" + _WITH_VALUE + "GROUP BY 1"
NEWEST = (
    """
    SELECT t.id, coalesce(t.summary, ''), coalesce(t.status, ''), coalesce(t.resolution, ''),
        coalesce(t.type, ''), coalesce(t.priority, ''), coalesce(t.owner, ''), t.changetime
    """
    + _WITH_VALUE
    + "AND (:closed IS NULL OR t.status IS NOT :closed) ORDER BY t.changetime DESC, t.id DESC LIMIT :limit"
)
RECORDS = f"SELECT {{columns}} FROM offtracfs_{{table}} AS r WHERE {_AT.format('r')} ORDER BY r.number"  # noqa: S608
NAMED = RECORDS.replace(" ORDER", " AND r.name = :name ORDER")
_BETWEEN = """
    FROM offtracfs_ticket_value AS v WHERE v.field = :field AND NOT (v.since <= :low AND v.until > :high)
        AND ((v.since <= :old AND v.until > :old) OR (v.since <= :new AND v.until > :new))
    GROUP BY v.ticket
"""
_PAIR = """
    max(CASE WHEN v.since <= :old AND v.until > :old THEN v.value END) AS before,
    max(CASE WHEN v.since <= :new AND v.until > :new THEN v.value END) AS after
"""
FATE_COUNTS = f"""
    SELECT before IS NULL, after IS NULL, before IS :closed, after IS :closed, count(*)
    FROM (SELECT {_PAIR} {_BETWEEN})
    GROUP BY 1, 2, 3, 4
"""  # noqa: S608
MOVED = f"SELECT ticket FROM (SELECT v.ticket AS ticket, {_PAIR} {_BETWEEN}) WHERE {{}}"  # noqa: S608
FIELDS = """
    SELECT v.field, count(*) FROM offtracfs_ticket_value AS v
    JOIN offtracfs_ticket_value AS other ON other.ticket = v.ticket AND other.field = v.field
        AND other.since <= :high AND other.until > :high
    WHERE v.since <= :low AND v.until > :low AND v.until <= :high AND v.value <> other.value
    GROUP BY v.field
"""
COMMENTS = """
    SELECT count(*) FILTER (WHERE c.since > :low AND c.since <= :high AND c.until > :high)
        - count(*) FILTER (WHERE c.since <= :low AND c.until > :low AND c.until <= :high AND EXISTS (
            SELECT 1 FROM offtracfs_ticket_change AS edited
            WHERE edited.ticket = c.ticket AND edited.until > :high AND edited.since <= :high
                AND edited.time = c.time AND edited.author = c.author AND edited.field = 'comment'
        ))
    FROM offtracfs_ticket_change AS c WHERE c.field = 'comment' AND c.newvalue <> ''
"""  # an edited comment is another row, and no new comment

FATES = {
    "new": "before IS NULL",
    "deleted": "after IS NULL",
    "closed": "before IS NOT NULL AND before <> :closed AND after = :closed",
    "reopened": "before = :closed AND after IS NOT NULL AND after <> :closed",
}
"""What may become of a ticket between two revisions, if one looks at these alone; and which tickets do."""


class Progress(NamedTuple):
    """How many tickets are open, and how many are closed."""

    open: int = 0
    closed: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.open + self.closed


class Listed(NamedTuple):
    """A ticket in a list; `changed` is its changetime in microseconds since 1970 UTC."""

    number: int
    summary: str
    status: str
    resolution: str
    type: str
    priority: str
    owner: str
    changed: int


def progress(reader: Reader, field: str, revision: Revision) -> dict[str, Progress]:
    """Open and closed tickets by the value that they have in a field of `SHORT`; "" stands for none."""
    rows = reader.select(PROGRESS, field=field, closed=CLOSED, revision=revision.number)
    return _progress(rows)


def progress_within(
    reader: Reader, field: str, value: str, by: str, revision: Revision
) -> dict[str, Progress]:
    """As `progress` by the field `by`, of the tickets with a value in a field; both fields are in `SHORT`."""
    assert by in SHORT
    found = {"field": field, "value": value, "closed": CLOSED, "revision": revision.number}
    return _progress(reader.select(PROGRESS_WITHIN.format(by=f"t.{by}"), **found))


def _progress(rows: list[Any]) -> dict[str, Progress]:
    return {value: Progress(total - closed, closed) for value, total, closed in rows}


def newest(
    reader: Reader, field: str, value: str, revision: Revision, most: int, *, only_open: bool = False
) -> list[Listed]:
    """Of the tickets with a value in a field of `SHORT`, those that were changed last, newest first."""
    closed = CLOSED if only_open else None
    found = {"field": field, "value": value, "closed": closed, "revision": revision.number, "limit": most}
    return [Listed(*row) for row in reader.select(NEWEST, **found)]


def records(reader: Reader, table: str, columns: str, revision: Revision, name: str = "") -> list[Any]:
    """Rows of a table of Trac's (``milestone``) at a revision, some columns of it; or those of a name."""
    statement = (NAMED if name else RECORDS).format(table=table, columns=columns)
    return reader.select(statement, revision=revision.number, name=name)


def fates(reader: Reader, old: Revision, new: Revision) -> dict[str, int]:
    """How many tickets have which of `FATES` between two revisions."""
    found = dict.fromkeys(FATES, 0)
    rows = reader.select(FATE_COUNTS, field="status", closed=CLOSED, **_span(old, new))
    for came, went, was_closed, is_closed, count in rows:
        if came:
            found["new"] += count
        elif went:
            found["deleted"] += count
        elif was_closed != is_closed:
            found["closed" if is_closed else "reopened"] += count
    return found


def with_fate(reader: Reader, fate: str, old: Revision, new: Revision) -> list[int]:
    """The tickets that `fates` counts."""
    statement = MOVED.format(FATES[fate])
    return [
        number for (number,) in reader.select(statement, field="status", closed=CLOSED, **_span(old, new))
    ]


def changed_fields(reader: Reader, old: Revision, new: Revision) -> dict[str, int]:
    """Of how many tickets, there at both revisions, each field of `SHORT` has two different values."""
    return dict(reader.select(FIELDS, **_span(old, new)))


def with_field(reader: Reader, field: str, old: Revision, new: Revision) -> list[int]:
    """The tickets, there at both revisions, that have two different values in a field of `SHORT`."""
    found = reader.select(MOVED.format("before <> after"), field=field, **_span(old, new))
    return [number for (number,) in found]


def comments(reader: Reader, old: Revision, new: Revision) -> int:
    """How many comments came between two revisions, and are still there; none on the way back."""
    if old > new:
        return 0
    ((count,),) = reader.select(COMMENTS, **_span(old, new))
    return int(count)


def _span(old: Revision, new: Revision) -> dict[str, int]:
    low, high = sorted((old.number, new.number))
    return {"old": old.number, "new": new.number, "low": low, "high": high}
