"""Builds a derived file beside the one in use, and puts it in its place in one step.

The name in the directory is a link to the file in use. A new file is built under another name, and then the
link is moved: readers that have the old file open go on with it (SQLite's journal files belong to the real
name). Only the holder of the writer's lock may do this.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from offtracfs.index.opening import Derived

T = TypeVar("T")


def replaced(directory: Path, kind: Derived, build: Callable[[Path], T]) -> T:
    """Build a new file of that kind and put it in use; what `build` returns, which is given the file's path.

    Where anything fails, the old file stays in use, and nothing of the new one is left.
    """
    tidy(directory, kind)
    files = (directory / f"{kind.stem}.{number}.db" for number in itertools.count(1))
    new = next(file for file in files if not file.exists())
    try:
        built = build(new)
        fresh = directory / f"{kind.stem}.link"  # the new link, before it is moved over the old one
        fresh.symlink_to(new.name)
        link = directory / kind.link
        if link.is_dir() and not link.is_symlink():
            link.rmdir()  # an empty directory, which the link cannot replace
        fresh.replace(link)
    except BaseException:
        for suffix in ("", "-wal", "-shm"):
            new.with_name(new.name + suffix).unlink(missing_ok=True)
        raise
    tidy(directory, kind)
    return built


def tidy(directory: Path, kind: Derived) -> None:
    """Remove files that the link does not name: old ones, and those of a build that was killed."""
    used = (directory / kind.link).resolve().name
    for file in directory.glob(f"{kind.stem}.*.db*"):
        if not file.name.startswith(used):
            file.unlink(missing_ok=True)
    (directory / f"{kind.stem}.link").unlink(missing_ok=True)
