"""What readers ask of the index: small, indexed questions, answered in microseconds.

They are SQL on the bare sqlite3 connection: a mount asks on every request, where SQLAlchemy's execution costs
more than SQLite's answer, and a process that only reads need not load it, which takes 0.2 s.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from offtracfs.errors import DatabaseError
from offtracfs.index.opening import LINK, FileState, code_of, file_state, opened, translate
from offtracfs.kinds import LOGS, TICKETS
from offtracfs.names import split

PAGE = 1_000  # rows read at once when a directory is listed
REVISIONS_AT_ONCE = 10_000  # that are read when the past is gone through
REVISIONS_AT_FIRST = 500  # … since most who ask look only at the newest
_PLACES = {"tickets": TICKETS, "logs": LOGS}
LAST_TEXT = "\U0010ffff"  # sorts after every path


class Revision(NamedTuple):
    """A commit on the branch; times in seconds since 1970 UTC."""

    number: int
    commit: bytes
    author: str
    authored: int
    committed: int
    horizon: int


class Entry(NamedTuple):
    """One file in a listing.

    Entries are in order of `position`, and a listing can go on after any position.
    """

    position: int
    name: str
    inode: int
    size: int
    mtime: int


class Past(NamedTuple):
    """One of the versions that a file had, with its author's name."""

    inode: int
    size: int
    mtime: int
    author: str


class TextVersion(NamedTuple):
    """A ticket's text as it stood for some time, made of the newest versions of its record and of its log.

    `inode` is the greater one of these two, and `mtime` is that version's; `size` is in bytes, without the
    address at the end. `log_blob` is None where there is no change log. `stored` is the size of both blobs in
    bytes: the work of making the text grows with it.
    """

    position: int
    name: str
    inode: int
    size: int
    mtime: int
    record: int
    record_blob: bytes
    log: int
    log_blob: bytes | None
    stored: int


class FileVersion(NamedTuple):
    """One file version, which never changes.

    `blob` is 20 bytes, or None where the file is gone; `size` is in bytes, `mtime` in seconds since 1970 UTC.
    """

    blob: bytes | None
    size: int
    mtime: int


_STANDING = """
    SELECT path.id, path.name, version.inode, version.size, version.mtime
    FROM path JOIN version ON version.inode = (
        SELECT max(older.inode) FROM version AS older WHERE older.path = path.id AND older.inode <= :horizon
    )
    WHERE version.blob IS NOT NULL AND path.directory = :directory
"""  # the one rule of the schema
_TEXTS = """
    SELECT path.id, path.name, max(record.inode, coalesce(log.inode, 0)),
        record_part.size + coalesce(log_part.size, 0),
        CASE WHEN log.inode > record.inode THEN log.mtime ELSE record.mtime END,
        record.inode, record.blob, coalesce(log.inode, 0), log.blob,
        record.size + coalesce(log.size, 0)
    FROM path JOIN version AS record ON record.inode = (
        SELECT max(older.inode) FROM version AS older WHERE older.path = path.id AND older.inode <= :horizon
    )
    JOIN text_part AS record_part ON record_part.inode = record.inode
    LEFT JOIN path AS log_path ON log_path.directory = :logs AND log_path.name = path.name
    LEFT JOIN version AS log ON log.inode = (
        SELECT max(older.inode) FROM version AS older
        WHERE older.path = log_path.id AND older.inode <= :horizon
    )
    LEFT JOIN text_part AS log_part ON log_part.inode = log.inode
    WHERE path.directory = :tickets
"""  # a version that is a deletion has no part
_REVISIONS = 'SELECT number, "commit", author, authored, committed, horizon FROM revision'

