"""Saved queries: what Trac redirects to when a report is one, as the RPC client keeps it.

The arguments are in the order of Trac 1.4 and later; before, it followed from Python 2's dictionaries.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from offtracfs.errors import QueryRefused
from offtracfs.querylanguage import LISTS, SETTINGS, Clause, arguments, is_true, meant

PAGE = "100"  # tickets on a page, unless the site's configuration says otherwise


def saved_query(query: str, number: int, fields: set[str]) -> str | None:
    """``query:?…`` where a report's text is a saved query, None where it is SQL.

    `fields` are those that a query may name.
    """
    joined = "".join(line.strip() for line in query.splitlines())
    if joined.startswith(("?", "query:?")):
        pairs = parse_qsl(joined.partition("?")[2], keep_blank_values=True)
    elif joined.startswith("query:"):
        pairs = _pairs(joined.removeprefix("query:"), fields)
    else:
        return None
    if not pairs or any(name == "report" and value != str(number) for name, value in pairs):
        return query  # Trac shows the form for mending it
    return "query:?" + urlencode([(name, value) for name, value in pairs if name != "report"])


def _pairs(text: str, fields: set[str]) -> list[tuple[str, str]]:
    """The arguments of an expression in Trac's query language, none where it is none."""
    clauses: list[Clause] = [{}]
    options: Clause = {}
    try:
        for name, value in arguments(text, {"id", *fields}):
            if name == "or":
                clauses.append({})
            elif name:
                target = options if name in SETTINGS or name in LISTS else clauses[-1]
                target.setdefault(name, []).append(value)
    except QueryRefused:
        return []
    return [*_constraints(clauses, fields), *_options(options, fields)]


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
        return "1" if is_true(first(name)) else ""

    order = meant(first("order"))
    columns = options.get("col", [])
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
