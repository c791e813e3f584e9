"""A report's variables: ``$NAME`` in its SQL becomes a parameter, and never text in the SQL.

The rules are Trac's (its page TracReports; ``trac/ticket/report.py`` of 1.6, of which those of 1.2 are a
part). Where Trac itself fails, at a variable in a comment or in a quoted name, the SQL is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

NAME = re.compile(r"\$([A-Z_][A-Z0-9_]*)", re.ASCII)

_DEFAULT = re.compile(r"^[^\S\n]*+--\s*+(\w*+) *+= *+([^\r\n]*+)\r?$", re.MULTILINE)
_TOKEN = re.compile(
    r"""(?P<literal>'(?:[^']|'')*')
    | (?P<kept>--[^\n]* | /\*.*?(?:\*/|\Z) | "(?:[^"]|"")*" | `(?:[^`]|``)*`)
    | (?P<percent>%%)
    | \$(?P<name>[A-Z_][A-Z0-9_]*)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)


class Bound(NamedTuple):
    """SQL with ``?`` placeholders; in their order, the names of the variables and the values.

    `missing` are the variables that nobody gave a value, in order of appearance: theirs is "".
    """

    sql: str
    names: list[str]
    values: list[str]
    missing: list[str]


def defaults(sql: str) -> dict[str, str]:
    """The values that lines ``-- NAME = value`` give. If a variable has two lines, the first one counts."""
    return dict(reversed(_DEFAULT.findall(sql)))


def bound(sql: str, given: Mapping[str, str]) -> Bound:
    """`sql` with its variables bound to what is given, else to what a ``-- NAME = value`` line says.

    A value that is itself ``$NAME`` stands for that variable's; ``$$`` at its beginning for a ``$``.
    """
    known = defaults(sql) | dict(given)
    names: list[str] = []
    values: list[str] = []
    missing: dict[str, None] = {}

    def placeholder(name: str) -> str:
        value = _resolved(name, known)
        if value is None:
            missing[name] = None
        names.append(name)
        values.append(value or "")
        return "?"

    def bind(match: re.Match[str]) -> str:
        if match["name"]:
            return placeholder(match["name"])
        if match["percent"]:
            return "%"  # doubled in SQL that Trac gives to a database driver with parameters
        if match["literal"]:
            parts = NAME.split(match["literal"][1:-1])
            return "||".join(placeholder(part) if n % 2 else f"'{part}'" for n, part in enumerate(parts))
        return match[0]

    return Bound(_TOKEN.sub(bind, sql), names, values, [*missing])


def filled(text: str, given: Mapping[str, str]) -> str:
    """A report's title or description, with the variables in it that are given."""
    return NAME.sub(lambda match: given.get(match[1], match[0]), text)


def _resolved(name: str, known: Mapping[str, str]) -> str | None:
    value = known.get(name)
    if value is None or not value.startswith("$"):
        return value
    value = value[1:]
    return value if value.startswith("$") else known.get(value)
