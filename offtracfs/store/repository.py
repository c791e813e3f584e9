"""The git repository: append revisions, read blobs and what a commit changed, keep it packed.

pygit2 reads objects. Commits are written by ``git fast-import``, and other work is done by git commands. Git
runs with a fixed environment and the repository's own configuration alone, so that a user's settings change
nothing. It makes packs in a quarantine: a kill leaves nothing half done in the repository but the branch's
lock.
"""

from __future__ import annotations

import subprocess
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import pygit2
from pygit2.enums import ConfigLevel, Option

from offtracfs.errors import DatabaseDamaged, DatabaseError, NotADatabase, cannot_write
from offtracfs.kinds import path_in_git
from offtracfs.store.fastimport import Writer
from offtracfs.store.git import BRANCH, environment, failed, git, widened
from offtracfs.store.quarantine import quarantined, take_in

COMMITS_A_LOG = 20_000  # git log's memory grows with what it has read (1.6 KB a commit, measured)
MAX_PACKS = 20  # more are combined
LARGE_PACK = 256 << 20  # bytes; one of this size is left as it is
LOCKS = ("HEAD.lock", f"{BRANCH}.lock")  # what `git update-ref` takes to move the branch
STALE = 60.0  # seconds after which such a lock can only be left over from a killed git
_MARK = "\x02"  # begins a commit in the output of git log; no path or number holds one
_CONFIG = {
    "core.fsync": "all",  # a power failure after a sync loses nothing of it
    "core.logAllRefUpdates": "false",
    "fastimport.unpackLimit": "0",  # always one pack, never thousands of loose objects
    "gc.auto": "0",  # maintenance is ours, under the writer's lock
    "pack.threads": "1",
    "pack.windowMemory": "64m",  # a repack of 100,000 tickets stays under 1 GB
}

_UNREADABLE = (KeyError, OSError, pygit2.GitError)  # what pygit2 raises for an object that it cannot read

for _level in (ConfigLevel.GLOBAL, ConfigLevel.XDG, ConfigLevel.SYSTEM):
    pygit2.settings.search_path[_level] = ""
pygit2.settings.mwindow_size = 1 << 20  # libgit2 would map whole packs: memory that grows with history
pygit2.settings.mwindow_mapped_limit = 16 << 20


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that a commit changed: its path in the mount, and its new blob (20 bytes), None if gone."""

    path: str
    blob: bytes | None


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit on the branch; times in seconds since 1970 UTC, the author's name as git has it."""

    id: bytes
    author: str
    authored: int
    committed: int


