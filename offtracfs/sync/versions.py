"""Every new version of an item, made ready for its commit: its blobs are written, its message is made."""

from __future__ import annotations

from typing import Any

import trio

from offtracfs import records
from offtracfs.database import Snapshot
from offtracfs.kinds import Key
from offtracfs.store.fastimport import Writer
from offtracfs.sync.items import Files, Item, ItemKind
from offtracfs.sync.spool import ReadyVersion

CHECKPOINT_INTERVAL = 100  # versions between two points at which trio can cancel a sync


def stored_files(kind: ItemKind, key: Key, snapshot: Snapshot) -> Files | None:
    """The stored files of an item, without those that it does not have; None where the item is new here.

    Raises DatabaseDamaged.
    """
    main, *others = kind.paths(key)
    if (data := snapshot.get(main)) is None:
        return None
    found = {path: snapshot.get(path) for path in others}
    return {main: data} | {path: data for path, data in found.items() if data is not None}


async def ready_versions(
    kind: ItemKind, item: Item, stored: Files | None, writer: Writer
) -> list[ReadyVersion]:
    """The versions that lead from the stored files to the item; writes their blobs.

    One item may have thousands of versions, so a sync can be cancelled between them. Raises DatabaseError,
    DiskFull.
    """
    versions = []
    for version in kind.versions(item, stored):
        versions.append(version)
        await _checkpoint(len(versions))
    blobs: list[dict[str, bytes | None]] = [{} for _ in versions]
    # File by file, not version by version: git stores a blob as a small difference from the one before it.
    for path in kind.paths(item.key):
        for done, (version, found) in enumerate(zip(versions, blobs, strict=True), 1):
            if path in version.files:
                found[path] = _blob(writer, version.files[path])
            await _checkpoint(done)
    return [
        ReadyVersion(
            version.moment,
            item.kind,
            item.key,
            sequence,
            version.author.encode("utf-8", "replace"),
            _message(version.subject, version.body).encode("utf-8", "replace"),
            found,
        )
        for sequence, (version, found) in enumerate(zip(versions, blobs, strict=True))
    ]


async def _checkpoint(done: int) -> None:
    if done % CHECKPOINT_INTERVAL == 0:
        await trio.lowlevel.checkpoint()


def _blob(writer: Writer, value: Any) -> bytes | None:
    if value is None:
        return None
    return writer.blob(value if isinstance(value, bytes) else records.dump(value))


def _message(subject: str, body: str) -> str:
    text = body.replace("\r\n", "\n").strip()
    return f"{subject}\n\n{text}\n" if text else f"{subject}\n"
