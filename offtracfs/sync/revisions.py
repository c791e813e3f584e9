"""From the spool into git: what a sync has fetched, in time order, one commit a change.

The blobs are written already (`offtracfs.sync.versions`). The branch moves once, when all commits are written
(`offtracfs.store.Store.appending`). If the process is killed before that, the branch is as the last sync left
it, and the next sync makes the same commits from the spool.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from offtracfs import records
from offtracfs.database import Snapshot
from offtracfs.kinds import DB_PATH
from offtracfs.progress import Progress, silent
from offtracfs.records import SECOND
from offtracfs.store.fastimport import NOBODY, Writer
from offtracfs.sync.spool import ReadyVersion, Spool

MAX_LISTED = 50  # lines in the message of a commit that brings what the tracker did not log


@dataclass(frozen=True, slots=True)
class Plan:
    """What `append` needs beside the items in the spool; moments in seconds since 1970 UTC."""

    now: int  # by the tracker's clock
    floor: int  # no commit gets an earlier date: readers were told that all before this moment is settled
    records: Mapping[str, Any]  # path → record, beside the items; None: the file is deleted
    recent: str  # for db.json: up to when the tracker is known, ISO
    settled: int  # for db.json: the `floor` of the next sync


@dataclass(frozen=True, slots=True)
class _NewCommit:
    author: str
    moment: int  # seconds since 1970 UTC
    message: str
    files: Iterable[tuple[str, bytes | None]]


def append(snapshot: Snapshot, spool: Spool, writer: Writer, plan: Plan, progress: Progress = silent) -> int:
    """Bring all that a sync has fetched into git; the number of commits. Raises DatabaseError.

    `writer` must be within `Store.appending`, and have written the blobs of the versions in the spool. These
    lead on from `snapshot`.
    """
    first = snapshot.empty
    done, committed = 0, max(plan.floor, snapshot.committed)
    total = _count_commits(spool, plan, first=first)

    def write(commit: _NewCommit, more: Iterable[tuple[str, bytes | None]] = ()) -> None:
        nonlocal done, committed
        committed = max(committed, min(commit.moment, plan.now))
        writer.commit(
            author=commit.author,
            authored=commit.moment,
            committed=committed,
            message=commit.message,
            files=chain(commit.files, more),
        )
        done += 1
        progress("git", done, total)

    if first:
        write(_root(writer, plan, spool))
    # Only the last commit may say that the tracker is known up to `recent`, so it alone brings db.json. Each
    # commit is held back until it is clear whether another one follows.
    last = None
    for commit in _new_commits(writer, spool, plan, first=first):
        if last:
            write(last)
        last = commit
    if last or first:
        settled = records.iso(records.from_microseconds(plan.settled * SECOND))
        db = writer.blob(records.dump({"recent": plan.recent, "settled": settled}))
        write(last or _NewCommit(NOBODY, plan.now, "An empty tracker", ()), [(DB_PATH, db)])
    return done


def _count_commits(spool: Spool, plan: Plan, *, first: bool) -> int:
    """How many commits there will be: one a version, and one for all that no change log tells of."""
    versions, noticed = spool.count_versions()
    if first:
        return 1 + max(1, versions - noticed + bool(noticed))
    return versions - noticed + bool(noticed or plan.records)


def _root(writer: Writer, plan: Plan, spool: Spool) -> _NewCommit:
    """The first commit of all: everything but the items, dated at the first item."""
    created = spool.first_created()
    moment = plan.now if created is None else max(0, min(created // SECOND, plan.now))
    files = _blobs(writer, plan.records)
    return _NewCommit(NOBODY, moment, "Fields and reports as first seen", files)


def _blobs(writer: Writer, found: Mapping[str, Any]) -> list[tuple[str, bytes | None]]:
    return [
        (path, None if record is None else writer.blob(records.dump(record)))
        for path, record in sorted(found.items())
    ]


def _new_commits(writer: Writer, spool: Spool, plan: Plan, *, first: bool) -> Iterator[_NewCommit]:
    """The commits after the root: one a version, then one with all that no change log tells of."""
    changed = {} if first else plan.records  # in a first sync, the root commit brings these
    for version in spool.ordered():
        assert version.moment is not None
        moment = version.moment // SECOND
        yield _NewCommit(version.author.decode(), moment, version.message.decode(), version.files.items())
    noticed = list(islice(spool.ordered(noticed=True), MAX_LISTED))
    if noticed or changed:
        files = _blobs(writer, changed)
        versions = (file for version in spool.ordered(noticed=True) for file in version.files.items())
        message = _noticed_message(spool.count_versions()[1], noticed, files)
        # `files` come last: they delete an item that has changed, too.
        yield _NewCommit(NOBODY, plan.now, message, chain(versions, files))


def _noticed_message(count: int, some: list[ReadyVersion], files: list[tuple[str, bytes | None]]) -> str:
    """The message of the commit that brings what no change log tells of: `count` versions, and files.

    `some` are the first of the versions, at most MAX_LISTED.
    """
    lines = [version.message.decode().partition("\n")[0] for version in some]
    lines += [path if blob else f"{path} is gone" for path, blob in files[: MAX_LISTED - len(lines)]]
    total = count + len(files)
    if total == 1:
        return f"Noticed: {lines[0]}\n"
    more = [f"and {total - len(lines):,} more"] if total > len(lines) else []
    return "\n".join([f"Noticed: {total:,} records that changed unlogged", "", *lines, *more, ""])
