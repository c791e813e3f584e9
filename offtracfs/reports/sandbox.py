"""Runs foreign SQL safely: SELECTs on Trac's tables as they stood at a revision, and nothing else.

A report is foreign code. Four things limit it, and most of what can be tried is stopped by each of them
alone:

- the connection can only read, and an authorizer allows nothing but SELECT and what
  `offtracfs.reports.allowed` lists: so what a later version of SQLite can do is refused until it is listed
  there;
- SQLite's own limits, on lengths and on memory;
- a handler that SQLite calls every few thousand steps looks at the clock;
- a limit on rows.

What these cannot stop is one call of a function that takes for ever, such as ``trim`` with a million of
characters: SQLite calls the handler only between two steps. Another thread can see that in `Sandbox.spent`,
and end the process.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from offtracfs.errors import OfftracfsError, QueryRefused
from offtracfs.index.opening import UNWRITABLE, code_of, opened, translate
from offtracfs.index.tables import OURS, VIEWS, views
from offtracfs.reports.allowed import FUNCTIONS, MAX_TEXT, NOT_KEPT, SIZES, TABLE_FUNCTIONS

Parameters = Sequence[str] | Mapping[str, str]

STEPS = 20_000  # of SQLite's machine, between two looks at the clock: a millisecond or so
FETCHED = 16  # rows at once, each of which may be of the greatest length
BASE = "offtracfs_"  # how the names of the tables below the views begin
_FOREIGN = re.compile(
    "no such function|syntax error|unrecognized token|wrong number of arguments|DISTINCT"
    "|(?i:no such column: (interval|date|timestamp)$)"  # as in: interval '7 days'
)
_OTHERS = "SELECT lower(name) FROM main.sqlite_master UNION SELECT lower(name) FROM pragma_module_list"
_FIRST_WORD = re.compile(r"(?:[\s;\ufeff]|--[^\n]*(?:\n|\Z)|/\*.*?(?:\*/|\Z))*+(\w+)", re.DOTALL)
_WRITES = {
    sqlite3.SQLITE_INSERT: "INSERT",
    sqlite3.SQLITE_UPDATE: "UPDATE",
    sqlite3.SQLITE_DELETE: "DELETE",
}
_READS = ("", "SELECT", "WITH", "VALUES", "EXPLAIN")
_SENTENCES = {
    "one statement": "It is more than one statement: only one SELECT is allowed.",
    "surrogates": "It holds half characters (lone surrogates), which are no Unicode.",
    "number of bindings": "It has placeholders that nothing is given for.",
    "binding parameter": "It has a placeholder that nothing is given for.",
}  # for words in a message of Python's
_OURS = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, *UNWRITABLE)
_NO_TABLE = re.compile(r"no such table: (?:main\.|temp\.)?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a statement may take: seconds of the processor's time, rows, bytes of SQLite's memory."""

    seconds: float = 30
    rows: int = 1_000_000
    memory: int = 512 << 20


class Result(NamedTuple):
    """Names of the columns, in order, and the rows as SQLite gives them, one at a time."""

    columns: list[str]
    rows: Iterator[tuple[Any, ...]]


