"""The index's tables. All of it is derived from git: deleting the file loses nothing.

File versions are numbered in the order in which they appeared; that number is their inode. A revision's
`horizon` is the greatest inode when it was new. One rule finds every past state: **the tracker as it stood at
a revision is, for each path, the version with the greatest inode not above that revision's `horizon`**. So
rows are only added, and a reader that keeps to one horizon sees one state, whatever is written meanwhile.

A ticket's text is computed, not stored (`offtracfs.texts`). `text_part` has the size of each of its parts, so
that texts can be listed without being made.

Trac's own tables stand beside that as ``offtracfs_*``, for reports: a row is valid at a revision R where
``since <= R`` and ``until > R`` (`offtracfs.index.validity`). When a later revision ends the row, only
`until` is set, to a value above R: so what is seen at R stays the same. Columns and values are those of
Trac 1.6 (its ``db_default.py`` and ``ticket/model.py``), as the kinds of record describe them
(`offtracfs.kinds`).
"""

from __future__ import annotations

from collections.abc import Iterator
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

from offtracfs import kinds

FIRST_INODE = 2  # 1 is the root of the mount
FOREVER = 2**62  # `until` of a row that no revision has taken away yet

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
    Index("path_in_directory", "directory"),  # SQLite adds the id to it, by which a listing is ordered
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
    Index("version_of_path", "path"),  # SQLite adds the inode to it: the rule above needs no more
)

published = Table(
    "published",
    metadata,
    Column("revision", Integer, nullable=False),  # readers see no later one; one row, or none yet
)

part = Table(
    "text_part",
    metadata,
    Column(
        "inode", ForeignKey("version.inode"), primary_key=True
    ),  # of a ticket or a change log that is there
    Column("size", Integer, nullable=False),  # bytes
)


_TYPES = {int: Integer, str: Text}


def _by_value(table: kinds.Table) -> Iterator[Index]:
    """An index that has all there is to know of a row with some value, so that the row need not be read."""
    if table.found_by:
        columns = (*table.found_by, "until", "since", next(iter(table.columns)))
        yield Index(f"offtracfs_{table.name}_by", *columns)


def _with_past(table: kinds.Table) -> Table:
    """A table of Trac's, with the revisions between which each row is valid."""
    columns: list[Column[Any]] = [Column(name, _TYPES[kind]) for name, kind in table.columns.items()]
    return Table(
        f"offtracfs_{table.name}",
        metadata,
        Column("number", Integer, primary_key=True),
        *columns,
        Column("since", Integer, nullable=False),  # the revision that brought the row
        Column("until", Integer, nullable=False),  # the revision that took it away
        Index(f"offtracfs_{table.name}_of", columns[0], "until"),  # finds the rows of a record that changes
        *_by_value(table),
    )


TRAC = {name: _with_past(table) for name, table in kinds.TABLES.items()}
"""Trac's tables, by their names there."""
