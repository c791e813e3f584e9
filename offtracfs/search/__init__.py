"""Full-text search of all texts of tickets, as they stood at any revision.

``search.db`` is made from the index, and has a version of its own: where one is built anew, the other stays.

    words       how texts become words, for what is searched and for what is looked for
    documents   the texts of tickets, with the revisions between which they stood
    build       the file: built, brought up
    query       what somebody asks for
    searching   the tickets that match, best first
    hits        what is shown of them
    verify      is the file whole and right, and what is it?
"""

from offtracfs.search.build import SEARCH, catch_up, rebuild
from offtracfs.search.hits import Hit, Passage, hits
from offtracfs.search.query import Query, parse
from offtracfs.search.searching import LagsBehind, Search
from offtracfs.search.verify import LAGS, SearchStatus, first_difference, inspect

__all__ = [
    "LAGS",
    "SEARCH",
    "Hit",
    "LagsBehind",
    "Passage",
    "Query",
    "Search",
    "SearchStatus",
    "catch_up",
    "first_difference",
    "hits",
    "inspect",
    "parse",
    "rebuild",
]
