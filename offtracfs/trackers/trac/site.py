"""A Trac's site: its address, and what its answers say about the address and about our login."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urljoin

import httpx

from offtracfs.errors import LoginRefused, NotATracker, UsageError
from offtracfs.text import quoted
from offtracfs.trackers.credentials import Credentials
from offtracfs.trackers.trac.address import ENDPOINT
from offtracfs.trackers.trac.pages import title


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8, which is all that Trac sends, without a byte order mark."""
        return self.body.decode("utf-8-sig", "replace")

    @property
    def html(self) -> bool:
        """Whether it is a page for people."""
        return "html" in self.headers.get("content-type", "")


def checked_url(url: str) -> str:
    """A Trac's address, without a final slash, or the part for RPC or login. Raises UsageError."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        parts = httpx.URL()
    if parts.userinfo:
        raise UsageError("The address holds a user or a password: leave them out, and use --user.")
    if parts.scheme not in ("http", "https") or not parts.host:
        # The address is not repeated: there may be a password in it all the same.
        raise UsageError("That is not a web address: it should begin with https:// or http://.")
    return ENDPOINT.sub("", str(parts.copy_with(query=None, fragment=None)).rstrip("/"))


def refused(url: str, credentials: Credentials) -> LoginRefused:
    """The error for a wrong user name or password."""
    if credentials.password is None:
        return LoginRefused(
            f"{url} asks for the password of {credentials.user!r}, and none was found: put it into ~/.netrc,"
            " or see `offtracfs init --help` for other places."
        )
    return LoginRefused(f"{url} refused the user name {credentials.user!r} or the password.")


def check_login(url: str, answer: Answer, credentials: Credentials | None) -> None:
    """Raises LoginRefused if the answer says that the credentials are wrong, or missing."""
    if answer.status == HTTPStatus.UNAUTHORIZED:
        if credentials is None:
            raise LoginRefused(f"{url} wants a user name and a password: give a user with --user.")
        raise refused(url, credentials)


def check_redirect(url: str, answer: Answer) -> None:
    """Raises NotATracker if the answer sends us to another address."""
    if location := answer.headers.get("location"):
        raise NotATracker(
            f"{url} sends us on to {quoted(urljoin(url + '/', location))}: use that address if it is right."
        )


def retry_after(headers: httpx.Headers) -> float:
    """Seconds in a Retry-After, which may be a number or a date; 0 where it says nothing."""
    text = headers.get("retry-after", "")
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def gist(answer: Answer) -> str:
    """What an error page says, without its markup."""
    return quoted(title(answer.text) or ("a page" if answer.html else answer.text)) + "."
