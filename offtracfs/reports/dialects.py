"""Translates SQL written for PostgreSQL or MySQL into SQLite's, where that has words for the same.

sqlglot reads a statement; it is changed from the inside out by the rules below and in
`offtracfs.reports.dialectdates`, and then held against a list of what means the same in SQLite. Anything else
is refused by name: a report that fails is better than one that lies. Some things are taken for the same that
are not quite: how text is sorted, the two cases of letters beyond a to z, and how fractions are printed.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from itertools import count

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from offtracfs.errors import QueryRefused
from offtracfs.reports.allowed import FUNCTIONS
from offtracfs.reports.dialectdates import DATES, MYSQL, POSTGRES, Node, Rule, Unlike, as_moment, call, kind

logging.getLogger("sqlglot").addHandler(logging.NullHandler())  # else it speaks to the user itself

NAMES = {"postgres": "PostgreSQL", "mysql": "MySQL"}
MAX_QUOTE = 60  # characters of a construct in a sentence
ORDERED_AGGREGATES = sqlite3.sqlite_version_info >= (3, 44)
INTEGERS = ("INT", "BIGINT", "SMALLINT", "TINYINT", "UBIGINT", "UINT")
REALS = ("DOUBLE", "FLOAT", "DECIMAL")
TEXTS = ("TEXT", "VARCHAR", "CHAR", "BPCHAR")
MOMENTS = ("TIMESTAMP", "TIMESTAMPTZ", "DATETIME")
SQLITES = (
    "date",
    "datetime",
    "time",
    "strftime",
    "julianday",
)  # functions of SQLite that mean something else in other databases

_SAME = """
Abs Add Alias And Anonymous Avg Between Boolean CTE Case Cast Ceil Coalesce Column Count DPipe DataType
DenseRank Distinct Div EQ Escape Except Exists Filter FirstValue Floor From GT GTE Glob Greatest Group
GroupConcat Having Identifier If In Intersect Is Join LT LTE Lag LastValue Lead Least Length Like Limit
Literal Lower Max Min Mod Mul NEQ Neg Not Null NullSafeEQ NullSafeNEQ Nullif Offset Or Order Ordered Paren
Placeholder Rank Replace Round RowNumber Select Star Sub Subquery Sum Table TableAlias Trim Tuple Union Upper
Var Where Window WindowSpec With
"""
SAME = frozenset(_SAME.split())
"""sqlglot's names for what SQLite has too, and takes for the same."""

