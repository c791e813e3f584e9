"""One directory, one tracker: store + index + settings + state + the writer's lock.

config.toml     what it is a copy of; for its owner to edit
git/            every state that the tracker had (offtracfs.store)
index.db        derived from it (offtracfs.index)
spool.db        what a sync has fetched and not yet brought into git (offtracfs.spool)
state.json      how the last sync ended
lock            held, and signed, by the one process that writes
mounts/         a file a mount: where, and which processes
log/            what the processes of a mount had to say
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import tomllib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from offtracfs import index, records
from offtracfs.errors import (
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseError,
    DatabaseTooOld,
    DiskFull,
    NotADatabase,
    UsageError,
)
from offtracfs.names import number_of, split
from offtracfs.store import Store

PASSWORD = re.compile(r"([\w+.-]+://)?[^/?#@]*:[^/?#]+@|.*[?&](ssl)?password=")  # in a URL
INTERVAL = 60.0  # seconds between two syncs
INTERVALS = (1, 31 * 86400)  # the shortest and the longest, in seconds


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``config.toml`` says. Raises UsageError where it cannot be."""

    url: str
    user: str = ""
    password_command: str = ""  # its first line of output is the password
    timezone: str = "UTC"  # of the dates in "@…"
    interval: float = INTERVAL  # seconds

    def __post_init__(self) -> None:
        for item in fields(self):
            number = item.name == "interval"
            value = getattr(self, item.name)
            if not isinstance(value, (int, float) if number else str) or not _is_unicode(value):
                raise UsageError(f"config.toml: {item.name} is not {'a number' if number else 'text'}.")
        if PASSWORD.match(self.url):
            raise UsageError(
                "config.toml: url holds a password: take it out; `man offtracfs` says where one may be kept."
            )
        if not INTERVALS[0] <= self.interval <= INTERVALS[1]:
            raise UsageError("config.toml: interval is not between 1 second and a month.")
        _ = self.zone

    @property
    def zone(self) -> ZoneInfo:
        """The time zone. Raises UsageError where the system knows none of that name."""
        try:
            return ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise UsageError(f"config.toml: no time zone is called {self.timezone!r}.") from None


@dataclass(slots=True)
class State:
    """How the last sync ended; moments are ISO text in UTC, "" for never."""

    ended: str = ""  # the last sync, however it ended
    succeeded: str = ""  # the last one that did all it should
    swept: str = ""  # the last one that looked at everything
    settled: int = 0  # seconds since 1970 UTC, by the tracker's clock: nothing older can come in any more
    error: str = ""  # one sentence, where the last one failed
    problems: list[str] = field(default_factory=list)  # what it had to leave out
    left_out: list[str] = field(default_factory=list)  # the part of it that the last sweep had to leave out
    missing: list[int] = field(default_factory=list)  # tickets that the tracker could not give


class Snapshot:
    """The records as they stand at the newest revision that the index knows. Raises DatabaseDamaged."""

    def __init__(self, store: Store, reader: index.Reader) -> None:
        self.store = store
        self._reader = reader
        head = reader.head()
        self.empty = head is None
        self.committed = head.committed if head else 0  # seconds since 1970 UTC
        self._horizon = head.horizon if head else 0

    @property
    def recent(self) -> str:
        """Up to when the tracker is known (ISO), "" where it is not."""
        known = self.load("db.json")
        return str(known["recent"]) if known else ""

    def has(self, path: str) -> bool:
        """Whether there is such a record."""
        return not self.empty and self._reader.find(*split(path), self._horizon) is not None

    def get(self, path: str) -> bytes | None:
        """A record's bytes, None where there is none."""
        if self.empty:
            return None
        entry = self._reader.find(*split(path), self._horizon)
        version = self._reader.version(entry.inode) if entry else None
        return self.store.blob(version.blob) if version and version.blob else None

    def load(self, path: str) -> Any:
        """A record, None where there is none."""
        data = self.get(path)
        return None if data is None else records.load(data)

    def paths(self, directory: str) -> Iterator[str]:
        """Paths of the files in a directory, and in the directories in it."""
        for entry in self._reader.entries(directory, self._horizon):
            yield f"{directory}/{entry.name}" if directory else entry.name
        for name in self._reader.directories(directory, self._horizon):
            yield from self.paths(f"{directory}/{name}")

    def tickets(self) -> Iterator[int]:
        """The numbers of all tickets."""
        found = (number_of(entry.name) for entry in self._reader.entries("ticket", self._horizon))
        return (number for number in found if number is not None)


