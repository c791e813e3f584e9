"""Brings the index up to git's newest commit; builds it beside the old one where that cannot be had.

Only the holder of the writer's lock may call these. ``index.db`` is a link to the file in use: a new
index is built under another name and swapped in by moving the link, so that readers go on undisturbed
(SQLite's journal files belong to the real name).
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, create_engine, delete, event, func, insert, select
from sqlalchemy.dialects.sqlite import insert as insert_in_sqlite
from sqlalchemy.exc import DatabaseError as SQLError
from sqlalchemy.pool import NullPool

from offtracfs import names
from offtracfs.errors import DatabaseBusy, DatabaseDamaged, DatabaseError, DatabaseTooNew, DiskFull
from offtracfs.index.schema import FIRST_INODE, VERSION, metadata, path, published, revision, version
from offtracfs.store import Change, Commit, Store

LINK = "index.db"
COMMITS_A_TRANSACTION = 2_000
ROWS_A_STATEMENT = 5_000

_same_path = (path.c.directory == bindparam("in_directory")) & (path.c.name == bindparam("with_name"))
_ADD_PATH = insert_in_sqlite(path).on_conflict_do_nothing()
_ADD_VERSION = insert(version).values(path=select(path.c.id).where(_same_path).scalar_subquery())


def engine(file: Path) -> Engine:
    """An engine for one index file, in WAL mode: readers and the writer do not wait for each other."""
    made = create_engine(f"sqlite:///{file}", poolclass=NullPool)

    @event.listens_for(made, "connect")
    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.execute("PRAGMA busy_timeout=10000")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")  # derived: a power failure may cost a rebuild

    return made


def catch_up(directory: Path, store: Store) -> int:
    """Index every commit that is new in `store`; the number of them. Rebuilds where it has to.

    Raises DatabaseTooNew where a later version of this program made the index, DatabaseBusy, DiskFull,
    and DatabaseDamaged where it is git that cannot be read.
    """
    link = directory / LINK
    if link.exists():
        try:
            return _append(link.resolve(), store)
        except SQLError as error:
            if isinstance(translated := translate(error), DatabaseBusy | DiskFull):
                raise translated from error
        except _Stale:
            pass
    return rebuild(directory, store)


def rebuild(directory: Path, store: Store) -> int:
    """Build the index anew from git and swap it in; the number of commits in it. Raises as `catch_up`."""
    files = (directory / f"index.{number}.db" for number in itertools.count(1))
    new = next(file for file in files if not file.exists())
    try:
        added = _append(new, store)
        fresh = directory / "index.link"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(new.name)
        fresh.replace(directory / LINK)
    except SQLError as error:
        _remove(new)
        raise translate(error) from error
    except BaseException:
        _remove(new)
        raise
    for file in directory.glob("index.*.db"):
        if file != new:
            _remove(file)
    return added


def translate(error: SQLError) -> DatabaseError:
    """What an error of SQLite's means to a user."""
    code = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseBusy("The index is locked by another program: try again when it has ended.")
    if code == sqlite3.SQLITE_FULL:
        return DiskFull("The disk is full: the index could not be written.")
    return DatabaseDamaged(f"The index cannot be used ({error.orig}): `offtracfs sync` builds it anew.")


class _Stale(Exception):
    """The file is no index of this version, or of this branch."""


def _remove(file: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def _append(file: Path, store: Store) -> int:
    made = engine(file)
    with made.begin() as connection:
        _prepare_schema(connection)
        newest = select(revision).order_by(revision.c.number.desc()).limit(1)
        last = connection.execute(newest).one_or_none()
    commits = store.commits(last.commit if last else None)
    if commits is None:
        raise _Stale
    tree = store.commit(last.commit)[0].tree if last else None
    number, horizon = (last.number, last.horizon) if last else (0, FIRST_INODE - 1)
    first = number
    while chunk := list(itertools.islice(commits, COMMITS_A_TRANSACTION)):
        with made.begin() as connection:
            for commit in chunk:
                number += 1
                horizon = _add_versions(connection, store, tree, commit, horizon)
                _add_revision(connection, number, commit, horizon)
                tree = commit.tree
    with made.begin() as connection:
        _publish(connection)
    return number - first


def _prepare_schema(connection: Connection) -> None:
    found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if found > VERSION:
        raise DatabaseTooNew(
            "The index was made by a later version of offtracfs: use that one, or delete index.db."
        )
    if found == 0:
        metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version={VERSION}")
    elif found < VERSION:
        raise _Stale


def _add_versions(
    connection: Connection, store: Store, before: bytes | None, commit: Commit, horizon: int
) -> int:
    for batch in _batched(store.changes(before, commit.tree)):
        paths, versions = [], []
        for change in batch:
            horizon += 1
            directory, name = names.split(change.path)
            paths.append({"directory": directory, "name": name})
            versions.append(
                {
                    "in_directory": directory,
                    "with_name": name,
                    "inode": horizon,
                    "blob": change.blob,
                    "size": store.size(change.blob) if change.blob else 0,
                    "mtime": commit.authored,
                }
            )
        connection.execute(_ADD_PATH, paths)
        connection.execute(_ADD_VERSION, versions)
    return horizon


def _add_revision(connection: Connection, number: int, commit: Commit, horizon: int) -> None:
    connection.execute(
        insert(revision),
        {
            "number": number,
            "commit": commit.id,
            "authored": commit.authored,
            "committed": commit.committed,
            "horizon": horizon,
        },
    )


def _publish(connection: Connection) -> None:
    newest = connection.execute(select(func.max(revision.c.number))).scalar_one()
    if newest != connection.execute(select(published.c.revision)).scalar():
        connection.execute(delete(published))
        connection.execute(insert(published), {"revision": newest})


def _batched(changes: Iterable[Change]) -> Iterator[list[Change]]:
    iterator = iter(changes)
    while batch := list(itertools.islice(iterator, ROWS_A_STATEMENT)):
        yield batch
