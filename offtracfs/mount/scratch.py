"""Files that programs make in a writable mount, and those in which they write tickets: kept on disk.

An editor makes files beside the one that it edits: a swap file, a backup, a temporary file that it renames
over the ticket. Any name that is no ticket's may be made in the directories of tickets. Such a file lies
below the database's directory, under its own name: so it survives the driver, and vim's swap file can be
recovered.

A ticket itself is written in a `WorkingCopy`: a file of its own, which has the ticket's name for as long as
it holds what was not saved yet.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from weakref import WeakValueDictionary

import trio

from offtracfs.errors import DraftRefused

FOLDER = "scratch"  # in a database's directory
UNSAVED = ".unsaved"  # the suffix of what is being written to a ticket: it is found there after a kill
MAX_BYTES = (
    16 << 20
)  # of what is written to a ticket; no text in a Trac is larger than a quarter of a megabyte


class MemoryFile(NamedTuple):
    """A small file that is made when it is looked up. One that holds something else is another one.

    `mtime` is in seconds since 1970 UTC.
    """

    path: str  # in the mount
    data: bytes
    mtime: int


class Scratch:
    """A file on disk, opened once, however often programs have it open.

    `path` is its name on disk, None where that was deleted; whoever has it open goes on. Methods raise
    OSError.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.opened = 0
        self._file = -1  # its descriptor, while it is open

    def open(self) -> None:
        """Open it once more."""
        if not self.opened:
            self._file = self._descriptor()
        self.opened += 1

    def _descriptor(self) -> int:
        return os.open(self._named(), os.O_RDWR | os.O_CLOEXEC)

    def _named(self) -> Path:
        if self.path is None:
            raise FileNotFoundError
        return self.path

    @contextmanager
    def opening(self) -> Iterator[int]:
        """Its descriptor, as long as the block runs."""
        self.open()
        try:
            yield self._file
        finally:
            self.close()

    def stat(self) -> os.stat_result:
        """Its attributes."""
        return os.fstat(self._file) if self.opened else self._named().lstat()

    def close(self) -> None:
        """Close it once."""
        self.opened -= 1
        if not self.opened:
            os.close(self._file)

    def read(self, offset: int, size: int) -> bytes:
        """Some bytes of it, while it is open."""
        return os.pread(self._file, size, offset)

    def write(self, offset: int, data: bytes) -> None:
        """Write all of `data`, while it is open."""
        while data:
            written = os.pwrite(self._file, data, offset)
            offset, data = offset + written, data[written:]

    def truncate(self, size: int) -> None:
        """Make it so many bytes long."""
        with self.opening() as file:
            os.ftruncate(file, size)

    def contents(self) -> bytes:
        """All that it holds."""
        with self.opening():
            return self.read(0, self.stat().st_size)


class WorkingCopy(Scratch):
    """What is written to a ticket; it begins with what the ticket's file held.

    `target` is the ticket's path in the mount, and `stands_for` the inode of that file, 0 for a new ticket.
    `unsaved` says that it holds what nobody tried to save yet.
    Whoever saves it has the lock `saving`.
    """

    def __init__(self, target: str, folder: Path, held: bytes, stands_for: int) -> None:
        super().__init__(None)
        self.stands_for = stands_for
        self.target = target
        self.unsaved = False
        self.saving = trio.Lock()
        self.held = held
        self._folder = folder

    def _descriptor(self) -> int:
        name, turn = self.target.rpartition("/")[2] + UNSAVED, 1
        self.path = self._folder / name
        while self.path.exists():  # left by a mount that was killed, or being written through another one
            turn += 1
            self.path = self._folder / f"{name}-{turn}"
        made = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(made, self.held, 0)
        except OSError:
            os.close(made)
            self.settle()
            raise
        return made

    def write(self, offset: int, data: bytes) -> None:
        """Write all of `data`. Raises DraftRefused, too, where it gets too large."""
        self._check(offset + len(data))
        self.unsaved = True
        super().write(offset, data)

    def truncate(self, size: int) -> None:
        """Make it so many bytes long. Raises DraftRefused where that is too large."""
        self._check(size)
        self.unsaved = True
        super().truncate(size)

    def _check(self, size: int) -> None:
        if size > MAX_BYTES:
            raise DraftRefused(f"{self.target} would be larger than {MAX_BYTES >> 20} MB: no ticket is.")

    def settle(self) -> None:
        """Take its name on disk away: what it holds is saved, or kept elsewhere."""
        self.unsaved = False
        if self.path is not None:
            with suppress(FileNotFoundError):
                self.path.unlink()
        self.path = None

    @property
    def empty(self) -> bool:
        """Whether nothing stands in it: a shell makes a file empty, and closes it once, before it writes."""
        return not self.contents().strip(b"\0")


class ScratchFiles:
    """The scratch files of one directory of the mount; on disk they have a directory of their own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._known: WeakValueDictionary[str, Scratch] = WeakValueDictionary()

    def find(self, name: str) -> Scratch | None:
        """The file of that name, the same object for as long as anybody has it; None where there is none."""
        if not os.path.lexists(self.folder / name):
            return None
        return self._known.setdefault(name, Scratch(self.folder / name))

    def create(self, name: str, mode: int, flags: int) -> Scratch:
        """A new file, or the one that is there, unless `flags` have O_EXCL. Raises FileExistsError."""
        new = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | flags & (os.O_EXCL | os.O_TRUNC)
        file = os.open(self.folder / name, new, 0o600)
        os.fchmod(file, mode & 0o777)  # the kernel has applied the program's umask; ours must not count
        os.close(file)
        return self._known.setdefault(name, Scratch(self.folder / name))

    def move(self, name: str, to: ScratchFiles, new_name: str) -> None:
        """Give a file another name, in the place of one that has it. Raises FileNotFoundError."""
        moved = self.find(name)
        if moved is None:
            raise FileNotFoundError
        (self.folder / name).replace(to.folder / new_name)
        del self._known[name]
        if replaced := to._known.pop(new_name, None):
            replaced.path = None
        moved.path = to.folder / new_name
        to._known[new_name] = moved

    def delete(self, name: str) -> None:
        """Delete a file. Raises FileNotFoundError."""
        (self.folder / name).unlink()
        if deleted := self._known.pop(name, None):
            deleted.path = None
