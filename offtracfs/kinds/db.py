"""``db.json``: ``{"recent": isotime}``, what the last sync has seen for certain."""

from __future__ import annotations

from typing import Any

from offtracfs.kinds.kind import Key, Kind, misshapen


def _check(_key: Key, value: Any) -> None:
    match value:
        case {"recent": str()}:
            return
    raise misshapen()


KIND = Kind("db.json", _check)
