"""Definitions and values of fields, in the shapes that Trac's have. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from offtracfs.kinds import field_path
from offtracfs.kinds.ticket import OWN
from offtracfs.trackers import Metadata
from offtracfs.trackers.teamtrack.fields import Field, Names, Site, case_field, text

Values = Mapping[str, Any]
Rows = Mapping[str, Sequence[Values]]
"""Table, without its TS_ → its rows."""

TABLES = ("FIELDS", "SELECTIONS", "STATES", "TRANSITIONS", "WORKFLOWS", "PROJECTS", "USERS")
"""The tables that describe a site."""

FIRST, LAST = ("summary", "reporter", "owner", "description"), ("time", "changetime")
TYPES = {
    "SELECTION": "select", "STATE": "select", "PROJECT": "select", "DATETIME": "time", "BINARY": "checkbox",
}  # fmt: skip
"""Type of a field → what Trac calls it; any other is a text."""
_NAME = re.compile("[a-z0-9_]+")


def site_of(rows: Rows, table: int, columns: Iterable[str], *, logged: bool) -> Site:
    """A site; `table` is the id of the table of the cases, and `columns` are its fields."""
    described = {row.get("DBNAME"): row for row in rows["FIELDS"] if row.get("TABLEID") == table}
    words = {
        "STATE": Names(_names(rows["STATES"])),
        "SELECTION": Names(_names(rows["SELECTIONS"])),
        "PROJECT": Names(_distinct(_names(rows["PROJECTS"]))),
        "USER": Names(_names(rows["USERS"], "LOGINID")),
    }
    fields = {name: case_field(name, described.get(name)) for name in columns}
    return Site(fields, words, _names(rows["TRANSITIONS"]), logged)


def _names(rows: Iterable[Values], column: str = "NAME") -> dict[int, str]:
    return {row["ID"]: text(row.get(column) or "") for row in rows}


def _distinct(names: dict[int, str]) -> dict[int, str]:
    """Names of which no two are the same: where they would be, the id is added."""
    taken = list(names.values())
    return {
        number: name if taken.count(name) == 1 else f"{name} (#{number})" for number, name in names.items()
    }


def metadata_of(found: Site, rows: Rows, table: int) -> Metadata:
    """``fields.json`` and the values of fields that list them."""
    listed = dict(_listed(found, rows, table))
    records: dict[str, Any] = {"fields.json": definitions(found, listed)}
    for prop, values in listed.items():
        for name, record in values.items():
            records[field_path(prop, name)] = record
    return Metadata(records, {f"field/{prop}" for prop in listed})


def _listed(found: Site, rows: Rows, table: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The fields that have a list of values: of each value its name and its record, in TeamTrack's order."""
    elsewhere = {row["ID"] for row in rows["WORKFLOWS"] if row.get("TABLEID") and row.get("TABLEID") != table}
    states = [row for row in rows["STATES"] if row.get("PROJECTID") not in elsewhere]
    projects = [row for row in rows["PROJECTS"] if row.get("WORKFLOWID") not in elsewhere]
    for of in found.shown_fields():
        if not _NAME.fullmatch(of.prop):
            continue
        if of.kind == "STATE":
            yield of.prop, _enum(_names(_sorted(states)))
        elif of.kind == "PROJECT":
            named = {found.words["PROJECT"].get(row["ID"]): row for row in _sorted(projects)}
            yield of.prop, {name: _component(name, row) for name, row in named.items() if name}
        elif of.kind in ("SELECTION", "MULTIPLE_SELECTION") and of.id:
            words = [row for row in rows["SELECTIONS"] if row.get("FLDID") == of.id]
            enum = _enum(_names(_sorted(words)))
            # Components, milestones and versions are objects, whatever tracker they are of.
            is_object = of.prop in ("milestone", "version", "component")
            yield of.prop, {name: {"name": name} for name in enum} if is_object else enum


def _component(name: str, row: Values) -> dict[str, str]:
    return {"name": name, "owner": "", "description": text(row.get("DESCRIPTION") or "")}


def _enum(names: Mapping[int, str]) -> dict[str, Any]:
    words = dict.fromkeys(name for name in names.values() if name)
    return {name: str(place) for place, name in enumerate(words, 1)}


def _sorted(rows: Iterable[Values]) -> list[Values]:
    return sorted(rows, key=lambda row: (row.get("SEQUENCE") or 0, row["ID"]))


def definitions(found: Site, listed: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Definitions as in ``fields.json``; `listed` has the values of those fields that list them."""
    fields = {of.prop: of for of in found.shown_fields()}
    middle = [name for name in fields if name not in (*FIRST, *LAST)]
    names = [name for name in (*FIRST, *middle, *LAST) if name in fields]
    return [_definition(fields[name], listed.get(name)) for name in names]


def _definition(of: Field, values: Mapping[str, Any] | None) -> dict[str, Any]:
    kind = "textarea" if of.column == "DESCRIPTION" else TYPES.get(of.kind, "text")
    if kind == "select" and not values:
        kind = "text"
    defined: dict[str, Any] = {"name": of.prop, "type": kind, "label": of.label}
    if kind == "select":
        defined |= {"options": list(values or ()), "optional": True, "value": ""}
    elif kind in ("text", "textarea"):
        defined["format"] = "list" if of.kind.startswith("MULTIPLE") else "plain"
    elif kind == "time":
        defined["format"] = "relative"
    return defined if of.prop in OWN else defined | {"custom": True}
