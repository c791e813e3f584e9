"""Trac's tables, from the file versions that the index knows: how long each row stood.

Record by record, each from its oldest version to its newest: git reads the versions of one file fastest in
a row, most rows are written once and never touched again, and those of a ticket lie side by side.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from sqlalchemy import Connection, Table, bindparam, func, insert, select, update
from sqlalchemy.dialects import sqlite

from offtracfs.errors import DatabaseDamaged
from offtracfs.index.schema import FIRST_INODE, STANDS, TRAC, path, version
from offtracfs.index.tables import Place, Row, place
from offtracfs.progress import Progress, silent
from offtracfs.store import Store

ROWS_A_STATEMENT = 2_000

_DIALECT = sqlite.dialect(paramstyle="qmark")
_VERSIONS = str(
    select(path.c.directory, path.c.name, version.c.revision, version.c.blob)
    .join_from(version, path)
    .where(version.c.inode > bindparam("after"))
    .order_by(version.c.path, version.c.inode)
    .compile(dialect=_DIALECT)
)
# Where only few are new, SQLite is not to go through all of an index for their order.
_NEW_VERSIONS = _VERSIONS.replace("ORDER BY version.path", "ORDER BY +version.path")


@dataclass(slots=True)
class _Life:
    """When a row stands; `number` is None where it is not written yet."""

    number: int | None
    since: int
    until: int = STANDS


FileVersion = tuple[int, bytes | None]
"""The revision that brought a version of a file, and its blob; None where the file is gone from there on."""

Standing = dict[str, dict[Row, _Life]]
"""The rows of one record that stand, by table."""


def follow(
    place: Place, versions: Iterable[tuple[int, bytes | None]], standing: Standing
) -> Iterator[tuple[str, Row, _Life]]:
    """The rows that a record's versions bring; `standing` is brought up to the last of them.

    A version is a revision and the record's bytes, None where it is gone. Lives end as the versions go by.
    What does not have the shape of its place is no row: a sync goes on whatever a tracker says.
    """
    before: bytes | None = None
    for revision, data in versions:
        grown = place.grown(before, data) if before and data else None
        found = place.rows(grown) if grown else None
        if found is None:
            found = place.rows(data) if data else None
            before = data if found else None
            here = set(found or ())
            for table, rows in standing.items():
                for row in [row for row in rows if (table, row) not in here]:
                    rows.pop(row).until = revision
        else:
            before = data
        for table, row in found or ():
            if row not in standing[table]:
                life = standing[table][row] = _Life(None, revision)
                yield table, row, life


class _Statements:
    """SQL for one table, compiled once: SQLAlchemy's care for each row would be a third of the work."""

    def __init__(self, table: Table) -> None:
        number, key, *others, since, until = table.c
        standing = select(number, since, key, *others).where(key == bindparam("key"), until == STANDS)
        end = update(table).values(until=bindparam("end")).where(number == bindparam("row"))
        columns = [column.name for column in (key, *others, since, until)]
        stored = select(key, *others, since, until).where(key == bindparam("key"))
        self.standing = str(standing.compile(dialect=_DIALECT))
        self.stored = str(stored.compile(dialect=_DIALECT))
        self.add = str(insert(table).compile(dialect=_DIALECT, column_keys=columns))
        self.end = str(end.compile(dialect=_DIALECT))


STATEMENTS = {name: _Statements(table) for name, table in TRAC.items()}


def derive(connection: Connection, store: Store, after: int, progress: Progress = silent) -> None:
    """Bring the tables up to every file version with an inode greater than `after`."""
    writing = _Writing(connection)
    fresh = after < FIRST_INODE
    for _, here, found in records_after(connection, after, progress):
        known = {table: {} for table in here.tables} if fresh else _standing(connection, here)
        written = [(table, life) for table, rows in known.items() for life in rows.values()]
        writing.add(list(follow(here, readable(store, found), known)), written)
    writing.flush()


def records_after(
    connection: Connection, after: int, progress: Progress = silent
) -> Iterator[tuple[str, Place, Iterator[FileVersion]]]:
    """Each record that has rows and a file version with an inode greater than `after`, with these versions.

    The versions are to be taken before the next record is.
    """
    total = connection.execute(select(func.max(path.c.id))).scalar_one()
    statement = _VERSIONS if after < FIRST_INODE else _NEW_VERSIONS
    versions = connection.exec_driver_sql(statement, (after,))
    for done, ((directory, name), found) in enumerate(groupby(versions, key=itemgetter(0, 1))):
        if done % 100 == 0:
            progress("index: Trac's tables", done, total)
        file = f"{directory}/{name}"
        if here := place(file):
            yield file, here, ((revision, blob) for _, _, revision, blob in found)


def readable(
    store: Store, versions: Iterable[FileVersion], damaged: list[bytes] | None = None
) -> Iterator[tuple[int, bytes | None]]:
    """What `follow` takes. A version that cannot be read changes nothing: it is no deletion.

    The blobs that cannot be read are added to `damaged`.
    """
    for revision, blob in versions:
        try:
            data = store.blob(blob) if blob else None
        except DatabaseDamaged:
            if damaged is not None and blob:
                damaged.append(blob)
            continue
        yield revision, data


def _standing(connection: Connection, place: Place) -> Standing:
    standing: Standing = {}
    for table in place.tables:
        found = connection.exec_driver_sql(STATEMENTS[table].standing, (place.key, STANDS))
        standing[table] = {tuple(row): _Life(number, since) for number, since, *row in found}
    return standing


class _Writing:
    """What goes into the tables, gathered into large statements."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._new: dict[str, list[Row]] = defaultdict(list)
        self._ended: dict[str, list[tuple[int, int | None]]] = defaultdict(list)

    def add(self, new: list[tuple[str, Row, _Life]], written: list[tuple[str, _Life]]) -> None:
        """Of one record, the rows that are new, and the lives of those that are written already."""
        for table, row, life in new:
            self._new[table].append((*row, life.since, life.until))
            if len(self._new[table]) >= ROWS_A_STATEMENT:
                self.flush()
        for table, life in written:
            if life.until != STANDS:
                self._ended[table].append((life.until, life.number))

    def flush(self) -> None:
        """Hand over what was gathered."""
        for table, rows in self._new.items():
            self._connection.exec_driver_sql(STATEMENTS[table].add, rows)
        for table, lives in self._ended.items():
            self._connection.exec_driver_sql(STATEMENTS[table].end, lives)
        self._new.clear()
        self._ended.clear()
