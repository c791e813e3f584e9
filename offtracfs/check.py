"""Is all well? Git's objects, the index against git, and every record against its shape.

The index is held against the whole of git's history, row by row in the order in which a rebuild would
write them: that takes about as long as a rebuild, and needs neither its disk space nor, since both sides
are streams, memory. Records are read as of the newest revision.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import chain, islice
from typing import Any, NamedTuple

from sqlalchemy import Connection, create_engine, select
from sqlalchemy.exc import DatabaseError as SQLError
from sqlalchemy.pool import NullPool

from offtracfs import index, names, records, sync
from offtracfs.database import Database, Snapshot
from offtracfs.errors import DatabaseDamaged, DatabaseError, TrackerError
from offtracfs.index import Revision
from offtracfs.index.build import branch_is_gone
from offtracfs.index.opening import LINK, opened, translate
from offtracfs.index.schema import FIRST_INODE, path, revision, version
from offtracfs.progress import Progress, silent
from offtracfs.store import BRANCH, Commit, Store
from offtracfs.tree import ALWAYS

MOST_LISTED = 100  # findings of a kind
REBUILD = "the next sync builds it anew after `rm {}`"
_ID = re.compile(r"(?<!pack-)\b[0-9a-f]{40}\b")


def check(database: Database, progress: Progress = silent) -> Generator[str, None, None]:
    """Everything that is wrong, a sentence each, as it is found. Writes nothing and waits for nobody."""
    progress("git objects", 0, None)
    said = [line for line in database.store.check() if not line.startswith("notice: ")]  # of an empty one
    yield from _some(f"git fsck: {line}" for line in said)
    try:
        with closing(index.Reader(database.path)) as reader:
            yield from _some(_guarded(_damage(database, said)))
            yield from _guarded(_index(database, reader, progress))
            yield from _some(_guarded(_records(Snapshot(database.store, reader, reader.head()), progress)))
    except DatabaseError as error:
        if database.store.head():
            yield str(error)
        elif database.state().succeeded:  # else nothing has been synced yet
            yield sync.LOST.format(database.store.path, BRANCH)


def _some(findings: Iterator[str]) -> Iterator[str]:
    yield from islice(findings, MOST_LISTED)
    if more := sum(1 for _ in findings):
        yield f"And {more:,} more like these."


def _guarded(findings: Iterator[str]) -> Iterator[str]:
    """Where one part cannot go on, the next one still can."""
    try:
        yield from findings
    except SQLError as error:
        yield str(translate(error))
    except DatabaseError as error:
        yield str(error)


def _connection(database: Database) -> Connection:
    made = create_engine("sqlite://", creator=lambda: opened(database.path).connection, poolclass=NullPool)
    return made.connect().execution_options(yield_per=1000)


def _damage(database: Database, said: list[str]) -> Iterator[str]:
    """Which files, then and now, need the objects of which git says that something is wrong with them."""
    named = dict.fromkeys(bytes.fromhex(oid) for oid in _ID.findall("\n".join(said)))
    damaged = [oid for oid in named if not _readable(database.store, oid)]
    statement = (
        select(path.c.directory, path.c.name, version.c.mtime)
        .join_from(version, path)
        .order_by(version.c.inode)
    )
    with _connection(database) as connection:
        for oid in damaged:
            files = connection.execute(statement.where(version.c.blob == oid)).all()
            what = f"The git object {oid.hex()} is damaged"
            if not files:
                yield f"{what}: no file is in it, but the index could not be built anew."
            for directory, name, mtime in files:
                when = records.iso(records.from_microseconds(mtime * 1_000_000))
                yield f"{what}: {_path(directory, name)} as of {when}Z cannot be read."


def _readable(store: Store, oid: bytes) -> bool:
    try:
        store.blob(oid)
    except DatabaseDamaged:
        return False
    return True


def _path(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


class _Version(NamedTuple):
    """A row of the index: a path, and `index.Version`."""

    inode: int
    path: str
    blob: bytes | None
    size: int
    mtime: int


def _index(database: Database, reader: index.Reader, progress: Progress) -> Iterator[str]:
    head, store = reader.head(), database.store
    if head and store.head() is None:
        raise branch_is_gone(store, head.commit)  # the index is all that knows it: it must stay
    rebuild = REBUILD.format(database.path / LINK)
    with _connection(database) as connection, closing(_expected(store)) as expected:
        said = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
        if said != "ok":
            yield f"The index is damaged ({' '.join(said.split())}): {rebuild}."
            return
        for found in _found(connection, head.number if head else 0):
            wanted = next(expected, None)
            if wanted != found and not _same_but_unreadable(wanted, found):
                yield f"The index is not what git says, from {_described(found)} on: {rebuild}."
                return
            if isinstance(found, Revision) and head:
                progress("index", found.number, head.number)
    if (head and head.commit) != store.head() and not database.writer():
        yield "The index lags behind git: the next sync will catch up."


def _expected(store: Store) -> Generator[_Version | Revision, None, None]:
    """What a rebuild would write, in its order."""
    number, inode, commit = 0, FIRST_INODE - 1, None
    for item in chain(store.log(None), [None]):
        if isinstance(item, Commit) or item is None:
            if commit:
                number += 1
                yield Revision(number, commit.id, commit.author, commit.authored, commit.committed, inode)
            commit = item
        elif commit:
            inode += 1
            size = store.size(item.blob) if item.blob and _readable(store, item.blob) else 0
            yield _Version(inode, item.path, item.blob, size, commit.authored)


def _same_but_unreadable(wanted: Any, found: Any) -> bool:
    """A damaged blob has no size: that is said elsewhere, and no fault of the index."""
    return isinstance(wanted, _Version) and wanted.size == 0 and wanted._replace(size=found[3]) == found


def _found(connection: Connection, newest: int) -> Iterator[_Version | Revision]:
    """The rows of the index in the order in which they were written, up to a revision."""
    columns = (
        version.c.inode,
        path.c.directory,
        path.c.name,
        version.c.blob,
        version.c.size,
        version.c.mtime,
    )
    versions = iter(connection.execute(select(*columns).join_from(version, path).order_by(version.c.inode)))
    row = next(versions, None)
    statement = select(revision).where(revision.c.number <= newest).order_by(revision.c.number)
    for stands in connection.execute(statement):
        while row and row.inode <= stands.horizon:
            yield _Version(row.inode, _path(row.directory, row.name), row.blob, row.size, row.mtime)
            row = next(versions, None)
        yield Revision(*stands)


def _described(found: _Version | Revision) -> str:
    if isinstance(found, Revision):
        return f"revision {found.number} ({found.commit.hex()[:10]})"
    return f"{found.path} (version {found.inode})"


def _records(snapshot: Snapshot, progress: Progress) -> Iterator[str]:
    paths = chain.from_iterable(snapshot.paths(top) for top in ("", *ALWAYS))
    for done, file in enumerate(paths, 1):
        progress("records", done, None)
        try:
            data = snapshot.get(file) or b""
            value = records.load(data)
            wrong = _wrong(snapshot, file, value)
            if wrong is None and records.dump(value) != data:
                wrong = "its bytes are not those that this program writes for it"
        except (DatabaseDamaged, TrackerError) as error:
            wrong = str(error).removesuffix(".")
        if wrong:
            yield f"{file}: {wrong}."


def _wrong(snapshot: Snapshot, file: str, value: Any) -> str | None:
    """What is wrong with a record in its place, None where nothing is. Raises TrackerError."""
    *directory, name = file.split("/")
    number = names.number_of(name)
    match directory, value:
        case ["ticket"], _ if number is not None:
            records.check_ticket(number, value)
            return None if snapshot.has(names.changelog_path(number)) else "it has no change log"
        case ["changelog"], _ if number is not None:
            records.check_changelog(number, value)
            return None if snapshot.has(names.ticket_path(number)) else "there is no such ticket"
        case ["report"], {"title": str(), "sql": str()} if number is not None:
            return None
        case ["field", _], {"name": str(text)}:
            return None if names.file_name(text) == name else f"its name is {text!r}"
        case (["field", _], str() | int()):  # of an enum, whose name is in no record
            return None
        case [], {"recent": str()} if name == "db.json" and _is_moment_or_none(value.get("settled")):
            return None
        case [], list() if name == "fields.json":
            return None
    return "it does not have the shape of what is kept in that place"


def _is_moment_or_none(value: Any) -> bool:
    try:
        return value is None or isinstance(records.microseconds(value), int)
    except (TypeError, ValueError):
        return False
