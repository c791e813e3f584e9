"""``drafts.db``: what was typed and is not in the tracker yet. That file cannot be made again from others.

Rows are only ever added, but for those of `current`. `draft` has a row for each save. `event` says what
became of it, and when. `face` has what a mount shows of it, by a number that stands for the same bytes for
ever. `met` has states of tickets that a push met in the tracker before a sync did.

SQLite's rollback journal keeps all in one file while nobody writes, so a copy of that file is a backup. With
synchronous=FULL a method returns when its rows are on the disk. Where a process was killed while it wrote,
``drafts.db-journal`` belongs to the file.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from offtracfs import records
from offtracfs.drafts.rows import FILE, SCHEMA, VERSION, Draft, Face, State
from offtracfs.errors import DatabaseBusy, DatabaseDamaged, DatabaseError, DatabaseTooNew, DiskFull

TIMEOUT = 10.0  # seconds to wait for another process that writes

_LAST_EVENT = "(SELECT max(event.id) FROM event WHERE event.draft = draft.id)"
_DRAFTS = f"""
    SELECT draft.id, draft.ticket, form, saved, raw, base, fields, comment, action, accepted,
        event.id, state, event.time, reason, detail
    FROM draft JOIN event ON event.id = {_LAST_EVENT}
"""  # noqa: S608  # no value in it
_STANDING = "JOIN current ON current.draft = draft.id"


def now() -> int:
    """The clock of this machine, in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


