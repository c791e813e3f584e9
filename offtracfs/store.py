"""The git repository: append revisions, read blobs and what a commit changed, keep it packed.

pygit2 reads; everything that writes goes through one ``git fast-import`` a sync. Git runs with a fixed
environment and no configuration but the repository's own, so that a user's settings change nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import pygit2
from pygit2.enums import ConfigLevel

from offtracfs.errors import DatabaseDamaged, DatabaseError, DiskFull, NotADatabase
from offtracfs.names import git_path, path_in_git

BRANCH = "refs/heads/main"
IMPORT = "refs/offtracfs/import"  # where a sync's commits stand until all of them are there
NOBODY = "offtracfs"  # the author of what the tracker does not log
COMMITS_AN_IMPORT = 50_000  # fast-import's memory grows with what it has written (1 KB a commit, measured)
PACKS = 20  # more than these are repacked
LITTER = ("*.lock", "tmp_*", ".tmp-*", "fast_import_crash_*")  # what git leaves behind when it is killed
_MARK = "\x02"  # begins a commit in the output of git log; no path or number holds one
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_DEFAULT_REF_FORMAT": "files",  # which is what libgit2 reads
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
    "MALLOC_TRIM_THRESHOLD_": str(16 << 20),  # glibc gives memory back after each object: half the time
    "TZ": "UTC",
}
_CONFIG = {
    "core.fsync": "all",  # a power failure after a sync loses nothing of it
    "core.logAllRefUpdates": "false",
    "fastimport.unpackLimit": "0",  # always one pack, never thousands of loose objects
    "gc.auto": "0",  # maintenance is ours, under the writer's lock
    "pack.threads": "1",
    "pack.windowMemory": "64m",  # a repack of 100,000 tickets stays under 1 GB
}

_UNREADABLE = (KeyError, OSError, pygit2.GitError)  # what libgit2's errors become

for _level in (ConfigLevel.GLOBAL, ConfigLevel.XDG, ConfigLevel.SYSTEM):
    pygit2.settings.search_path[_level] = ""
pygit2.settings.mwindow_size = 1 << 20  # libgit2 would map whole packs: memory that grows with history
pygit2.settings.mwindow_mapped_limit = 16 << 20


@dataclass(frozen=True, slots=True)
class Change:
    """One file that a commit changed: its path in the mount, and its new blob (20 bytes), None if gone."""

    path: str
    blob: bytes | None


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit on the branch; times in seconds since 1970 UTC."""

    id: bytes
    authored: int
    committed: int


