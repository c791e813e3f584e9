"""Field definitions and the values of every field, as records by their paths."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from offtracfs.errors import TrackerError
from offtracfs.kinds import field_path, is_definition
from offtracfs.trackers import Metadata
from offtracfs.trackers.trac.batches import answers
from offtracfs.trackers.trac.codec import Call
from offtracfs.trackers.trac.faults import Fault
from offtracfs.trackers.trac.rpc import Rpc

DEFINITIONS = "ticket.getTicketFields"
_LISTED = re.compile(r"ticket\.(\w+)\.getAll", re.ASCII)

Value = tuple[str, str]
"""A field and the name of one of its values."""


async def definitions(rpc: Rpc) -> list[dict[str, Any]]:
    """Trac's fields, each with name, type, label and more; without items that are not definitions.

    Raises TrackerError.
    """
    found = await rpc.call(DEFINITIONS)
    return [item for item in found if is_definition(item)] if isinstance(found, list) else []


async def fields(rpc: Rpc, methods: Collection[str]) -> Metadata:
    """``fields.json`` and ``field/*/*.json``, in multicalls.

    Every field for which the Trac has a method to list values: component, milestone, version, status, enums.
    """
    kinds = sorted(match[1] for method in methods if (match := _LISTED.fullmatch(method)))
    calls: list[Call] = [(DEFINITIONS, []), *((f"ticket.{kind}.getAll", []) for kind in kinds)]
    defined, *lists = await rpc.many(calls)
    problems: list[str] = []
    values: dict[str, list[str]] = {}
    for kind, names in zip(kinds, lists, strict=True):
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            values[kind] = names
        else:
            problems.append(f"The values of the field {kind} cannot be had: {_why(names)}")
    records, incomplete = await _values(rpc, values, problems)
    if isinstance(defined, TrackerError):
        problems.append(f"The definitions of the fields cannot be had: {defined}")
    else:
        records["fields.json"] = defined
    return Metadata(records, {f"field/{kind}" for kind in values if kind not in incomplete}, problems)


async def _values(
    rpc: Rpc, values: dict[str, list[str]], problems: list[str]
) -> tuple[dict[str, Any], set[str]]:
    """The records of all values, and the fields of which one could not be had."""
    keys = [(kind, name) for kind, names in values.items() for name in names]
    records: dict[str, Any] = {}
    incomplete: set[str] = set()

    def call(key: Value) -> list[Call]:
        kind, name = key
        return [(f"ticket.{kind}.get", [name])]

    def pair(key: Value, record: Any) -> tuple[Value, Any]:
        return key, record

    async with answers(rpc, keys, call, pair) as stream:
        async for (kind, name), record in stream:
            if isinstance(record, dict | str | int):
                records[field_path(kind, name)] = record
            elif not (isinstance(record, Fault) and record.gone):
                incomplete.add(kind)
                problems.append(f"The {kind} {name!r} cannot be had: {_why(record)}")
    return records, incomplete


def _why(value: Any) -> str:
    return str(value) if isinstance(value, TrackerError) else "their shape is unknown."
