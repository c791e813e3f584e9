"""What a search index file is, of whatever version; and whether it says what the index says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from offtracfs.errors import DatabaseError
from offtracfs.index.opening import opened, translate, version_of
from offtracfs.progress import Progress, silent
from offtracfs.search.build import SEARCH, SHIFT
from offtracfs.search.documents import Source

LAGS = "The search index lags behind the index"
_DOCUMENTS = "SELECT field, author, time, digest, since, until FROM document WHERE id >= ? AND id < ?"


@dataclass(frozen=True, slots=True)
class SearchStatus:
    """What `inspect` found."""

    file: str
    size: int  # bytes, those of its journal too
    version: int  # of its schema
    program: int  # the version that this program makes
    revision: int  # up to which it is; 0 for none
    documents: int  # texts, of all revisions


def inspect(directory: Path) -> SearchStatus | None:
    """The status of the search index in a directory; None where it cannot be opened. Raises DatabaseError."""
    try:
        found = opened(directory, kind=SEARCH, of_any_version=True)
    except DatabaseError:
        return None
    file = (directory / SEARCH.link).resolve()
    size = sum(part.stat().st_size for part in directory.glob(f"{file.name}*"))
    revision = documents = 0
    with closing(found.connection) as connection:
        try:
            version = version_of(connection)
            if version == SEARCH.version:
                (revision,) = connection.execute("SELECT coalesce(max(revision), 0) FROM standing").fetchone()
                (documents,) = connection.execute("SELECT count(*) FROM document").fetchone()
        except sqlite3.Error as error:
            raise translate(error, SEARCH.what) from error
    return SearchStatus(str(file), size, version, SEARCH.version, revision, documents)


def first_difference(directory: Path, progress: Progress = silent) -> str | None:
    """What is wrong with the search index, as a sentence without its end; None where nothing is.

    Which words are in a document is not compared: only that there is an entry for each. Raises DatabaseError.
    """
    with (
        closing(Source(directory)) as source,
        closing(opened(directory, kind=SEARCH).connection) as connection,
    ):
        try:
            connection.execute("BEGIN")
            return _damage(connection) or _difference(connection, source, progress)
        except sqlite3.Error as error:
            raise translate(error, SEARCH.what) from error


def _damage(connection: sqlite3.Connection) -> str | None:
    (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if said != "ok":
        return f"The search index is damaged ({' '.join(said.split())})"
    (missing,) = connection.execute(
        "SELECT count(*) FROM document LEFT JOIN words_docsize USING (id) WHERE words_docsize.id IS NULL"
    ).fetchone()
    return f"The search index lacks the words of {missing:,} texts" if missing else None


def _difference(connection: sqlite3.Connection, source: Source, progress: Progress) -> str | None:
    standing = connection.execute('SELECT revision, "commit" FROM standing').fetchone()
    if standing != (source.revision, source.commit):
        return LAGS
    seen = 0
    for done, ticket in enumerate(source.tickets()):
        if done % 100 == 0:
            progress("search", done, None)
        bounds = ticket.path << SHIFT, (ticket.path + 1) << SHIFT
        found = connection.execute(_DOCUMENTS, bounds).fetchall()
        seen += len(found)
        wanted = source.documents(ticket.number)
        if sorted(found) != sorted(
            (each.field, each.author, each.time, each.digest, each.since, each.until) for each in wanted
        ):
            return f"The search index is not what the index says, at ticket {ticket.number}"
    (count,) = connection.execute("SELECT count(*) FROM document").fetchone()
    return "The search index has texts of no ticket" if seen != count else None
