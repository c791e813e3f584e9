r"""Trac's query language: what the text of a query asks for, read as Trac reads it.

Trac knows two ways to write one, and both may be a report's text:

    query:status=new|assigned&owner~=bob&order=priority     its query language
    ?status=new&status=assigned&owner=~bob&order=priority   the address of a query's page, or its end

Where a report is a query in the language, Trac redirects to the address that means the same. Here, too, both
are read as the arguments of an address. There a value has its mode in front ("!" not, "~" contains, "^"
begins with, "$" ends with).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any
from urllib.parse import unquote_plus

from offtracfs.errors import QueryRefused

MAX_LENGTH = 1 << 16  # characters; web servers refuse addresses that are longer
SYNONYMS = {"created": "time", "modified": "changetime"}
DEFAULT_COLUMNS = 7
MODES = ("~", "^", "$")

SETTINGS = ("order", "group", "page", "max", "format", "report", "desc", "groupdesc", "verbose")
LISTS = ("col", "row", "rows")
_ARGUMENTS = {*SETTINGS, *LISTS, "or", "update"}  # some of which are only a page's layout
_AND, _OR = re.compile(r"(?<!\\)&"), re.compile(r"(?<!\\)\|")
_MODE = re.compile(r"(.*?)(!?[~^$]?)", re.DOTALL)
_ADDRESS = re.compile(r"https?://[^?]*(?=\?)")
_UNUSABLE = re.compile("[\0\ud800-\udfff]")  # surrogates are what was no UTF-8 on a command line
_NUMBERED = re.compile(r"(\d{1,9})_(.+)", re.DOTALL)

Argument = tuple[str, str]
Fields = list[dict[str, Any]]
"""What ``fields.json`` holds."""
Clause = dict[str, list[str]]
"""The values that a ticket may have in each of some fields, with their mode."""


@dataclass(slots=True)
class Query:
    """What a query asks for. A ticket matches if it matches one of the `clauses`; without clauses, all do.

    It also must have the values in `exactly`, which no text of the language can say: values there have no
    mode, and $USER is no variable.
    """

    clauses: list[Clause] = field(default_factory=list)
    exactly: Clause = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)  # none: those that Trac chooses
    order: str = "priority"
    descending: bool = False
    group: str = ""
    group_descending: bool = False
    most: int = 0  # tickets on a page; 0: all
    page: int = 1
    rows: list[str] = field(default_factory=list)  # fields that take a line of their own below a ticket's
    unknown: list[str] = field(default_factory=list)  # names that no field has: Trac passes over them


def parse(text: str, fields: Fields) -> Query:
    """What a query's text asks for, of a tracker with these fields. Raises QueryRefused."""
    text = "".join(map(str.strip, text.splitlines()))
    if len(text) > MAX_LENGTH or _UNUSABLE.search(text):
        raise QueryRefused(f"A query is UTF-8 text of at most {MAX_LENGTH:,} characters, without NUL.")
    names = {"id", *(field["name"] for field in fields)}
    text = text.removeprefix("query:")
    if address := _ADDRESS.match(text):
        text = text[address.end() :]
    if text.startswith("?"):
        times = {field["name"] for field in fields if field.get("type") == "time"}
        return _query(list(_of_address(text, names, times)), names)
    return _query(list(arguments(text, names)), names)


def arguments(text: str, names: set[str]) -> Iterator[Argument]:
    """The arguments of the address that a text in the query language stands for.

    `names` are those of the fields, and id. Constraints come in order, with "or" between their groups. Then
    come the settings, of which the last one of a name counts. A column that no field has is an argument
    without a name. Raises QueryRefused.
    """
    settings = {}
    for part in _AND.split(text):
        if part == "or":
            yield "or", ""
            continue
        head, equals, tail = part.replace(r"\&", "&").partition("=")
        match = _MODE.fullmatch(head)
        if not (match and match[1] and equals):
            raise QueryRefused(f"{part[:60]!r} is no part of a query: write one like status=new.")
        name, mode = match[1], match[2]
        values = [mode + value.replace(r"\|", "|") for value in _OR.split(tail)]
        if name in SETTINGS:
            settings[name] = values[0]
        elif name == "col":
            yield from (("col" if value in names else "", value) for value in map(meant, values))
        else:
            yield from ((meant(name), value) for value in values)
    yield from settings.items()


def meant(name: str) -> str:
    """The field that is meant by a name, which may be an older one."""
    return SYNONYMS.get(name, name)


