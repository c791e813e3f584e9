"""Lists of tickets, and values that tickets have, for a mount: by SQL of our own making.

It needs no process of its own, as foreign SQL does (`offtracfs.reports.process`). A worker thread asks, on a
connection of its own, and not for longer than `TIMEOUT`.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from offtracfs.database import Database
from offtracfs.errors import DatabaseError
from offtracfs.index import Reader, Revision
from offtracfs.index.opening import code_of, opened, translate
from offtracfs.index.tables import views
from offtracfs.kinds import FIELDS_PATH
from offtracfs.kinds.ticket import SHORT
from offtracfs.querylanguage import Fields, Query
from offtracfs.records import SECOND
from offtracfs.reports.query import NOBODY, Run, fields_in, paged
from offtracfs.reports.querysql import Asker, Sql, select
from offtracfs.store import git

TIMEOUT = 10.0  # seconds
BATCH = 1_000  # tickets that are asked for by their numbers at once
MAX_FIELDS = 16  # versions of fields.json that are kept: git needs 3 ms to read one
STEPS = 20_000  # of SQLite's machine, between two looks at the clock: a millisecond or so

VALUES = """
    WITH RECURSIVE found(value) AS (
        SELECT min(value) FROM ticket_value WHERE field = ?
        UNION ALL
        SELECT (SELECT min(value) FROM ticket_value WHERE field = ? AND value > found.value)
        FROM found WHERE found.value IS NOT NULL
    )
    SELECT value FROM found WHERE value IS NOT NULL
"""  # one seek in the index for each value; SELECT DISTINCT would read the rows of all tickets
CUSTOM_VALUES = VALUES.replace("ticket_value WHERE field", "ticket_custom WHERE name")
WITHOUT = """
    SELECT 1 FROM ticket WHERE NOT EXISTS (
        SELECT 1 FROM ticket_custom WHERE ticket = ticket.id AND name = ? AND value <> ''
    ) LIMIT 1
"""

Stopped = Callable[[], bool]
"""Whether nobody waits for the answer any more."""


class Context(NamedTuple):
    """What a query's meaning depends on besides its text: the fields that there are, and who asks when."""

    fields: Fields
    asker: Asker


class Ticket(NamedTuple):
    """A ticket in a list; `changed` is its changetime, in seconds since 1970 UTC."""

    number: int
    summary: str
    changed: int


@contextmanager
def asking(directory: Path, revision: Revision, stopped: Stopped) -> Iterator[Run]:
    """Trac's tables, and ours, as they stood at a revision, for SQL of our own.

    Raises DatabaseError where it takes longer than `TIMEOUT` or nobody waits any more, and where the index
    cannot be read.
    """
    until = time.monotonic() + TIMEOUT
    try:
        with closing(opened(directory, "mode=ro").connection) as connection:
            connection.execute("PRAGMA query_only=OFF")  # or the temporary views could not be made
            connection.execute("PRAGMA temp_store=MEMORY")
            for statement in views(revision.number):
                connection.execute(statement)
            connection.set_progress_handler(lambda: time.monotonic() > until or stopped(), STEPS)
            yield connection.execute
    except sqlite3.Error as error:
        if code_of(error) == sqlite3.SQLITE_INTERRUPT:
            raise DatabaseError(f"This takes longer than {TIMEOUT:g} seconds, which is the limit.") from None
        raise translate(error) from error


def context(database: Database, revision: Revision) -> Context:
    """What queries need to know at a revision, read anew: from any thread.

    $USER is whoever the tracker knows us as, and "now" is the time of the revision's commit. Raises
    DatabaseDamaged, DatabaseError.
    """
    with closing(Reader(database.path)) as reader:
        blob = reader.blob_before(FIELDS_PATH, revision.horizon + 1)
    fields = _fields(database.path / "git", blob)
    now = datetime.fromtimestamp(revision.committed, database.settings.zone)
    return Context(fields, Asker(database.user() or NOBODY, now))


@lru_cache(MAX_FIELDS)
def _fields(repository: Path, blob: bytes | None) -> Fields:
    """The definitions in a version of ``fields.json``: one object for all revisions, which nobody changes."""
    return fields_in(git.blob(repository, blob) if blob else None)


def statement(query: Query, context: Context) -> Sql:
    """A query's SQL: its tickets in order, each as `Ticket` has them, and more. Raises QueryRefused."""
    known = {field["name"]: field for field in context.fields}
    return select(query, ["id", "summary", "changetime"], known, context.asker)


def matching(
    database: Database, revision: Revision, query: Query, context: Context, stopped: Stopped
) -> Iterator[Ticket]:
    """The tickets that a query asks for, in its order, as they stood at a revision.

    Raises QueryRefused, which may be NoSuchPage, and as `asking`.
    """
    made = statement(query, context)
    with asking(database.path, revision, stopped) as run:
        yield from _tickets(run(paged(made, query, run), made.values))


def numbered(
    database: Database, revision: Revision, numbers: Sequence[int], stopped: Stopped
) -> Iterator[Ticket]:
    """Those tickets of some numbers that are there at a revision, in that order. Raises as `asking`.

    The numbers differ.
    """
    statement = "SELECT id, summary, changetime FROM ticket WHERE id IN (SELECT value FROM json_each(?))"
    with asking(database.path, revision, stopped) as run:
        for first in range(0, len(numbers), BATCH):
            batch = numbers[first : first + BATCH]
            found = {ticket.number: ticket for ticket in _tickets(run(statement, [json.dumps(batch)]))}
            yield from (found[number] for number in batch if number in found)


def values(database: Database, revision: Revision, field: str, stopped: Stopped) -> list[str]:
    """The values that tickets have in a field at a revision, sorted; "" where a ticket has none.

    The field is one of `SHORT`, or a custom one. Raises as `asking`.
    """
    with asking(database.path, revision, stopped) as run:
        if field in SHORT:
            return [value for (value,) in run(VALUES, [field, field])]
        found = [value for (value,) in run(CUSTOM_VALUES, [field, field]) if value]
        return ["", *found] if [*run(WITHOUT, [field])] else found


def _tickets(rows: Iterable[Sequence[Any]]) -> Iterator[Ticket]:
    for number, summary, changetime, *_ in rows:
        yield Ticket._make((number, summary or "", changetime // SECOND))
