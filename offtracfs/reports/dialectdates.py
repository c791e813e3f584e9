"""Moments of PostgreSQL and MySQL in SQLite's words: text in UTC, to the second, as its functions have it.

A rule takes a node of sqlglot's whose parts are in SQLite's words already, and gives what stands for it. What
is known to be a moment is a call of ``datetime`` or ``date``: nothing else is taken for one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlglot import exp

Node = exp.Expr
Rule = Callable[[Any], Node]

UNITS = ("SECOND", "MINUTE", "HOUR", "DAY", "WEEK")
PARTS = {"YEAR": "%Y", "MONTH": "%m", "DAY": "%d", "HOUR": "%H", "MINUTE": "%M", "SECOND": "%S"}
PARTS |= {"DOW": "%w", "DAYOFWEEK": "%w", "DOY": "%j", "DAYOFYEAR": "%j"}  # sqlglot has two names for each
STARTS = {
    "YEAR": ("start of year",),
    "MONTH": ("start of month",),
    "WEEK": ("start of day", "-6 days", "weekday 1"),
    "DAY": ("start of day",),
}
HOURS = {"HOUR": "%Y-%m-%d %H:00:00", "MINUTE": "%Y-%m-%d %H:%M:00", "SECOND": "%Y-%m-%d %H:%M:%S"}

_CODE = re.compile(r"%[YmdHMSj%]")  # in a pattern for SQLite's strftime, those that mean what sqlglot means
_ISO = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?", re.ASCII)


class Unlike(Exception):
    """A construct for which SQLite has no words, and why."""

    def __init__(self, node: Node, why: str) -> None:
        super().__init__(why)
        self.node = node
        self.why = why


def call(function: str, *arguments: Node | str) -> exp.Anonymous:
    """A call of one of SQLite's functions; text is a literal."""
    parts = [exp.Literal.string(part) if isinstance(part, str) else part for part in arguments]
    return exp.Anonymous(this=function, expressions=parts)


def kind(node: Node) -> str:
    """What is known to be a moment is a "datetime" or a "date"; "" where nothing is known."""
    inner = node.unnest()
    name = str(inner.this) if isinstance(inner, exp.Anonymous) else ""
    return name if name in ("datetime", "date") else ""


def as_moment(node: Node, what: str = "datetime") -> Node:
    """`node` as a "datetime" or a "date". Raises Unlike where it is not known to be a moment."""
    if kind(node):
        return node if kind(node) == what else call(what, node)
    if isinstance(node, exp.Literal) and node.is_string:
        if node.name == "epoch":
            return call(what, exp.Literal.number(0), "unixepoch")
        if _ISO.fullmatch(node.name):
            return call(what, node)
    raise Unlike(node, "it is not known to be a date or time")


def _now(_node: Node) -> Node:
    return call("datetime", "now")


def _today(_node: Node) -> Node:
    return call("date", "now")


def _from_seconds(node: exp.UnixToTime) -> Node:
    found = call("datetime", node.this, "unixepoch")
    return (
        _written(exp.TimeToStr(this=found, format=node.args["format"])) if node.args.get("format") else found
    )


def _day(node: Node) -> Node:
    return as_moment(node.this, "date")


def _unwrapped(node: Node) -> Node:
    return as_moment(node.this)


def _extracted(node: Node) -> Node:
    part = node.name.upper() if isinstance(node, exp.Extract) else type(node).__name__.upper()
    when = as_moment(node.expression if isinstance(node, exp.Extract) else node.this)
    if part == "EPOCH":
        return exp.cast(call("strftime", "%s", when), "REAL", dialect="sqlite")
    if part not in PARTS:
        raise Unlike(node, f"SQLite cannot tell the {part.lower()} of a moment")
    return exp.cast(call("strftime", PARTS[part], when), "INTEGER", dialect="sqlite")


def _written(node: exp.TimeToStr) -> Node:
    pattern = node.args.get("format")
    if not (isinstance(pattern, exp.Literal) and pattern.is_string) or "%" in _CODE.sub("", pattern.name):
        raise Unlike(node, "SQLite has no such pattern for dates")
    return call("strftime", pattern.name, as_moment(node.this))


def _written_by_letters(node: exp.TimeToStr) -> Node:
    """PostgreSQL's patterns: what sqlglot has left of the letters in them would have meant something."""
    pattern = node.args.get("format")
    if isinstance(pattern, exp.Literal) and re.search('[A-Za-z"]', _CODE.sub("", pattern.name)):
        raise Unlike(node, "SQLite has no such pattern for dates")
    return _written(node)


def _cut(node: Node) -> Node:
    unit, when = str(node.args["unit"].name).upper(), as_moment(node.this)
    if node.args.get("zone"):
        raise Unlike(node, "moments are in UTC")
    if unit in HOURS:
        return call("datetime", call("strftime", HOURS[unit], when))
    if unit not in STARTS:
        raise Unlike(node, f"SQLite cannot cut a moment to the {unit.lower()}")
    return call("datetime", when, *STARTS[unit])


