"""The git repository: append revisions, read blobs and what a commit changed, keep it packed.

repository  `Store`, which reads with pygit2
fastimport  `Writer`: many objects at once, by ``git fast-import``
quarantine  where git makes packs, which move into the store when they are whole
git         the git command, in a fixed environment
"""

from offtracfs.store.git import BRANCH
from offtracfs.store.repository import Change, Commit, Store

__all__ = ["BRANCH", "Change", "Commit", "Store"]
