"""A folder as the first offtrac kept it, or a copy of a mount: flat JSON files, taken as a tracker.

Nothing is written to it. If another program changes files there, the next sync finds that.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import trio

from offtracfs.errors import DatabaseError, NotATracker, TrackerError, UsageError
from offtracfs.kinds import changelog_path, check_changelog, check_ticket, ticket_path
from offtracfs.names import number_of
from offtracfs.records import from_microseconds, load, microseconds, rows
from offtracfs.store.fastimport import checked
from offtracfs.store.git import git
from offtracfs.text import shown
from offtracfs.trackers import Metadata, Missing, Stored, Ticket, compared
from offtracfs.trackers.credentials import Credentials
from offtracfs.trackers.registry import TrackerKind
from offtracfs.trackers.tracrules import TracRules

COMMITS = "refs/offtrac"  # where the folder's own commits go
OTHERS = ("fields.json", "report/*.json", "field/*/*.json")


def checked_url(url: str) -> str:
    """A folder's address: ``offtrac:///home/bob/db``. Raises UsageError."""
    _path(url)
    return url


def _path(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc or not parts.path.startswith("/"):
        raise UsageError("A folder of offtrac's is offtrac:// and an absolute path: three slashes.")
    return Path(unquote(parts.path))


class Folder:
    """One folder. Raises NotATracker where there is none; methods raise as those of `Tracker`."""

    exact_text = False  # offtrac asked over XML-RPC
    log_rules = TracRules()  # and Tracs only
    requests = 0  # over HTTP: none
    user = None

    def __init__(self, url: str) -> None:
        self.problems: list[str] = []
        self._path = _path(url)
        if not (self._path / "ticket").is_dir():
            raise NotATracker(f"{self._path} is no folder of offtrac's: there is no folder of tickets in it.")

    def now(self) -> datetime:
        """The clock of this machine (UTC)."""
        return datetime.now(UTC)

    async def ids(self) -> list[int]:
        """The ids of all tickets, ascending."""
        await trio.lowlevel.checkpoint()
        found = (number_of(file.name) for file in (self._path / "ticket").iterdir())
        return sorted(number for number in found if number is not None)

    async def changed_since(self, moment: datetime) -> list[int]:
        """Ids of the tickets with a time of change at or after `moment`."""
        return await self._since(moment, _changed)

    async def attached_since(self, moment: datetime) -> list[int]:
        """Ids of the tickets with an attachment at or after `moment`."""
        return await self._since(moment, _attached)

    async def _since(self, moment: datetime, times: Callable[[Ticket], list[str]]) -> list[int]:
        async with self.tickets(await self.ids()) as stream:
            return [
                item.number
                async for item in stream
                if isinstance(item, Ticket)
                and any(from_microseconds(microseconds(time)) >= moment for time in times(item))
            ]

    @asynccontextmanager
    async def tickets(self, numbers: Collection[int]) -> AsyncIterator[AsyncIterator[Ticket | Missing]]:
        """Each of `numbers` once."""

        async def read() -> AsyncGenerator[Ticket | Missing, None]:
            for number in numbers:
                await trio.lowlevel.checkpoint()
                yield self._ticket(number)

        async with aclosing(read()) as stream:
            yield stream

    def _ticket(self, number: int) -> Ticket | Missing:
        try:
            record = check_ticket(number, self._load(ticket_path(number)))
            log = self._path / changelog_path(number)
            return Ticket(number, record, check_changelog(number, self._load(log) if log.exists() else []))
        except FileNotFoundError:
            return Missing(number, f"Ticket {number} does not exist.", gone=True)
        except (OSError, DatabaseError, TrackerError) as error:
            return Missing(number, f"Ticket {number} cannot be had: {error}")

    def _load(self, path: str | Path) -> Any:
        return load((self._path / path).read_bytes())

    async def metadata(self) -> Metadata:
        """Whatever is in the folders of fields and reports, and ``fields.json`` if there is one."""
        await trio.lowlevel.checkpoint()
        records: dict[str, Any] = {}
        problems: list[str] = []
        for file in (file for pattern in OTHERS for file in self._path.glob(pattern)):
            path = file.relative_to(self._path).as_posix()
            try:
                checked(path)
                records[path] = self._load(path)
            except (OSError, DatabaseError) as error:
                problems.append(f"{shown(path)} cannot be had: {error}")
        listed = {path.rpartition("/")[0] for path in records if "/" in path}
        return Metadata(records, set() if problems else listed, problems)

    async def outdated(self, stored: Stored) -> list[int]:
        """The tickets whose file says other than the stored record."""
        return await compared(self, stored)

    async def aclose(self) -> None:
        """Nothing to give back."""


def _changed(ticket: Ticket) -> list[str]:
    _, _, changed, _ = ticket.record
    return [changed]


def _attached(ticket: Ticket) -> list[str]:
    return [row.time for row in rows(ticket.changelog) if not row.permanent]


def keep_commits(url: str, repository: Path) -> None:
    """Take the folder's own commits, if it has any, into the repository of its database, below `COMMITS`.

    Raises DatabaseError.
    """
    folder = _path(url)
    if (folder / ".git").exists():
        git(repository, "fetch", "--quiet", "--no-tags", str(folder), f"+refs/heads/*:{COMMITS}/*")


async def _connect(url: str, _who: Credentials | None, _directory: Path | None) -> Folder:
    return Folder(url)


KIND = TrackerKind(checked_url, _connect, adopt=keep_commits)
