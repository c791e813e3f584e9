"""Checks a database: drafts, git's objects, the index against git, the search index, every record's shape.

The index is compared with the whole of git's history, row by row (`offtracfs.index.verify`). That takes about
as long as a rebuild, but neither its disk space nor memory. Records are read as of the newest revision.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import islice

from sqlalchemy import Connection, create_engine, select
from sqlalchemy.exc import DatabaseError as SQLError
from sqlalchemy.pool import NullPool

from offtracfs import index, kinds, records, search, sync
from offtracfs.database import Database, Snapshot
from offtracfs.drafts.rows import FILE, STATES
from offtracfs.drafts.store import DraftStore
from offtracfs.errors import DatabaseDamaged, DatabaseError, TrackerError
from offtracfs.index.build import branch_is_gone
from offtracfs.index.opening import LINK, opened, translate
from offtracfs.index.schema import path, version
from offtracfs.index.verify import first_difference
from offtracfs.progress import Progress, silent
from offtracfs.store import BRANCH

MAX_LISTED = 100  # findings of a kind
REBUILD = "the next sync builds it anew after `rm {}`"
_ID = re.compile(r"(?<!pack-)\b[0-9a-f]{40}\b")


def check(database: Database, progress: Progress = silent) -> Generator[str, None, None]:
    """Everything that is wrong, a sentence each, as it is found. Writes nothing and waits for nobody."""
    yield from _some(_guarded(_drafts(database)))
    progress("git objects", 0, None)
    # Git says so of an empty repository.
    said = [line for line in database.store.check() if not line.startswith("notice: ")]
    yield from _some(f"git fsck: {line}" for line in said)
    try:
        with closing(index.Reader(database.path)) as reader:
            yield from _some(_guarded(_damage(database, said)))
            yield from _guarded(_index(database, reader, progress))
            yield from _some(
                _guarded(_records(Snapshot(database.store.blob, reader, reader.head()), progress))
            )
    except DatabaseError as error:
        if database.store.head():
            yield str(error)
        elif database.state().succeeded:  # else nothing has been synced yet
            yield sync.LOST.format(database.store.path, BRANCH)


def _some(findings: Iterator[str]) -> Iterator[str]:
    yield from islice(findings, MAX_LISTED)
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


def _drafts(database: Database) -> Iterator[str]:
    """What is wrong with what was typed here, which no one else has."""
    if not (database.path / FILE).exists():
        return
    with closing(DraftStore(database.path, read_only=True)) as drafts:
        if wrong := drafts.damage():
            yield f"{FILE} is damaged ({wrong}): restore it from a copy."
            return
        for draft in drafts.everything():
            if draft.state not in STATES:
                yield f"{FILE}: the draft {draft.id} of {draft.ticket} is in a state {draft.state!r}."


def _connection(database: Database) -> Connection:
    made = create_engine("sqlite://", creator=lambda: opened(database.path).connection, poolclass=NullPool)
    return made.connect().execution_options(yield_per=1000)


def _damage(database: Database, said: list[str]) -> Iterator[str]:
    """The damaged objects that `git fsck` names, with the files and times whose contents they are."""
    named = dict.fromkeys(bytes.fromhex(oid) for oid in _ID.findall("\n".join(said)))
    damaged = [oid for oid in named if not database.store.readable(oid)]
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
                when = records.iso(records.from_microseconds(mtime * records.SECOND))
                yield f"{what}: {_path(directory, name)} as of {when}Z cannot be read."


def _path(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


def _index(database: Database, reader: index.Reader, progress: Progress) -> Iterator[str]:
    store = database.store
    # Both are looked at now: a sync that ends before the check does is no reason to say that one lags.
    tip, head = store.head(), reader.head()
    lags = (head and head.commit) != tip and not database.writer()
    if head and tip is None:
        raise branch_is_gone(store, head.commit)  # the index is all that knows it: it must stay
    rebuild = REBUILD.format(database.path / LINK)
    with _connection(database) as connection:
        said = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
        if said != "ok":
            yield f"The index is damaged ({' '.join(said.split())}): {rebuild}."
            return
        if wrong := first_difference(connection, store, head, progress):
            yield f"The index is not what git says, {wrong}: {rebuild}."
            return
    if lags:
        yield "The index lags behind git: the next sync will catch up."
    elif not database.writer() and (wrong := search.first_difference(database.path, progress)):
        remedy = REBUILD.format(database.path / search.SEARCH.link)
        yield f"{wrong}: {'the next sync will catch up' if wrong == search.LAGS else remedy}."


def _records(snapshot: Snapshot, progress: Progress) -> Iterator[str]:
    for done, file in enumerate(snapshot.paths(""), 1):
        progress("records", done, None)
        try:
            wrong = _wrong(snapshot, file, snapshot.get(file) or b"")
        except (DatabaseDamaged, TrackerError) as error:
            wrong = str(error).removesuffix(".")
        if wrong:
            yield f"{file}: {wrong}."


def _wrong(snapshot: Snapshot, file: str, data: bytes) -> str | None:
    """What is wrong with a record in its place, None if nothing is. Raises DatabaseDamaged, TrackerError."""
    value = records.load(data)
    kinds.check(file, value)
    if (record := kinds.record_id(file)) and record.kind.companion:
        pattern, missing = record.kind.companion
        if not snapshot.has(pattern.format(number=record.key)):
            return missing
    if records.dump(value) != data:
        return "its bytes are not those that this program writes for it"
    return None