def _of_address(text: str, names: set[str], times: set[str]) -> Iterator[Argument]:
    """The arguments of an address; numbered ones, of a page's form, as what they stand for."""
    form: dict[str, list[str]] = {}
    for part in text.lstrip("?").split("&"):
        name, value = map(_unquoted, part.partition("=")[::2])
        if _NUMBERED.fullmatch(name):
            form.setdefault(name, []).append(value)
        elif name:
            yield name, value
    clauses: dict[int, list[Argument]] = {}
    for key, values in form.items():
        number, name = _NUMBERED.fullmatch(key).groups()  # type: ignore[union-attr]
        if (name := meant(name)) not in names:
            if not name.endswith(("_mode", "_end")):
                yield "", name
            continue
        mode = form.get(f"{key}_mode", [""])[0]
        found = [mode + value for value in values]
        if name in times and (ends := form.get(f"{key}_end")):
            found = [f"{start}..{end}" for start, end in zip(found, ends, strict=False)]
        clauses.setdefault(int(number), []).extend((name, value) for value in found)
    for number in sorted(clauses):
        yield "or", ""
        yield from clauses[number]


def _unquoted(text: str) -> str:
    try:
        found = unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        found = "\0"
    if "\0" in found:
        raise QueryRefused(f"{text[:60]!r} is no UTF-8 text where its %xx are read.")
    return found


def _query(arguments: list[Argument], names: set[str]) -> Query:
    clauses: list[Clause] = [{}]
    given: dict[str, list[str]] = {}
    for name, value in arguments:
        if name == "or":
            clauses.append({})
        elif name in names:
            clauses[-1].setdefault(name, []).append(value)
        else:
            given.setdefault(name, []).append(value)
    first = {name: values[0] for name, values in given.items()}
    columns, order, group = given.get("col", []), meant(first.get("order", "")), first.get("group", "")
    unknown = {*given.pop("", []), *columns, order, group, *(given.keys() - _ARGUMENTS)} - names - {""}
    if columns and "id" not in columns:
        columns.insert(0, "id")
    return Query(
        clauses=[clause for clause in clauses if clause],
        columns=[name for name in columns if name in names],
        order=order if order in names else "priority",
        descending=is_true(first.get("desc", "")),
        group=group if group in names - {"id"} else "",
        group_descending=is_true(first.get("groupdesc", "")),
        most=_number("max", first.get("max", "0"), 0),
        page=_number("page", first.get("page") or "1", 1),
        rows=[name for name in given.get("row", []) if name in names],
        unknown=sorted(unknown),
    )


def address(query: Query) -> list[Argument]:
    """The arguments of the address that asks for the same: constraints, then what is not the default."""
    found: list[Argument] = []
    for number, clause in enumerate(query.clauses):
        found += [("or", "")] if number else []
        found += [(name, value) for name, values in clause.items() for value in values]
    found += [("col", name) for name in query.columns] + [("row", name) for name in query.rows]
    settings = {
        "group": query.group,
        "groupdesc": "1" * query.group_descending,
        "order": query.order if query.order != "priority" else "",
        "desc": "1" * query.descending,
        "max": str(query.most or ""),
        "page": str(query.page) if query.page > 1 else "",
    }
    return found + [(name, value) for name, value in settings.items() if value]


def no_field(name: str, fields: Fields) -> str:
    """A sentence about a name that no field has, with the nearest one that there is."""
    names = ["id", *(field["name"] for field in fields), *SYNONYMS]
    near = get_close_matches(name, names, 1)
    return f"There is no field {name[:60]!r}" + (f": do you mean {near[0]}?" if near else ".")


def is_true(value: str) -> bool:
    """Whether Trac takes a value for yes."""
    try:
        return bool(float(value))
    except ValueError:
        return value.strip().lower() in ("yes", "true", "enabled", "on")


def _number(name: str, value: str, least: int) -> int:
    try:
        number = 0 if value in ("", "none") else int(value)
    except ValueError:
        number = -1
    if number < least:
        raise QueryRefused(f"{name}={value[:60]} is no number from {least} on.")
    return number


def shown_columns(query: Query, fields: Fields) -> list[str]:
    """The columns of a query, from left to right; where it names none, those that Trac would choose."""
    if query.columns:
        return query.columns
    kinds = {field["name"]: field.get("type") for field in fields}
    last = ("reporter", "keywords", "cc")
    names = ["id", *(name for name, kind in kinds.items() if kind != "textarea" and name not in last)]
    names += [name for name in last if name in kinds]
    constrained = {name for clause in query.clauses for name in clause}
    names.sort(key=lambda name: (name != "id", name != "summary", name not in constrained))
    for name in sorted(constrained.intersection(names) - {"id"}):
        values = [clause[name] for clause in query.clauses if name in clause]
        if kinds[name] != "time" and all(map(_is_one, values)):
            names.remove(name)  # it would say the same in each row
        if name == "status" and "resolution" in names and not any("closed" in each for each in values):
            names.remove("resolution")
    names = [name for name in names if name != query.group][:DEFAULT_COLUMNS]
    if query.order not in (*names, query.group):
        names[-1] = query.order
    return names


def _is_one(values: list[str]) -> bool:
    return len(values) == 1 and values[0][:1] not in ("", "!", *MODES)
