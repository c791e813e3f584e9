"""Builds ``search.db`` from the index, and brings it up to the index's newest revision.

Only the holder of the writer's lock may call `catch_up` and `rebuild`. A document is written once: a later
revision only sets its `until`. So what stands at a revision never changes, and a search at a revision sees
nothing of what is written meanwhile. A new file takes the old one's place in one step
(`offtracfs.index.swapping`).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from offtracfs.errors import DatabaseBusy, DatabaseTooNew, DiskFull
from offtracfs.index.opening import BUSY_TIMEOUT, Derived, translate, version_of
from offtracfs.index.swapping import replaced, tidy
from offtracfs.progress import Progress, silent
from offtracfs.search.documents import SUMMARY, Document, Source, Ticket
from offtracfs.search.words import TOKENIZER, pieces, prepared

SEARCH = Derived("search", 1, "search index")
SHIFT = 20  # bits of a document's id that number it within its ticket; those above are the ticket's path

PRAGMAS = {"journal_mode": "WAL", "synchronous": "NORMAL"}
BUILD_PRAGMAS = {"journal_mode": "OFF", "synchronous": "OFF", "cache_size": "-20000"}  # of a file nobody sees
DOCUMENTS_A_STATEMENT = 1_000

# Words and where they stand in which document. The texts themselves are in the index.
WORDS = f"CREATE VIRTUAL TABLE words USING fts5 (summary, text, pieces, {{}} tokenize = '{TOKENIZER}')"
_SCHEMA = f"""
    {WORDS.format("content = '',")};
    CREATE TABLE document (
        id INTEGER PRIMARY KEY,  -- the rowid in `words`
        field TEXT NOT NULL,
        author TEXT NOT NULL,
        time INTEGER NOT NULL,  -- microseconds since 1970 UTC
        digest INTEGER NOT NULL,  -- of its text
        since INTEGER NOT NULL,  -- the revision that brought it
        until INTEGER NOT NULL  -- the revision that took it away
    );
    CREATE TABLE ticket (
        path INTEGER PRIMARY KEY,  -- the number of its path in the index
        number INTEGER NOT NULL UNIQUE,
        since INTEGER NOT NULL  -- the revision that brought it
    );
    CREATE INDEX ticket_since ON ticket (since);
    CREATE TABLE standing (revision INTEGER NOT NULL, "commit" BLOB NOT NULL);  -- up to where it is; one row
    PRAGMA user_version = {SEARCH.version};
