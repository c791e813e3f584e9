"""A where clause, taken apart and checked: one condition, subselects and an ORDER BY, and nothing that acts.

A clause is text from outside. What is in it is never passed on: sqlglot reads it, each node of the tree has
to be on the list below, and what is sent is made anew from the tree (`conditions` for a database, `spoken`
for a server). A function that is not on the list cannot be called, so that a clause can change nothing.
"""

from __future__ import annotations

import logging
import re
from typing import NamedTuple

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from offtracfs.errors import TeamTrackError
from offtracfs.text import quoted

logging.getLogger("sqlglot").addHandler(logging.NullHandler())  # else it speaks to the user itself

MAX_CLAUSE = 100_000  # characters; a list of ids may be long
MAX_DEPTH = 50  # of a tree; a chain of AND or of OR counts once

_ALLOWED = """
Abs Add Alias And Avg Between BitwiseAnd Boolean Coalesce Column Count Distinct EQ Escape Exists From GT GTE
Group Having Identifier In Is Join LT LTE Length Like Literal Lower Max Min Mul NEQ Neg Not Null Or Order
Ordered Paren Select Star Sub Subquery Sum Table TableAlias Tuple Upper Where
"""
ALLOWED = frozenset(_ALLOWED.split())
"""sqlglot's names for what may be in a clause."""

PARTS: dict[type, tuple[str, ...]] = {
    exp.Between: ("this", "low", "high"),
    exp.Column: ("this", "table"),
    exp.Distinct: ("expressions",),
    exp.Group: ("expressions",),
    exp.In: ("this", "expressions", "query"),
    exp.Is: ("this", "expression"),
    exp.Join: ("this", "on", "kind", "side"),
    exp.Like: ("this", "expression", "negate"),
    exp.Select: ("expressions", "from_", "joins", "where", "group", "having", "distinct"),
    exp.Table: ("this", "alias"),
    exp.TableAlias: ("this",),
}
"""What nodes may be made of, so that nothing is passed over in silence."""
OUTERMOST = ("expressions", "from_", "where", "order")
_STRINGS = re.compile("'(?:[^']|'')*'")
_NULLS = re.compile(r"\bNULLS\b", re.IGNORECASE)  # NULLS LAST, of which the tree does not tell


class Clause(NamedTuple):
    """A checked clause: its condition and its ORDER BY, each as a tree or None."""

    where: exp.Expr | None
    order: list[exp.Ordered]


def parsed(clause: str) -> Clause:
    """What a clause asks for; the empty one asks for all. Raises TeamTrackError."""
    if not isinstance(clause, str):
        raise TeamTrackError("A where clause is a text.")
    if len(clause) > MAX_CLAUSE:
        raise TeamTrackError(f"A where clause has at most {MAX_CLAUSE} characters.")
    if not clause.strip():
        return Clause(None, [])
    if "\0" in clause:
        raise _refused("a NUL character")
    if found := _NULLS.search(_STRINGS.sub("", clause)):
        raise _refused(found[0])
    try:
        statements = sqlglot.parse(f"SELECT 1 FROM t WHERE {clause}")  # noqa: S608  # to be read, not run
        tree = statements[0]
        if len(statements) != 1 or type(tree) is not exp.Select:
            raise _refused("more than a condition and an ORDER BY")
        _check(tree)
        order = tree.args.get("order")
        return Clause(tree.args["where"].this, list(order.expressions) if order else [])
    except (SqlglotError, RecursionError):
        raise TeamTrackError(
            f"This where clause is not understood: {quoted(clause)!r}. A condition on TS_… columns is wanted,"
            " with subselects and ORDER BY if need be."
        ) from None


def spoken(tree: exp.Expr) -> str:
    """A checked tree as SQL again, for a server that takes clauses as text."""
    return tree.sql(comments=False)


def _check(statement: exp.Select) -> None:
    """Raises TeamTrackError where a node or a part is not on the lists."""
    for node in statement.walk():
        allowed = OUTERMOST if node is statement else PARTS.get(type(node), tuple(node.args))
        others = {name for name, value in node.args.items() if value}.difference(allowed)
        if type(node).__name__ not in ALLOWED or others:
            raise _refused(node.sql(comments=False) or type(node).__name__)
    if _depth(statement) > MAX_DEPTH:
        raise _refused("more than can be followed")


def _depth(statement: exp.Expr) -> int:
    deepest, waiting = 0, [(statement, 0)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        for child in node.iter_expressions():
            chained = isinstance(node, exp.And | exp.Or) and type(child) is type(node)
            waiting.append((child, depth if chained else depth + 1))
    return deepest


def _refused(what: str) -> TeamTrackError:
    return TeamTrackError(
        f"A where clause is one condition, with subselects and an ORDER BY: {quoted(what)} cannot be in it."
    )