FIND = _STANDING + "AND path.name = :name"
FIND_TEXT = _TEXTS + "AND path.name = :name"
LIST_TEXTS = _TEXTS + "AND path.id > :after ORDER BY path.id"
NAME_OF = "SELECT path.name FROM version JOIN path ON path.id = version.path WHERE version.inode = :inode"
BEFORE = """
    SELECT version.blob FROM path JOIN version ON version.path = path.id
    WHERE path.directory = :directory AND path.name = :name AND version.inode < :inode
    ORDER BY version.inode DESC
"""
LIST = _STANDING + "AND path.id > :after ORDER BY path.id"
PAST = """
    SELECT version.inode, version.size, version.mtime, revision.author
    FROM path JOIN version ON version.path = path.id JOIN revision ON revision.number = version.revision
    WHERE path.directory = :directory AND path.name = :name
        AND version.inode <= :horizon AND version.blob IS NOT NULL
    ORDER BY version.inode
"""
VERSION_OF = "SELECT blob, size, mtime FROM version WHERE inode = :inode"
HEAD = _REVISIONS + " WHERE number = (SELECT revision FROM published)"  # noqa: S608  # no value in it
BY_NUMBER = _REVISIONS + " WHERE number = :number"
BY_TIME = _REVISIONS + " WHERE committed < :end AND number <= :newest ORDER BY committed DESC, number DESC"
BY_COMMIT = _REVISIONS + ' WHERE "commit" BETWEEN :lowest AND :highest AND number <= :newest'
NEWEST_FIRST = _REVISIONS + " WHERE number BETWEEN :oldest AND :newest{} ORDER BY number DESC"
BY_AUTHOR = " AND author = :author"
OF_FILE = """ AND number IN (
    SELECT version.revision FROM path JOIN version ON version.path = path.id
    WHERE path.name = :name AND path.directory IN (SELECT value FROM json_each(:directories))
)"""
ON_FIELD = """ AND (author IN (SELECT value FROM json_each(:unlogged)) OR number IN (
    SELECT since FROM offtracfs_ticket_change WHERE field = :field AND since BETWEEN :oldest AND :newest
))"""  # reads the whole table, once for each page of revisions: no index would be worth its size
NEXT_TIME = "SELECT min(committed) FROM revision WHERE committed >= :start AND number <= :newest"
DIRECTORIES = """
    WITH RECURSIVE found(directory) AS (
        SELECT min(directory) FROM path WHERE directory > :first AND directory < :last
        UNION ALL
        SELECT (SELECT min(directory) FROM path WHERE directory > found.directory AND directory < :last)
        FROM found WHERE found.directory IS NOT NULL
    )
    SELECT directory FROM found WHERE directory IS NOT NULL
"""  # one seek in the index for each directory; SELECT DISTINCT would read the rows of all files
CHANGED_NAMES = """
    SELECT path.directory, path.name FROM version JOIN path ON path.id = version.path
    WHERE version.inode > :after AND version.inode <= :horizon
"""


