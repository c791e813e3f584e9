"""Files that are replaced in one step, and what an error while writing one means."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from offtracfs.errors import DatabaseError, DiskFull


def write(path: Path, data: bytes) -> None:
    """Replace a file's contents in one step that a crash cannot halve. Raises DiskFull, DatabaseError."""
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


def cannot_write(path: Path, error: OSError) -> DatabaseError:
    """What an error while writing means to a user."""
    if error.errno in (28, 122):  # ENOSPC, EDQUOT
        return DiskFull(f"The disk is full: {path} could not be written.")
    return DatabaseError(f"{path} could not be written: {error.strerror}.")
