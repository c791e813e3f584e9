"""``db.json``: ``{"recent": isotime, "settled": isotime}``, how far the tracker is known.

`recent` is up to when the last sync has seen the tracker for certain, "" where nothing in it had a time.
Readers were told that nothing is added any more before `settled`; databases of before do not have it.
"""

from __future__ import annotations

from typing import Any

from offtracfs.kinds.kind import Key, Kind, misshapen
from offtracfs.records import check_times


def _check(_key: Key, value: Any) -> None:
    match value:
        case {"recent": str(recent), **more} if isinstance(settled := more.get("settled", ""), str):
            check_times("it", filter(None, (recent, settled)))
        case _:
            raise misshapen()


KIND = Kind("db.json", _check)