_QUOTED = r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* | /\*.*?(?:\*/|\Z)"""
_PLACES = re.compile(rf"{_QUOTED} | `[^`]*` | (?P<found>\?)", re.DOTALL | re.VERBOSE)
_CALLED = """
IF IFNULL ISNULL FROM_UNIXTIME UNIX_TIMESTAMP DATE_FORMAT DATE_ADD DATE_SUB DATEDIFF TO_DAYS STR_TO_DATE
CURDATE CURTIME YEAR MONTH DAY DAYOFWEEK DAYOFYEAR DAYOFMONTH WEEK HOUR MINUTE GROUP_CONCAT LOCATE FIELD
FIND_IN_SET SUBSTRING_INDEX CONVERT
"""
_MYSQL = re.compile(
    rf"""{_QUOTED} | (?P<found> ` | <=> | && | \bINTERVAL\s+[^\s'] | \b(SEPARATOR|REGEXP|RLIKE|DIV|XOR)\b
    | \bAS\s+(UN)?SIGNED\b | \b({"|".join(_CALLED.split())})\s*\()""",
    re.DOTALL | re.VERBOSE | re.IGNORECASE,
)
"""What only MySQL has: a statement without any of these is PostgreSQL's."""


class _Unknown(Exception):
    """It calls a function that neither database may have."""


def translated(sql: str) -> str | None:
    """`sql` in SQLite's words, ``?`` as ``?1``, ``?2``, …; None where it is no other database's SQL either.

    Raises QueryRefused with the construct, and the reason, where it is one that SQLite has no words for.
    """
    dialect = "mysql" if any(match["found"] for match in _MYSQL.finditer(sql)) else "postgres"
    numbers = count(1)
    named = _PLACES.sub(lambda match: f":place{next(numbers)} " if match["found"] else match[0], sql)
    try:
        tree = sqlglot.parse_one(named, read=dialect)
        return _translated(tree, dialect) if isinstance(tree, exp.Query) else None
    except (SqlglotError, _Unknown, RecursionError):
        return None
    except Unlike as error:
        construct = error.node.sql(dialect=dialect, comments=False)
        shown = construct if len(construct) <= MAX_QUOTE else construct[: MAX_QUOTE - 1] + "…"
        sentence = f"{NAMES[dialect]}'s {shown} cannot run here: {error.why}."
        raise QueryRefused(sentence) from None


def _translated(tree: exp.Query, dialect: str) -> str:
    _name_columns(tree, dialect)
    for node in reversed(list(tree.walk(bfs=False))):  # the parts before the whole
        rule = RULES[dialect].get(type(node))
        other = rule(node) if rule else node
        if other is not node:
            node.replace(other)
    for node in tree.walk():
        if isinstance(node, exp.Anonymous) and str(node.this).lower() not in FUNCTIONS:
            raise _Unknown
        if type(node).__name__ not in SAME:
            raise Unlike(node, "SQLite has no equal")
    for place in list(tree.find_all(exp.Placeholder)):
        place.replace(exp.Var(this=_place(str(place.this))))
    return str(tree.sql(dialect="sqlite", comments=False))


def _place(name: str) -> str:
    """Numbered, since what stands in one place may come to stand in two."""
    return "?" + name.removeprefix("place") if name.startswith("place") else f":{name}"


def _name_columns(tree: exp.Query, dialect: str) -> None:
    """Give the columns of the result PostgreSQL's names: those of what is cast, or called."""
    for node in tree.selects if dialect == "postgres" else []:
        inner = node
        while isinstance(inner, exp.Cast):
            inner = inner.this
        if isinstance(inner, exp.Func):
            name = re.split(r"\W", inner.sql(dialect=dialect), maxsplit=1)[0].lower()
            node.replace(exp.alias_(node.copy(), name, quoted=True))
        elif inner is not node and isinstance(inner, exp.Column):
            node.replace(exp.alias_(node.copy(), inner.name, quoted=True))


def _cast(node: exp.Cast) -> Node:
    to, inner = node.to.this.name, node.this
    if to == "DATE":
        return as_moment(inner, "date")
    if to in MOMENTS:
        return as_moment(inner)
    if to in INTEGERS:
        return exp.cast(_rounded(inner, node), "INTEGER", dialect="sqlite")
    if to in TEXTS and not node.to.expressions:
        return inner if kind(inner) else exp.cast(inner, "TEXT", dialect="sqlite")
    if to in REALS:
        real = exp.cast(inner, "REAL" if to == "DECIMAL" else "DOUBLE", dialect="sqlite")
        digits = node.to.expressions[1:] if to == "DECIMAL" else []
        return call("round", real, digits[0].this) if digits else real
    raise Unlike(node, "SQLite has no such type")


def _rounded(value: Node, node: Node) -> Node:
    """What becomes an integer is rounded, where SQLite would cut it off."""
    if any(cast.to.this.name == "DOUBLE" for cast in value.find_all(exp.Cast)):
        raise Unlike(node, "SQLite rounds halves otherwise")
    inner = value.unnest()
    whole = isinstance(inner, exp.Literal) and (inner.is_string or inner.is_int)
    return value if whole or isinstance(inner, exp.Column | exp.Placeholder) else call("round", value)


def _concat(node: exp.Concat) -> Node:
    parts = list(node.expressions)
    if node.args.get("coalesce"):  # PostgreSQL passes over NULL
        parts = [exp.Coalesce(this=part, expressions=[exp.Literal.string("")]) for part in parts]
    whole = parts[0]
    for part in parts[1:]:
        whole = exp.DPipe(this=whole, expression=part)
    return exp.paren(whole)


def _matched(node: Node) -> Node:
    """LIKE, in which both databases tell upper from lower case (Trac's MySQL has ``utf8_bin``), and ILIKE."""
    if isinstance(node.parent, exp.Escape):
        return node
    like, escape = (node.this, node.expression.name) if isinstance(node, exp.Escape) else (node, "\\")
    letters = "".join(part.name for part in like.expression.find_all(exp.Literal))
    found: Node
    if isinstance(like, exp.Like):
        found = exp.Glob(this=like.this, expression=_globbed(like.expression, escape, node))
    elif any(letter.lower() != letter.upper() for letter in letters if not letter.isascii()):
        raise Unlike(node, "SQLite knows the two cases of a to z only")
    else:
        same = exp.Like(this=like.this, expression=like.expression)
        found = exp.Escape(this=same, expression=exp.Literal.string(escape))
    return exp.Not(this=exp.paren(found)) if like.args.get("negate") else found


def _globbed(pattern: Node, escape: str, node: Node) -> Node:
    """A pattern of LIKE's as one of GLOB's."""
    kept = {"[": "[[]", "*": "[*]", "?": "[?]"}
    wild = kept | {"%": "*", "_": "?"}
    if isinstance(pattern, exp.Literal):
        pieces = re.findall(rf"{re.escape(escape)}(.)|(.)", pattern.name, re.DOTALL)
        return exp.Literal.string("".join(kept.get(a, a) or wild.get(b, b) for a, b in pieces))
    if isinstance(node, exp.Escape) or any(escape in part.name for part in pattern.find_all(exp.Literal)):
        raise Unlike(node, "SQLite's LIKE does not tell upper from lower case")
    for mark, other in wild.items():
        pattern = call("replace", pattern, mark, other)
    return pattern


def _group_concat(node: exp.GroupConcat) -> Node:
    inner, separator = node.this, node.args.get("separator")
    if isinstance(inner, exp.Order):
        if not ORDERED_AGGREGATES:
            raise Unlike(node, "this SQLite keeps no order within a group")
        inner = inner.this
    if isinstance(inner, exp.Distinct) and separator is not None:
        if separator.name != ",":
            raise Unlike(node, "SQLite puts a comma between distinct values, and nothing else")
        node.set("separator", None)
    return node


def _length(node: exp.Length) -> Node:
    """MySQL's counts bytes."""
    return call("length", exp.cast(node.this, "BLOB", dialect="sqlite")) if node.args.get("binary") else node


def _position(node: exp.StrPosition) -> Node:
    if node.args.get("position"):
        raise Unlike(node, "SQLite looks from the beginning")
    return call("instr", node.this, node.args["substr"])


def _part(node: Node) -> Node:
    if isinstance(node, exp.Substring):
        start, length = node.args.get("start"), node.args.get("length")
        if _whole(start) and (length is None or _whole(length)):
            return call("substr", node.this, *(part for part in (start, length) if part is not None))
    elif _whole(node.expression):
        if isinstance(node, exp.Left):
            return call("substr", node.this, exp.Literal.number(1), node.expression)
        return call("substr", node.this, exp.Neg(this=node.expression))
    raise Unlike(node, "SQLite counts otherwise from what is no number above 0")


def _whole(node: Node | None) -> bool:
    return isinstance(node, exp.Literal) and node.is_int and int(node.name) > 0


def _called(node: exp.Anonymous) -> Node:
    """MySQL's functions that sqlglot leaves alone."""
    name, arguments = str(node.this).upper(), node.expressions
    if name == "NOW" and not arguments:
        return call("datetime", "now")
    if name == "UNIX_TIMESTAMP" and len(arguments) <= 1:
        when = as_moment(arguments[0]) if arguments else call("datetime", "now")
        return exp.cast(call("strftime", "%s", when), "INTEGER", dialect="sqlite")
    return _not_sqlites(node)


def _not_sqlites(node: exp.Anonymous) -> Node:
    if str(node.this).lower() in SQLITES:
        raise Unlike(node, "SQLite's function of that name is another")
    return node


def _no_patterns(node: Node) -> Node:
    raise Unlike(node, "SQLite has no regular expressions")


def _no_distinct_on(node: exp.Distinct) -> Node:
    if node.args.get("on"):
        raise Unlike(node, "SQLite cannot choose one row of several")
    return node


_BOTH: dict[type[Node], Rule] = {
    **DATES,
    exp.Cast: _cast,
    exp.Concat: _concat,
    exp.Length: _length,
    exp.GroupConcat: _group_concat,
    exp.StrPosition: _position,
    exp.Distinct: _no_distinct_on,
    **dict.fromkeys((exp.Left, exp.Right, exp.Substring), _part),
    **dict.fromkeys((exp.Like, exp.ILike, exp.Escape), _matched),
    **dict.fromkeys((exp.RegexpLike, exp.RegexpILike, exp.SimilarTo), _no_patterns),
}
RULES = {
    "postgres": _BOTH | POSTGRES | {exp.Anonymous: _not_sqlites},
    "mysql": _BOTH | MYSQL | {exp.Anonymous: _called},
}
