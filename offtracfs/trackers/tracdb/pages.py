"""Where a Trac that is read by its database shows its tickets."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, unquote

from offtracfs.errors import TrackerError
from offtracfs.trackers.tracdb.ini import read

SQLITE = "trac+sqlite"
OPTION = "trac_ini"  # of an address


def ini_of(url: str) -> Path | None:
    """The ``trac.ini`` that belongs to an address: the one that it names, or beside a SQLite database."""
    place, _, options = url.partition("?")
    if named := dict(parse_qsl(options)).get(OPTION):
        return Path(named)
    scheme, _, path = place.partition("://")
    if scheme.lower() != SQLITE:
        return None
    return Path("/", unquote(path).lstrip("/")).parent.parent / "conf" / "trac.ini"


def ticket_pages(url: str) -> str:
    """What its trac.ini says in ``base_url``; "" where it does not say it, or cannot be read."""
    ini = ini_of(url)
    try:
        base = read(ini).section("trac").get("base_url", "") if ini and ini.exists() else ""
    except (TrackerError, OSError):
        return ""
    return f"{base.rstrip('/')}/ticket/" if base.startswith(("http://", "https://")) else ""