class Sandbox:
    """A connection that `connect` made; close it after use (`contextlib.closing`).

    One statement at a time. The limit on memory is SQLite's own, and holds for all connections of this
    process from then on.
    """

    def __init__(self, connection: sqlite3.Connection, shown: Sequence[str], limits: Limits) -> None:
        self.limits = limits
        self._connection = connection
        self._sql = ""
        self._ours = False  # whether the statement is one of ours
        self._refusal = ""  # the authorizer's reason
        self._spent = 0.0
        self._entered: float | None = None
        connection.isolation_level = None
        connection.text_factory = _text
        connection.execute("PRAGMA query_only=OFF")  # or the temporary views below could not be made
        connection.execute("PRAGMA temp_store=MEMORY")  # sorting shall not fill the disk
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute(f"PRAGMA hard_heap_limit={limits.memory:d}")
        self._others = frozenset(name for (name,) in connection.execute(_OTHERS))
        for statement in shown:
            connection.execute(statement)
        # Used once now: their first use changes the schema in memory, which is refused later.
        for name in TABLE_FUNCTIONS:
            connection.execute(f"SELECT 1 FROM {name}('[]')")  # noqa: S608
        connection.execute("PRAGMA query_only=ON")
        for what, size in SIZES.items():
            connection.setlimit(what, size)
        connection.set_progress_handler(self._is_late, STEPS)
        connection.set_authorizer(self._authorize)

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def begin(self) -> None:
        """Count the time of another statement, which may be given to `run` more than once."""
        self._spent = 0.0

    @property
    def spent(self) -> float:
        """Seconds of the processor's time that the statement has taken up to this moment."""
        return self._spent + (time.process_time() - self._entered if self._entered is not None else 0)

    def run(self, sql: str, parameters: Parameters, how: str = "", *, ours: bool = False) -> Result:
        """Run a statement as it is; one of `ours` may read the views `OURS`, too.

        Raises NotSqlite where it may be another database's SQL (see the function `run`). `how` may be
        "EXPLAIN ".
        """
        self._sql = sql.lower()
        if ours != self._ours:
            self._ours = ours
            # Python keeps prepared statements. This makes SQLite prepare them anew, and ask again.
            self._connection.set_authorizer(self._authorize)
        with self._at_work():
            cursor = self._connection.execute(how + sql, parameters)
        if cursor.description is None:
            raise QueryRefused("There is no SELECT in it.")
        return Result([name for name, *_ in cursor.description], self._rows(cursor))

    def _rows(self, cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
        given = 0
        while True:
            with self._at_work():
                rows = cursor.fetchmany(FETCHED)
            if not rows:
                return
            for row in rows:
                if given == self.limits.rows:
                    raise QueryRefused(f"It gives more than {given:,} rows, which is the limit.")
                given += 1
                yield row

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count what is done for the statement against its time."""
        self._entered = time.process_time()
        try:
            yield
        finally:
            self._spent, self._entered = self.spent, None

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Around each call of SQLite: counts its time, and turns its errors into ours."""
        self._refusal = ""
        with self.timed():
            try:
                yield
            except MemoryError:
                most = self.limits.memory >> 20
                raise QueryRefused(f"It needs more than {most} MB of memory, which is the limit.") from None
            except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
                raise self._answer(error) from error

    def _is_late(self) -> bool:
        return self.spent > self.limits.seconds

    def _authorize(
        self, action: int, one: str | None, two: str | None, schema: str | None, _inner: str | None
    ) -> int:
        """SQLite's question, for each thing that a statement would do, whether it may.

        The last argument, the view from which a table is read, cannot be trusted: to SQLite a subquery of
        that name looks the same.
        """
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ:
            allowed, why = self._may_read(str(one).lower(), two, schema), _absent(str(one))
        elif action == sqlite3.SQLITE_FUNCTION:
            allowed, why = str(two).lower() in FUNCTIONS, f"The function {two} is not offered here."
        else:
            allowed, why = False, self._no_select(action, str(one))
        if allowed:
            return sqlite3.SQLITE_OK
        self._refusal = self._refusal or why
        return sqlite3.SQLITE_DENY

    def _may_read(self, table: str, column: str | None, schema: str | None) -> bool:
        if table in TABLE_FUNCTIONS:
            return True
        if table.removeprefix(BASE) in OURS and not self._ours:
            return False
        if table.startswith(BASE):  # a view reads it, unless the statement itself names it
            return table not in self._sql
        if column == "":  # as in count(*); the name may then be that of a subquery
            return schema in (None, "temp") and (table in VIEWS or not self._is_other(table))
        return schema == "temp" and (table in VIEWS or table in OURS)

    def _is_other(self, table: str) -> bool:
        return table in self._others or table.startswith(("sqlite_", "pragma_"))

    def _no_select(self, action: int = -1, table: str = "") -> str:
        match = _FIRST_WORD.match(self._sql)
        word = match[1].upper() if match else ""
        if word in _READS and table.startswith("sqlite_"):  # before 3.41 SQLite notes them in its schema
            return f"Of SQLite's virtual tables only {' and '.join(TABLE_FUNCTIONS)} are offered here."
        if word in _READS:
            word = _WRITES.get(action, "A write")
        return f"{word} is not allowed here: only SELECT is."

    def _answer(self, error: Exception) -> OfftracfsError:
        """What an error of SQLite's, or of Python's module, means to whoever wrote the statement."""
        if self._refusal:
            return QueryRefused(self._refusal)
        message, code = str(error), code_of(error) if isinstance(error, sqlite3.Error) else None
        if code == sqlite3.SQLITE_INTERRUPT:
            if not self._is_late():
                # Ctrl-C came in the progress handler, and sqlite3 drops the exception there.
                raise KeyboardInterrupt
            return QueryRefused(f"It takes longer than {self.limits.seconds:g} seconds, which is the limit.")
        if code == sqlite3.SQLITE_TOOBIG:
            return QueryRefused(f"A text in it grows over {MAX_TEXT:,} bytes, which is the limit.")
        if code in _OURS:
            return translate(error)
        if missing := _NO_TABLE.match(message):
            return QueryRefused(_absent(missing[1]))
        if "it is a view" in message:
            return QueryRefused(self._no_select())
        for words, sentence in _SENTENCES.items():
            if words in message:
                return QueryRefused(sentence)
        kind = NotSqlite if _FOREIGN.search(message) else QueryRefused
        return kind(f"SQLite does not take it: {message.rstrip('.')}.")


class NotSqlite(QueryRefused):
    """SQLite does not take the statement; it may be written for another database."""


def connect(directory: Path, revision: int, limits: Limits = Limits()) -> Sandbox:
    """A connection to the index of a database that sees Trac's tables as they stood at a revision.

    Raises DatabaseDamaged where there is no index or none of this version, DatabaseError.
    """
    connection = opened(directory, "mode=ro").connection
    try:
        return Sandbox(connection, views(revision), limits)
    except sqlite3.Error as error:
        raise translate(error) from error


def run_ours(sandbox: Sandbox, sql: str, parameters: Parameters = ()) -> Result:
    """Run a SELECT of this program's own making, within the same limits. Raises as `run`."""
    sandbox.begin()
    return sandbox.run(sql, parameters, ours=True)


def run(sandbox: Sandbox, sql: str, parameters: Parameters = ()) -> Result:
    """Run one SELECT, with its placeholders (``?`` in order, or ``:NAME``) bound to the parameters.

    SQL that SQLite does not take as it stands is translated from PostgreSQL's or MySQL's where that can be
    done faithfully (`offtracfs.reports.dialects`); placeholders keep their names and their order.

    Raises QueryRefused, with a sentence that names the construct or the limit; reading the rows may too.
    """
    return _translated(sandbox, sql, parameters, "")


def check(sandbox: Sandbox, sql: str, parameters: Parameters = ()) -> None:
    """Raise what `run` would, as far as can be known without running: milliseconds."""
    _translated(sandbox, sql, parameters, "EXPLAIN ")


def _translated(sandbox: Sandbox, sql: str, parameters: Parameters, how: str) -> Result:
    sandbox.begin()
    try:
        return sandbox.run(sql, parameters, how)
    except NotSqlite as error:
        from offtracfs.reports.dialects import translated  # a tenth of a second, and seldom needed

        with sandbox.timed():
            other = translated(sql)
        if other is None:
            raise error
    return sandbox.run(other, parameters, how)


def _text(data: bytes) -> str:
    """Text as the index holds it, lone surrogates included; whatever else a statement may have made of it."""
    try:
        return data.decode(errors="surrogatepass")
    except UnicodeDecodeError:
        return data.decode(errors="replace")


def _absent(table: str) -> str:
    if table.removeprefix(BASE) in OURS:
        table = table.removeprefix(BASE)  # what the statement named is the view
    if table.lower() in NOT_KEPT:
        return f"Trac's table {table} is not kept offline."
    *most, last = VIEWS
    return f"There is no table {table} here, only {', '.join(most)} and {last}."
