"""Any query of Trac's as a directory: ``query/status=new&owner~=bob&order=priority/``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from urllib.parse import unquote

from offtracfs.errors import QueryRefused
from offtracfs.index import Revision
from offtracfs.querylanguage import Query, no_field, parse
from offtracfs.reports import tickets
from offtracfs.reports.query import NoSuchPage
from offtracfs.reports.tickets import Context, Ticket
from offtracfs.tree.computed import Stopped
from offtracfs.tree.selections import Questions


class Queries(Questions):
    """The directory ``query``; in the names in it, ``%2F`` stands for "/" and ``%25`` for "%"."""

    top = "query"

    def understood(self, revision: Revision) -> Callable[[str], bool]:
        """A query that names no unknown field, and whose numbers and dates can be read."""
        context = tickets.context(self.database, revision)

        def is_query(name: str) -> bool:
            try:
                tickets.statement(_query(name, context), context)
            except QueryRefused:
                return False
            return True

        return is_query

    def answer(self, question: str, revision: Revision, stopped: Stopped) -> Iterable[Ticket]:
        """The tickets that a query asks for; none on a page behind the last one."""
        context = tickets.context(self.database, revision)
        with suppress(NoSuchPage):
            yield from tickets.matching(self.database, revision, _query(question, context), context, stopped)


def _query(name: str, context: Context) -> Query:
    """The query that is a name. Raises QueryRefused."""
    try:
        query = parse(unquote(name, errors="strict"), context.fields)
    except UnicodeDecodeError:
        raise QueryRefused(f"{name[:60]!r} is no UTF-8 text where its %xx are read.") from None
    for unknown in query.unknown:
        raise QueryRefused(no_field(unknown, context.fields))
    return query