"""
_ADD_WORDS = "INSERT INTO words (rowid, summary, text, pieces) VALUES (?, ?, ?, ?)"
_ADD_DOCUMENT = "INSERT INTO document VALUES (?, ?, ?, ?, ?, ?, ?)"
_ADD_TICKET = "INSERT OR IGNORE INTO ticket VALUES (?, ?, ?)"
_OF_TICKET = "SELECT id, field, digest, until FROM document WHERE id >= ? AND id < ? AND until > ?"


class _Stale(Exception):
    """The file is none of this version, or stands at a commit that the index does not have."""


def catch_up(directory: Path, progress: Progress = silent) -> int:
    """Bring the search index up to the index; the number of documents that are new. Rebuilds where it has to.

    Raises DatabaseTooNew where a later version of this program made it, DatabaseBusy, DiskFull, and
    DatabaseDamaged where the index cannot be read.
    """
    tidy(directory, SEARCH)
    link = directory / SEARCH.link
    if link.exists():
        try:
            with closing(Source(directory)) as source, _writing(link.resolve(), PRAGMAS) as connection:
                return _caught_up(connection, source, progress)
        except sqlite3.Error as error:
            if isinstance(translated := translate(error, SEARCH.what), DatabaseBusy | DiskFull):
                raise translated from error
        except _Stale:
            pass
    return rebuild(directory, progress)


def rebuild(directory: Path, progress: Progress = silent) -> int:
    """Build the search index anew from the index; the number of documents in it. Raises as `catch_up`."""
    try:
        return replaced(directory, SEARCH, lambda file: _built(file, directory, progress))
    except sqlite3.Error as error:
        raise translate(error, SEARCH.what) from error


@contextmanager
def _writing(file: Path, pragmas: Mapping[str, str]) -> Iterator[sqlite3.Connection]:
    """A connection in a transaction, which ends with the block."""
    with closing(sqlite3.connect(file, timeout=BUSY_TIMEOUT / 1000, isolation_level=None)) as connection:
        for name, value in pragmas.items():
            connection.execute(f"PRAGMA {name} = {value}")
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")


def _built(file: Path, directory: Path, progress: Progress) -> int:
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(_SCHEMA)
    with closing(Source(directory)) as source, _writing(file, BUILD_PRAGMAS) as connection:
        added = _add(connection, source, 0, progress)
        connection.execute("INSERT INTO words (words) VALUES ('optimize')")
    with _writing(file, PRAGMAS), file.open("rb") as written:  # WAL stays in the file
        os.fsync(written.fileno())
    return added


def _caught_up(connection: sqlite3.Connection, source: Source, progress: Progress) -> int:
    version = version_of(connection)
    if version > SEARCH.version:
        raise DatabaseTooNew(SEARCH.too_new)
    if version < SEARCH.version:
        raise _Stale
    standing = connection.execute('SELECT revision, "commit" FROM standing').fetchall()
    if len(standing) != 1 or not source.has(*standing[0]):
        raise _Stale
    ((revision, _),) = standing
    if revision == source.revision:
        return 0
    if not revision:
        raise _Stale  # all is new: a rebuild is faster
    return _add(connection, source, revision, progress)


def _add(connection: sqlite3.Connection, source: Source, after: int, progress: Progress) -> int:
    """Bring the file from the revision `after` to that of the source; the number of documents added."""
    added = 0
    new: list[tuple[int, Document]] = []
    for done, ticket in enumerate(source.tickets(after)):
        if done % 100 == 0:
            progress("search", done, None)
        connection.execute(_ADD_TICKET, ticket)
        new += _new(connection, ticket, source.documents(ticket.number, after), after)
        if len(new) >= DOCUMENTS_A_STATEMENT:
            added += _write(connection, new)
    added += _write(connection, new)
    connection.execute("DELETE FROM standing")
    connection.execute("INSERT INTO standing VALUES (?, ?)", [source.revision, source.commit])
    return added


def _new(
    connection: sqlite3.Connection, ticket: Ticket, documents: list[Document], after: int
) -> Iterator[tuple[int, Document]]:
    """The documents of a ticket that are new, with their ids. Those that a revision has ended are ended."""
    first, last = ticket.path << SHIFT, (ticket.path + 1) << SHIFT
    known = {}
    free = first
    if after:
        rows = connection.execute(_OF_TICKET, [first, last, after]).fetchall()
        known = {(field, digest): (number, until) for number, field, digest, until in rows}
        found = connection.execute("SELECT max(id) FROM document WHERE id >= ? AND id < ?", [first, last])
        free = (found.fetchone()[0] or first - 1) + 1
    for document in documents:
        key = document.field, document.digest
        if document.since <= after and key in known:
            number, until = known[key]
            if until != document.until:
                connection.execute("UPDATE document SET until = ? WHERE id = ?", [document.until, number])
        elif free < last:  # a ticket with more than a million texts is searched in so many
            yield free, document
            free += 1


def _write(connection: sqlite3.Connection, new: list[tuple[int, Document]]) -> int:
    connection.executemany(_ADD_WORDS, [(number, *columns(each.field, each.text)) for number, each in new])
    connection.executemany(
        _ADD_DOCUMENT,
        [
            (number, each.field, each.author, each.time, each.digest, each.since, each.until)
            for number, each in new
        ],
    )
    written = len(new)
    new.clear()
    return written


def columns(field: str, text: str) -> tuple[str | None, str | None, str | None]:
    """What a document has in the columns of `words`."""
    words = prepared(text)
    return (words, None, pieces(words)) if field == SUMMARY else (None, words, pieces(words))
