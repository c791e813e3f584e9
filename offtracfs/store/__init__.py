"""The git repository: append revisions, read blobs and what a commit changed, keep it packed.

repository  `Store`, which reads with pygit2
fastimport  `Writer`: many objects at once, by ``git fast-import``
git         the git command, in a fixed environment
"""

from offtracfs.store.repository import BRANCH, Change, Commit, Store

__all__ = ["BRANCH", "Change", "Commit", "Store"]