class DraftStore:
    """The file, opened and made where it is missing. Not for use by several threads at once.

    Methods raise DiskFull, DatabaseBusy, DatabaseTooNew, DatabaseDamaged and DatabaseError.
    """

    def __init__(self, directory: Path, *, read_only: bool = False) -> None:
        self.file = directory / FILE
        mode = "ro" if read_only else "rwc"
        address = f"file:{quote(os.fsencode(self.file))}?mode={mode}"
        with _translated():
            self._sqlite = sqlite3.connect(
                address, uri=True, timeout=TIMEOUT, check_same_thread=False, isolation_level=None
            )
            try:
                self._prepare(read_only)
            except BaseException:
                self._sqlite.close()
                raise

    def _prepare(self, read_only: bool) -> None:
        self._sqlite.execute("PRAGMA synchronous = FULL")
        if not read_only:
            self._sqlite.execute("PRAGMA journal_mode = TRUNCATE")  # a tenth of the time that DELETE takes
        self._sqlite.execute("PRAGMA foreign_keys = ON")
        version = self._version()
        if version == 0 and not read_only:
            with self.transaction():
                if self._version() == 0:  # else another process was first
                    for statement in SCHEMA.split(";\n"):
                        self._sqlite.execute(statement)
            version = VERSION
        if version > VERSION:
            raise DatabaseTooNew(f"{FILE} was made by a later version of offtracfs: use that one.")

    def _version(self) -> int:
        (found,) = self._sqlite.execute("PRAGMA user_version").fetchone()
        return int(found)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it is on the disk when this ends, or nothing; in another one, it is part of that."""
        if self._sqlite.in_transaction:
            yield
            return
        with _translated():
            self._sqlite.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._sqlite.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite has rolled back already where the disk was full
                    self._sqlite.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Give the connection back."""
        self._sqlite.close()

    @property
    def version(self) -> int:
        """Grows with every change, whichever process made it."""
        with _translated():
            (found,) = self._sqlite.execute("SELECT coalesce(max(id), 0) FROM event").fetchone()
        return int(found)

    def changed(self, since: int) -> set[str]:
        """The tickets of which a draft has changed since a `version`."""
        with _translated():
            rows = self._sqlite.execute(
                "SELECT DISTINCT ticket FROM event JOIN draft ON draft.id = draft WHERE event.id > ?",
                (since,),
            ).fetchall()
        return {ticket for (ticket,) in rows}

    def _drafts(self, rest: str, *values: object) -> list[Draft]:
        with _translated():
            rows = self._sqlite.execute(_DRAFTS + rest, values).fetchall()
        return [_draft(row) for row in rows]

    def standing(self) -> list[Draft]:
        """The draft of each ticket that has one, in the order in which they were saved."""
        return self._drafts(f"{_STANDING} ORDER BY draft.id")

    def standing_of(self, ticket: str) -> Draft | None:
        """The draft of a ticket; None where it has none."""
        found = self._drafts(f"{_STANDING} WHERE draft.ticket = ?", ticket)
        return found[0] if found else None

    def last_saved(self, ticket: str) -> Draft | None:
        """The last save of a ticket, accepted or not."""
        found = self._drafts("WHERE draft.ticket = ? ORDER BY draft.id DESC LIMIT 1", ticket)
        return found[0] if found else None

    def of_ticket(self, ticket: str, state: State) -> list[Draft]:
        """A ticket's drafts in a state, oldest first."""
        return self._drafts("WHERE draft.ticket = ? AND state = ? ORDER BY draft.id", ticket, state)

    def in_state(self, state: State) -> list[Draft]:
        """All drafts in a state, oldest first."""
        return self._drafts("WHERE state = ? ORDER BY draft.id", state)

    def refused_last(self) -> list[Draft]:
        """The tickets whose last save was refused: those saves."""
        newest = "draft.id IN (SELECT max(id) FROM draft GROUP BY ticket)"
        return self._drafts(f"WHERE NOT accepted AND state = 'refused' AND {newest} ORDER BY draft.id")

    def names(self, beginning: str) -> set[str]:
        """All tickets of which a text was ever saved and that begin so."""
        with _translated():
            rows = self._sqlite.execute(
                "SELECT DISTINCT ticket FROM draft WHERE ticket GLOB ?", (f"{beginning}*",)
            )
            return {ticket for (ticket,) in rows}

    def everything(self) -> Iterator[Draft]:
        """All that was ever saved, oldest first, read one by one."""
        with _translated():
            numbers = self._sqlite.execute("SELECT id FROM draft ORDER BY id").fetchall()
        return (self.draft(number) for (number,) in numbers)

    def draft(self, number: int) -> Draft:
        """A draft as it is now, by its id."""
        return self._drafts("WHERE draft.id = ?", number)[0]

    def add(
        self,
        ticket: str,
        form: str,
        raw: bytes,
        *,
        base: Any = None,
        fields: dict[str, str] | None = None,
        comment: str = "",
        action: str = "",
        refusal: str = "",
        saved: int | None = None,
    ) -> Draft:
        """Keep a saved text; `refusal` says why it cannot be a draft, `saved` when that was, if not now."""
        kept = None if base is None else records.dump(base)
        row = (
            ticket,
            form,
            saved or now(),
            raw,
            kept,
            _json(fields or {}),
            _plain(comment),
            action,
            not refusal,
        )
        with self.transaction():
            cursor = self._sqlite.execute(
                "INSERT INTO draft (ticket, form, saved, raw, base, fields, comment, action, accepted)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            made = cursor.lastrowid or 0
            self._event(made, "refused" if refusal else "draft", refusal, {})
            if not refusal:
                self._sqlite.execute("INSERT OR REPLACE INTO current VALUES (?, ?)", (ticket, made))
        return self.draft(made)

    def becomes(
        self, draft: Draft, state: State, reason: str = "", *, met: Any = None, **detail: object
    ) -> Draft:
        """A draft reaches a state. Raises DatabaseBusy where it is not any more as it was read.

        One that was saved again meanwhile is not sent any more, either. `met` is the record of the ticket
        that was met in the tracker on the way.
        """
        with self.transaction():
            (last,) = self._sqlite.execute(
                "SELECT max(id) FROM event WHERE draft = ?", (draft.id,)
            ).fetchone()
            if last != draft.event or (state == "sending" and not self._stands(draft)):
                raise DatabaseBusy(f"Another process is at work on {draft.ticket}: try again.")
            if met is not None:
                self._meet(met)
            self._event(draft.id, state, reason, detail)
            if state == "discarded":
                self._sqlite.execute("DELETE FROM current WHERE draft = ?", (draft.id,))
        return self.draft(draft.id)

    def stands_again(self, draft: Draft) -> Draft:
        """A draft that was discarded is its ticket's draft again. Raises DatabaseBusy where there is one."""
        with self.transaction():
            if self._sqlite.execute("SELECT 1 FROM current WHERE ticket = ?", (draft.ticket,)).fetchone():
                raise DatabaseBusy(f"There is another draft of {draft.ticket} by now.")
            self._sqlite.execute("INSERT INTO current VALUES (?, ?)", (draft.ticket, draft.id))
            self._event(draft.id, "draft", "", {})
        return self.draft(draft.id)

    def retire(self, drafts: list[Draft]) -> None:
        """Drafts that were sent, and that a sync has brought, need not be shown any more."""
        if drafts:
            with self.transaction():
                those = [(draft.id,) for draft in drafts]
                self._sqlite.executemany("DELETE FROM current WHERE draft = ?", those)

    def _event(self, draft: int, state: State, reason: str, detail: dict[str, object]) -> None:
        self._sqlite.execute(
            "INSERT INTO event (draft, state, time, reason, detail) VALUES (?, ?, ?, ?, ?)",
            (draft, state, now(), _plain(reason), _json(detail)),
        )

    def _stands(self, draft: Draft) -> bool:
        found = self._sqlite.execute("SELECT 1 FROM current WHERE draft = ?", (draft.id,)).fetchone()
        return found is not None

    def _meet(self, record: Any) -> None:
        ticket, data = str(record[0]), records.dump(record)
        known = "SELECT 1 FROM met WHERE ticket = ? AND record = ?"
        if not self._sqlite.execute(known, (ticket, data)).fetchone():
            self._sqlite.execute("INSERT INTO met (ticket, record) VALUES (?, ?)", (ticket, data))

    def met(self, ticket: str) -> list[Any]:
        """The states of a ticket that pushes met in the tracker, the last one first."""
        with _translated():
            rows = self._sqlite.execute(
                "SELECT record FROM met WHERE ticket = ? ORDER BY id DESC", (ticket,)
            ).fetchall()
        return [records.load(data) for (data,) in rows]

    def bases(self, ticket: str) -> list[Any]:
        """The records that a ticket's drafts were made from, the last one first."""
        with _translated():
            rows = self._sqlite.execute(
                "SELECT base FROM draft WHERE ticket = ? AND base NOT NULL GROUP BY base"
                " ORDER BY max(id) DESC",
                (ticket,),
            ).fetchall()
        return [records.load(data) for (data,) in rows]

    def face(self, draft: int, form: str, theirs: str) -> Face | None:
        """What is shown of a draft in a form, on top of a state of the ticket; None where none was kept."""
        return self._face("WHERE face.draft = ? AND face.form = ? AND theirs = ?", draft, form, theirs)

    def face_of(self, number: int) -> Face | None:
        """The face with a number."""
        return self._face("WHERE number = ?", number)

    def _face(self, rest: str, *values: object) -> Face | None:
        statement = "SELECT number, coalesce(data, raw), mtime FROM face JOIN draft ON draft.id = face.draft "
        with _translated():
            row = self._sqlite.execute(statement + rest, values).fetchone()
        return Face(*row) if row else None

    def shown_on(self, draft: int) -> list[str]:
        """The names of the states of a ticket on top of which a draft was shown."""
        with _translated():
            rows = self._sqlite.execute("SELECT theirs FROM face WHERE draft = ?", (draft,)).fetchall()
        return [theirs for (theirs,) in rows]

    def keep_face(self, draft: int, form: str, theirs: str, mtime: int, data: bytes | None) -> Face:
        """Keep what is shown of a draft; `data` of None is what was saved. What was kept first stays."""
        with self.transaction():
            self._sqlite.execute(
                "INSERT OR IGNORE INTO face (draft, form, theirs, mtime, data) VALUES (?, ?, ?, ?, ?)",
                (draft, form, theirs, mtime, data),
            )
        found = self.face(draft, form, theirs)
        assert found
        return found

    def damage(self) -> str:
        """What SQLite finds wrong with the file; "" for nothing."""
        with _translated():
            (said,) = self._sqlite.execute("PRAGMA integrity_check(1)").fetchone()
            broken = self._sqlite.execute("PRAGMA foreign_key_check").fetchone()
        return (
            " ".join(said.split()) if said != "ok" else "a row names a draft that is gone" if broken else ""
        )


def _draft(row: tuple[Any, ...]) -> Draft:
    made = list(row)
    try:
        made[5] = None if made[5] is None else records.load(made[5])
        made[6], made[14] = json.loads(made[6]), json.loads(made[14])
    except ValueError as error:
        raise DatabaseDamaged(f"{FILE} has a row that cannot be read: restore it from a copy.") from error
    made[9] = bool(made[9])
    return Draft(*made)


def _json(value: object) -> str:
    return json.dumps(value)  # ASCII, so that lone surrogates are kept


def _plain(text: str) -> str:
    return text.encode(errors="replace").decode()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise DatabaseBusy(f"{FILE} is in use by another process: try again.") from error
        if code == sqlite3.SQLITE_FULL:
            raise DiskFull(f"The disk is full: {FILE} could not be written.") from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise DatabaseDamaged(f"{FILE} is damaged ({error}): restore it from a copy.") from error
        raise DatabaseError(f"{FILE} cannot be used ({error}).") from error
