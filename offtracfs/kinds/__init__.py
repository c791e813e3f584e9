"""Kinds of record: for each one, where its files are, the check of its shape, its rows in Trac's tables.

A kind is a module of this package and its line in `KINDS`. Everything else (the mount's directories, git's
paths, the index's tables and the views that reports see, `offtracfs check`) reads this table.

A record is plain JSON data (`offtracfs.records`); one record is one file. A *path* is always the path in the
mount, such as ``ticket/42.json``; git may hold the same file elsewhere (`git_path`).
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from offtracfs.kinds import changelog, db, fields, fieldvalues, report, ticket
from offtracfs.kinds.changelog import check_changelog
from offtracfs.kinds.fields import is_definition
from offtracfs.kinds.fieldvalues import field_path
from offtracfs.kinds.kind import MISSHAPEN, NUMBER, TREES, Key, Kind, Row, Rows, Table, misshapen
from offtracfs.kinds.report import report_header
from offtracfs.kinds.report import told as report_told
from offtracfs.kinds.ticket import check_ticket
from offtracfs.names import SUFFIX, number_of, split

__all__ = [
    "DB_PATH",
    "FIELDS_PATH",
    "HISTORIES",
    "KINDS",
    "LOGS",
    "MISSHAPEN",
    "TABLES",
    "TICKETS",
    "TOPS",
    "Key",
    "Kind",
    "RecordId",
    "Row",
    "Rows",
    "Table",
    "changelog_path",
    "check",
    "check_changelog",
    "check_ticket",
    "field_path",
    "git_path",
    "is_definition",
    "path_in_git",
    "record_id",
    "report_header",
    "report_path",
    "report_told",
    "ticket_path",
]

KINDS: tuple[Kind, ...] = (
    ticket.KIND,
    changelog.KIND,
    *fieldvalues.KINDS,
    report.KIND,
    fields.KIND,
    db.KIND,
)

ticket_path = ticket.KIND.numbered
changelog_path = changelog.KIND.numbered
report_path = report.KIND.numbered
TICKETS, LOGS = ticket.KIND.directory, changelog.KIND.directory
DB_PATH = db.KIND.path
FIELDS_PATH = fields.KIND.path

TABLES: dict[str, Table] = {table.name: table for kind in KINDS for table in kind.tables}

TOPS = tuple(sorted({kind.path.partition("/")[0] for kind in KINDS if kind.directory}))
"""The directories at the top of the mount, which are there even when empty."""

HISTORIES = frozenset(kind.directory for kind in KINDS if kind.history)
"""The directories whose files have a directory of their versions each."""


class RecordId(NamedTuple):
    """What a path says about its record: the kind, and the key within that kind."""

    kind: Kind
    key: Key


_ANY = "/*"  # stands for a directory whose name is a part of the key, such as field/{field}
_SINGLE = {kind.path: kind for kind in KINDS if "{" not in kind.path}
_BY_DIRECTORY = {
    re.sub(r"/\{\w+\}$", _ANY, kind.directory): kind for kind in KINDS if kind.path not in _SINGLE
}


def record_id(path: str) -> RecordId | None:
    """The kind and the key of the record at `path`; None where no record can be."""
    directory, name = split(path)
    kind = (
        _BY_DIRECTORY.get(directory)
        or _SINGLE.get(path)
        or _BY_DIRECTORY.get(directory.rpartition("/")[0] + _ANY)
    )
    if kind is None:
        return None
    key = kind.key(path, name)
    return None if key is None else RecordId(kind, key)


def check(path: str, value: Any) -> None:
    """Raises TrackerError where `value` cannot be the record at `path`.

    The message is the second half of a sentence: it goes behind the path and a colon.
    """
    if (record := record_id(path)) is None:
        raise misshapen()
    record.kind.check(record.key, value)


def _in_trees(kind: Kind) -> tuple[str, str]:
    """The beginning of git's paths for a kind that git has in small trees, and what follows the number."""
    top, end = kind.in_git.split(f"/{TREES}/{NUMBER}")
    return top, end


_IN_TREES = {kind.directory: _in_trees(kind) for kind in KINDS if kind.in_git}
_OUT_OF_TREES = {trees: directory for directory, trees in _IN_TREES.items()}
_GIT_PATH = re.compile(r"(\w+)/[0-9]+/[0-9]/[0-9]/([0-9]+)([.\w]*)", re.ASCII)


def git_path(path: str) -> str:
    """Where git holds a path: ``ticket/13842.json`` is ``ticket/13/8/4/13842.json``.

    ``changelog/13842.json`` is ``ticket/13/8/4/13842.changelog.json``: most changes
    change both files, and the cost of a commit is the git trees (directories) that it has to write again.
    Here these are five small ones, and ``git fast-import`` takes 0.18 ms a commit. With separate trees for
    the change logs it takes 0.27 ms. With flat directories of 100,000 files it takes 100–180 ms, and each
    commit takes 2.4 MB (measured).
    """
    directory, name = split(path)
    if directory not in _IN_TREES or (number := number_of(name)) is None:
        return path
    top, end = _IN_TREES[directory]
    return f"{top}/{number // 1000}/{number // 100 % 10}/{number // 10 % 10}/{number}{end}"


def path_in_git(path: str) -> str:
    """The inverse of `git_path`."""
    if (match := _GIT_PATH.fullmatch(path)) is None:
        return path
    top, number, end = match.groups()
    directory = _OUT_OF_TREES.get((top, end))
    return path if directory is None else f"{directory}/{number}{SUFFIX}"
