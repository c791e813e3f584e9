"""Lists of tickets for this process itself: queries of our own making, so no process is needed for them."""

from __future__ import annotations

from typing import NamedTuple


class Ticket(NamedTuple):
    """A ticket in a list; `changed` is its changetime, in seconds since 1970 UTC."""

    number: int
    summary: str
    changed: int
