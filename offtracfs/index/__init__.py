"""The index: SQLite, derived from git. Schema, how it is built, what is asked of it."""

from offtracfs.index.build import catch_up, rebuild
from offtracfs.index.lives import Progress
from offtracfs.index.queries import Entry, Past, Reader, Revision, Version
from offtracfs.index.state import State, look

__all__ = [
    "Entry",
    "Past",
    "Progress",
    "Reader",
    "Revision",
    "State",
    "Version",
    "catch_up",
    "look",
    "rebuild",
]