def moved(when: Node, amount: Node, unit: str, node: Node, what: str) -> Node:
    """The "datetime" or "date" so many units later."""
    unit = unit.upper().removesuffix("S")
    if unit not in UNITS:
        raise Unlike(node, "SQLite counts months and years otherwise at their ends")
    if unit == "WEEK":
        amount, unit = exp.Mul(this=exp.paren(amount), expression=exp.Literal.number(7)), "DAY"
    step = exp.DPipe(this=exp.paren(amount), expression=exp.Literal.string(f" {unit.lower()}"))
    return call(what, when, step)


class _Length(NamedTuple):
    amount: Node
    unit: str


def _interval(node: Node) -> _Length | None:
    """How many, and of what unit, an interval is, or a number times one."""
    node = node.unnest()
    if isinstance(node, exp.Mul):
        for one, other in ((node.this, node.expression), (node.expression, node.this)):
            if found := _interval(one):
                product = exp.Mul(this=exp.paren(found.amount), expression=exp.paren(other.copy()))
                return _Length(product, found.unit)
    if not isinstance(node, exp.Interval):
        return None
    amount, unit = node.this, node.args.get("unit")
    if isinstance(amount, exp.Literal) and re.fullmatch(r"-?\d+", amount.name):
        amount = exp.Literal.number(amount.name)
    elif isinstance(amount, exp.Literal):
        amount = None
    if amount is None or unit is None:
        raise Unlike(node, "only intervals of one whole number and one unit can be told")
    return _Length(amount, unit.name)


def _sum(node: exp.Add | exp.Sub) -> Node:
    """PostgreSQL's: a date and an interval make a moment, a date and a number another date."""
    return _summed(node, lambda when, unit: "date" if unit == "" else "datetime")


def _sum_of_days(node: exp.Add | exp.Sub) -> Node:
    """MySQL's: a date and days make a date, and a date is a number where it meets one."""
    return _summed(node, _same_kind)


def _same_kind(when: Node, unit: str) -> str:
    whole = unit.upper().removesuffix("S") in ("DAY", "WEEK")
    return "date" if whole and kind(when) == "date" else "datetime"


def _summed(node: exp.Add | exp.Sub, becomes: Callable[[Node, str], str]) -> Node:
    one, other = node.this, node.expression
    if isinstance(node, exp.Add) and kind(other):
        one, other = other, one
    length = _interval(other)
    if not kind(one):
        if length or kind(other):
            one = as_moment(one)
        else:
            return node
    unit = length.unit if length else ""
    if not length and becomes(one, unit) == kind(one) == "date" and not kind(other):
        length = _Length(other, "DAY")
    if not length:
        raise Unlike(node, "SQLite has no length of time as a value")
    amount = exp.Neg(this=exp.paren(length.amount)) if isinstance(node, exp.Sub) else length.amount
    return moved(one, amount, length.unit, node, becomes(one, unit))


def _date_sum(node: Node) -> Node:
    """MySQL's DATE_ADD and DATE_SUB."""
    amount = node.expression
    if isinstance(amount, exp.Literal):
        amount = exp.Literal.number(amount.name)
    if isinstance(node, exp.DateSub):
        amount = exp.Neg(this=exp.paren(amount))
    when = node.this if kind(node.this) else as_moment(node.this)
    unit = str(node.args["unit"].name)
    return moved(when, amount, unit, node, _same_kind(when, unit))


def _compared(node: Node) -> Node:
    """Text is compared as text: so both sides must have the same form."""
    sides = [name for name in ("this", "expression", "low", "high") if node.args.get(name) is not None]
    if any(kind(node.args[name]) for name in sides):
        for name in sides:
            side = node.args[name]
            if not isinstance(side, exp.Null):
                side.replace(as_moment(side.copy()))
    return node


DATES: dict[type[Node], Rule] = {
    exp.CurrentTimestamp: _now,
    exp.Localtimestamp: _now,
    exp.CurrentDate: _today,
    exp.UnixToTime: _from_seconds,
    exp.Date: _day,
    exp.TsOrDsToDate: _day,
    exp.TsOrDsToTimestamp: _unwrapped,
    exp.Extract: _extracted,
    exp.Year: _extracted,
    exp.Month: _extracted,
    exp.Day: _extracted,
    exp.Hour: _extracted,
    exp.Minute: _extracted,
    exp.TimestampTrunc: _cut,
    exp.DateTrunc: _cut,
    exp.DateAdd: _date_sum,
    exp.DateSub: _date_sum,
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between), _compared),
}
"""For both databases."""
POSTGRES: dict[type[Node], Rule] = {exp.TimeToStr: _written_by_letters, exp.Add: _sum, exp.Sub: _sum}
MYSQL: dict[type[Node], Rule] = {exp.TimeToStr: _written, exp.Add: _sum_of_days, exp.Sub: _sum_of_days}
