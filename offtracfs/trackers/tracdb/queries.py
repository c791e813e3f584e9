"""Saved queries: what Trac redirects to when a report is one, as the RPC client keeps it.

The arguments are in the order of Trac 1.4 and later; before, it followed from Python 2's dictionaries.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode

SYNONYMS = {"created": "time", "modified": "changetime"}
PAGE = "100"  # tickets on a page, unless the site's configuration says otherwise
TRUE = ("yes", "true", "enabled", "on", "1")

_CLAUSE = re.compile(r"(?<!\\)&")
_ITEM = re.compile(r"(?<!\\)\|")
_FILTER = re.compile(r"([^=]+?)(!?[~^$]?)=(.*)", re.DOTALL)

Clause = dict[str, list[str]]


def saved_query(query: str, number: int, fields: set[str]) -> str | None:
    """``query:?…`` where a report's text is a saved query, None where it is SQL.

    `fields` are those that a query may name.
    """
    joined = "".join(line.strip() for line in query.splitlines())
    if joined.startswith(("?", "query:?")):
        pairs = parse_qsl(joined.partition("?")[2], keep_blank_values=True)
    elif joined.startswith("query:"):
        pairs = _pairs(joined.removeprefix("query:"), fields) or []
    else:
        return None
    if not pairs or any(name == "report" and value != str(number) for name, value in pairs):
        return query  # Trac shows the form for mending it
    return "query:?" + urlencode([pair for pair in pairs if pair[0] != "report"])


def _pairs(text: str, fields: set[str]) -> list[tuple[str, str]] | None:
    """The arguments of an expression in Trac's query language, None where it is none."""
    clauses: list[Clause] = [{}]
    options: Clause = {}
    for part in _CLAUSE.split(text):
        if part == "or":
            clauses.append({})
            continue
        match = _FILTER.fullmatch(part.replace(r"\&", "&"))
        if match is None:
            return None
        field, mode, values = match[1], match[2], match[3]
        items = [mode + item.replace(r"\|", "|") for item in _ITEM.split(values)]
        known = field in OPTIONS
        target = options if known else clauses[-1]
        target.setdefault(field if known else SYNONYMS.get(field, field), []).extend(items)
    return [*_constraints(clauses, fields), *_options(options, fields)]


OPTIONS = (
    "order",
    "group",
    "page",
    "max",
    "format",
    "row",
    "rows",
    "desc",
    "groupdesc",
    "verbose",
    "col",
    "report",
)


def _constraints(clauses: list[Clause], fields: set[str]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for n, clause in enumerate(filter(None, clauses)):
        pairs += [("or", "")] if n else []
        pairs += [
            (name, value)
            for name in sorted(clause)
            if name in fields or name == "id"
            for value in clause[name]
        ]
    return pairs


def _options(options: Clause, fields: set[str]) -> list[tuple[str, str]]:
    """What is not as it is by default, in Trac's order."""

    def first(name: str) -> str:
        return options.get(name, [""])[0]

    def true(name: str) -> str:
        return "1" if first(name).strip().lower() in TRUE else ""

    order = SYNONYMS.get(first("order"), first("order"))
    columns = [SYNONYMS.get(name, name) for name in options.get("col", [])]
    columns = [name for name in columns if name in fields or name == "id"]
    rows = [name for name in options.get("row", []) + options.get("rows", []) if name in fields]
    if true("verbose") and "description" not in rows:
        rows.append("description")
    limit = "0" if first("max") == "none" else first("max")
    pairs = [
        ("group", first("group") if first("group") in fields else ""),
        ("groupdesc", true("groupdesc")),
        ("max", limit if limit != PAGE else ""),
        ("order", order if order in fields or order == "id" else "priority"),
        ("desc", true("desc")),
        *(("col", name) for name in (columns if "id" in columns or not columns else ["id", *columns])),
        *(("row", name) for name in rows),
        ("page", first("page") if first("page") != "1" else ""),
        ("format", first("format")),
    ]
    return [(name, value) for name, value in pairs if value]
