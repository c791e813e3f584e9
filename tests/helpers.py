"""What the tests of the store, the index and the database share."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from offtracfs import index
from offtracfs.database import Settings
from offtracfs.index.opening import LINK
from offtracfs.index.schema import TRAC
from offtracfs.kinds import path_in_git
from offtracfs.store import Commit, FileChange, Store
from tests.conftest import needs

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
SETTINGS = Settings("http://127.0.0.1:9/trac")  # of a tracker that nobody answers for

Files = Mapping[str, bytes | None]
"""What a commit sets: path in the mount → contents, None to delete."""

PATHS = [
    "db.json",
    "ticket/1.json",
    "ticket/2.json",
    "ticket/13842.json",
    "changelog/1.json",
    "report/1.json",
]
PATHS += ["field/component/ui.json", "field/component/a+b.json", "field/version/1.0.json"]
paths = st.sampled_from(PATHS)
commits = st.lists(
    st.dictionaries(paths, st.none() | st.binary(max_size=3), max_size=4), min_size=1, max_size=6
)
NEW_STORIES = settings.get_current_profile_name() == "new-stories"


def examples(number: int, **options: Any) -> settings:
    """So many examples, where each is much work; in `make test-all` as many as of any other property."""
    return settings(**options) if NEW_STORIES else settings(max_examples=number, **options)


few = examples(10, suppress_health_check=[HealthCheck.function_scoped_fixture])


def one_sentence(error: BaseException) -> bool:
    """Whether an error says what is wrong in one sentence, or in one and its remedy."""
    text = str(error)
    return text.endswith((".", "one.")) and "\n" not in text


def git(store: Store, *arguments: str) -> str:
    """What git says about a store, asked as a user would ask."""
    command = ["git", f"--git-dir={store.path}", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def append(store: Store, *revisions: Files, start: int = 1_300_000_000) -> None:
    """Append a commit for each of these, a minute apart, the author's date some seconds earlier."""
    with store.writer() as writer:
        for number, files in enumerate(revisions):
            changes = [
                (path, None if data is None else writer.blob(data)) for path, data in sorted(files.items())
            ]
            moment = start + 60 * number
            writer.commit(author="ann", authored=moment - 7, committed=moment, message="x", files=changes)


def listed(store: Store, commit: str = "main") -> dict[str, bytes]:
    """Path in the mount → blob of all files in a commit, as ``git ls-tree`` has them."""
    lines = git(store, "ls-tree", "-r", "-z", commit).split("\0")[:-1]
    entries = (line.split("\t", 1) for line in lines)
    return {path_in_git(path): bytes.fromhex(what.split()[2]) for what, path in entries}


def log_of(store: Store, after: bytes | None = None) -> list[tuple[Commit, list[FileChange]]]:
    """The store's log, each commit with its changes."""
    found: list[tuple[Commit, list[FileChange]]] = []
    for item in store.log(after):
        if isinstance(item, Commit):
            found.append((item, []))
        else:
            found[-1][1].append(item)
    return found


def loosen(store: Store) -> None:
    """Take all objects out of their packs, so that single ones can be damaged."""
    for pack in store.path.glob("objects/pack/*.pack"):
        aside = pack.rename(store.path / "aside")
        pack.with_suffix(".idx").unlink()
        with aside.open("rb") as stream:
            command = ["git", f"--git-dir={store.path}", "unpack-objects", "-q"]
            subprocess.run(command, stdin=stream, check=True)
        aside.unlink()


@contextmanager
def small_disk(place: Path, size: str = "1m") -> Iterator[Path]:
    """A file system that is soon full."""
    place.mkdir()
    root = [] if os.getuid() == 0 else ["sudo", "-n"]
    options = f"size={size},mode=700,uid={os.getuid()}"
    mount = [*root, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    try:
        subprocess.run(mount, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        needs(f"a small tmpfs, which needs root, cannot be mounted: {error}")
    try:
        yield place
    finally:
        subprocess.run([*root, "umount", "--lazy", str(place)], check=True)


def read_only(disk: Path) -> None:
    """Let nobody write on a small disk any more, whoever that is."""
    root = [] if os.getuid() == 0 else ["sudo", "-n"]
    subprocess.run([*root, "mount", "-o", "remount,ro", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Use up all the room on a disk; the file that takes it."""
    hog = disk / "hog"
    with hog.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 10, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return hog


@contextmanager
def process(code: str, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Another Python that runs some code up to its first line of output, and is killed after the block."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            yield child
        finally:
            child.kill()


READY = "print('ready', flush=True); input()\n"
"""Code in which a child says that it has come so far, and waits to be killed."""


def killed(code: str, *arguments: str | Path) -> None:
    """Run some code in another process up to `READY`, and kill it there with SIGKILL."""
    with process(code, *arguments):
        pass


def replace(file: Path, data: bytes) -> None:
    """Other contents for a file; whoever has it open keeps the old ones."""
    fresh = file.with_name("fresh")
    fresh.write_bytes(data)
    os.replace(fresh, file)  # noqa: PTH105


def tables(directory: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of an index, table by table."""
    with closing(sqlite3.connect((directory / LINK).resolve())) as connection:
        names = ("revision", "path", "version", "text_part", "published")
        found = {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in names}
        for table in TRAC.values():  # whose rows are numbered as they came, and that depends on the way
            columns = ", ".join(column.name for column in table.c if column.name != "number")
            found[table.name] = connection.execute(f"SELECT {columns} FROM {table.name}").fetchall()
            found[table.name].sort(key=repr)
        return found


def rebuilt(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """All rows that an index has which is built from git at once, in a place of its own."""
    with TemporaryDirectory(dir=store.path.parent.parent) as place:
        index.rebuild(Path(place), store)
        return tables(Path(place))


DIRECTORIES = ["", "changelog", "field/component", "field/version", "report", "ticket"]


def view(reader: index.Reader, horizon: int) -> dict[str, tuple[int, bytes | None, int, int]]:
    """What a reader shows at a horizon: path → inode, blob, size and mtime."""
    found = {}
    for directory in DIRECTORIES:
        for entry in reader.entries(directory, horizon):
            version = reader.version(entry.inode)
            assert version is not None
            assert version[1:] == (entry.size, entry.mtime)
            assert reader.find(directory, entry.name, horizon) == entry
            found[f"{directory}/{entry.name}".lstrip("/")] = (entry.inode, *version)
    return found


def let_others_in(place: Path) -> None:
    """Let other users into a temporary directory, and into those above it that pytest made for us alone."""
    above = Path(gettempdir()).resolve()
    for path in (place, *place.parents):
        if above in path.parents:
            path.chmod(0o755)