class Store:
    """The repository in a directory, opened; safe to use while another process appends or repacks."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._repository = self._open()

    @classmethod
    def create(cls, path: Path) -> Store:
        """A new, empty repository. Raises DatabaseError, OSError."""
        git(
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

    def reopen(self) -> None:
        """Open the repository anew, and close all packs, also deleted ones. Raises NotADatabase."""
        self._repository.free()
        self._repository = self._open()

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
                self.reopen()  # a repack may have moved it to a pack not yet seen
        raise AssertionError

    def blob(self, oid: bytes) -> bytes:
        """Contents of a blob. Raises DatabaseDamaged where it is missing or damaged."""
        _, data = self._read(oid)
        return data

    def size(self, oid: bytes) -> int:
        """Bytes in a blob, without reading them. Raises DatabaseDamaged."""
        try:
            _, size = self._repository.odb.read_header(pygit2.Oid(raw=oid))
            return int(size)
        except _UNREADABLE:
            return len(self.blob(oid))

    def readable(self, oid: bytes) -> bool:
        """Whether an object is there and undamaged; it is read for that."""
        try:
            self._read(oid)
        except DatabaseDamaged:
            return False
        return True

    @contextmanager
    def trusted(self) -> Iterator[None]:
        """While the block runs, libgit2 does not compute the SHA-1 of each blob that it reads, to compare it.

        That would double the time. zlib's own checksums are still compared. The setting is one for the whole
        process.
        """
        pygit2.option(Option.ENABLE_STRICT_HASH_VERIFICATION, False)
        try:
            yield
        finally:
            pygit2.option(Option.ENABLE_STRICT_HASH_VERIFICATION, True)

    def follows(self, oid: bytes) -> bool:
        """Whether a commit is on the branch."""
        try:
            git(self.path, "merge-base", "--is-ancestor", oid.hex(), BRANCH)
        except DatabaseError:
            return False
        return True

    def log(self, after: bytes | None) -> Iterator[Commit | FileChange]:
        """The commits after the commit `after` (None: all), oldest first; each is followed by its changes.

        Raises DatabaseDamaged where git cannot read one.
        """
        if self.head() is None:
            return
        raw = ("--reverse", "--raw", "-z", "--root", "--no-renames", "--no-abbrev", "--encoding=UTF-8")
        form = f"--format={_MARK}%H %at %ct %an"
        for stretch in self._ranges(after.hex() if after else ""):
            yield from _parsed(_split(self._output("log", *raw, form, stretch), b"\0"))

    def _ranges(self, after: str) -> Iterator[str]:
        """The commits after one as ranges of a bounded length: git log keeps all of a range in memory."""
        commits = _split(
            self._output("rev-list", "--reverse", f"{after}..{BRANCH}" if after else BRANCH), b"\n"
        )
        while stretch := deque(islice(commits, COMMITS_A_LOG), maxlen=1):
            last = stretch.pop()
            yield f"{after}..{last}" if after else last
            after = last

    def _output(self, *arguments: str, stdin: IO[bytes] | None = None) -> Iterator[bytes]:
        """What a git command prints, as it comes. Raises DatabaseDamaged where the command fails."""
        command = ["git", *arguments]
        with (
            TemporaryFile() as complaint,
            subprocess.Popen(
                command,
                env=environment(self.path),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=complaint,
            ) as process,
        ):
            output = widened(process.stdout)
            try:
                while data := output.read(1 << 16):
                    yield data
            except BaseException:  # nobody wants the rest
                process.kill()
                raise
            if process.wait():
                complaint.seek(0)
                raise DatabaseDamaged(str(failed(f"git {arguments[0]}", complaint.read())))

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """Append commits, as `appending` does, with blobs that are written meanwhile."""
        with self.importing() as writer, self.appending(writer):
            yield writer

    @contextmanager
    def importing(self, lock: str = "writing") -> Iterator[Writer]:
        """Write blobs for commits to come. Meanwhile other processes may append and maintain.

        The blobs are in the store only after `appending`. `lock` names the lock that the caller holds: what
        an earlier holder left when it was killed is deleted.
        """
        with quarantined(self.path, lock) as path:
            writer = Writer(path)
            try:
                yield writer
            finally:
                writer.abandon()

    @contextmanager
    def appending(self, writer: Writer) -> Iterator[None]:
        """Append the commits that the block gives to `writer`, or, where it raises, none.

        They go on the branch as it stands now. Only under the writer's lock.
        """
        before = writer.head = self.head()
        yield
        writer.finish()
        if writer.head is not None and writer.head != before:
            take_in(writer.path)
            self._move(before, writer.head)

    def _move(self, old: bytes | None, new: bytes) -> None:
        """Move the branch, from where it must stand now.

        Git holds the locks for this for milliseconds. So a lock that is older than STALE was left by a git
        that was killed. Its age is measured by the file system's clock, which has just set the time of the
        packs' directory. If a git is alive but was stopped for so long, it fails when it wants to move its
        lock into place.
        """
        now = (self.path / "objects/pack").stat().st_mtime
        for lock in (self.path / name for name in LOCKS):
            with suppress(FileNotFoundError):
                if now - lock.stat().st_mtime > STALE:
                    lock.unlink()
        move = f"update {BRANCH} {new.hex()} {old.hex() if old else '0' * 40}\n"
        git(self.path, "update-ref", "--stdin", stdin=move.encode())

    def maintain(self, *, packs: int = MAX_PACKS) -> bool:
        """Repack where there are more than `packs` packs; only under the writer's lock. True if it did.

        As ``git repack --geometric=2`` would, but without its walk through all history for better deltas,
        which takes 1.8 GB after 600,000 commits (measured; this 0.4 GB): packs are combined as long as one
        is less than twice as large as all smaller ones together. Readers that have the old ones open go on.
        """
        head, files = self.head(), (self.path / "objects/pack").glob("*.pack")
        mine = [file for file in files if file.with_suffix(".idx").exists()]
        if head is None or len(mine) <= packs:
            return False
        try:
            with quarantined(self.path, "writing") as aside:
                if small := _small([file for file in mine if not file.with_suffix(".keep").exists()]):
                    self._combine(aside, small)
                git(aside, "commit-graph", "write", "--stdin-commits", stdin=head.hex().encode() + b"\n")
                (aside / "objects/info/commit-graph").replace(self.path / "objects/info/commit-graph")
        except FileNotFoundError:
            return False  # a user's `git gc` has deleted packs since they were listed, and done this work
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self.reopen()  # else libgit2 keeps the deleted packs open, and they keep their disk space
        return True

    def _combine(self, aside: Path, small: list[Path]) -> None:
        """Put some packs into one, made in a quarantine, and delete them.

        Git is given the ids of all objects in these packs, and fails if it cannot read one of them. So every
        object of a pack that is deleted is in the new pack.
        """
        with TemporaryFile(dir=aside) as listed:
            for pack in small:
                with pack.with_suffix(".idx").open("rb") as index:
                    lines = _split(self._output("show-index", stdin=index), b"\n")
                    listed.writelines(line.split()[1].encode() + b"\n" for line in lines)
            listed.seek(0)
            made = str(aside / "objects/pack/pack")
            git(aside, "pack-objects", "--quiet", "--delta-base-offset", made, stdin=listed)
        combined = take_in(aside)
        # A user's git may have made this index, which lists the packs that are deleted now.
        (self.path / "objects/pack/multi-pack-index").unlink(missing_ok=True)
        for pack in small:
            if pack.stem not in combined:  # the new pack may equal one of them, and then it has its name
                for suffix in (".idx", ".pack", ".rev", ".bitmap"):
                    pack.with_suffix(suffix).unlink(missing_ok=True)

    def check(self) -> list[str]:
        """What ``git fsck --strict`` finds, a line each."""
        command = ["git", "fsck", "--strict", "--full", "--no-progress", "--no-dangling"]
        done = subprocess.run(command, env=environment(self.path), capture_output=True, check=False)
        return (done.stdout + done.stderr).decode(errors="replace").splitlines()


def _small(packs: list[Path]) -> list[Path]:
    """The packs to combine (see `maintain`), none where all are large enough."""
    found = sorted((pack.stat().st_size, pack) for pack in packs)
    count = total = 0
    for place, (size, _) in enumerate(found):
        if max(size, total) >= LARGE_PACK:
            break
        if size < 2 * total:
            count = place + 1
        total += size
    return [pack for _, pack in found[:count]]


def _split(chunks: Iterator[bytes], end: bytes) -> Iterator[str]:
    """The pieces of a stream, each without the `end` that follows it; what has no `end` is dropped."""
    rest = b""
    for chunk in chunks:
        *pieces, rest = (rest + chunk).split(end)
        yield from (piece.decode("utf-8", "replace") for piece in pieces)


def _parsed(tokens: Iterator[str]) -> Iterator[Commit | FileChange]:
    """The output of ``git log --raw -z``: a line a commit, and for each file two tokens."""
    for token in tokens:  # if git fails, they end early; `_output` then raises
        if token.startswith(_MARK):
            commit, authored, committed, author = token.removeprefix(_MARK).split(maxsplit=3)
            yield Commit(bytes.fromhex(commit), author, int(authored), int(committed))
        elif token:
            blob, status = token.split()[3:5]
            for path in islice(tokens, 1):
                yield FileChange(path_in_git(path), None if status == "D" else bytes.fromhex(blob))
