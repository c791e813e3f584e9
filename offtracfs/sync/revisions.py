"""From the spool into git: a sync's news in time order, one commit a change.

The blobs are written already (`offtracfs.sync.versions`). Nothing is on the branch before everything is (see
`offtracfs.store.Store.appending`), so a process killed at any line leaves the last sync's state, and the next
sync does the same again from the spool.
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

MAX_LISTED = 50  # paths in the message of a commit about what the tracker did not log


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sync wants in git beside the items in its spool; moments in seconds since 1970 UTC."""

    now: int  # by the tracker's clock
    floor: int  # no commit gets an earlier date: readers were told that this is settled
    records: Mapping[str, Any]  # path → record; None: gone
    recent: str  # for db.json: up to when the tracker is known, ISO
    settled: int  # for db.json: the floor of the next sync


@dataclass(frozen=True, slots=True)
class _Revision:
    author: str
    moment: int  # seconds since 1970 UTC
    message: str
    files: Iterable[tuple[str, bytes | None]]


def append(snapshot: Snapshot, spool: Spool, writer: Writer, plan: Plan, progress: Progress = silent) -> int:
    """Bring all of a sync's news into git; the number of commits. Raises DatabaseError.

    `writer` has written the blobs of the versions in the spool, which lead on from this snapshot. It must be
    within `Store.appending`.
    """
    first = snapshot.empty
    commits, floor = 0, max(plan.floor, snapshot.committed)
    total = _commits(spool, plan, first=first)

    def commit(revision: _Revision, last: Iterable[tuple[str, bytes | None]] = ()) -> None:
        nonlocal commits, floor
        floor = max(floor, min(revision.moment, plan.now))
        writer.commit(
            author=revision.author,
            authored=revision.moment,
            committed=floor,
            message=revision.message,
            files=chain(revision.files, last),
        )
        commits += 1
        progress("git", commits, total)

    if first:
        commit(_root(writer, plan, spool))
    pending = None
    for revision in _revisions(writer, spool, plan, first=first):
        if pending:
            commit(pending)
        pending = revision
    if pending or first:
        settled = records.iso(records.from_microseconds(plan.settled * SECOND))
        known = writer.blob(records.dump({"recent": plan.recent, "settled": settled}))
        done = pending or _Revision(NOBODY, plan.now, "An empty tracker", ())
        commit(done, [(DB_PATH, known)])
    return commits


def _commits(spool: Spool, plan: Plan, *, first: bool) -> int:
    """How many commits there will be: one a version, but for those that only a comparison shows."""
    versions, noticed = spool.versions()
    if first:
        return 1 + max(1, versions - noticed + bool(noticed))
    return versions - noticed + bool(noticed or plan.records)


def _root(writer: Writer, plan: Plan, spool: Spool) -> _Revision:
    created = spool.first_created()
    moment = plan.now if created is None else max(0, min(created // SECOND, plan.now))
    files = _blobs(writer, plan.records)
    return _Revision(NOBODY, moment, "Fields and reports as first seen", files)


def _blobs(writer: Writer, found: Mapping[str, Any]) -> list[tuple[str, bytes | None]]:
    return [
        (path, None if record is None else writer.blob(records.dump(record)))
        for path, record in sorted(found.items())
    ]


def _revisions(writer: Writer, spool: Spool, plan: Plan, *, first: bool) -> Iterator[_Revision]:
    changed = {} if first else plan.records  # the first were in the root commit
    for version in spool.ordered():
        moment = version.moment // SECOND
        yield _Revision(version.author.decode(), moment, version.message.decode(), version.files.items())
    noticed = list(islice(spool.ordered(noticed=True), MAX_LISTED))
    if noticed or changed:
        files = _blobs(writer, changed)
        versions = (file for version in spool.ordered(noticed=True) for file in version.files.items())
        message = _noticed(spool.versions()[1], noticed, files)
        yield _Revision(NOBODY, plan.now, message, chain(versions, files))  # what is gone comes last


def _noticed(count: int, some: list[ReadyVersion], files: list[tuple[str, bytes | None]]) -> str:
    """The message of the commit that brings what no change log tells."""
    lines = [version.message.decode().partition("\n")[0] for version in some]
    lines += [path if blob else f"{path} is gone" for path, blob in files[: MAX_LISTED - len(lines)]]
    total = count + len(files)
    if total == 1:
        return f"Noticed: {lines[0]}\n"
    more = [f"and {total - len(lines):,} more"] if total > len(lines) else []
    return "\n".join([f"Noticed: {total:,} records that changed unlogged", "", *lines, *more, ""])
