"""``fields.json``: the definitions of fields, as Trac's ``ticket.getTicketFields`` says them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from offtracfs.errors import TrackerError
from offtracfs.kinds.kind import Key, Kind, is_scalar, misshapen

_TEXTS = ("label", "type", "format")
_SCALARS = ("value", "order", "custom", "optional")
_MAX_QUOTE = 100  # characters of what is wrong in a message

FIRST = (
    {"name": "summary", "type": "text", "label": "Summary"},
    {"name": "reporter", "type": "text", "label": "Reporter"},
    {"name": "owner", "type": "text", "label": "Owner"},
    {"name": "description", "type": "textarea", "format": "wiki", "label": "Description"},
)
LAST = (
    {"name": "keywords", "type": "text", "format": "list", "label": "Keywords"},
    {"name": "cc", "type": "text", "format": "list", "label": "Cc"},
    {"name": "time", "type": "time", "format": "relative", "label": "Created"},
    {"name": "changetime", "type": "time", "format": "relative", "label": "Modified"},
)
LISTED = ("type", "status", "priority", "milestone", "component", "version", "severity", "resolution")
"""Fields with a list of values. Trac shows those that have any values, between `FIRST` and `LAST`."""

PEOPLE = ("cc", "owner", "reporter")
"""Fields that hold lists of people."""


def is_definition(value: Any) -> bool:
    """Whether `value` defines a field, as an item of ``fields.json`` does.

    `name` is a text. These may be missing: `label`, `type` and `format`, which are texts; `options`, a list
    of texts; `value`, `order`, `custom` and `optional`, which are texts or numbers. Other keys may hold
    anything, since nothing uses them.
    """
    match value:
        case {"name": str()}:
            options = value.get("options") or []
            return (
                all(isinstance(value.get(key, ""), str) for key in _TEXTS)
                and all(is_scalar(value.get(key)) for key in _SCALARS)
                and isinstance(options, list)
                and all(isinstance(option, str) for option in options)
            )
    return False


def default(field: Mapping[str, Any]) -> str:
    """What Trac shows in a custom field that a ticket has no value of; a number may stand for an option.

    That of a time is the text of the definition.
    """
    value, options = str(field.get("value") or ""), field.get("options") or []
    if options and value not in options:
        with suppress(ValueError, IndexError):
            value = options[int(value)]
    return value if field.get("type") == "textarea" else value.strip()


def of_every_trac() -> list[dict[str, Any]]:
    """The definitions of the fields that every Trac has, for a tracker whose own are not known."""
    listed = [{"name": name, "type": "select", "label": name.capitalize()} for name in LISTED]
    return [*FIRST, *listed, *LAST]


def _check(_key: Key, value: Any) -> None:
    if not isinstance(value, list):
        raise misshapen()
    if wrong := [item for item in value if not is_definition(item)]:
        raise TrackerError(f"it defines a field in a way that cannot be used: {wrong[0]!r:.{_MAX_QUOTE}}.")


KIND = Kind("fields.json", _check)
