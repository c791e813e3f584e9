"""Finds tickets by what their texts said at a revision, best first.

A ticket matches where each word is in one of its texts. To look at all of them would take seconds where words
are common. So tickets are taken one after the other, the likeliest first, and each is verified, until there
are enough:

1. those that have all words in the summary, by its rank (FTS5's bm25);
2. those that have all words in one text, by its rank;
3. those that have the rarest word, by the rank of the text it is in;
4. all others that have the rarest word, the newest first.

Of the texts that are to be ranked only the newest `MAX_RANKED` are. A word that is in more than `COMMON` of
them says nothing about a ticket: it is verified, but does not count for the rank. Neither changes which
tickets match.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import cache, cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Self

import simplejson

from offtracfs.errors import DatabaseDamaged
from offtracfs.index import Revision
from offtracfs.index.opening import code_of, opened, translate
from offtracfs.search.build import SEARCH, SHIFT
from offtracfs.search.documents import SUMMARY
from offtracfs.search.query import VALUES, Query, Term

COMMON = 50_000  # texts
MAX_RANKED = 2_000  # texts
FIRST_VERIFIED, GROWTH = 64, 8  # tickets that are verified at once: first so many, then so many times more
PROBE = 100  # as many texts of a word are read in the time of looking it up once
STEPS = 10_000  # of SQLite's virtual machine, after which `stopped` is asked

_NEWEST = f"""
    SELECT rowid >> {SHIFT} FROM words WHERE words MATCH :match AND rowid < :end ORDER BY rowid DESC
"""  # noqa: S608  # no value in these statements, but for numbers
_RANKED = f"""
    SELECT rowid >> {SHIFT} FROM (
        SELECT rowid, bm25(words) AS score FROM words
        WHERE words MATCH :match AND rowid < :end ORDER BY rowid DESC LIMIT {MAX_RANKED}
    ) ORDER BY score, rowid DESC
"""  # noqa: S608
_COUNT = f"SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH :match LIMIT {COMMON + 1})"  # noqa: S608
# Behind the last ticket that was there at a revision.
_END = f"""
    SELECT (coalesce(max(path), -1) + 1) << {SHIFT}
    FROM (SELECT path FROM ticket WHERE since <= :revision ORDER BY since DESC, path DESC LIMIT 1)
"""  # noqa: S608
_COUNTS = """
    document.since <= :revision AND document.until > :revision
    AND (:field = '' OR document.field = :field)
    AND (:within IS NULL OR document.field IN (SELECT value FROM json_each(:within)))
    AND (:authors IS NULL OR document.author COLLATE NOCASE IN (SELECT value FROM json_each(:authors)))
"""
# Of some tickets, those that have a word: by looking it up for each ticket, or by reading all its texts.
_PROBED = f"""
    SELECT wanted.value FROM json_each(:tickets) AS wanted WHERE EXISTS (
        SELECT 1 FROM words CROSS JOIN document ON document.id = words.rowid
        WHERE words MATCH :match AND words.rowid >= wanted.value << {SHIFT}
            AND words.rowid < (wanted.value + 1) << {SHIFT} AND {_COUNTS}
    )
"""  # noqa: S608
_SCANNED = f"""
    SELECT DISTINCT words.rowid >> {SHIFT} FROM words CROSS JOIN document ON document.id = words.rowid
    WHERE words MATCH :match AND {_COUNTS}
        AND words.rowid >> {SHIFT} IN (SELECT value FROM json_each(:tickets))
"""  # noqa: S608
_NUMBERS = "SELECT path, number FROM ticket WHERE path IN (SELECT value FROM json_each(?))"
_DOCUMENTS = f"""
    SELECT document.field, digest, author, time FROM ticket
    JOIN document ON id >= path << {SHIFT} AND id < (path + 1) << {SHIFT}
    WHERE ticket.number = :number AND {_COUNTS}
"""  # noqa: S608
_STANDING = """
    SELECT id, {} FROM offtracfs_ticket
    WHERE id IN (SELECT value FROM json_each(:tickets)) AND since <= :revision AND until > :revision
"""
_CUSTOM = """
    SELECT ticket, value FROM offtracfs_ticket_custom WHERE ticket IN (SELECT value FROM json_each(:tickets))
        AND name = :name AND since <= :revision AND until > :revision
