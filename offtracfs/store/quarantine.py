"""Where git makes new packs: a repository of its own, which gives them to the store when they are whole.

Users are invited to run git in the store. What a killed git leaves behind there (locks, parts of packs) does
not show whether it was a user's or ours. So our git works in a directory of its own, which can be deleted as
a whole. Git itself does the same with what a push brings (its "quarantine environment").
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from offtracfs.errors import cannot_write


@contextmanager
def quarantined(store: Path, lock: str) -> Iterator[Path]:
    """A bare repository below a store's, which sees the store's objects and has none of its own.

    `lock` names the lock that the caller holds. Quarantines of that lock that a killed process left behind
    are deleted: nobody else can be using them. The new one gets a new name on disk, since a git whose parent
    was killed may still be writing into the old one. Raises DiskFull, DatabaseError.
    """
    prefix = f"quarantine-{lock}-"
    for left in store.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)  # where such a git still writes: the rest the next time
    try:
        path = Path(mkdtemp(prefix=prefix, dir=store))
    except OSError as error:
        raise cannot_write(store, error) from error
    try:
        _make(path)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _make(path: Path) -> None:
    """What ``git init`` would make, in a tenth of the time."""
    try:
        (path / "refs").mkdir()
        (path / "objects/info").mkdir(parents=True)
        (path / "objects/pack").mkdir()
        (path / "HEAD").write_text("ref: refs/heads/main\n")
        (path / "objects/info/alternates").write_text("../../objects\n")
        # The database's owner may have set something for git there.
        shutil.copyfile(path.parent / "config", path / "config")
    except OSError as error:
        raise cannot_write(path, error) from error


def take_in(quarantine: Path) -> set[str]:
    """Move all packs into the store; their names, without suffix. Raises DiskFull, DatabaseError.

    A pack's ``.idx`` comes last: without one git does not see the pack. A kill at any line leaves packs that
    no ref needs, and the next maintenance combines them with others.
    """
    target = quarantine.parent / "objects/pack"
    files = sorted((quarantine / "objects/pack").glob("pack-*"), key=lambda file: file.suffix == ".idx")
    try:
        for file in files:
            file.replace(target / file.name)
        directory = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)  # git has synced the files; a branch must not be there before their names
        finally:
            os.close(directory)
    except OSError as error:
        raise cannot_write(target, error) from error
    return {file.stem for file in files}
