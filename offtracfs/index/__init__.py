"""The index: SQLite, derived from git. Schema, how it is built, what is asked of it."""

from offtracfs.index.build import catch_up, rebuild
from offtracfs.index.queries import Entry, Past, Reader, Revision, Version

__all__ = ["Entry", "Past", "Reader", "Revision", "Version", "catch_up", "rebuild"]
