"""The index's tables. All of it is derived from git: deleting the file loses nothing.

The whole time machine is one rule: **the tracker as it stood at a revision is, for each path, the version
with the greatest inode not above that revision's `horizon`**. So the index only ever grows: no row is
changed when a later revision arrives, and a reader that keeps to one horizon sees one state, whatever is
written meanwhile.
"""

from __future__ import annotations

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

VERSION = 2  # SQLite's user_version; an index of another version is built anew
FIRST_INODE = 2  # 1 is the root of the mount

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
