"""Tickets by the values of their fields, at a revision: counted, or the newest of them.

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
LAST = """
    SELECT max(until) FROM offtracfs_ticket_value
    WHERE field = :field AND value = :value AND until <= :revision
"""
RECORDS = f"SELECT {{columns}} FROM offtracfs_{{table}} AS r WHERE {_AT.format('r')} ORDER BY r.number"  # noqa: S608
NAMED = RECORDS.replace(" ORDER", " AND r.name = :name ORDER")


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


def last(reader: Reader, field: str, value: str, revision: Revision) -> Revision | None:
    """The last revision before this one at which a ticket had a value in a field of `SHORT`.

    None where none had it. At this revision no ticket has it.
    """
    ((until,),) = reader.select(LAST, field=field, value=value, revision=revision.number)
    return reader.revision(until - 1) if until else None


def records(reader: Reader, table: str, columns: str, revision: Revision, name: str = "") -> list[Any]:
    """Rows of a table of Trac's (``milestone``) at a revision, some columns of it; or those of a name."""
    statement = (NAMED if name else RECORDS).format(table=table, columns=columns)
    return reader.select(statement, revision=revision.number, name=name)
