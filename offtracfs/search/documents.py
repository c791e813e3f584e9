"""The documents that are searched: every text of a ticket, with the revisions between which it stood.

They are made from the index's tables, whose rows already say at which revisions they are valid. A ticket's
row is another one with each change of any field: a text that stays the same through several rows is one
document.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from offtracfs.index.opening import LINK, code_of, opened, translate
from offtracfs.names import number_of

COMMENT, DESCRIPTION, SUMMARY, KEYWORDS = "comment", "description", "summary", "keywords"
FIELDS = (SUMMARY, DESCRIPTION, KEYWORDS, COMMENT)
"""The texts that every ticket can have; custom fields are further ones."""

# Of a comment the change log says who wrote it and when; of other texts, the commit that brought them.
_OF_TICKET = """
    SELECT text.field, coalesce(text.author, revision.author),
        coalesce(text.time, revision.authored * 1000000), text.text, text.since, text.until
    FROM (
        SELECT 'summary' AS field, NULL AS author, NULL AS time, summary AS text, since, until
        FROM offtracfs_ticket WHERE id = :ticket AND until > :after
        UNION ALL SELECT 'keywords', NULL, NULL, keywords, since, until
        FROM offtracfs_ticket WHERE id = :ticket AND until > :after
        UNION ALL SELECT 'description', NULL, NULL, description, since, until
        FROM offtracfs_description WHERE ticket = :ticket AND until > :after
        UNION ALL SELECT name, NULL, NULL, value, since, until
        FROM offtracfs_ticket_custom WHERE ticket = :ticket AND until > :after
        UNION ALL SELECT 'comment', coalesce(author, ''), time, newvalue, since, until
        FROM offtracfs_ticket_change WHERE ticket = :ticket AND until > :after AND field = 'comment'
    ) AS text JOIN revision ON revision.number = text.since
    WHERE text.text <> '' AND text.since <= :upto
    ORDER BY text.since
"""
_FIRST = "(SELECT revision FROM version WHERE version.path = ticket.id ORDER BY inode LIMIT 1)"
_TICKETS = f"SELECT id, name, {_FIRST} FROM path AS ticket WHERE directory = 'ticket' ORDER BY id"  # noqa: S608
# CROSS JOIN and "+" keep SQLite from reading all paths just to avoid sorting a few.
_CHANGED = f"""
    SELECT DISTINCT ticket.id, ticket.name, {_FIRST}
    FROM version CROSS JOIN path ON path.id = version.path
    CROSS JOIN path AS ticket ON ticket.directory = 'ticket' AND ticket.name = path.name
    WHERE version.inode > :after AND version.inode <= :upto AND path.directory IN ('ticket', 'changelog')
    ORDER BY +ticket.id
"""  # noqa: S608  # no value in it


@dataclass(slots=True)
class Document:
    """A text of a ticket, valid from the revision `since` to before `until`.

    `field` is one of `FIELDS` or the name of a custom field, `time` is in microseconds since 1970 UTC.
    `digest` is 64 bits that tell it from the other documents of its ticket and field.
    """

    field: str
    author: str
    time: int
    text: str
    since: int
    until: int
    digest: int = 0

    def __post_init__(self) -> None:
        said = f"{self.author}\0{self.time}\0{self.text}" if self.field == COMMENT else self.text
        self.digest = int.from_bytes(blake2b(said.encode(), digest_size=8).digest(), signed=True)


class Ticket(NamedTuple):
    """A ticket: the number of its path in the index, its own, and the revision that brought it.

    Tickets that came later have greater numbers of their paths.
    """

    path: int
    number: int
    since: int


class Source:
    """The index of a database, open for reading at one revision, which is its newest.

    Raises DatabaseError as `opened` does. A damaged index is let go of, so that the next sync builds it anew.
    """

    def __init__(self, directory: Path) -> None:
        self._link = directory / LINK
        self._sqlite = opened(directory).connection
        self._sqlite.text_factory = lambda data: data.decode(errors="replace")
        self._sqlite.execute("BEGIN")  # what a sync publishes meanwhile is not seen
        found = 'SELECT number, "commit", horizon FROM revision, published WHERE number = published.revision'
        head = self._sqlite.execute(found).fetchone()
        self.revision: int = head[0] if head else 0
        self.commit: bytes = head[1] if head else b""
        self._horizon: int = head[2] if head else 0

    def close(self) -> None:
        """Give the connection back."""
        self._sqlite.close()

    def has(self, revision: int, commit: bytes) -> bool:
        """Whether that revision is one of the index's, and of that commit; 0 is that before the first."""
        if not revision:
            return True
        found = self._sqlite.execute('SELECT "commit" FROM revision WHERE number = ?', [revision]).fetchone()
        return revision <= self.revision and found == (commit,)

    def tickets(self, after: int = 0) -> Iterator[Ticket]:
        """The tickets that changed after a revision, in order of `path`; after 0, all that ever were."""
        horizon = "SELECT horizon FROM revision WHERE number = ?"
        with self._translated():
            if after:
                (last,) = self._sqlite.execute(horizon, [after]).fetchone()
                found = self._sqlite.execute(_CHANGED, {"after": last, "upto": self._horizon})
            else:
                found = self._sqlite.execute(_TICKETS)
            for path, name, since in found:
                if (number := number_of(name)) is not None:
                    yield Ticket(path, number, since)

    def documents(self, number: int, after: int = 0) -> list[Document]:
        """The function `documents` for all revisions after one."""
        with self._translated():
            return documents(self._sqlite, number, after, self.revision)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if code_of(error) == sqlite3.SQLITE_CORRUPT:
                self._link.unlink(missing_ok=True)
            raise translate(error) from error


def documents(index: sqlite3.Connection, number: int, after: int, upto: int) -> list[Document]:
    """The documents of a ticket that are valid after a revision, and began up to another; by `since`.

    Where a document was valid before the first revision already, its `since`, author and time may be later
    than they really were.
    """
    rows = index.execute(_OF_TICKET, {"ticket": number, "after": after, "upto": upto})
    return _merged(Document(*row) for row in rows)


def _merged(found: Iterable[Document]) -> list[Document]:
    """Documents that follow each other with the same text become one."""
    latest: dict[tuple[str, int], Document] = {}
    merged = []
    for document in found:
        key = document.field, document.digest
        before = latest.get(key)
        if before and document.since <= before.until:
            before.until = max(before.until, document.until)
        else:
            latest[key] = document
            merged.append(document)
    return merged
