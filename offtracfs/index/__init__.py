"""The index: SQLite, derived from git. Schema, how it is built, what is asked of it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from offtracfs.index.queries import Entry, FileVersion, Past, Reader, Revision, TextVersion

if TYPE_CHECKING:
    from offtracfs.index.build import catch_up, rebuild
    from offtracfs.index.status import IndexStatus, inspect

__all__ = [
    "Entry",
    "FileVersion",
    "IndexStatus",
    "Past",
    "Reader",
    "Revision",
    "TextVersion",
    "catch_up",
    "inspect",
    "rebuild",
]

_LATER = {"catch_up": "build", "rebuild": "build", "IndexStatus": "status", "inspect": "status"}


def __getattr__(name: str) -> Any:
    """Imports a module at its first use: SQLAlchemy takes 0.2 s to load, and readers do not need it."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LATER[name]}", __name__), name)
