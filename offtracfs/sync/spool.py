"""What a sync has fetched and not yet brought into git: kept on disk, so that an interrupted sync goes on.

It also puts the items' versions into time order, on disk rather than in memory. Only the holder of the
fetch lock opens the spool. Whoever deletes it loses nothing: the items are fetched again. Its versions name
blobs that are in the quarantine of this sync (`offtracfs.store.Store.importing`). The next sync cannot see
these, so it writes the blobs again.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    inspect,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DatabaseError as SQLError
from sqlalchemy.pool import QueuePool
from sqlalchemy.types import UserDefinedType

from offtracfs.errors import DatabaseDamaged
from offtracfs.index.build import engine
from offtracfs.index.opening import translate
from offtracfs.kinds import Key
from offtracfs.sync.items import Item

PAGE_SIZE = 500  # rows read at once

_metadata = MetaData()

# One row: the sync that fetched the items.
_sync = Table(
    "sync",
    _metadata,
    Column("started", Text, nullable=False),  # ISO, by the tracker's clock; every item was fetched after it
    Column("total", Integer, nullable=False),  # items of this sync, fetched or still to come
)


class _Key(UserDefinedType[Key]):
    """A number or a name. SQLite keeps each as it is, and sorts numbers before names."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "BLOB"  # which converts nothing


_item = Table(
    "item",
    _metadata,
    Column("kind", Text, primary_key=True),
    Column("key", _Key, primary_key=True),
    Column("created", Integer, nullable=False),  # microseconds since 1970 UTC
    Column("changed", Integer, nullable=False),  # microseconds since 1970 UTC
    Column("past", LargeBinary, nullable=False),  # what its kind needs to find its versions again
)

