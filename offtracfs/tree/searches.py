"""Any search as a directory: ``search/crash railway/``, the best ticket first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import islice
from urllib.parse import unquote

from offtracfs.errors import QueryRefused
from offtracfs.index import Revision
from offtracfs.kinds.ticket import OWN
from offtracfs.names import link_name
from offtracfs.reports import tickets
from offtracfs.reports.tickets import Context, Ticket
from offtracfs.search import LagsBehind, Query, Search, parse
from offtracfs.tree.computed import Stopped
from offtracfs.tree.selections import Questions

MAX_FOUND = 1_000  # tickets that are listed: whoever gets so many asks for more words
TIMEOUT, POLL = 10.0, 0.05  # seconds: to wait for the search index, and between two looks at it
DIGITS = len(str(MAX_FOUND))


class Searches(Questions):
    """The directory ``search``; in the names in it ``%2F`` stands for "/", ``%25`` for "%"."""

    top = "search"

    def understood(self, revision: Revision) -> Callable[[str], bool]:
        """What has a word to look for."""
        context = tickets.context(self.database, revision)

        def is_search(name: str) -> bool:
            try:
                _query(name, context)
            except QueryRefused:
                return False
            return True

        return is_search

    def answer(self, question: str, revision: Revision, stopped: Stopped) -> Iterable[Ticket]:
        """The best tickets that a search finds, in that order."""
        query = _query(question, tickets.context(self.database, revision))
        with self._search(query, revision, stopped) as search:
            found = list(islice(search.tickets(), MAX_FOUND))
        return tickets.numbered(self.database, revision, found, stopped)

    def _search(self, query: Query, revision: Revision, stopped: Stopped) -> Search:
        """The search. A sync publishes a revision, and a moment later the search index knows it, too."""
        until = time.monotonic() + TIMEOUT
        while True:
            try:
                return Search(self.database.path, query, revision, stopped)
            except LagsBehind:
                if stopped() or time.monotonic() > until:
                    raise
            time.sleep(POLL)

    def link_name(self, place: int, ticket: Ticket) -> str:
        """A name that has the rank in front, so that the order of names is that of the tickets."""
        return f"{place + 1:0{DIGITS}}-{link_name(ticket.number, ticket.summary)}"


def _query(name: str, context: Context) -> Query:
    """The search that is a name. Raises QueryRefused."""
    try:
        text = unquote(name, errors="strict")
    except UnicodeDecodeError:
        raise QueryRefused(f"{name[:60]!r} is no UTF-8 text where its %xx are read.") from None
    return parse(text, {field["name"] for field in context.fields} - OWN)
