"""A checked where clause → a SELECT of SQLAlchemy's, on tables and columns that the database really has.

Every name is looked up, and every literal becomes a parameter: no text of the clause reaches the database.
The values that are compared with a native date are dates there, so that one clause serves old and new
schemas.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Table,
    and_,
    exists,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    true,
    types,
)
from sqlalchemy.types import TypeEngine
from sqlglot import exp

from offtracfs.errors import TeamTrackError
from offtracfs.teamtrack.columns import Epoch, moment
from offtracfs.teamtrack.whereclause import Clause
from offtracfs.text import quoted

Named = Callable[[str], Table]
"""The table of a name, in any case of letters. Raises TeamTrackError where there is none."""

ID = "TS_ID"
_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    exp.EQ: operator.eq, exp.NEQ: operator.ne, exp.LT: operator.lt, exp.LTE: operator.le, exp.GT: operator.gt,
    exp.GTE: operator.ge, exp.Add: operator.add, exp.Sub: operator.sub, exp.Mul: operator.mul,
    exp.BitwiseAnd: lambda left, right: left.bitwise_and(right),
}  # fmt: skip
_FUNCTIONS: dict[type, str] = {
    exp.Abs: "abs", exp.Avg: "avg", exp.Coalesce: "coalesce", exp.Count: "count", exp.Length: "length",
    exp.Lower: "lower", exp.Max: "max", exp.Min: "min", exp.Sum: "sum", exp.Upper: "upper",
}  # fmt: skip


def ids(named: Named, table: Table, clause: Clause) -> Select[int]:
    """A SELECT of the TS_IDs of the rows that a clause asks for, in its order; those that tie by TS_ID."""
    scope = _Scope({table.name.upper(): table})
    key = scope.column(ID, "")
    query = select(key)
    if clause.where is not None:
        query = query.where(_Builder(named, scope).built(clause.where))
    for part in clause.order:
        if not isinstance(part.this, exp.Column):
            raise TeamTrackError("A where clause is ordered by columns.")
        by = scope.column(part.this.name, part.this.table)
        query = query.order_by(by.desc() if part.args.get("desc") else by.asc())
    return query.order_by(key)


class _Scope:
    """The tables whose columns can be named in a SELECT: its own, then those of the SELECTs around it."""

    def __init__(self, tables: dict[str, FromClause], outer: _Scope | None = None) -> None:
        self.tables = tables
        self.outer = outer

    def column(self, name: str, table: str) -> ColumnElement[Any]:
        """A column by name. Raises TeamTrackError where there is none, or more than one."""
        tables = [item for known, item in self.tables.items() if table.upper() in ("", known)]
        found = [column for item in tables for column in item.columns if column.name.upper() == name.upper()]
        if len(found) > 1:
            raise TeamTrackError(f"{quoted(name)} is a column of more than one table: name its table.")
        if found:
            return found[0]
        if self.outer:
            return self.outer.column(name, table)
        raise TeamTrackError(f"There is no column {quoted(f'{table}.{name}' if table else name)}.")

    def around(self) -> Iterator[FromClause]:
        """The tables of the SELECTs around it."""
        if self.outer:
            yield from self.outer.tables.values()
            yield from self.outer.around()


class _Builder:
    def __init__(self, named: Named, scope: _Scope) -> None:
        self._named = named
        self._scope = scope

    def built(self, node: exp.Expr) -> Any:  # noqa: C901  # a line for each kind of node
        """What a node says, in SQLAlchemy's words. Raises TeamTrackError."""
        if (operation := _BINARY.get(type(node))) is not None:
            return operation(*self._alike(node.this, node.expression))
        if (name := _FUNCTIONS.get(type(node))) is not None:
            return getattr(func, name)(*self._arguments(node))
        match node:
            case exp.Paren():
                return self.built(node.this)
            case exp.And() | exp.Or():
                join: Any = and_ if isinstance(node, exp.And) else or_
                return join(*(self.built(part) for part in node.flatten()))
            case exp.Not():
                return not_(self.built(node.this))
            case exp.Column() if not isinstance(node.this, exp.Star):
                return self._scope.column(node.name, node.table)
            case exp.Literal() | exp.Neg():
                return literal(_value(node)) if _is_value(node) else -self.built(node.this)
            case exp.Null():
                return null()
            case exp.Boolean():
                return true() if node.this else false()
            case exp.Is():
                return self.built(node.this).is_(self.built(node.expression))
            case exp.Like():
                return self._like(node, None)
            case exp.Escape() if isinstance(node.this, exp.Like) and node.expression.is_string:
                return self._like(node.this, node.expression.this)
            case exp.Between():
                this, low, high = self._alike(node.this, node.args["low"], node.args["high"])
                return this.between(low, high)
            case exp.In():
                return self._in(node)
            case exp.Exists():
                return exists(self._select(node.this))
            case exp.Subquery() if isinstance(node.this, exp.Select) and not node.alias:
                return self._select(node.this).scalar_subquery()
        raise TeamTrackError(f"A where clause cannot have {quoted(node.sql(comments=False))} there.")

    def _arguments(self, node: exp.Expr) -> Iterator[Any]:
        for part in [node.this, *node.expressions]:
            if isinstance(part, exp.Distinct) and len(part.expressions) == 1:
                yield self.built(part.expressions[0]).distinct()
            elif isinstance(part, exp.Star):
                return  # count(*)
            else:
                yield self.built(part)

    def _alike(self, *nodes: exp.Expr) -> list[Any]:
        """What is compared with each other: a value that stands beside a column is of its type."""
        others = [self.built(node) for node in nodes if not _is_value(node)]
        kind = others[0].type if others else None
        waiting = iter(others)
        return [_typed(_value(node), kind) if _is_value(node) else next(waiting) for node in nodes]

    def _like(self, node: exp.Like, escape: str | None) -> Any:
        found = self.built(node.this).like(self.built(node.expression), escape=escape)
        return not_(found) if node.args.get("negate") else found

    def _in(self, node: exp.In) -> Any:
        query = node.args.get("query")
        if query is not None:
            return self.built(node.this).in_(self._select(query.this))
        if not node.expressions:
            raise TeamTrackError("IN in a where clause is followed by values, or by a SELECT.")
        this, *listed = self._alike(node.this, *node.expressions)
        return this.in_(listed)

    def _select(self, node: exp.Expr) -> Select[Any]:
        if not isinstance(node, exp.Select) or not node.args.get("from_"):
            raise TeamTrackError("A subselect in a where clause is a SELECT from a table.")
        joins = node.args.get("joins") or []
        tables = [node.args["from_"].this, *(join.this for join in joins)]
        scope = _Scope({}, self._scope)
        for table in tables:
            if not isinstance(table, exp.Table):
                raise TeamTrackError("A subselect in a where clause is a SELECT from tables.")
            # An alias of its own: a table may be in the outer SELECT, too.
            scope.tables[(table.alias or table.name).upper()] = self._named(table.name).alias()
        if len(scope.tables) < len(tables):
            raise TeamTrackError("A table that is joined with itself needs an alias.")
        inner = _Builder(self._named, scope)
        query = select(*inner._selected(node)).select_from(inner._joined(joins)).correlate(*scope.around())
        if where := node.args.get("where"):
            query = query.where(inner.built(where.this))
        if group := node.args.get("group"):
            query = query.group_by(*(inner.built(part) for part in group.expressions))
        if having := node.args.get("having"):
            query = query.having(inner.built(having.this))
        return query.distinct() if node.args.get("distinct") else query

    def _selected(self, node: exp.Select) -> Iterator[Any]:
        for part in node.expressions:
            if isinstance(part, exp.Star):
                yield from self._scope.tables.values()
            else:
                yield self.built(part.this if isinstance(part, exp.Alias) else part)

    def _joined(self, joins: list[exp.Join]) -> FromClause:
        joined, *others = self._scope.tables.values()
        for join, table in zip(joins, others, strict=True):
            kinds = {str(join.args.get(name) or "").upper() for name in ("kind", "side")}
            if kinds - {"", "INNER", "CROSS", "LEFT", "OUTER"}:
                raise TeamTrackError(
                    "In a where clause tables are joined by JOIN … ON, LEFT JOIN … ON or a comma."
                )
            on = join.args.get("on")
            joined = joined.join(table, self.built(on) if on else true(), isouter="LEFT" in kinds)
        return joined


def _is_value(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) or (
        isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal) and not node.this.is_string
    )


def _typed(value: Any, kind: TypeEngine[Any] | None) -> Any:
    """A value as a parameter, beside what is of a type. Raises TeamTrackError where it cannot be of that."""
    if isinstance(kind, Epoch):
        moment(value)
        return literal(value, kind)
    if isinstance(value, str) and isinstance(kind, types.Numeric | types.Integer):
        return literal(_number(value))
    return literal(value)


def _number(text: str) -> float:
    """Raises TeamTrackError for what is no number."""
    try:
        return int(text) if text.removeprefix("-").isdecimal() else float(text)
    except ValueError:
        raise TeamTrackError(f"{quoted(text)!r} is no number.") from None


def _value(node: exp.Expr) -> Any:
    if isinstance(node, exp.Neg):
        return -_value(node.this)
    return str(node.this) if node.args["is_string"] else _number(str(node.this))
