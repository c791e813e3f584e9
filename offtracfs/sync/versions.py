"""Every new version of an item, made ready for its commit: its blobs are written, its message is worded."""

from __future__ import annotations

from typing import Any

from offtracfs import records
from offtracfs.database import Snapshot
from offtracfs.kinds import Key
from offtracfs.store.fastimport import Writer
from offtracfs.sync.items import Files, Item, ItemKind
from offtracfs.sync.spool import NOTICED, ReadyVersion


def stored_files(kind: ItemKind, key: Key, snapshot: Snapshot) -> Files | None:
    """An item's files as they are stored, those that there are; None where the item is new here.

    Raises DatabaseDamaged.
    """
    main, *others = kind.paths(key)
    if (data := snapshot.get(main)) is None:
        return None
    found = {path: snapshot.get(path) for path in others}
    return {main: data} | {path: data for path, data in found.items() if data is not None}


def ready_versions(kind: ItemKind, item: Item, stored: Files | None, writer: Writer) -> list[ReadyVersion]:
    """The versions that lead from the stored files to the item, their blobs written.

    Raises DatabaseError, DiskFull.
    """
    versions = list(kind.versions(item, stored))
    blobs: list[dict[str, bytes | None]] = [{} for _ in versions]
    for path in kind.paths(item.key):  # file by file: git stores each as a small difference from the last
        for version, found in zip(versions, blobs, strict=True):
            if path in version.files:
                found[path] = _blob(writer, version.files[path])
    return [
        ReadyVersion(
            NOTICED if version.moment is None else version.moment,
            item.kind,
            item.key,
            sequence,
            version.author.encode("utf-8", "replace"),
            _message(version.subject, version.body).encode("utf-8", "replace"),
            found,
        )
        for sequence, (version, found) in enumerate(zip(versions, blobs, strict=True))
    ]


def _blob(writer: Writer, value: Any) -> bytes | None:
    if value is None:
        return None
    return writer.blob(value if isinstance(value, bytes) else records.dump(value))


def _message(subject: str, body: str) -> str:
    text = body.replace("\r\n", "\n").strip()
    return f"{subject}\n\n{text}\n" if text else f"{subject}\n"