class Database:
    """A database directory, opened for reading; `writing` is the way to write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings = _read_settings(path / "config.toml")
        self.store = Store(path / "git")

    @classmethod
    def create(cls, path: Path, settings: Settings) -> Database:
        """A new, empty database; all of it or, where something fails, nothing.

        Raises UsageError where something is in that place already, DiskFull, DatabaseError.
        """
        path = path.resolve()
        try:
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise UsageError(f"{path} is there already and not empty: choose another place with --db.")
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with TemporaryDirectory(prefix=f"{path.name}.", dir=path.parent) as part:
                made = Path(part) / "db"
                made.mkdir(mode=0o700)
                Store.create(made / "git")
                write(made / "config.toml", _settings_text(settings).encode())
                made.replace(path)
        except OSError as error:
            raise cannot_write(path, error) from error
        return cls(path)

    def reader(self, *, upgrades: bool = False) -> index.Reader:
        """A reader of the index, which is built first where it is missing or of no use.

        One of an earlier version is built anew only for who `upgrades`: it raises DatabaseTooOld. Raises
        DatabaseDamaged where it cannot be built, DatabaseBusy where another process is at it.
        """
        try:
            return index.Reader(self.path, heals=True)
        except DatabaseDamaged as error:
            if isinstance(error, DatabaseTooOld) and not upgrades:
                raise
            with self.writing("building the index"):
                index.catch_up(self.path, self.store)
            return index.Reader(self.path, heals=True)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The records as they stand now. Raises as `reader`."""
        with closing(self.reader()) as reader:
            yield Snapshot(self.store, reader)

    @contextmanager
    def writing(self, purpose: str) -> Iterator[None]:
        """Be the one writer. Raises DatabaseBusy, naming who is, where another process is; DatabaseError."""
        try:
            signed = (self.path / "lock").open("a+b", buffering=0)
        except OSError as error:
            raise cannot_write(self.path / "lock", error) from error
        with signed as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().decode().strip() or "another process"
                raise DatabaseBusy(f"{self.path} is being written by {holder}: try again later.") from None
            name = f"process {os.getpid()} ({purpose}, since {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ})\n"
            lock.truncate(0)
            try:
                lock.write(name.encode())
            except OSError as error:
                raise cannot_write(self.path / "lock", error) from error
            try:
                yield
            finally:
                lock.truncate(0)
                fcntl.flock(lock, fcntl.LOCK_UN)  # closing would not do: a child may have it for a moment yet

    def state(self) -> State:
        """How the last sync ended; a new State where none has, or where the file cannot be read."""
        state = State()
        try:
            known = json.loads((self.path / "state.json").read_bytes())
        except (OSError, ValueError):
            return state
        for name, default in asdict(state).items():
            value = known.get(name) if isinstance(known, dict) else None
            if _fits(value, default, name):
                setattr(state, name, value)
        return state

    def save(self, state: State) -> None:
        """Keep the state. Raises DiskFull, DatabaseError."""
        write(self.path / "state.json", json.dumps(asdict(state), indent=1).encode() + b"\n")


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


def _read_settings(file: Path) -> Settings:
    try:
        found: dict[str, Any] = tomllib.loads(file.read_bytes().decode())
    except (FileNotFoundError, NotADirectoryError):
        raise NotADatabase(
            f"There is no offtracfs database in {file.parent}: `offtracfs init URL` makes one."
        ) from None
    except (OSError, ValueError) as error:
        raise DatabaseDamaged(f"{file} cannot be read: {error}.") from None
    unknown = found.keys() - {item.name for item in fields(Settings)}
    if unknown:
        raise UsageError(f"{file}: there is no setting called {min(unknown)!r}.")
    if "url" not in found:
        raise UsageError(f"{file}: url is missing.")
    return Settings(**found)


def _settings_text(settings: Settings) -> str:
    lines = ["# This directory is an offtracfs database. `man offtracfs` explains the settings."]
    for item in fields(settings):
        value = getattr(settings, item.name)
        quoted = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # as TOML has it too
        text = f"{item.name} = {quoted}"
        lines.append(text if value != item.default else f"# {text}")
    return "\n".join(lines) + "\n"


def _fits(value: Any, default: Any, name: str) -> bool:
    """Whether a value that somebody may have edited is of the kind that its place in the state needs."""
    if name in ("ended", "succeeded", "swept"):
        try:
            return value == "" or bool(records.microseconds(value))
        except (TypeError, ValueError):
            return False
    if isinstance(default, list):
        kind = int if name == "missing" else str
        return isinstance(value, list) and all(type(item) is kind for item in value)
    return type(value) is type(default)


def _is_unicode(value: object) -> bool:
    """False for what was no UTF-8 on a command line: Python keeps that as surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in str(value))
