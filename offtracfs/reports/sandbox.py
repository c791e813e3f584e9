"""The safe door to SQL: foreign SELECTs on Trac's tables as they stood at a revision, and nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple


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
    """A connection that `connect` made; close it after use (`contextlib.closing`)."""

    def __init__(self, connection: sqlite3.Connection, limits: Limits) -> None:
        self._connection = connection
        self._limits = limits

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()


def connect(directory: Path, revision: int, limits: Limits = Limits()) -> Sandbox:
    """A connection to the index of a database that sees Trac's tables as they stood at a revision.

    Raises DatabaseDamaged where there is no index or none of this version, DatabaseError.
    """
    raise NotImplementedError


def run(sandbox: Sandbox, sql: str, parameters: Sequence[str] = ()) -> Result:
    """Run one SELECT, with its ``?`` placeholders bound to the parameters, in order.

    SQL that SQLite does not take as it stands is translated from PostgreSQL's or MySQL's where that can be
    done faithfully (`offtracfs.reports.dialects`); placeholders keep their order.

    Raises QueryRefused, with a sentence that names the construct or the limit; reading the rows may too.
    """
    raise NotImplementedError


def check(sandbox: Sandbox, sql: str, parameters: Sequence[str] = ()) -> None:
    """Raise what `run` would, as far as can be known without running: milliseconds."""
    raise NotImplementedError
