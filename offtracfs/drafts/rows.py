"""The rows of ``drafts.db``, and its schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

FILE = "drafts.db"
VERSION = 1  # SQLite's user_version

State = Literal["draft", "sending", "sent", "refused", "discarded"]
STATES: tuple[str, ...] = get_args(State)

SCHEMA = f"""
    CREATE TABLE draft (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        ticket TEXT NOT NULL,  -- 42, or new-NAME
        form TEXT NOT NULL,  -- json or txt
        saved INTEGER NOT NULL,  -- microseconds since 1970 UTC
        raw BLOB NOT NULL,  -- as it was saved
        base BLOB,  -- the record that it was made from; NULL where there is none, or it is not known
        fields TEXT NOT NULL,  -- JSON: the values that differ from the base, by name
        comment TEXT NOT NULL,
        action TEXT NOT NULL,  -- of the tracker's workflow; '' where none was named
        accepted INTEGER NOT NULL  -- 0 where it was refused when it was saved
    );
    CREATE INDEX draft_ticket ON draft (ticket, accepted);
    CREATE TABLE event (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        draft INTEGER NOT NULL REFERENCES draft,
        state TEXT NOT NULL,  -- draft, sending, sent, refused, discarded
        time INTEGER NOT NULL,  -- microseconds since 1970 UTC
        reason TEXT NOT NULL,  -- a sentence: why it was refused, or what it waits for
        detail TEXT NOT NULL  -- JSON: what the push must know of it later
    );
    CREATE INDEX event_draft ON event (draft);
    CREATE TABLE current (  -- the draft of each ticket that stands: the one table whose rows come and go
        ticket TEXT PRIMARY KEY,
        draft INTEGER NOT NULL REFERENCES draft
    );
    CREATE TABLE face (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        draft INTEGER NOT NULL REFERENCES draft,
        form TEXT NOT NULL,
        theirs TEXT NOT NULL,  -- names the state of the ticket on top of which it is shown: _ts, blobs
        mtime INTEGER NOT NULL,  -- seconds since 1970 UTC
        data BLOB,  -- NULL: as it was saved
        UNIQUE (draft, form, theirs)
    );
    CREATE TABLE met (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        ticket TEXT NOT NULL,
        record BLOB NOT NULL
    );
    CREATE INDEX met_ticket ON met (ticket);
    PRAGMA user_version = {VERSION};
"""


@dataclass(frozen=True, slots=True)
class Draft:
    """A saved text, and what has become of it so far.

    `ticket` is ``42`` or ``new-NAME``, `form` is ``json`` or ``txt``. `saved` and `time`, when the state was
    reached, are microseconds since 1970 UTC. `base` is the record that it was made from, None for a new
    ticket. `fields` are the values that differ from that.
    """

    id: int
    ticket: str
    form: str
    saved: int
    raw: bytes
    base: Any
    fields: dict[str, str]
    comment: str
    action: str
    accepted: bool
    event: int
    state: State
    time: int
    reason: str
    detail: dict[str, Any]

    @property
    def number(self) -> int | None:
        """The ticket's number; None for one that is new."""
        return None if self.is_new else int(self.ticket)

    @property
    def is_new(self) -> bool:
        """Whether it is of a ticket that the tracker did not have when it was saved."""
        return self.ticket.startswith("new-")


@dataclass(frozen=True, slots=True)
class Face:
    """What is shown of a draft: `number` stands for `data` for ever; `mtime` in seconds since 1970 UTC."""

    number: int
    data: bytes
    mtime: int