_file = Table(
    "file",
    _metadata,
    Column("kind", Text, primary_key=True),
    Column("key", _Key, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

# Rows are stored in the order in which they arrive, so that SQLite writes each page once. They are sorted
# when they are read.
_version = Table(
    "version",
    _metadata,
    Column("moment", Integer),  # microseconds since 1970 UTC; NULL: no change log tells of this version
    Column("kind", Text, primary_key=True),
    Column("key", _Key, primary_key=True),
    Column("sequence", Integer, primary_key=True),  # place among the item's versions, from 0
    Column("author", LargeBinary, nullable=False),  # UTF-8; as text, SQLite might refuse it
    Column("message", LargeBinary, nullable=False),  # UTF-8
    Column("files", Text, nullable=False),  # JSON: path → blob id in hexadecimal, or null
    sqlite_with_rowid=False,
)
_IN_ORDER = (_version.c.moment, _version.c.kind, _version.c.key, _version.c.sequence)

# Compiled once: for each row, SQLAlchemy would need more time than SQLite.
_ADD_VERSION = str(insert(_version).compile(dialect=sqlite.dialect(paramstyle="qmark")))


class ReadyVersion(NamedTuple):
    """A version of an item that can be committed: its blobs are written."""

    moment: int | None  # microseconds since 1970 UTC; None: no change log tells of it (`Version.moment`)
    kind: str
    key: Key
    sequence: int  # place among the item's versions, from 0
    author: bytes
    message: bytes
    files: Mapping[str, bytes | None]  # path → blob id, 20 bytes; None: gone


class Spool:
    """The spool of a database, opened; every change is on disk when its method returns.

    A damaged file, or one with other tables, is replaced by an empty spool. Where a method finds the damage,
    it then raises DatabaseDamaged. All methods raise DiskFull, DatabaseBusy, DatabaseError.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._open()
        except DatabaseDamaged:
            self.clear()  # what was in it is fetched again

    def _open(self) -> None:
        # With a pool: opening a connection for each transaction would cost more than the transaction.
        self._engine = engine(self._file, QueuePool)
        try:
            with self._engine.begin() as connection:
                if not _metadata.tables.keys() >= set(inspect(connection).get_table_names()):
                    raise DatabaseDamaged("Another version of this program made this spool.")
                _metadata.create_all(connection)
                for table in _metadata.sorted_tables:
                    connection.execute(select(table).limit(1)).all()
        except SQLError as error:
            self.close()
            raise translate(error) from error

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLError as error:
            translated = translate(error)
            if isinstance(translated, DatabaseDamaged):
                self.clear()
                translated = DatabaseDamaged(f"What was fetched cannot be read ({error.orig}): sync again.")
            raise translated from error

    def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        self._engine.dispose()

    def clear(self) -> None:
        """Delete everything."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            self._file.with_name(self._file.name + suffix).unlink(missing_ok=True)
        self._open()

    @property
    def started(self) -> str | None:
        """When the sync started that fetched the items (ISO, by the tracker's clock); None in a new spool."""
        with self._transaction() as connection:
            found: str | None = connection.execute(select(_sync.c.started)).scalar()
            return found

    def start(self, moment: str, total: int) -> None:
        """Save when the sync started, and how many items it has, fetched or still to come."""
        with self._transaction() as connection:
            connection.execute(delete(_sync))
            connection.execute(insert(_sync), {"started": moment, "total": total})

    def add(self, items: Sequence[Item]) -> None:
        """Save items. One that is here already is replaced."""
        if not items:
            return
        with self._transaction() as connection:
            self._delete(connection, (_item, _file), [(item.kind, item.key) for item in items])
            columns = [column.name for column in _item.c]
            connection.execute(
                insert(_item), [{name: getattr(item, name) for name in columns} for item in items]
            )
            files = [
                {"kind": item.kind, "key": item.key, "path": path, "data": data}
                for item in items
                for path, data in item.files.items()
            ]
            connection.execute(insert(_file), files)

    def drop(self, kind: str, keys: Iterable[Key]) -> None:
        """Delete items, and their versions."""
        with self._transaction() as connection:
            self._delete(connection, (_item, _file, _version), [(kind, key) for key in keys])

    @staticmethod
    def _delete(connection: Connection, tables: Iterable[Table], items: list[tuple[str, Key]]) -> None:
        for table in tables if items else ():
            those = (table.c.kind == bindparam("of"), table.c.key == bindparam("which"))
            connection.execute(
                delete(table).where(*those), [{"of": kind, "which": key} for kind, key in items]
            )

    def keys(self, kind: str) -> set[Key]:
        """The keys of all items of a kind."""
        with self._transaction() as connection:
            return set(connection.execute(select(_item.c.key).where(_item.c.kind == kind)).scalars())

    def count_items(self) -> int:
        """The number of items, of all kinds."""
        with self._transaction() as connection:
            return int(connection.execute(select(func.count()).select_from(_item)).scalar_one())

    def items(self, kind: str) -> Iterator[Item]:
        """All items of a kind, by key."""
        rows: list[Any] = []
        those = select(_item).where(_item.c.kind == kind).order_by(_item.c.key)
        while rows := self._page(those.where(_item.c.key > rows[-1].key) if rows else those):
            first, last = rows[0].key, rows[-1].key
            files: dict[Key, dict[str, bytes]] = defaultdict(dict)
            with self._transaction() as connection:
                here = _file.c.kind == kind, _file.c.key.between(first, last)
                for row in connection.execute(select(_file).where(*here)):
                    files[row.key][row.path] = row.data
            for *values, past in rows:
                yield Item._make((*values, files[values[1]], past))

    def _page(self, statement: Select[Any]) -> list[Any]:
        with self._transaction() as connection:
            return list(connection.execute(statement.limit(PAGE_SIZE)))

    def first_created(self) -> int | None:
        """When the oldest item was created, in microseconds since 1970 UTC; None where there is no item."""
        with self._transaction() as connection:
            found: int | None = connection.execute(select(func.min(_item.c.created))).scalar()
            return found

    def last_changed(self, until: int) -> int | None:
        """The latest `changed` of an item that is not after `until`, in microseconds since 1970 UTC."""
        with self._transaction() as connection:
            statement = select(func.max(_item.c.changed)).where(_item.c.changed <= until)
            found: int | None = connection.execute(statement).scalar()
            return found

    def add_versions(self, versions: Iterable[ReadyVersion]) -> None:
        """Save versions of items that have none here."""
        rows = [(*version[:-1], _dumped(version.files)) for version in versions]
        if rows:
            with self._transaction() as connection:
                connection.exec_driver_sql(_ADD_VERSION, rows)

    def forget_versions(self) -> None:
        """Delete all versions."""
        with self._transaction() as connection:
            connection.execute(delete(_version))

    def ordered(self, *, noticed: bool = False) -> Iterator[ReadyVersion]:
        """The versions whose moment is known, in time order; at one moment by item, then by `sequence`.

        With `noticed`, those whose moment is not known, by item.
        """
        those = _version.c.moment.is_(None) if noticed else _version.c.moment.is_not(None)
        with self._transaction() as connection:
            statement = select(_version).where(those).order_by(*_IN_ORDER)
            for *values, files in connection.execute(statement.execution_options(yield_per=PAGE_SIZE)):
                yield ReadyVersion._make((*values, _loaded(files)))

    def count_versions(self) -> tuple[int, int]:
        """The number of all versions, and of those whose moment is not known."""
        with self._transaction() as connection:
            noticed = func.count().filter(_version.c.moment.is_(None))
            total, unknown = connection.execute(select(func.count(), noticed).select_from(_version)).one()
            return int(total), int(unknown)


def _dumped(files: Mapping[str, bytes | None]) -> str:
    return json.dumps({path: blob and blob.hex() for path, blob in files.items()})


def _loaded(files: str) -> dict[str, bytes | None]:
    return {path: blob and bytes.fromhex(blob) for path, blob in json.loads(files).items()}
