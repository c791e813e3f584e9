"""The git repository: append revisions, read blobs and what a commit changed, keep it packed.

repository  `Store`, which reads with pygit2
fastimport  `Writer`: many objects at once, by ``git fast-import``
quarantine  where git makes packs, which move into the store when they are whole
git         the git command, in a fixed environment
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from offtracfs.store.git import BRANCH

if TYPE_CHECKING:
    from offtracfs.store.repository import Commit, FileChange, Store

__all__ = ["BRANCH", "Commit", "FileChange", "Store"]


def __getattr__(name: str) -> Any:
    """Imports `repository` at its first use: libgit2 takes 50 ms to load, and not every command needs it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from offtracfs.store import repository

    return getattr(repository, name)
