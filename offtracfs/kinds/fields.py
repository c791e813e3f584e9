"""``fields.json``: the definitions of fields, as Trac's ``ticket.getTicketFields`` says them."""

from __future__ import annotations

from typing import Any

from offtracfs.errors import TrackerError
from offtracfs.kinds.kind import Key, Kind, misshapen
from offtracfs.kinds.values import is_scalar

_MAX_QUOTE = 100  # characters of what is wrong in a message


def is_definition(value: Any) -> bool:
    """Whether `value` defines a field, as an item of ``fields.json`` does.

    name, label, type and format are texts, options is a list of texts, value, order, custom and optional are
    each a text or a number. Nothing reads other keys: they may hold anything.
    """
    return (
        isinstance(value, dict)
        and isinstance(value.get("name"), str)
        and all(isinstance(value.get(key, ""), str) for key in ("label", "type", "format"))
        and all(is_scalar(value.get(key)) for key in ("value", "order", "custom", "optional"))
        and isinstance(options := value.get("options") or [], list)
        and all(isinstance(option, str) for option in options)
    )


def _check(_key: Key, value: Any) -> None:
    if not isinstance(value, list):
        raise misshapen()
    if wrong := [item for item in value if not is_definition(item)]:
        raise TrackerError(f"it holds a definition that cannot be used: {repr(wrong[0])[:_MAX_QUOTE]}.")


KIND = Kind("fields.json", _check)
