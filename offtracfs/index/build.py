"""Brings the index up to git's newest commit; where that is not possible, builds a new one beside it.

Only the holder of the writer's lock may call `catch_up` and `rebuild`. A new index takes the old one's place
in one step (`offtracfs.index.swapping`).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Insert,
    bindparam,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DatabaseError as SQLError
from sqlalchemy.pool import NullPool, Pool

from offtracfs import names
from offtracfs.errors import DatabaseBusy, DatabaseDamaged, DatabaseTooNew, DiskFull
from offtracfs.index.opening import BUSY_TIMEOUT, INDEX, LINK, VERSION, translate
from offtracfs.index.schema import FIRST_INODE, TRAC, metadata, path, published, revision, version
from offtracfs.index.swapping import replaced, tidy
from offtracfs.index.validity import derive
from offtracfs.progress import Progress, silent
from offtracfs.store import BRANCH, Commit, FileChange, Store

COMMITS_A_TRANSACTION = 2_000
ROWS_A_STATEMENT = 5_000

PRAGMAS = {"journal_mode": "WAL", "synchronous": "NORMAL"}  # enough: after a power failure git has it all
# For a file that no other process sees yet, and that is thrown away if the build is killed.
BUILD_PRAGMAS = {"journal_mode": "OFF", "synchronous": "OFF", "cache_size": "-4000"}

_same_path = (path.c.directory == bindparam("in_directory")) & (path.c.name == bindparam("with_name"))
_path_id = select(path.c.id).where(_same_path).scalar_subquery()


def _sql(statement: Insert, *columns: str) -> str:
    """A statement as SQL, compiled once: to run it through SQLAlchemy would be a third of the work.

    Its parameters are in the order of the table's columns.
    """
    return str(statement.compile(dialect=sqlite.dialect(paramstyle="qmark"), column_keys=columns))


_ADD_PATH = _sql(sqlite.insert(path).on_conflict_do_nothing(), "directory", "name")
_ADD_VERSION = _sql(insert(version).values(path=_path_id), "inode", "revision", "blob", "size", "mtime")
_ADD_REVISION = _sql(insert(revision), *revision.c.keys())


def engine(file: Path, pool: type[Pool] = NullPool, pragmas: Mapping[str, str] = PRAGMAS) -> Engine:
    """An engine for one index file; by default readers and the writer do not wait for each other."""
    made = create_engine(URL.create("sqlite", database=str(file)), poolclass=pool)

    @event.listens_for(made, "connect")
    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT}")
        for name, value in pragmas.items():
            connection.execute(f"PRAGMA {name}={value}")

    return made


def catch_up(directory: Path, store: Store, progress: Progress = silent) -> int:
    """Index every commit that is new in `store`; the number of them. Rebuilds where it has to.

    Raises DatabaseTooNew where a later version of this program made the index, DatabaseBusy, DiskFull,
    and DatabaseDamaged where git cannot be read.
    """
    tidy(directory, INDEX)
    link = directory / LINK
    if link.exists():
        try:
            return _catch_up(link.resolve(), store, progress)
        except SQLError as error:
            if isinstance(translated := translate(error), DatabaseBusy | DiskFull):
                raise translated from error
        except _Stale:
            pass
    return rebuild(directory, store, progress)


def rebuild(directory: Path, store: Store, progress: Progress = silent) -> int:
    """Build the index anew from git and swap it in; the number of commits in it. Raises as `catch_up`."""
    try:
        return replaced(directory, INDEX, lambda file: _build(file, store, progress))
    except SQLError as error:
        raise translate(error) from error


def branch_is_gone(store: Store, commit: bytes) -> DatabaseDamaged:
    """The error where git has no branch although the index stands at a commit of it."""
    remedy = f"`git --git-dir={store.path} update-ref {BRANCH} {commit.hex()}` brings it back"
    return DatabaseDamaged(f"Git's branch is gone: {remedy}.")


class _Stale(Exception):
    """The file is no index of this version, or of this branch."""


def _catch_up(file: Path, store: Store, progress: Progress) -> int:
    """Append the new commits. After each transaction all tables are at the same revision."""
    with engine(file).connect() as connection:
        _prepare_schema(connection)
        last = connection.execute(select(revision).order_by(revision.c.number.desc()).limit(1)).one_or_none()
        head = store.head()
        if last is None:
            if head:
                raise _Stale  # every commit is new: a rebuild is faster
            return 0
        if head is None:
            raise branch_is_gone(store, last.commit)
        if last.commit != head and not store.follows(last.commit):
            raise _Stale
        rows = _Rows(connection, last.number, last.horizon)
        derived = last.horizon
        for _ in _added(rows, store, last.commit, progress):
            derive(connection, store, derived)
            derived = rows.horizon
            connection.commit()
        _publish(connection)
        connection.commit()
    return rows.number - int(last.number)


def _build(file: Path, store: Store, progress: Progress) -> int:
    """Build a new index file; no link names it yet, so nobody reads it."""
    with engine(file, pragmas=BUILD_PRAGMAS).connect() as connection:
        _prepare_schema(connection)
        # Made at the end, since nobody looks anything up before that: to sort all rows at once is faster.
        indexes = [each for table in TRAC.values() for each in table.indexes]
        for each in indexes:
            each.drop(connection)
        rows = _Rows(connection, 0, FIRST_INODE - 1)
        for _ in _added(rows, store, None, progress):
            pass
        with store.trusted():
            derive(connection, store, 0, progress)
        for each in indexes:
            each.create(connection)
        _publish(connection)
        connection.commit()
    # This sets PRAGMAS, WAL above all, which stays in the file.
    with engine(file).connect(), file.open("rb") as written:
        os.fsync(written.fileno())
    return rows.number


def _added(rows: _Rows, store: Store, after: bytes | None, progress: Progress) -> Iterator[None]:
    """Adds the commits that follow the commit `after`. Yields whenever a transaction should end."""
    for item in store.log(after):
        if isinstance(item, Commit):
            rows.end_commit()
            if rows.full:
                rows.flush()
                progress("index", rows.number, None)
                yield
            rows.commit = item
        else:
            rows.add(item, _size(store, item.blob))
    rows.end_commit()
    rows.flush()
    yield


def _size(store: Store, blob: bytes | None) -> int:
    try:
        return store.size(blob) if blob else 0
    except DatabaseDamaged:
        return 1  # not 0: the kernel never reads an empty file, and the error would not be seen


class _Rows:
    """What goes into the index, gathered into large statements; a transaction ends only between commits."""

    def __init__(self, connection: Connection, number: int, horizon: int) -> None:
        self.number = number
        self.horizon = horizon
        self.commit: Commit | None = None  # whose changes are being added
        self._connection = connection
        self._paths: dict[tuple[Any, ...], None] = {}  # most come several times, and keep their first place
        self._versions: list[tuple[Any, ...]] = []
        self._revisions: list[tuple[Any, ...]] = []

    def add(self, change: FileChange, size: int) -> None:
        assert self.commit is not None
        self.horizon += 1
        place = names.split(change.path)  # directory and name
        self._paths[place] = None
        self._versions.append(
            (self.horizon, *place, self.number + 1, change.blob, size, self.commit.authored)
        )
        if len(self._versions) >= ROWS_A_STATEMENT:
            self.flush()

    def end_commit(self) -> None:
        if self.commit is None:
            return
        self.number += 1
        commit, self.commit = self.commit, None
        self._revisions.append(
            (self.number, commit.id, commit.author, commit.authored, commit.committed, self.horizon)
        )

    @property
    def full(self) -> bool:
        """Whether there are enough commits for a transaction."""
        return len(self._revisions) >= COMMITS_A_TRANSACTION

    def flush(self) -> None:
        """Write what was gathered."""
        for statement, rows in (
            (_ADD_PATH, self._paths),
            (_ADD_VERSION, self._versions),
            (_ADD_REVISION, self._revisions),
        ):
            if rows:
                self._connection.exec_driver_sql(statement, list(rows))
                rows.clear()


def _prepare_schema(connection: Connection) -> None:
    found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if found > VERSION:
        raise DatabaseTooNew(INDEX.too_new)
    if found == 0:
        metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version={VERSION}")
    elif found < VERSION:
        raise _Stale


def _publish(connection: Connection) -> None:
    newest = connection.execute(select(func.max(revision.c.number))).scalar_one()
    if newest != connection.execute(select(published.c.revision)).scalar():
        connection.execute(delete(published))
        connection.execute(insert(published), {"revision": newest})
