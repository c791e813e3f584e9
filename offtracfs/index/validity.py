"""Fills Trac's tables from the file versions in the index: each row with the revisions at which it is valid.

A row is written when it first appears in a version of a record; `since` is the revision of that version. When
it is missing in a later version, `until` is set to that version's revision. So a row that stays the same is
written once, however often the rest of its record changes.

Work goes record by record, each from its oldest new version to its newest: git reads the versions of one file
fastest one after the other, and the rows of a ticket are then close together on disk.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from sqlalchemy import Connection, Table, bindparam, func, insert, select, update
from sqlalchemy.dialects import sqlite

from offtracfs.index.schema import FIRST_INODE, FOREVER, TRAC, path, version
from offtracfs.index.steps import BlobVersion, Step, readable, steps
from offtracfs.index.textparts import ADD, PastLabels, Sizes, measured, unreadable
from offtracfs.kinds import RecordId, Row, record_id
from offtracfs.progress import Progress, silent
from offtracfs.store import Store

ROWS_A_STATEMENT = 2_000

_DIALECT = sqlite.dialect(paramstyle="qmark")
_VERSIONS = str(
    select(path.c.directory, path.c.name, version.c.inode, version.c.revision, version.c.blob)
    .join_from(version, path)
    .where(version.c.inode > bindparam("after"))
    .order_by(version.c.path, version.c.inode)
    .compile(dialect=_DIALECT)
)
# The "+" keeps SQLite from reading the whole index version_of_path just to avoid sorting a few new rows.
_NEW_VERSIONS = _VERSIONS.replace("ORDER BY version.path", "ORDER BY +version.path")


@dataclass(slots=True)
class Interval:
    """The revisions at which a row is valid: from `since` to before `until`.

    `number` is that of the row in its table; None where it is not written yet.
    """

    number: int | None
    since: int
    until: int = FOREVER


class NewRow(NamedTuple):
    """A row that is to be written. Its interval may still change before that: a later version may end it."""

    table: str
    row: Row
    interval: Interval


ValidRows = dict[str, dict[Row, Interval]]
"""The rows of one record that are valid after some version of it, by table."""


def new_rows(found: Iterable[Step], valid: ValidRows) -> Iterator[NewRow]:
    """The rows that a record's versions bring, in order of time.

    `valid` is changed in place. The caller passes the rows of the version before these; at the end it holds
    those of the last one. A later version may end an interval of a row that was yielded before: a caller who
    needs `until` must take all rows first.
    """
    for (_, revision, _), _, rows, appended in found:
        if not appended:  # else `rows` are only the added ones; those of the version before stay valid
            _end_all_but(set(rows), valid, revision)
        for table, row in rows:
            if row not in valid[table]:
                interval = valid[table][row] = Interval(None, revision)
                yield NewRow(table, row, interval)


def _end_all_but(kept: set[tuple[str, Row]], valid: ValidRows, revision: int) -> None:
    for table, intervals in valid.items():
        for row in [row for row in intervals if (table, row) not in kept]:
            intervals.pop(row).until = revision


class _Statements:
    """SQL for one table, compiled once: to run it through SQLAlchemy would be a third of the work."""

    def __init__(self, table: Table) -> None:
        number, key, *others, since, until = table.c
        of_record = key == bindparam("key")
        end = update(table).values(until=bindparam("end")).where(number == bindparam("row"))
        columns = [column.name for column in (key, *others, since, until)]
        self.valid = str(
            select(number, since, key, *others).where(of_record, until == FOREVER).compile(dialect=_DIALECT)
        )
        self.ever = str(select(key, *others, since, until).where(of_record).compile(dialect=_DIALECT))
        self.add = str(insert(table).compile(dialect=_DIALECT, column_keys=columns))
        self.end = str(end.compile(dialect=_DIALECT))


STATEMENTS = {name: _Statements(table) for name, table in TRAC.items()}


def derive(connection: Connection, store: Store, after: int, progress: Progress = silent) -> None:
    """Bring the tables up to every file version with an inode greater than `after`."""
    batch, labels = _Batch(connection), PastLabels(connection, store)
    empty = after < FIRST_INODE  # the tables are empty, and no row has to be looked up
    for _, record, versions in changed_records(connection, after, progress):
        valid = no_rows(record) if empty else _valid_rows(connection, record)
        written = [(table, interval) for table, found in valid.items() for interval in found.values()]
        damaged: list[BlobVersion] = []
        sizes: Sizes = []
        read = measured(record, steps(record, readable(store, versions, damaged)), labels, sizes)
        batch.add(list(new_rows(read, valid)), written)
        batch.add_parts(sizes + unreadable(record, damaged))
    batch.flush()


def changed_records(
    connection: Connection, after: int, progress: Progress = silent
) -> Iterator[tuple[str, RecordId, Iterator[BlobVersion]]]:
    """Each record that can have rows, with its file versions that have an inode greater than `after`.

    Yields the path, the record's id, and the versions, oldest first. The versions are an iterator on the same
    query: take them before the next record.
    """
    total = connection.execute(select(func.max(path.c.id))).scalar_one()
    statement = _VERSIONS if after < FIRST_INODE else _NEW_VERSIONS
    found = connection.exec_driver_sql(statement, (after,))
    for done, ((directory, name), versions) in enumerate(groupby(found, key=itemgetter(0, 1))):
        if done % 100 == 0:
            progress("index: Trac's tables", done, total)
        file = f"{directory}/{name}" if directory else name
        record = record_id(file)
        if record and record.kind.tables:
            yield file, record, (BlobVersion(*version) for _, _, *version in versions)


def no_rows(record: RecordId) -> ValidRows:
    """The rows of a record that has none yet."""
    return {table.name: {} for table in record.kind.tables}


def _valid_rows(connection: Connection, record: RecordId) -> ValidRows:
    """The rows of a record that are valid now."""
    valid = no_rows(record)
    for table, intervals in valid.items():
        found = connection.exec_driver_sql(STATEMENTS[table].valid, (record.key, FOREVER))
        intervals.update((tuple(row), Interval(number, since)) for number, since, *row in found)
    return valid


class _Batch:
    """What goes into the tables, gathered into large statements."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._new: dict[str, list[Row]] = defaultdict(list)
        self._ended: dict[str, list[tuple[int, int | None]]] = defaultdict(list)
        self._parts: Sizes = []

    def add(self, new: list[NewRow], written: list[tuple[str, Interval]]) -> None:
        """Of one record, the rows that are new, and the intervals of those that are written already."""
        for table, row, interval in new:
            self._new[table].append((*row, interval.since, interval.until))
            if len(self._new[table]) >= ROWS_A_STATEMENT:
                self.flush()
        for table, interval in written:
            if interval.until != FOREVER:
                self._ended[table].append((interval.until, interval.number))

    def add_parts(self, sizes: Sizes) -> None:
        """The sizes of some parts of texts."""
        self._parts += sizes
        if len(self._parts) >= ROWS_A_STATEMENT:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered."""
        for table, rows in self._new.items():
            self._connection.exec_driver_sql(STATEMENTS[table].add, rows)
        for table, ended in self._ended.items():
            self._connection.exec_driver_sql(STATEMENTS[table].end, ended)
        if self._parts:
            self._connection.exec_driver_sql(ADD, self._parts)
        self._new.clear()
        self._parts.clear()
        self._ended.clear()
