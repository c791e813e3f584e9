"""A query as SQL on Trac's tables, whatever the fields are; texts are bound, never part of the SQL.

What orders priorities or milestones is joined as ``of_priority``, ``of_milestone``; a custom field's value is
an expression of its own, so that there may be any number of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import starmap
from typing import Any, NamedTuple

from offtracfs.dates import start_of
from offtracfs.errors import QueryRefused
from offtracfs.index.tables import VIEWS
from offtracfs.kinds.ticket import SHORT
from offtracfs.querylanguage import MODES, Clause, Query
from offtracfs.records import EPOCH

ENUMS = {"resolution": "resolution", "priority": "priority", "severity": "severity", "type": "ticket_type"}
"""Fields whose values have an order of their own, and what Trac's table calls them there."""

DATES = {"milestone": ("completed", "due"), "version": ("time",)}
"""Fields whose values have a table of their own, and the dates in it that order them."""

Known = Mapping[str, dict[str, Any]]
"""The fields by name."""


class Sql(NamedTuple):
    """A piece of SQL, and what is bound to its placeholders."""

    text: str
    values: list[str]


class Asker(NamedTuple):
    """Who asks ($USER), and when and where: `now` is aware."""

    user: str
    now: datetime


def select(query: Query, columns: list[str], known: Known, asker: Asker) -> Sql:
    """A query's tickets in order: its columns, then the group if there is one, then the priority's number."""
    wanted = [*columns, query.group] if query.group else columns
    cells = ", ".join(_column(name) for name in wanted)
    matching = _where(query, known, asker)
    orders = [(query.order, query.descending)]
    if query.group and query.group != query.order:
        orders.insert(0, (query.group, query.group_descending))
    keys = [key + " DESC" * down for name, down in orders for key in _keys(name, known)]
    order = ", ".join([*keys, "t.id"])
    joins = "".join(map(_join, sorted({"priority", *(name for name, _ in orders)})))
    source = f"FROM ticket AS t{joins} WHERE {matching.text} ORDER BY {order}"
    return Sql(f"SELECT {cells}, of_priority.value {source}", matching.values)


def _where(query: Query, known: Known, asker: Asker) -> Sql:
    """The condition on a ticket ``t`` to be among a query's. Raises QueryRefused."""
    clauses = _joined("OR", [_clause(clause, known, asker) for clause in query.clauses])
    return _joined("AND", [clauses, *starmap(_one_of, query.exactly.items())]) or Sql("1", [])


def _clause(clause: Clause, known: Known, asker: Asker) -> Sql | None:
    return _joined("AND", [_constraint(name, clause[name], known, asker) for name in sorted(clause)])


def _joined(word: str, conditions: list[Sql | None]) -> Sql | None:
    """Conditions as one; those that ask for nothing are no conditions."""
    found = [condition for condition in conditions if condition]
    if not found:
        return None
    text = f" {word} ".join(f"({condition.text})" for condition in found)
    return Sql(text, [value for condition in found for value in condition.values])


def _constraint(name: str, values: list[str], known: Known, asker: Asker) -> Sql | None:
    """The condition that a field has one of the values.

    The mode ("!~", …) of the first value counts for all.
    """
    values = [value.replace("$USER", asker.user) for value in values]
    negated = values[0].startswith("!")
    mode = values[0][negated : negated + 1]
    if mode not in MODES:
        mode = ""
    found = _joined("OR", [*_conditions(name, values, mode, negated + len(mode), known, asker)])
    return Sql(f"NOT ({found.text})", found.values) if found and negated else found


def _conditions(
    name: str, values: list[str], mode: str, cut: int, known: Known, asker: Asker
) -> Iterator[Sql | None]:
    """A condition for each value, of which one must hold; the first `cut` characters of each are the mode."""
    if name == "id":
        yield from (_ids(text) for value in values if (text := value.replace("!", "")))
        return
    column, field = _column(name), known[name]
    texts = [value[cut:] for value in values]
    if field.get("type") == "time":
        yield from (_times(name, text, asker.now) for text in texts)
    elif not mode:
        yield _one_of(name, texts)
    elif mode == "~" and field.get("type") == "text" and field.get("format") == "list":
        yield from (_words(column, text) for text in texts)
    else:
        before, after = "%" * (mode in "~$"), "%" * (mode in "~^")
        yield from (_like(column, before + _escaped(text) + after) for text in texts if text)


