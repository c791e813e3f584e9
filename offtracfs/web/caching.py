"""What a browser may keep: what a page shows is decided by a commit, an address, and this program."""

from __future__ import annotations

from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files

from flask import Request
from werkzeug.http import http_date, quote_etag

from offtracfs.index.moments import may_change
from offtracfs.web.page import Asked

MAX_AGE = 30 * 86_400  # seconds for which a browser need not ask again for what cannot change
REVALIDATED = "private, no-cache"  # kept, and asked for each time, which then costs a 304
IMMUTABLE = f"private, max-age={MAX_AGE}, immutable"
NOT_KEPT = "private, no-store"


def digest(*parts: bytes) -> str:
    """A short digest of some bytes."""
    found = sha256()
    for part in parts:
        found.update(b"%d " % len(part) + part)
    return found.hexdigest()[:16]


def fingerprint(settings: object) -> str:
    """What changes when this program or the settings do, and pages may look different."""
    ours = files(__package__)
    found = [file for folder in ("templates", "static") for file in ours.joinpath(folder).iterdir()]
    contents = [file.read_bytes() for file in sorted(found, key=lambda file: file.name)]
    return digest(version("offtracfs").encode(), repr(settings).encode(), *contents)


def headers(asked: Asked, made_by: str) -> dict[str, str]:
    """What a browser may compare, and how long it need not: `made_by` is the `fingerprint`."""
    moves = not asked.at or may_change(asked.at, asked.database.state().settled, asked.database.settings.zone)
    return {
        "ETag": quote_etag(f"{asked.revision.commit.hex()[:20]}-{made_by}"),
        "Last-Modified": http_date(asked.revision.committed),
        "Cache-Control": REVALIDATED if moves else IMMUTABLE,
    }


def is_known(request: Request, etag: str) -> bool:
    """Whether the browser has what that ETag stands for: then a 304 is enough.

    A time alone does not tell: two commits may have the same, and so may two versions of this program.
    """
    return request.if_none_match.contains_raw(etag)