"""


class LagsBehind(DatabaseDamaged):
    """The search index does not know the revision yet, or is of another history; a sync brings it up."""


class Search:
    """A query at a revision, to be used in a ``with``: a connection to the search index and one to the index.

    It is for one thread. `stopped` is asked while SQLite is at work; where it says True, that ends with
    DatabaseError.

    Raises DatabaseDamaged where there is no search index, LagsBehind, DatabaseError. Within the ``with``,
    SQLite's errors become these, too, and a damaged file is let go of: the next sync builds a new one.
    """

    def __init__(
        self,
        directory: Path,
        query: Query,
        revision: Revision,
        stopped: Callable[[], bool] | None = None,
    ) -> None:
        self.query = query
        self.revision = revision
        self._values: dict[str, Any] = {
            "revision": revision.number,
            "field": "",
            "within": simplejson.dumps(query.within) if query.within else None,
            "authors": simplejson.dumps(query.authors) if query.authors else None,
        }
        self._count = cache(self._counted)
        self._link = directory / SEARCH.link
        with ExitStack() as stack:
            self._sqlite = stack.enter_context(closing(opened(directory, kind=SEARCH).connection))
            self.index = stack.enter_context(closing(opened(directory).connection))
            for connection in (self._sqlite, self.index):
                connection.set_progress_handler(stopped, STEPS)
                connection.text_factory = lambda data: data.decode(errors="replace")
            self._check()
            stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._sqlite.close()
        self.index.close()
        if isinstance(error, sqlite3.Error):
            if code_of(error) == sqlite3.SQLITE_CORRUPT:
                self._link.unlink(missing_ok=True)
            raise translate(error, SEARCH.what) from error

    def _check(self) -> None:
        """Raise LagsBehind where it has to be."""
        try:
            standing = self._sqlite.execute('SELECT revision, "commit" FROM standing').fetchone() or (0, b"")
            same = self.index.execute('SELECT 1 FROM revision WHERE number = ? AND "commit" = ?', standing)
            there = same.fetchone()
        except sqlite3.Error as error:
            raise translate(error, SEARCH.what) from error
        if standing[0] < self.revision.number or not there:
            raise LagsBehind("The search index lags behind: `offtracfs index upgrade` brings it up.")

    def tickets(self) -> Iterator[int]:
        """The numbers of the tickets that match, best first."""
        candidates = iter(_once(self._candidates()))
        size = FIRST_VERIFIED
        while some := list(islice(candidates, size)):
            matching = self._verified(some)
            yield from (matching[path] for path in some if path in matching)
            size *= GROWTH

    def documents(self, number: int) -> dict[tuple[str, int], tuple[str, int]]:
        """A ticket's documents that count: (field, digest) → author, and time (µs since 1970 UTC)."""
        rows = self._sqlite.execute(_DOCUMENTS, self._values | {"number": number})
        return {(field, digest): (author, time) for field, digest, author, time in rows}

    def values(self, field: str, numbers: Iterable[int]) -> dict[int, str]:
        """What some tickets have in a field that is no text, and not empty; also ``summary``."""
        asked = {"tickets": simplejson.dumps([*numbers]), "name": field, "revision": self.revision.number}
        column = field in VALUES or field == SUMMARY
        statement = _STANDING.format(field) if column else _CUSTOM
        return {number: value for number, value in self.index.execute(statement, asked) if value}

    def _counted(self, term: Term) -> int:
        """How many texts have a word, of all revisions; not more than `COMMON` + 1."""
        count: int
        (count,) = self._sqlite.execute(_COUNT, {"match": term.expression}).fetchone()
        return count

    @cached_property
    def _end(self) -> int:
        """Behind the id of the last document that may have been there."""
        end: int
        (end,) = self._sqlite.execute(_END, self._values).fetchone()
        return end

    def _candidates(self) -> Iterator[int]:
        """The paths of tickets that may match, the likeliest first; among them all that do."""
        terms = sorted(self.query.terms, key=self._count)
        rare = [term.expression for term in terms if self._count(term) <= COMMON]
        statement = _RANKED if rare else _NEWEST
        together = " AND ".join(rare or [term.expression for term in terms])
        rarest = terms[0].expression
        yield from self._found(statement, f"{{summary}} : ({together})")
        yield from self._found(statement, together)
        if len(rare) > 1:
            yield from self._found(_RANKED, rarest)
        yield from self._found(_NEWEST, rarest)

    def _found(self, statement: str, match: str) -> Iterator[int]:
        for (path,) in self._sqlite.execute(statement, {"match": match, "end": self._end}):
            yield path

    def _verified(self, paths: Sequence[int]) -> dict[int, int]:
        """Those of some tickets that match, with their numbers."""
        left = set(paths)
        for term in sorted(self.query.terms, key=self._count):
            left = self._having(term, left)
        for term in self.query.excluded:
            left -= self._having(term, left)
        numbers = dict(self._sqlite.execute(_NUMBERS, [simplejson.dumps([*left])]))
        kept = set(numbers.values())
        for field, wanted in self.query.fields.items():
            kept &= self._with(field, wanted, kept)
        for field, unwanted in self.query.not_fields.items():
            kept -= self._with(field, unwanted, kept)
        return {path: number for path, number in numbers.items() if number in kept}

    def _having(self, term: Term, paths: set[int]) -> set[int]:
        # To look a prefix up means to find all its words, each time.
        probe = not term.prefix and len(paths) * PROBE < self._count(term)
        if not paths:
            return set()
        tickets = simplejson.dumps([*paths])
        asked = self._values | {"match": term.expression, "field": term.field, "tickets": tickets}
        return {path for (path,) in self._sqlite.execute(_PROBED if probe else _SCANNED, asked)}

    def _with(self, field: str, wanted: Iterable[str], numbers: Iterable[int]) -> set[int]:
        """Those of some tickets that have one of some values in a field."""
        numbers = set(numbers)
        values = self.values(field, numbers)
        folded = {value.casefold() for value in wanted}
        return {number for number in numbers if values.get(number, "").casefold() in folded}


def _once(paths: Iterable[int]) -> Iterator[int]:
    """Each path the first time it comes."""
    seen: set[int] = set()
    for path in paths:
        if path not in seen:
            seen.add(path)
            yield path
