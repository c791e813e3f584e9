"""The rows of TS_CHANGEACTIONS and TS_CHANGES that tell what was done to a case.

Their layout in a real TeamTrack is not known; this one is `provisional`. Reads see whatever is there, as raw
records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from offtracfs.teamtrack.transport import Values

UNLOGGED = ("LASTMODIFIER", "LASTMODIFIEDDATE", "LASTSTATECHANGER", "LASTSTATECHANGEDATE")
"""What every action changes, and its own row tells."""


def write_history(
    insert: Callable[[str, Values], int],
    action: Values,
    fields: Mapping[str, int],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> None:
    """Add the row of an action, and one for each field that differs.

    `insert` adds a row to a table and returns its id, `fields` are the ids of the case table's fields. A
    column without a row in TS_FIELDS has no history.
    """
    number = insert("CHANGEACTIONS", action)
    of = {"ACTIONID": number, "TABLEID": action["TABLEID"], "CASEID": action["CASEID"]}
    for name, new in after.items():
        old = before.get(name)
        if new != old and name in fields and name not in UNLOGGED:
            insert("CHANGES", of | {"FLDID": fields[name]} | _told("PRIOR", old) | _told("NEW", new))


def _told(which: str, value: Any) -> Values:
    """A value in the two columns of a TS_CHANGES row that tell the old, or the new one."""
    whole = isinstance(value, int)
    text = "" if value is None or whole else str(value)
    return {f"{which}INT": value if whole else None, f"{which}TEXT": text}
