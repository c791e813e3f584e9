"""``fields.json``: the definitions of fields, as Trac's ``ticket.getTicketFields`` says them."""

from __future__ import annotations

from typing import Any

from offtracfs.errors import TrackerError
from offtracfs.kinds.kind import Key, Kind, misshapen

_PARTS = {"label": str, "type": str, "options": list}  # what queries and reports use


def _check(_key: Key, value: Any) -> None:
    if not isinstance(value, list):
        raise misshapen()
    for field in value:
        match field:
            case {"name": str(name)}:
                pass
            case _:
                raise TrackerError("it defines a field whose name is no text.")
        wrong = [part for part, kind in _PARTS.items() if not isinstance(field.get(part), kind | None)]
        if wrong:
            raise TrackerError(f"it defines the field {name!r} with {wrong[0]!r} of the wrong type.")


KIND = Kind("fields.json", _check)
