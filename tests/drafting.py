"""A database with drafts beside a stand-in Trac."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

from offtracfs import records, sync
from offtracfs.database import Database, Settings
from offtracfs.drafts import Draft, Drafts, opened
from offtracfs.drafts.pushing import Push, Result
from offtracfs.drafts.words import draft_data
from offtracfs.kinds import ticket_path
from offtracfs.texts import Labels, address_part, log_part, ticket_part
from offtracfs.trackers import Writing
from offtracfs.trackers.trac import TracTracker
from tests.tracclient import Trac, client


@contextmanager
def drafts_of(database: Database) -> Iterator[Drafts]:
    """The drafts of a database."""
    with opened(database, few=False) as drafts:
        yield drafts


def record(database: Database, number: int) -> Any:
    """The newest record of a ticket."""
    with database.snapshot() as snapshot:
        return snapshot.load(ticket_path(number))


def as_json(database: Database, number: int, **values: Any) -> bytes:
    """A ticket's JSON as an editor would save it with these values; None takes a key out."""
    found = record(database, number)
    props = {**found[3], **values}
    return records.dump([*found[:3], {name: value for name, value in props.items() if value is not None}])


def as_text(database: Database, number: int) -> str:
    """A ticket's text as the mount shows it."""
    with database.snapshot() as snapshot:
        labels = Labels(snapshot.load("fields.json"))
        log = snapshot.load(f"changelog/{number}.json")
        address = address_part(f"{database.settings.url}/ticket/{number}")
        return (
            ticket_part(number, snapshot.load(ticket_path(number)), labels) + log_part(log, labels) + address
        )


def refusal(drafts: Drafts, path: str) -> str:
    """What ``ticket/42.error`` says."""
    return (drafts.refusal(path) or b"").decode().rstrip("\n")


class Desk:
    """Somebody who works on a Trac's tickets by a database of their own."""

    def __init__(self, directory: Path, trac: Trac, user: str = "admin") -> None:
        self.database = Database.create(directory, Settings(url=trac.url, user=user))
        self.trac = trac
        self.user = user

    async def connect(self) -> TracTracker:
        """The Trac, logged in to."""
        return await client(self.trac, self.trac.login(self.user))

    async def sync(self) -> sync.Outcome:
        """One sync."""
        return await sync.once(self.database, self.connect)

    def save(self, number: int, **values: Any) -> Draft | None:
        """Save a ticket's JSON with these values."""
        with drafts_of(self.database) as drafts:
            return drafts.save(ticket_path(number), as_json(self.database, number, **values))

    def change(self, number: int, comment: str = "", action: str = "", **values: str) -> Draft | None:
        """What ``offtracfs comment`` does."""
        with drafts_of(self.database) as drafts:
            return drafts.change(str(number), values, comment, action)

    def shown(self, path: str) -> str:
        """What the mount shows of a draft; "" where there is none."""
        with drafts_of(self.database) as drafts:
            found = drafts.shown(path)
            return found.data.decode() if found else ""

    def pending(self) -> list[dict[str, Any]]:
        """What ``offtracfs pending --json`` says."""
        with drafts_of(self.database) as drafts:
            return [draft_data(drafts, draft) for draft in drafts.pending()]

    def save_bytes(self, path: str, data: bytes) -> Draft | None:
        """Save a file of the mount."""
        with drafts_of(self.database) as drafts:
            return drafts.save(path, data)

    def text(self, number: int) -> str:
        """A ticket's text, with its draft."""
        with drafts_of(self.database) as drafts:
            return drafts.text(str(number)).decode()

    def became(self, name: str) -> int | None:
        """The ticket that a new one became."""
        with drafts_of(self.database) as drafts:
            return drafts.became(name)

    def version(self) -> int:
        """The version of the drafts."""
        with drafts_of(self.database) as drafts:
            return drafts.version

    async def push(self, *tickets: object, **options: Any) -> list[Result]:
        """Send all drafts, or those of these tickets, and give what became of each."""
        async with aclosing(await self.connect()) as tracker:
            return await self.push_by(tracker, *tickets, **options)

    async def push_by(
        self, tracker: Writing, *tickets: object, settling: float = 0.0, dry_run: bool = False
    ) -> list[Result]:
        """The same, over a connection that is there."""
        results: list[Result] = []
        with drafts_of(self.database) as drafts, self.database.pushing("test"):
            chosen = [str(ticket) for ticket in tickets] or drafts.to_send()
            await Push(drafts, tracker, settling=settling).run(chosen, results.append, dry_run=dry_run)
        return results


def at(directory: Path) -> Database:
    """The database in a directory, opened anew."""
    return Database(directory)
