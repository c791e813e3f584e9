"""A lock file, held and signed by one process at a time.

It is an open file description lock (fcntl(2), ``F_OFD_SETLK``): the kernel tells others whether it is held,
and they need not take it to find out, which could make a holder fail. It belongs to the open file, not to the
process: two databases that one process opens exclude each other, too. When the process is killed the kernel
closes the file, and with it the lock is gone, whatever signature stays in the file. Programs that the holder
starts do not inherit it (Python opens files close-on-exec).
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from offtracfs.errors import DatabaseBusy, DatabaseError, cannot_write

_FLOCK = "hhqqi4x"  # struct flock: type, whence, start, length (0: to the end), process id (0 here)


@contextmanager
def held(file: Path, purpose: str, doing: str) -> Iterator[None]:
    """Hold the lock while the block runs.

    `purpose` is written into the file ("sync"); `doing` is for the message to others ("synced", as in "is
    being synced by process 42").


    Raises DatabaseBusy, naming who holds it, where another process does; DatabaseError.
    """
    try:
        signed = file.open("a+b", buffering=0)
    except OSError as error:
        raise cannot_write(file, error) from error
    with signed as lock:
        try:
            # Earlier versions held this file with flock(2), which the kernel keeps apart from the other kind.
            # A side process of theirs that still runs after an upgrade would be a second writer. It is let
            # go at once: on network file systems both kinds are one, and would exclude each other here.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(lock, fcntl.LOCK_UN)
            fcntl.fcntl(lock, fcntl.F_OFD_SETLK, _request(fcntl.F_WRLCK))
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES, as fcntl(2) has it
            who = _signature(file)
            raise DatabaseBusy(f"{file.parent} is being {doing} by {who}: try again later.") from None
        except OSError as error:  # ENOLCK, EINVAL, ENOSYS, …: some network file systems
            raise DatabaseError(
                f"{file} cannot be locked ({error.strerror}): put the database on a file system with locks."
            ) from error
        lock.truncate(0)
        signature = f"process {os.getpid()} ({purpose}, since {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ})\n"
        try:
            lock.write(signature.encode())
        except OSError as error:
            raise cannot_write(file, error) from error
        try:
            yield
        finally:
            lock.truncate(0)
            # Closing the file would not be enough: a child process that was just forked shares it until its
            # exec.
            fcntl.fcntl(lock, fcntl.F_OFD_SETLK, _request(fcntl.F_UNLCK))


def holder(file: Path) -> str:
    """What the process that holds the lock says of itself; "" where nobody does, or where none can be held.

    It takes no lock.
    """
    with suppress(OSError), file.open("rb") as lock:
        answer = fcntl.fcntl(lock, fcntl.F_OFD_GETLK, _request(fcntl.F_WRLCK))
        kind, *_ = struct.unpack(_FLOCK, answer)
        if kind != fcntl.F_UNLCK:
            return _signature(file)
    return ""


def _request(kind: int) -> bytes:
    return struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0)


def _signature(file: Path) -> str:
    """What is written in the file.

    For a moment, while one holder follows another, that is the last one's, or nothing.
    """
    with suppress(OSError):
        return file.read_bytes().decode(errors="replace").strip() or "another process"
    return "another process"
