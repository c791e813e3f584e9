"""The index's tables. All of it is derived from git: deleting the file loses nothing.

The whole time machine is one rule: **the tracker as it stood at a revision is, for each path, the version
with the greatest inode not above that revision's `horizon`**. So these tables only ever grow, and
a reader that keeps to one horizon sees one state, whatever is written meanwhile.

Trac's own tables stand beside that as ``offtracfs_*``, for reports: a row stands at a revision R where
``since <= R`` and ``until > R``. When a later revision takes it away, `until` alone changes, and what is
seen at R stays the same. They are Trac 1.6's columns and values (its ``db_default.py`` and
``ticket/model.py``): times in microseconds since 1970 UTC, NULL where Trac writes NULL.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

FIRST_INODE = 2  # 1 is the root of the mount
STANDS = 2**62  # `until` of what stands now

metadata = MetaData()

revision = Table(
    "revision",
    metadata,
    Column("number", Integer, primary_key=True),  # 1 is the root commit
    Column("commit", LargeBinary, nullable=False, unique=True),  # 20 bytes
    Column("author", Text, nullable=False),  # a name
    Column("authored", Integer, nullable=False),  # seconds since 1970 UTC
    Column("committed", Integer, nullable=False, index=True),  # the same; never falls along the branch
    Column("horizon", Integer, nullable=False),  # the greatest inode when this revision was new
)

path = Table(
    "path",
    metadata,
    Column("id", Integer, primary_key=True),  # in order of first appearance
    Column("directory", Text, nullable=False),  # "" for the top, "ticket", "field/component"
    Column("name", Text, nullable=False),  # "42.json"
    UniqueConstraint("directory", "name"),
    Index("path_in_directory", "directory"),  # and the id: a listing goes on from there
)

version = Table(
    "version",
    metadata,
    Column("inode", Integer, primary_key=True),  # in order of appearance along the branch
    Column("path", ForeignKey("path.id"), nullable=False),
    Column("revision", ForeignKey("revision.number"), nullable=False),  # which brought it
    Column("blob", LargeBinary),  # 20 bytes; NULL: from here on there is no such file
    Column("size", Integer, nullable=False),  # bytes
    Column("mtime", Integer, nullable=False),  # seconds since 1970 UTC: the revision's `authored`
    Index("version_of_path", "path"),  # SQLite adds the inode to it: all that the rule above needs
)

published = Table(
    "published",
    metadata,
    Column("revision", Integer, nullable=False),  # readers see no later one; one row, or none yet
)


def _trac(name: str, key: Column[Any], *columns: Column[Any]) -> Table:
    """A table of Trac's with its past; `key` is what finds the rows of a record that changes."""
    return Table(
        f"offtracfs_{name}",
        metadata,
        Column("number", Integer, primary_key=True),
        key,
        *columns,
        Column("since", Integer, nullable=False),  # the revision that brought the row
        Column("until", Integer, nullable=False),  # the revision that took it away
        Index(f"offtracfs_{name}_of", key, "until"),
    )


def _texts(*names: str) -> list[Column[Any]]:
    return [Column(name, Text) for name in names]


def _number(name: str) -> Column[Any]:
    return Column(name, Integer)


def _path() -> Column[Any]:
    return Column("path", Text)


TRAC = {
    "ticket": _trac(
        "ticket",
        _number("id"),
        *_texts("type"),
        _number("time"),
        _number("changetime"),
        *_texts("component", "severity", "priority", "owner", "reporter", "cc", "version", "milestone"),
        *_texts("status", "resolution", "summary", "keywords"),
    ),
    # A column of Trac's ticket, which is long and seldom changes.
    "description": _trac("description", _number("ticket"), *_texts("description")),
    "ticket_change": _trac(
        "ticket_change",
        _number("ticket"),
        _number("time"),
        *_texts("author", "field", "oldvalue", "newvalue"),
    ),
    "ticket_custom": _trac("ticket_custom", _number("ticket"), *_texts("name", "value")),
    "enum": _trac("enum", _path(), *_texts("type", "name", "value")),
    "component": _trac("component", _path(), *_texts("name", "owner", "description")),
    "milestone": _trac(
        "milestone",
        _path(),
        *_texts("name"),
        _number("due"),
        _number("completed"),
        *_texts("description"),
    ),
    "version": _trac("version", _path(), *_texts("name"), _number("time"), *_texts("description")),
    "report": _trac("report", _number("id"), *_texts("author", "title", "query", "description")),
}
"""By the name in `offtracfs.index.tables`."""
