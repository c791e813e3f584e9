"""The form of the custom query: what it shows of a query, and the address of what it asks for.

It is sent as Trac's is: constraints have a number, their mode stands apart (``0_owner=bob&0_owner_mode=~``).
What only the form knows stands in the address as ``add`` (a row without a value yet) and ``more`` (a row with
one more input), and is nothing to the query.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlencode

from offtracfs.querylanguage import Fields, Query, address, parse
from offtracfs.web import lists
from offtracfs.web.page import Data, Pair

OPERATORS = {
    "~": "contains", "!~": "does not contain", "^": "begins with", "!^": "does not begin with",
    "$": "ends with", "!$": "does not end with", "": "is", "!": "is not",
}  # fmt: skip
"""As a value has them in front, and what the form calls them."""

EXACT = {"": "is", "!": "is not"}
MODES = {
    "text": OPERATORS,
    "choice": EXACT | OPERATORS,
    "flag": EXACT,
    "ids": EXACT,
    "time": {"": "between", "!": "not between"},
}
"""The operators for each kind of constraint."""

CHECKED = {"1": "yes", "0": "no"}
_NEW_ROW = re.compile(r"add_\d{1,9}")
_OF_FORM = re.compile(rf"form|usual|rm|add|more|report|page|{_NEW_ROW.pattern}")
_ROW = re.compile(r"(\d{1,9})_(.+)", re.DOTALL)


def sent(pairs: Sequence[Pair], fields: Fields) -> list[Pair]:
    """The address of what the form asks for: in it, a constraint is numbered, and its mode stands apart."""
    removed = {value for name, value in pairs if name == "rm"}
    removed |= {f"{row}{end}" for row in removed for end in ("_mode", "_end")}
    kept = [pair for pair in _filled_in(pairs, fields) if pair[0] not in removed]
    query = parse(f"?{urlencode([pair for pair in kept if not _OF_FORM.fullmatch(pair[0])])}", fields)
    if ("usual", " ".join(query.columns)) in pairs:  # they may be others for another query
        query.columns = []
    if query.most == lists.PAGE_SIZE:
        query.most = 0
    rows = [value for name, value in kept if name == "add" and value not in removed]
    rows += [
        f"{name.removeprefix('add_')}_{value}" for name, value in kept if value and _NEW_ROW.fullmatch(name)
    ]
    more = [value for name, value in kept if name == "more"]
    return [*address(query), *(("add", row) for row in rows), *(("more", row) for row in more)]


def _filled_in(pairs: Sequence[Pair], fields: Fields) -> Iterator[Pair]:
    """What was sent without what was left empty: numbers, and texts of which there are several."""
    listed = {field["name"] for field in fields if _options(field)}
    counts = Counter(name for name, _ in pairs)
    for name, value in pairs:
        row = _ROW.fullmatch(name)
        if value or not row or (row[2] != "id" and (counts[name] == 1 or row[2] in listed)):
            yield name, value


def rows(query: Query, known: Mapping[str, Data], pairs: Sequence[Pair]) -> list[list[Data]]:
    """The rows of the form, by the groups of which one must hold; with those that have no value yet."""
    clauses = [
        {name: _constraint(name, values, known) for name, values in clause.items()}
        for clause in query.clauses
    ]
    for kind, value in pairs:
        row = _ROW.fullmatch(value) if kind in ("add", "more") else None
        if row is None or row[2] not in {*known, "id"}:
            continue
        place = min(int(row[1]), len(clauses))
        clauses += [{}] * (place == len(clauses))
        one = clauses[place].setdefault(row[2], _constraint(row[2], [], known))
        if kind == "more" and one["kind"] == "text":
            one["texts"].append("")
    return [[*clause.values()] for clause in clauses]


def _constraint(name: str, values: Sequence[str], known: Mapping[str, Data]) -> Data:
    """A row of the form: how a field is compared, and with what; the mode of the first value counts."""
    field = known.get(name, {"label": "Ticket"})
    negated = values[0].startswith("!") if values else False
    mode = values[0][: negated + (values[0][negated : negated + 1] in ("~", "^", "$"))] if values else ""
    texts = [value[len(mode) :] for value in values]
    options = _options(field)
    row = {"name": name, "label": field.get("label") or name, "mode": mode, "texts": texts or [""]}
    if name == "id":
        return row | {"kind": "ids"}
    if field.get("type") == "time":
        return row | {"kind": "time", "texts": [[*text.partition("..")[::2]] for text in row["texts"]]}
    if options and mode in EXACT:
        others = {text: text for text in texts if text not in options}
        kind = "flag" if options is CHECKED else "choice"
        return row | {"kind": kind, "texts": texts, "options": options | others}
    return row | {"kind": "text", "mode": mode if values else "~"}


def _options(field: Data) -> dict[str, str]:
    """The values of a field from which one chooses, and what they are called."""
    if field.get("type") == "checkbox":
        return CHECKED
    options = [option for option in field.get("options") or [] if option]
    return {option: option for option in options} | ({"": "(none)"} if options else {})


def choices(known: Mapping[str, Data]) -> list[dict[str, str]]:
    """The fields that one can ask for, by their labels."""
    found = [
        {"name": name, "label": str(field.get("label") or name), "type": str(field.get("type", ""))}
        for name, field in known.items()
    ]
    found.sort(key=lambda one: one["label"].casefold())
    return [{"name": "id", "label": "Ticket", "type": "id"}, *found]
