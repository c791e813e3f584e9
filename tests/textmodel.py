"""Which texts a database must show at each of its revisions, made from git alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from offtracfs import records
from offtracfs.errors import DatabaseDamaged
from offtracfs.kinds import changelog_path
from offtracfs.names import number_of, split
from offtracfs.store import Store
from offtracfs.texts import Labels, address_part, log_part, ticket_part
from tests.helpers import log_of

Texts = dict[int, tuple[bytes, int]]
"""By ticket: its text, and when it last changed (seconds since 1970 UTC)."""


class Version(NamedTuple):
    """A version of a file: its place among all, its contents, and the fields.json that stood before it."""

    place: int
    data: bytes | None
    fields: bytes | None
    authored: int


def read(data: bytes | None) -> Any:
    """The record in some bytes, None where there is none."""
    try:
        return records.load(data or b"")
    except DatabaseDamaged:
        return None


def texts_of(store: Store, pages: str = "") -> Iterator[tuple[str, Texts]]:
    """The id of each commit, oldest first, and the texts as they stood then."""
    fields: bytes | None = None
    standing: dict[str, Version] = {}
    place = 0
    for commit, changes in log_of(store):
        for change in changes:
            place += 1
            data = store.blob(change.blob) if change.blob else None
            standing[change.path] = Version(place, data, fields, commit.authored)
            if change.path == "fields.json":
                fields = data
        yield commit.id.hex(), dict(_texts(standing, pages))


def _texts(standing: dict[str, Version], pages: str) -> Iterator[tuple[int, tuple[bytes, int]]]:
    for path, record in standing.items():
        top, name = split(path)
        number = number_of(name)
        if top != "ticket" or number is None or record.data is None:
            continue
        text = ticket_part(number, read(record.data), Labels(read(record.fields)))
        log = standing.get(changelog_path(number))
        if log and log.data is not None:
            text += log_part(read(log.data), Labels(read(log.fields)))
        text += address_part(f"{pages}{number}" if pages else "")
        yield number, (text.encode(), max(record, log or record).authored)
