"""What a text asks for: words to look for, and what must hold of the tickets and of their texts.

    crash railway      both words, in any texts of a ticket
    cra*               words that begin so
    "segmentation fault"   in a row
    -flaky             no text of the ticket has that word
    summary:crash      in that text of the ticket; so do description: and keywords:
    status:new         the ticket's field has that value; -status:closed: another one. Of several values
                       of a field any will do
    author:alice       only texts that alice wrote count
    in:comments        only texts of that field count

A name before a colon that is no field is a word like any other, as in ``http://example.org``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from offtracfs.errors import QueryRefused
from offtracfs.kinds import TABLES
from offtracfs.search.documents import COMMENT, DESCRIPTION, FIELDS, KEYWORDS, SUMMARY
from offtracfs.search.words import has_words, prepared

MAX_LENGTH = 1_000  # characters
AUTHOR, IN = "author", "in"
PLURALS = {"comments": COMMENT, "descriptions": DESCRIPTION, "summaries": SUMMARY, "keyword": KEYWORDS}
TEXTS = (SUMMARY, DESCRIPTION, KEYWORDS)
VALUES = TABLES["ticket"].columns.keys() - {"id", "time", "changetime", *TEXTS}

_PART = re.compile(
    r'(?P<minus>-?)(?:(?P<name>\w[\w.-]*):)?(?:"(?P<phrase>[^"]*)"?|(?P<bare>[^\s"]+))(?P<star>\*?)'
)
_UNUSABLE = re.compile("[\0\ud800-\udfff]")  # surrogates are what was no UTF-8 on a command line
_NOTHING = "There is no word to look for: write some, like 'crash railway', cra* or \"in a row\"."


class Term(NamedTuple):
    """A word or a phrase to look for; a `prefix` stands for all words that begin as its last one.

    `field` is that of the texts to look in; "" for all.
    """

    text: str
    prefix: bool = False
    field: str = ""

    @property
    def expression(self) -> str:
        """In the query language of FTS5, where a text in quotes can be anything."""
        quoted = prepared(self.text).replace('"', '""')
        return f'"{quoted}"' + "*" * self.prefix


@dataclass(slots=True)
class Query:
    """What is asked for. Values and names of authors are compared without regard to case."""

    terms: list[Term] = field(default_factory=list)  # all of which a ticket must have
    excluded: list[Term] = field(default_factory=list)  # none of which it may have
    fields: dict[str, list[str]] = field(default_factory=dict)  # of the ticket: any of these values
    not_fields: dict[str, list[str]] = field(default_factory=dict)  # none of these
    authors: list[str] = field(default_factory=list)  # of the texts that count; none: anybody
    within: list[str] = field(default_factory=list)  # the fields whose texts count; none: all


def parse(
    text: str,
    custom: Collection[str] = (),
    *,
    authors: Iterable[str] = (),
    within: Iterable[str] = (),
    statuses: Iterable[str] = (),
) -> Query:
    """What a text asks for, of a tracker with these custom fields; with what options add to it.

    Raises QueryRefused, in one sentence, where there is no word to look for, or no such field.
    """
    if len(text) > MAX_LENGTH or _UNUSABLE.search(text):
        raise QueryRefused(f"What to search is UTF-8 text of at most {MAX_LENGTH:,} characters, without NUL.")
    query = Query()
    for name, values in ((AUTHOR, authors), (IN, within), ("status", statuses)):
        for value in values:
            _filter(query, name, value, custom)
    known = {*VALUES, *custom, AUTHOR, IN}
    for part in _PART.finditer(text):
        name, value = part["name"] or "", part["phrase"] if part["bare"] is None else part["bare"]
        if name in known and not part["star"]:
            _filter(query, name, value, custom, excluded=bool(part["minus"]))
            continue
        if name and name not in TEXTS:
            value = f"{name}:{value}"
        prefix = bool(part["star"]) or value.endswith("*")
        term = Term(value.rstrip("*"), prefix, name if name in TEXTS else "")
        if has_words(term.text):
            (query.excluded if part["minus"] else query.terms).append(term)
    if not query.terms:
        raise QueryRefused(_NOTHING)
    return query


def _filter(query: Query, name: str, value: str, custom: Collection[str], *, excluded: bool = False) -> None:
    if name not in (AUTHOR, IN):
        (query.not_fields if excluded else query.fields).setdefault(name, []).append(value)
        return
    if excluded:
        raise QueryRefused(f"{name}: cannot be excluded: leave out its -.")
    if name == AUTHOR:
        query.authors.append(value)
        return
    text = PLURALS.get(value, value)
    if text not in (*FIELDS, *custom):
        *most, last = (*FIELDS, *sorted(custom))
        raise QueryRefused(
            f"There is no text {value[:60]!r} to search: there are {', '.join(most)} and {last}."
        )
    query.within.append(text)
