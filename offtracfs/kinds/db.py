"""``db.json``: ``{"recent": isotime, "settled": isotime}``, how far the tracker is known.

`recent` is the moment up to which the last sync has certainly seen all changes; "" where no record had a
time. `settled` is a promise to readers: no later sync adds a commit before that moment. Databases that
earlier versions of this program made do not have it.
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