class Reader:
    """One connection to the index, for reading; not for use by several threads at once.

    Every method raises DatabaseDamaged where the index is of no use, DatabaseError where it cannot be read
    for another reason. A reader that `heals` removes the link to a damaged file, so that the next sync builds
    a new one.
    """

    def __init__(self, directory: Path, *, heals: bool = False) -> None:
        self._link = directory / LINK
        self._heals = heals
        # Device and inode, since a new file may have an old one's name.
        self._file: tuple[int, int] | None = None
        self._frozen: FileState | None = None
        self._sqlite: sqlite3.Connection
        self._open()

    def _open(self) -> None:
        linked = self._linked_file()
        self._sqlite, self._frozen = opened(self._link.parent)
        self._file = linked

    def close(self) -> None:
        """Give the connection back."""
        self._sqlite.close()

    def refresh(self) -> None:
        """Open the index that the link names now, where that is another file."""
        if self._linked_file() not in (self._file, None):
            with suppress(DatabaseError):
                self._reopen()

    def _reopen(self) -> None:
        """Open what the link names now. Where that fails, the old connection stays in use."""
        old = self._sqlite
        self._open()
        old.close()

    def _linked_file(self) -> tuple[int, int] | None:
        try:
            found = self._link.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if self._heals and code_of(error) == sqlite3.SQLITE_CORRUPT:
                self._give_up_file()
            raise translate(error) from error

    def _give_up_file(self) -> None:
        """Remove the link to a damaged file.

        The next sync then builds a new index; otherwise it might never read the damaged part, and so never
        notice.
        """
        if self._linked_file() == self._file:
            self._link.unlink(missing_ok=True)

    def _execute(self, statement: str, values: dict[str, Any]) -> sqlite3.Cursor:
        if self._frozen and self._frozen != (state := file_state(self._link.resolve())):
            try:
                self._reopen()
            except DatabaseError:
                rewritten = state != self._frozen._replace(journal=state.journal)
                if self._linked_file() == self._file and rewritten:
                    raise  # the file was written: pages that SQLite has in its cache may be wrong
        return self._sqlite.execute(statement, values)

    def _rows(self, statement: str, most: int | None, **values: Any) -> list[Any]:
        with self._translated(), closing(self._execute(statement, values)) as cursor:
            return cursor.fetchall() if most is None else cursor.fetchmany(most)

    def select(self, statement: str, **values: Any) -> list[Any]:
        """All rows of a statement; for modules of this package, which have their own questions."""
        return self._rows(statement, None, **values)

    def _revision(self, statement: str, **values: Any) -> Revision | None:
        rows = self._rows(statement, 1, **values)
        return Revision(*rows[0]) if rows else None

    def head(self) -> Revision | None:
        """The newest revision that readers see, None before the first sync has ended."""
        return self._revision(HEAD)

    def revision(self, number: int) -> Revision | None:
        """A revision by its number, counted from 1 along the branch."""
        return self._revision(BY_NUMBER, number=number)

    def before(self, end: int, newest: int) -> Revision | None:
        """The last revision committed before `end` (seconds since 1970 UTC) and not after number `newest`."""
        return self._revision(BY_TIME, end=end, newest=newest)

    def by_commit(self, prefix: str, newest: int) -> Revision | None:
        """The one revision whose commit id begins with these hex digits; None where none or several do."""
        lowest, highest = (bytes.fromhex(prefix.ljust(40, digit)) for digit in "0f")
        rows = self._rows(BY_COMMIT, 2, lowest=lowest, highest=highest, newest=newest)
        return Revision(*rows[0]) if len(rows) == 1 else None

    def newest_first(
        self,
        oldest: int,
        newest: int,
        *,
        author: str = "",
        name: str = "",
        directories: Sequence[str] = (),
        field: str = "",
        unlogged: Sequence[str] = (),
    ) -> Iterator[Revision]:
        """The revisions of these numbers, both included, from the newest to the oldest, some at a time.

        With `author`, only those of that name; with `name`, only those that brought a version of the file of
        that name in one of `directories`; with `field`, only those that brought a row about that field into
        some change log, or are by one of the authors `unlogged`.
        """
        asked: dict[str, Any] = {"author": author, "name": name, "directories": json.dumps(directories)}
        asked |= {"field": field, "unlogged": json.dumps(unlogged), "oldest": oldest}
        clauses = BY_AUTHOR * bool(author) + OF_FILE * bool(name) + ON_FIELD * bool(field)
        statement = NEWEST_FIRST.format(clauses)
        most = REVISIONS_AT_FIRST
        while page := self._rows(statement, most, newest=newest, **asked):
            yield from (Revision(*row) for row in page)
            newest, most = page[-1][0] - 1, REVISIONS_AT_ONCE

    def next_time(self, start: int, newest: int) -> int | None:
        """When the first revision at or after `start` was committed (seconds since 1970 UTC)."""
        ((committed,),) = self._rows(NEXT_TIME, 1, start=start, newest=newest)
        return None if committed is None else int(committed)

    def find(self, directory: str, name: str, horizon: int) -> Entry | None:
        """A file by its name, as it stood at a horizon."""
        rows = self._rows(FIND, 1, directory=directory, name=name, horizon=horizon)
        return Entry(*rows[0]) if rows else None

    def past(self, directory: str, name: str, horizon: int) -> list[Past]:
        """Every version that a file had up to a horizon, oldest first; also where it is gone by then."""
        rows = self._rows(PAST, None, directory=directory, name=name, horizon=horizon)
        return [Past(*row) for row in rows]

    def page(self, directory: str, horizon: int, after: int = 0) -> list[Entry]:
        """Up to `PAGE` files of a directory at a horizon, behind position `after`."""
        rows = self._rows(LIST, PAGE, directory=directory, horizon=horizon, after=after)
        return [Entry(*row) for row in rows]

    def entries(self, directory: str, horizon: int, after: int = 0) -> Iterator[Entry]:
        """All files of a directory at a horizon behind position `after`, read a page at a time."""
        while page := self.page(directory, horizon, after):
            yield from page
            after = page[-1].position

    def text(self, name: str, horizon: int) -> TextVersion | None:
        """The text of a ticket, by its record's name ("42.json"), as it stood at a horizon."""
        rows = self._rows(FIND_TEXT, 1, name=name, horizon=horizon, **_PLACES)
        return TextVersion(*rows[0]) if rows else None

    def text_of(self, inode: int) -> TextVersion | None:
        """The text that the version with an inode settles, for ever; None where it settles none."""
        rows = self._rows(NAME_OF, 1, inode=inode)
        found = self.text(rows[0][0], inode) if rows else None
        return found if found and found.inode == inode else None

    def texts(self, horizon: int, after: int = 0) -> Iterator[TextVersion]:
        """The texts of all tickets at a horizon behind position `after`, read a page at a time."""
        while page := self._rows(LIST_TEXTS, PAGE, horizon=horizon, after=after, **_PLACES):
            yield from map(TextVersion._make, page)
            after = page[-1][0]

    def blob_before(self, path: str, inode: int) -> bytes | None:
        """The blob of a file in its newest version that is older than an inode; None where there was none."""
        directory, name = split(path)
        rows = self._rows(BEFORE, 1, directory=directory, name=name, inode=inode)
        return rows[0][0] if rows else None

    def directories(self, directory: str, horizon: int) -> list[str]:
        """Names of the directories in a directory, in order.

        A directory is there at a horizon while a file is in it, or in a directory below it.
        """
        prefix = f"{directory}/" if directory else ""
        last = f"{directory}0" if directory else LAST_TEXT  # "0" is what follows "/" in UTF-8
        names: set[str] = set()
        for (path,) in self._rows(DIRECTORIES, None, first=prefix, last=last):
            name = path.removeprefix(prefix).partition("/")[0]
            if name not in names and self._has_files(path, horizon):
                names.add(name)
        return sorted(names)

    def _has_files(self, directory: str, horizon: int) -> bool:
        return bool(self._rows(LIST, 1, directory=directory, horizon=horizon, after=0))

    def version(self, inode: int) -> FileVersion | None:
        """What an inode holds, for ever."""
        rows = self._rows(VERSION_OF, 1, inode=inode)
        return FileVersion(*rows[0]) if rows else None

    def changed_names(self, after: int, horizon: int) -> Iterator[tuple[str, str]]:
        """Directory and name of each file that came, changed or went between two horizons."""
        with self._translated():
            yield from self._execute(CHANGED_NAMES, {"after": after, "horizon": horizon})
