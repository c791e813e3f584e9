"""Many objects at once: ``git fast-import``, fed as its input is made."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha1
from pathlib import Path
from typing import IO

from offtracfs.kinds import git_path
from offtracfs.store.git import environment, failed, git, widened

IMPORT = "refs/offtracfs/import"  # where a sync's commits stand until all of them are there
NOBODY = "offtracfs"  # the author of what the tracker does not log
COMMITS_AN_IMPORT = 50_000  # fast-import's memory grows with what it has written (1 KB a commit, measured)


class Writer:
    """A run of ``git fast-import``, started afresh now and then."""

    def __init__(self, path: Path, head: bytes | None) -> None:
        self._path = path
        self._process: subprocess.Popen[bytes] | None = None
        self._commits = 0
        self.head = head

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

        Times are in seconds since 1970 UTC; git has none before that. `author` is as the tracker says it.
        """
        if self._commits >= COMMITS_AN_IMPORT:
            self.finish()
        text = message.replace("\0", "").encode("utf-8", "replace")
        head = [
            b"commit " + IMPORT.encode(),
            b"author %b %d +0000" % (_identity(author), max(authored, 0)),
            b"committer %b %d +0000" % (_identity(NOBODY), max(committed, 0)),
            b"data %d\n%b" % (len(text), text),
        ]
        if self.head and (self._process is None or self._commits == 0):
            head.append(b"from " + self.head.hex().encode())
        self._write(b"\n".join(head) + b"\n")
        for path, blob in files:
            name = git_path(path).encode()
            assert b"\n" not in name, "fast-import would take the rest for a command"
            self._write(b"M 100644 %b %b\n" % (blob.hex().encode(), name) if blob else b"D %b\n" % name)
        self._write(b"\n")
        self._commits += 1

    def _write(self, data: bytes) -> None:
        if self._process is None:
            git(self._path, "update-ref", "-d", IMPORT)
            options = ("--quiet", "--done", "--force", "--date-format=raw")
            self._process = subprocess.Popen(
                ["git", "fast-import", *options],
                env=environment(self._path),
                stdin=subprocess.PIPE,
                bufsize=1 << 16,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                process_group=0,  # a Ctrl-C is for us: we end it
            )
            widened(self._process.stdin)
            self._commits = 0
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
            self.head = bytes.fromhex(git(self._path, "rev-parse", "--verify", IMPORT).decode().strip())

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
        """End this fast-import and let go of what it has written."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _pipe(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin is not None
    return process.stdin


@lru_cache(1000)
def _identity(author: str) -> bytes:
    """An author as git wants it. Trac's are a login, a name, an address, ``Name <address>``, or nothing."""
    match = re.fullmatch(r"([^<>]*)<([^<>]*)>\s*", author)
    name, address = match.groups() if match else (author, "")
    name, address = (" ".join(re.sub(r"[<>\x00-\x1f\x7f]", " ", part).split()) for part in (name, address))
    return f"{name or address or 'unknown'} <{address.replace(' ', '')}>".encode("utf-8", "replace")
