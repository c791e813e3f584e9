"""Any query of Trac's as a directory: ``query/status=new&owner~=bob&order=priority/``."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from offtracfs.errors import QueryRefused
from offtracfs.index import Revision
from offtracfs.querylanguage import parse
from offtracfs.reports import tickets
from offtracfs.reports.tickets import Ticket
from offtracfs.tree.computed import Stopped
from offtracfs.tree.selections import Questions


class Queries(Questions):
    """The directory ``query``; in the names in it ``%2F`` stands for "/", ``%25`` for "%"."""

    top = "query"

    def answer(self, question: str, revision: Revision, stopped: Stopped) -> Iterable[Ticket] | None:
        """The tickets that a query asks for; None where it cannot be understood, or names no field."""
        fields = tickets.fields(self.database, revision)
        try:
            query = parse(unquote(question, errors="strict"), fields)
            if query.unknown:
                return None
            return tickets.matching(self.database, revision, query, fields, stopped)
        except (QueryRefused, UnicodeDecodeError):
            return None
