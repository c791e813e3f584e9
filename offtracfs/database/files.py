"""Files that are replaced in one step."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from offtracfs.errors import cannot_write


def write(path: Path, data: bytes) -> None:
    """Replace a file's contents in one step: after a crash the file has the old ones or the new ones.

    Raises DiskFull, DatabaseError.
    """
    fresh = path.with_name(path.name + ".new")
    try:
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        raise cannot_write(path, error) from error