class Store:
    """The repository in a directory, opened; safe to use while another process appends or repacks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._repository = self._open()

    @classmethod
    def create(cls, path: Path) -> Store:
        """A new, empty repository. Raises DatabaseError, OSError."""
        _git(
            path.parent,
            "init",
            "--quiet",
            "--bare",
            "--object-format=sha1",
            "--template=",
            "-b",
            "main",
            path.name,
        )
        with (path / "config").open("a") as file:
            for name, value in _CONFIG.items():
                section, key = name.split(".")
                file.write(f"[{section}]\n\t{key} = {value}\n")
        return cls(path)

    def _open(self) -> pygit2.Repository:
        try:
            return pygit2.Repository(str(self.path), pygit2.enums.RepositoryOpenFlag.BARE)
        except (OSError, pygit2.GitError) as error:
            raise NotADatabase(f"There is no usable git repository in {self.path}: {error}.") from error

    def head(self) -> bytes | None:
        """Id of the newest commit, None while there is none. Raises DatabaseDamaged."""
        try:
            target = self._repository.references[BRANCH].target
        except KeyError:
            return None
        except (OSError, pygit2.GitError) as error:
            raise DatabaseDamaged(f"The branch in {self.path} cannot be read: {error}.") from error
        assert isinstance(target, pygit2.Oid)
        return target.raw

    def _read(self, oid: bytes) -> tuple[int, bytes]:
        for attempt in (1, 2):
            try:
                return self._repository.odb.read(pygit2.Oid(raw=oid))
            except _UNREADABLE as error:
                if attempt == 2:
                    raise DatabaseDamaged(f"The git object {oid.hex()} cannot be read: {error}.") from error
                self._repository = self._open()  # a repack may have moved it to a pack not yet seen
        raise AssertionError

    def blob(self, oid: bytes) -> bytes:
        """Contents of a blob. Raises DatabaseDamaged where it is missing or damaged."""
        return self._read(oid)[1]

    def size(self, oid: bytes) -> int:
        """Bytes in a blob, without reading them. Raises DatabaseDamaged."""
        try:
            return int(self._repository.odb.read_header(pygit2.Oid(raw=oid))[1])
        except _UNREADABLE:
            return len(self.blob(oid))

    def follows(self, oid: bytes) -> bool:
        """Whether a commit is on the branch."""
        try:
            _git(self.path, "merge-base", "--is-ancestor", oid.hex(), BRANCH)
        except DatabaseError:
            return False
        return True

    def log(self, after: bytes | None) -> Iterator[Commit | Change]:
        """The commits after one, oldest first, all of them after None; each followed by what it changed.

        Raises DatabaseDamaged where git cannot read one.
        """
        if self.head() is None:
            return
        commits = f"{after.hex()}..{BRANCH}" if after else BRANCH
        raw = ("--reverse", "--raw", "-z", "--root", "--no-renames", "--no-abbrev")
        command = ["git", "log", *raw, f"--format={_MARK}%H %at %ct", commits]
        environment = _environment(self.path)
        with (
            TemporaryFile() as said,
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=said) as git,
        ):
            try:
                yield from _parsed(_tokens(git.stdout))
            finally:
                git.kill()
            if git.wait() > 0:
                said.seek(0)
                raise DatabaseDamaged(str(_failed("git log", said.read())))

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """Append commits: all that the block wrote is on the branch after it, or, if it raised, nothing.

        Only under the writer's lock: what another git process of this repository is at would be swept away.
        """
        self._sweep()
        before = self.head()
        writer = Writer(self.path, before)
        try:
            yield writer
            writer.finish()
        except BaseException:
            writer.abandon()
            self._sweep()
            raise
        if writer.head is not None and writer.head != before:
            old = before.hex() if before else "0" * 40
            moves = f"update {BRANCH} {writer.head.hex()} {old}\ndelete {IMPORT}\n"
            _git(self.path, "update-ref", "--stdin", stdin=moves.encode())

    def _sweep(self) -> None:
        for pattern in LITTER:
            for file in self.path.rglob(pattern):
                file.unlink(missing_ok=True)

    def maintain(self, *, packs: int = PACKS) -> bool:
        """Repack where there are more than `packs` packs; only under the writer's lock. True if it did."""
        found = len(list((self.path / "objects" / "pack").glob("*.pack")))
        if found <= packs:
            return False
        _git(self.path, "repack", "-d", "-q", "--geometric=2", "--write-midx")
        _git(self.path, "commit-graph", "write", "--reachable")
        _git(self.path, "prune", "--expire=1.day.ago")
        return True

    def check(self) -> list[str]:
        """What ``git fsck --strict`` finds, a line each."""
        command = ["git", "fsck", "--strict", "--full", "--no-progress", "--no-dangling"]
        done = subprocess.run(command, env=_environment(self.path), capture_output=True, check=False)
        return (done.stdout + done.stderr).decode(errors="replace").splitlines()


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
            _git(self._path, "update-ref", "-d", IMPORT)
            # No delta is tried against the blob before, which is another file's: repacking finds better ones.
            options = ("--quiet", "--done", "--force", "--date-format=raw")
            self._process = subprocess.Popen(
                ["git", "-c", "core.bigFileThreshold=1", "fast-import", *options],
                env=_environment(self._path),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                process_group=0,  # a Ctrl-C is for us: we end it
            )
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
            self.head = bytes.fromhex(_git(self._path, "rev-parse", "--verify", IMPORT).decode().strip())

    def _end(self) -> None:
        assert self._process is not None
        process, self._process = self._process, None
        try:
            _, said = process.communicate()
        except BrokenPipeError:
            said = process.stderr.read() if process.stderr else b""
            process.wait()
        if process.returncode:
            raise _failed("git fast-import", said)

    def abandon(self) -> None:
        """End this fast-import and let go of what it has written."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _tokens(stream: IO[bytes] | None) -> Iterator[str]:
    assert stream is not None
    rest = b""
    while data := stream.read(1 << 16):
        *tokens, rest = (rest + data).split(b"\0")
        yield from (token.decode("ascii", "surrogateescape") for token in tokens)


def _parsed(tokens: Iterator[str]) -> Iterator[Commit | Change]:
    """The output of ``git log --raw -z``: a line a commit, and for each file two tokens."""
    for token in tokens:
        if token.startswith(_MARK):
            commit, authored, committed = token.removeprefix(_MARK).split()
            yield Commit(bytes.fromhex(commit), int(authored), int(committed))
        elif token:
            blob, status = token.split()[3:5]
            yield Change(path_in_git(next(tokens)), None if status == "D" else bytes.fromhex(blob))


def _pipe(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin is not None
    return process.stdin


def _identity(author: str) -> bytes:
    """An author as git wants it. Trac's are a login, a name, an address, ``Name <address>``, or nothing."""
    match = re.fullmatch(r"([^<>]*)<([^<>]*)>\s*", author)
    name, address = match.groups() if match else (author, "")
    name, address = (" ".join(re.sub(r"[<>\x00-\x1f\x7f]", " ", part).split()) for part in (name, address))
    return f"{name or address or 'unknown'} <{address.replace(' ', '')}>".encode("utf-8", "replace")


def _environment(path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | _ENVIRONMENT | {"GIT_DIR": str(path)}


def _git(path: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    environment = _environment(path)
    if arguments[0] == "init":
        del environment["GIT_DIR"]
    cwd = path if path.is_dir() else path.parent
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, input=stdin, capture_output=True, check=False)
    if done.returncode:
        raise _failed("git " + arguments[0], done.stderr)
    return done.stdout


def _failed(what: str, said: bytes) -> DatabaseError:
    text = " ".join(said.decode(errors="replace").split())[:300]
    if any(words in text for words in ("No space left", "Out of diskspace", "Disk quota exceeded")):
        return DiskFull(f"The disk is full: {what} could not write.")
    return DatabaseError(f"{what} failed: {text or 'it said nothing'}.")
