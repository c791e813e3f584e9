"""The git command, run so that nothing but its arguments and the repository decides what it does."""

from __future__ import annotations

import fcntl
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from offtracfs.errors import DatabaseDamaged, DatabaseError, DiskFull

BRANCH = "refs/heads/main"
MIN_FREE = 1 << 16  # bytes; not 0, since a git that fails deletes its temporary files before it ends
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_DEFAULT_REF_FORMAT": "files",  # which is what libgit2 reads
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
    # By default glibc gives memory back to the kernel after each object, which doubles the time.
    "MALLOC_TRIM_THRESHOLD_": str(16 << 20),
    "TZ": "UTC",
}

PIPE = 1 << 20  # bytes; Linux lets every user have as much, unless its administrator says otherwise


def environment(path: Path) -> dict[str, str]:
    """The environment of a git process for the repository in `path`: no settings of a user or a system."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | _ENVIRONMENT | {"GIT_DIR": str(path)}


def git(path: Path, *arguments: str, stdin: bytes | IO[bytes] = b"") -> bytes:
    """What ``git ARGUMENTS`` prints, for the repository in `path`. Raises DatabaseError, DiskFull."""
    fixed = environment(path)
    if arguments[0] == "init":
        del fixed["GIT_DIR"]
    cwd = path if path.is_dir() else path.parent
    given: dict[str, Any] = {"input" if isinstance(stdin, bytes) else "stdin": stdin}
    done: subprocess.CompletedProcess[bytes] = subprocess.run(
        ["git", *arguments], cwd=cwd, env=fixed, capture_output=True, check=False, **given
    )
    if done.returncode:
        error = failed("git " + arguments[0], done.stderr)
        raise DiskFull(f"The disk is full: {cwd} could not be written.") if _is_full(cwd) else error
    return done.stdout


def blob(path: Path, oid: bytes) -> bytes:
    """Contents of one blob of the repository in `path`; its id is 20 bytes. Raises DatabaseDamaged.

    For a process that needs one object: starting git takes 3 ms, loading libgit2 takes 50 ms.
    """
    try:
        return git(path, "cat-file", "blob", oid.hex())
    except DatabaseError as error:
        raise DatabaseDamaged(f"The git object {oid.hex()} cannot be read: {error}") from error


def _is_full(directory: Path) -> bool:
    """Whether a disk is full. Not every git command says so when that is why it failed."""
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize < MIN_FREE


def widened(pipe: IO[bytes] | None) -> IO[bytes]:
    """A pipe to or from git, made to hold more: with a small one, git and we would wait in turns."""
    assert pipe is not None
    with suppress(OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE)
    return pipe


def failed(what: str, said: bytes) -> DatabaseError:
    """The error for a git command that has said why it failed."""
    text = " ".join(said.decode(errors="replace").split())[:300]
    if any(words in text for words in ("No space left", "Out of diskspace", "Disk quota exceeded")):
        return DiskFull(f"The disk is full: {what} could not write.")
    return DatabaseError(f"{what} failed: {text or 'it said nothing'}.")
