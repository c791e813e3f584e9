"""What a browser may keep: what a page shows is decided by a commit, an address, and this program."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files

from flask import Request, Response
from werkzeug.http import is_resource_modified

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


def validators(response: Response, asked: Asked, made_by: str) -> Response:
    """The same response with what a browser may compare: the commit, and its time."""
    response.set_etag(f"{asked.revision.commit.hex()[:20]}-{made_by}")
    response.last_modified = datetime.fromtimestamp(asked.revision.committed, UTC)
    settled = asked.database.state().settled
    moves = may_change(asked.at, settled, asked.database.settings.zone)
    response.headers["Cache-Control"] = REVALIDATED if moves else IMMUTABLE
    return response


def is_known(request: Request, response: Response) -> bool:
    """Whether the browser has what a response with these validators would hold: then a 304 is enough.

    A time alone does not tell: two commits may have the same, and so may two versions of this program.
    """
    etag = response.headers["ETag"]
    return bool(request.if_none_match) and not is_resource_modified(request.environ, etag=etag.strip('"'))
