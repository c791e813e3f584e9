"""A database with drafts beside a stand-in Trac."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from offtracfs import records
from offtracfs.database import Database
from offtracfs.drafts import Drafts, opened
from offtracfs.kinds import ticket_path
from offtracfs.texts import Labels, address_part, log_part, ticket_part


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


def at(directory: Path) -> Database:
    """The database in a directory, opened anew."""
    return Database(directory)
