"""Writes many objects at once, through a running ``git fast-import``."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha1
from pathlib import Path
from typing import IO

from offtracfs.errors import DatabaseError
from offtracfs.kinds import git_path
from offtracfs.store.git import BRANCH, environment, failed, git, widened

NOBODY = "offtracfs"  # the author of what the tracker does not log
COMMITS_AN_IMPORT = 50_000  # fast-import's memory grows with what it has written (1 KB a commit, measured)


# Paths that may not be written. Fast-import would misread some as a command. `git fsck` refuses empty parts,
# ".", "..", and every spelling of ".git" that some file system takes for that.
_REFUSED = re.compile(
    r'[\0\n]|^"|(?:^|[/\\])(?:\.{0,2}|(?:\.git|git~1)[ .]*(?::[^/\\]*)?)(?:[/\\]|$)', re.IGNORECASE
)
_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")  # by HFS+, in names of files


class Writer:
    """Writes objects through ``git fast-import``, and starts a new one after COMMITS_AN_IMPORT commits.

    It works in a quarantine (see `offtracfs.store.quarantine`). At first only blobs may be written, for any
    length of time. Then `head` must be set to the parent of the first commit. From then on commits and blobs
    may come in any order.
    """

    def __init__(self, quarantine: Path) -> None:
        self.path = quarantine
        self._process: subprocess.Popen[bytes] | None = None
        self._commits = 0  # of the fast-import that runs now
        self.head: bytes | None = None

    def blob(self, data: bytes) -> bytes:
        """Store some contents; their id (20 bytes), for a commit to come."""
        self._write(b"blob\ndata %d\n%b\n" % (len(data), data))
        return sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).digest()

    def commit(
        self,
        *,
        author: str,
        authored: int,
        committed: int,
        message: str,
        files: Iterable[tuple[str, bytes | None]],
    ) -> None:
        """Append a commit that sets `files`: path and blob id, None to delete.

        Times are in seconds since 1970 UTC; earlier ones become 0, since git has none. `author` is the
        tracker's text. Raises DatabaseError where git cannot have a file of that name.
        """
        if self._commits >= COMMITS_AN_IMPORT:
            self.finish()
        text = message.replace("\0", "").encode("utf-8", "replace")
        lines = [
            b"commit " + BRANCH.encode(),
            b"author %b %d +0000" % (_identity(author), max(authored, 0)),
            b"committer %b %d +0000" % (_identity(NOBODY), max(committed, 0)),
            b"data %d\n%b" % (len(text), text),
        ]
        if self.head and self._commits == 0:
            lines.append(b"from " + self.head.hex().encode())
        self._write(b"\n".join(lines) + b"\n")
        for path, blob in files:
            name = _name(path)
            self._write(b"M 100644 %b %b\n" % (blob.hex().encode(), name) if blob else b"D %b\n" % name)
        self._write(b"\n")
        self._commits += 1

    def _write(self, data: bytes) -> None:
        if self._process is None:
            options = ("--quiet", "--done", "--force", "--date-format=raw")
            self._process = subprocess.Popen(
                ["git", "fast-import", *options],
                env=environment(self.path),
                stdin=subprocess.PIPE,
                bufsize=1 << 16,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                process_group=0,  # so that a Ctrl-C reaches us alone, and we end git in order
            )
            widened(self._process.stdin)
        try:
            _pipe(self._process).write(data)
        except BrokenPipeError:
            self._end()

    def finish(self) -> None:
        """End this fast-import; `head` is then the last commit. Raises DatabaseError, DiskFull."""
        if self._process is None:
            return
        try:
            _pipe(self._process).write(b"done\n")
            _pipe(self._process).flush()
        except BrokenPipeError:
            pass
        self._end()
        if self._commits:
            self.head = bytes.fromhex(git(self.path, "rev-parse", "--verify", BRANCH).decode().strip())
        self._commits = 0

    def _end(self) -> None:
        assert self._process is not None
        process, self._process = self._process, None
        try:
            _, said = process.communicate()
        except BrokenPipeError:
            said = process.stderr.read() if process.stderr else b""
            process.wait()
        if process.returncode:
            raise failed("git fast-import", said)

    def abandon(self) -> None:
        """Kill this fast-import. What it has written goes with the quarantine."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


@lru_cache(10_000)  # a ticket's changes are near each other
def _name(path: str) -> bytes:
    return checked(git_path(path))


def checked(path: str) -> bytes:
    """A path as fast-import's bytes. Raises DatabaseError for one that git would refuse or misread."""
    if _REFUSED.search(path if path.isascii() else _IGNORED.sub("", path)):
        raise DatabaseError(f"git cannot keep a file called {path!r}.")
    try:
        return path.encode()
    except UnicodeEncodeError:
        raise DatabaseError(f"git cannot keep a file called {path!r}, which is not UTF-8.") from None


def _pipe(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin is not None
    return process.stdin


def name_in_git(author: str) -> str:
    """The name that git has of a tracker's author."""
    return _identity(author).decode().rpartition(" <")[0]


@lru_cache(1000)
def _identity(author: str) -> bytes:
    """An author as git wants it. Trac's are a login, a name, an address, ``Name <address>``, or nothing."""
    match = re.fullmatch(r"([^<>]*)<([^<>]*)>\s*", author)
    name, address = match.groups() if match else (author, "")
    name, address = (" ".join(re.sub(r"[<>\x00-\x1f\x7f]", " ", part).split()) for part in (name, address))
    return f"{name or address or 'unknown'} <{address.replace(' ', '')}>".encode("utf-8", "replace")
