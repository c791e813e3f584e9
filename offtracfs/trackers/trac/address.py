"""What an address says by itself: nothing here asks the site, nor loads what would."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

ENDPOINT = re.compile(r"(/login)?/(rpc|xmlrpc|jsonrpc)$|/login$")
"""The part of an address that is for RPC or login."""


def ticket_pages(url: str) -> str:
    """Where a Trac shows its tickets; "" for what is no web address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return ""
    path = ENDPOINT.sub("", parts.path.rstrip("/"))
    return f"{parts.scheme}://{parts.netloc}{path}/ticket/"
