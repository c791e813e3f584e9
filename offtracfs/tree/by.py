"""Tickets by the values of their fields: ``by/owner/bob/``.

by/                 the fields
by/owner/           the values that tickets have in a field at that moment
by/owner/bob/       the tickets with that value: what ``query/owner=bob/`` has
by/keywords/crash/  ``query/keywords~=crash/``: keywords are browsed word by word
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from offtracfs.index import Revision
from offtracfs.kinds.ticket import OWN, SHORT
from offtracfs.names import value_name, value_of
from offtracfs.querylanguage import Fields, Query
from offtracfs.reports import tickets
from offtracfs.reports.tickets import Ticket
from offtracfs.tree.computed import Contents, Stopped, Subdirectories
from offtracfs.tree.nodes import UNKNOWN, Directory, Listing, Node
from offtracfs.tree.selections import Selections

TOP = "by"
WORDS = "keywords"  # the field that is browsed by its words
CUSTOM = ("select", "radio")  # types of the custom fields worth it
_APART = re.compile(r"[,;\s]+")  # between two keywords, as in trac/ticket/web_ui.py


class By(Selections):
    """The directory ``by`` and all below it."""

    def serves(self, directory: Directory) -> bool:
        """``by`` and all below it."""
        return directory.path.partition("/")[0] == TOP

    def contents(
        self, path: str, revision: Revision, numbers: Sequence[int], stopped: Stopped
    ) -> Contents | None:
        """Fields, values, or tickets."""
        match path.split("/"):
            case [_]:
                fields = tickets.context(self.database, revision).fields
                return Subdirectories(map(value_name, _worth_it(fields)))
            case [_, field]:
                return Subdirectories(map(value_name, self._values(field, revision, stopped)))
        return super().contents(path, revision, numbers, stopped)

    def tickets(
        self, path: str, revision: Revision, numbers: Sequence[int], stopped: Stopped
    ) -> Iterable[Ticket] | None:
        """Those with a value in a field."""
        _, name, value_as_name = path.split("/")
        context, field = tickets.context(self.database, revision), value_of(name) or ""
        value = value_of(value_as_name)
        if value is None:  # its name may have been cut
            values = self._values(name, revision, stopped)
            value = next((each for each in values if value_name(each) == value_as_name), None)
        if value is None or field not in _worth_it(context.fields):
            return None
        if field == WORDS and value:
            query = Query([{field: [f"~{value}"]}])
        else:
            query = Query(exactly={field: [value]})
        return tickets.matching(self.database, revision, query, context, stopped)

    def _values(self, name: str, revision: Revision, stopped: Stopped) -> Iterable[str]:
        """The values in the field of that name, sorted."""
        field = value_of(name) or ""
        found = tickets.values(self.database, revision, field, stopped)
        return sorted(_words(found)) if field == WORDS else sorted(found)

    def directory_count(self, listing: Listing) -> int:
        """Only above the tickets there are directories."""
        return UNKNOWN if listing.directory.path.count("/") < 2 else 0

    def unlisted(self, listing: Listing, name: str) -> Node | None:
        """``by`` itself, in each root."""
        by = name == TOP and listing.revision and listing.directory.is_root
        return listing.directory.child(name) if by else None

    def may_appear(self, directory: Directory, name: str) -> bool:
        """Any name in it; and ``by`` itself, with the first revision."""
        return self.serves(directory) or (name == TOP and directory.is_root)


def _worth_it(fields: Fields) -> list[str]:
    """The names of the fields that are browsed."""
    names = {field["name"]: field.get("type") for field in fields}
    return [name for name, kind in names.items() if name in SHORT or (name not in OWN and kind in CUSTOM)]


def _words(values: Iterable[str]) -> set[str]:
    """The words in some lists of words; "" where a list is empty.

    A "-" in front is left out: to a query it would mean "not".
    """
    lists = [[word.lstrip("-") for word in _APART.split(value)] for value in values]
    return {word for words in lists for word in words if word} | {"" for words in lists if not any(words)}
