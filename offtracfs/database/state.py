"""How the last sync ended: ``state.json``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from offtracfs import records
from offtracfs.database.files import write
from offtracfs.kinds import Key


@dataclass(slots=True)
class State:
    """How the last sync ended; moments are ISO text in UTC, "" for never."""

    ended: str = ""  # the last sync, however it ended
    succeeded: str = ""  # the last one that did all it should
    swept: str = ""  # the last one that also looked for what the tracker does not log
    settled: int = 0  # seconds since 1970 UTC, by the tracker's clock: no commit is added before it
    error: str = ""  # one sentence, where the last one failed
    problems: list[str] = field(default_factory=list)  # what it had to leave out
    # Of `problems`, those that the last sweep had; they stand until the next one.
    left_out: list[str] = field(default_factory=list)
    missing: dict[str, list[Key]] = field(default_factory=dict)  # by kind of item: what could not be had
    user: str = ""  # as whom the last sync, or `init`, was logged in; "" for a visitor


def read_state(file: Path) -> State:
    """The state in a file; a new one where there is none, or where it cannot be read."""
    state = State()
    try:
        known = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return state
    for name, default in asdict(state).items():
        value = known.get(name) if isinstance(known, dict) else None
        if _fits(value, default, name):
            setattr(state, name, value)
    return state


def write_state(file: Path, state: State) -> None:
    """Keep the state in a file. Raises DiskFull, DatabaseError."""
    write(file, json.dumps(asdict(state), indent=1).encode() + b"\n")


def _fits(value: Any, default: Any, name: str) -> bool:
    """Whether a value that somebody may have edited is of the kind that its place in the state needs."""
    if name in ("ended", "succeeded", "swept"):
        try:
            return value == "" or bool(records.microseconds(value))
        except (TypeError, ValueError):
            return False
    if name == "settled":
        try:
            return type(value) is int and bool(records.from_microseconds(value * records.SECOND))
        except OverflowError:  # before the year 1 or after 9999
            return False
    if isinstance(default, dict):
        return isinstance(value, dict) and all(_is_list(keys, int, str) for keys in value.values())
    if isinstance(default, list):
        return _is_list(value, str)
    return type(value) is type(default)


def _is_list(value: Any, *types: type) -> bool:
    return isinstance(value, list) and all(type(item) in types for item in value)