def _one_of(name: str, texts: list[str]) -> Sql:
    """The condition that a field's value is one of these: by an index, without a look at other tickets."""
    values = f"value IN ({', '.join('?' * len(texts))})"
    if name in SHORT:
        table = f"ticket_value WHERE field = {_literal(name)}"
        return Sql(f"t.id IN (SELECT ticket FROM {table} AND {values})", texts)  # noqa: S608
    if name not in VIEWS["ticket"] and "" not in texts:  # a ticket without a value may have no row
        table = f"ticket_custom WHERE name = {_literal(name)}"
        return Sql(f"t.id IN (SELECT ticket FROM {table} AND {values})", texts)  # noqa: S608
    return Sql(f"COALESCE({_column(name)}, '') IN ({', '.join('?' * len(texts))})", texts)


def _ids(value: str) -> Sql | None:
    """The condition for ``1,5-7``: numbers and ranges. A range such as 7-5 is left out."""
    single, ranges = [], []
    for part in re.split(",\u200b?", value):
        first, dash, last = part.partition("-")
        try:
            start, end = (int(first), int(last)) if first and dash else (int(part), int(part))
        except ValueError:
            raise QueryRefused(f"{part[:60]!r} is no ticket's number: write ids like 1,5-7.") from None
        if start == end:
            single.append(str(start))
        elif start < end:
            ranges.append(f"t.id BETWEEN {start} AND {end}")
    if single:
        ranges.append(f"t.id IN ({', '.join(single)})")
    return Sql(" OR ".join(ranges), []) if ranges else None


def _times(name: str, text: str, now: datetime) -> Sql | None:
    """The condition for ``START..END``: from START until before END; either may be missing."""
    column = _column(name)
    if not text:
        return Sql(f"COALESCE({column}, '') = ''", [])
    start, _, end = text.partition("..")
    found = [(sign, part.strip()) for sign, part in ((">=", start), ("<", end)) if part.strip()]
    bounds = [Sql(f"{column} {sign} {_stored(name, start_of(part, now))}", []) for sign, part in found]
    return _joined("AND", [*bounds])


def _stored(name: str, at: datetime) -> str:
    """A moment as it is in Trac's tables: microseconds, and in custom fields as text that sorts."""
    since = at - EPOCH
    number = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if name in VIEWS["ticket"]:
        return str(number)
    return f"'{number:018d}'" if number >= 0 else f"'{number:+017d}'"


def _words(column: str, text: str) -> Sql | None:
    """The condition that a list has each word, and no word with "-" in front.

    A word in double quotes may hold blanks.
    """
    conditions: list[Sql | None] = []
    for piece in re.split(r'("[^"]+")', text):
        quoted = piece[:1] == piece[-1:] == '"'
        for word in [piece[1:-1].strip()] if quoted else piece.split():
            like = _like(column, f"%{_escaped(word.removeprefix('-'))}%")
            if word != "-":
                conditions.append(Sql(f"NOT ({like.text})", like.values) if word.startswith("-") else like)
    return _joined("AND", conditions)


def _like(column: str, pattern: str) -> Sql:
    return Sql(f"COALESCE({column}, '') LIKE ? ESCAPE '/'", [pattern])


def _escaped(text: str) -> str:
    return re.sub("[/_%]", r"/\g<0>", text)


def _column(name: str) -> str:
    """A ticket's value of a field."""
    if name in VIEWS["ticket"]:
        return f"t.{name}"
    return f"(SELECT c.value FROM ticket_custom AS c WHERE c.ticket = t.id AND c.name = {_literal(name)})"  # noqa: S608


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _join(name: str) -> str:
    """What orders the values of a field, where they have an order of their own."""
    if name in ENUMS:
        enum = f"of_{name}.type = '{ENUMS[name]}'"
        return f" LEFT JOIN enum AS of_{name} ON {enum} AND of_{name}.name = t.{name}"
    return f" LEFT JOIN {name} AS of_{name} ON of_{name}.name = t.{name}" if name in DATES else ""


def _keys(name: str, known: Known) -> list[str]:
    """What tickets are sorted by; ascending, those without a value come last."""
    if name in ENUMS:
        number = f"of_{name}.value"
        return [_is_unset(number, "''"), f"CAST({number} AS INTEGER)"]
    column = _column(name)
    numeric = name == "id" or (name in VIEWS["ticket"] and known[name].get("type") == "time")
    keys = [_is_unset(column, "0" if numeric else "''")]
    for date in DATES.get(name, ()):
        keys += [_is_unset(f"of_{name}.{date}", "0"), f"of_{name}.{date}"]
    return [*keys, column]


def _is_unset(expression: str, unset: str) -> str:
    return f"COALESCE({expression}, {unset}) = {unset}"
