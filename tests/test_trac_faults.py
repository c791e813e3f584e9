"""What the client does when a Trac, a proxy or the network fails: all against the stand-in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import trio

from offtracfs.errors import (
    NotATracker,
    OfftracfsError,
    PermissionMissing,
    TrackerError,
    Unreachable,
    UsageError,
)
from offtracfs.trackers.credentials import Credentials
from offtracfs.trackers.trac import connect, http, site
from tests import faults
from tests.standin import Answerer, StandInTrac
from tests.tracclient import client


@pytest.fixture
def trac() -> StandInTrac:
    """A Trac with no tickets."""
    return StandInTrac()


# Connecting.


@pytest.mark.parametrize(
    "answer",
    [
        faults.body(b"<html><title>Welcome</title></html>", "text/html"),
        faults.body(b"hello", "text/plain"),
        faults.status(404),
        faults.status(415),
    ],
    ids=["page", "text", "404", "415"],
)
async def test_no_plugin(trac: StandInTrac, answer: Answerer) -> None:
    """A page, a 404 or anything but RPC: the error doubts the address first and then the plugin."""
    trac.always = answer
    with pytest.raises(NotATracker, match=r"check the address.*XmlRpcPlugin"):
        await client(trac)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff garbage", b"{}", b"[]", b"[" * 100_000, b'{"result": NaN, "error": null}'],
    ids=["empty", "bytes", "object", "list", "deep", "NaN"],
)
async def test_garbage(trac: StandInTrac, content: bytes) -> None:
    """An answer that claims to be JSON-RPC and is not is refused as such, with the address and a remedy."""
    trac.always = faults.body(content)
    with pytest.raises(TrackerError, match=r"example.org.*check the address.* The answer is not JSON"):
        await client(trac)


async def test_truncated_json(trac: StandInTrac) -> None:
    """JSON that ends early is refused."""
    trac.always = faults.cut(trac.honest)
    with pytest.raises(TrackerError, match="The answer is not JSON"):
        await client(trac)


async def test_no_permission(trac: StandInTrac) -> None:
    """Without XML_RPC the error names the user and the command that grants it."""
    trac.lacks = {"XML_RPC"}
    with pytest.raises(PermissionMissing, match="permission add admin XML_RPC"):
        await client(trac)


async def test_forbidden_by_the_web_server(trac: StandInTrac) -> None:
    """A 403 in front of the plugin is a missing permission too."""
    trac.always = faults.status(403)
    with pytest.raises(PermissionMissing, match="the web server forbids it"):
        await client(trac)


async def test_redirect(trac: StandInTrac) -> None:
    """A redirection is named and not followed: nothing is sent to the other address."""
    trac.always = faults.status(301, Location="https://elsewhere.example.net/rpc")
    with pytest.raises(NotATracker, match=r"sends us on to https://elsewhere.example.net/rpc"):
        await client(trac)
    assert {request.url.host for request in trac.requests} == {"trac.example.org"}


async def test_redirect_to_nowhere(trac: StandInTrac) -> None:
    """A redirection with what would command a terminal is refused at once, and not repeated."""
    trac.always = faults.status(302, Location="https://elsewhere.example.net/\x1b[2J")
    with pytest.raises(NotATracker, match="sends us on to what is no address") as caught:
        await client(trac)
    assert str(caught.value).isprintable()
    assert len(trac.requests) == 1


async def test_anonymous_without_permission(trac: StandInTrac) -> None:
    """Without a login, a missing permission is first of all a missing login."""
    trac.always = faults.status(403)
    with pytest.raises(PermissionMissing, match=r"web server forbids it\. Log in with `init --user NAME`"):
        await connect("http://trac.example.org", None, transport=trac.transport)


async def test_login_form_elsewhere(trac: StandInTrac) -> None:
    """A login form that would send the password to another site is not filled in."""
    anonymous = (
        b'{"result": null, "error": {"code": 1, "message": "Authentication information not available"}}'
    )
    form = b'<form action="https://evil.example.net/"><input name="u"><input type="password" name="p"></form>'
    trac.faults += [faults.body(anonymous), faults.body(form, "text/html")]
    with pytest.raises(OfftracfsError, match="elsewhere: not done"):
        await client(trac)
    assert {request.url.host for request in trac.requests} == {"trac.example.org"}


@pytest.mark.parametrize(
    "url",
    [
        "trac.example.org",
        "ftp://trac.example.org",
        "https://",
        "",
        "http://[::1",
        "https://ann@trac.example.org",
    ],
)
async def test_no_address(url: str) -> None:
    """What is no web address is the user's mistake, and nothing is asked."""
    with pytest.raises(UsageError):
        await connect(url)


@pytest.mark.parametrize(
    "url", ["https://ann:hunter2@trac.example.org", "ann:hunter2@trac.example.org", "https://ann:hunter2/"]
)
async def test_password_in_address(url: str) -> None:
    """A password in an address is refused, and not repeated."""
    with pytest.raises(UsageError) as caught:
        await connect(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("tail", ["", "/", "/login/rpc", "/rpc", "/login", "/xmlrpc", "?x=y", "#top"])
def test_address_of_rpc(tail: str) -> None:
    """The address of a Trac's RPC or login page does for that of the Trac."""
    assert site.checked_url(f"https://example.org/trac{tail}") == "https://example.org/trac"


def test_password_stays_hidden() -> None:
    """Credentials do not show the password when they are printed."""
    assert "hunter2" not in repr(Credentials("ann", "hunter2"))


async def test_server_text(trac: StandInTrac) -> None:
    """A server's words are quoted short and without what would command a terminal."""
    message = "bad\x1b[31m \u202ered\n\n" + "x" * 1000
    trac.always = faults.body(json.dumps({"result": None, "error": {"code": 1, "message": message}}).encode())
    with pytest.raises(TrackerError) as caught:
        await client(trac)
    assert "bad[31m red xxx" in str(caught.value)
    assert len(str(caught.value)) < 300


# Trying again. The clock of these tests jumps ahead whenever all wait.


@pytest.mark.parametrize(
    "answer",
    [faults.dies, faults.unreachable, *map(faults.status, (429, 500, 502, 503, 504))],
    ids=["dies", "unreachable", "429", "500", "502", "503", "504"],
)
async def test_short_trouble(
    trac: StandInTrac, autojump_clock: trio.testing.MockClock, answer: Answerer
) -> None:
    """Trouble that ends within some seconds goes unnoticed."""
    trac.faults += [answer, answer]
    tracker = await client(trac)
    assert tracker.requests == 3
    assert 1 < trio.current_time() < 10
    assert tracker.problems == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (faults.dies, Unreachable),
        (faults.unreachable, Unreachable),
        (faults.status(503), Unreachable),
        (faults.status(500), TrackerError),
    ],
    ids=["dies", "unreachable", "503", "500"],
)
async def test_long_trouble(
    trac: StandInTrac, autojump_clock: trio.testing.MockClock, answer: Answerer, error: type[TrackerError]
) -> None:
    """Trouble that stays is an error after some tries, with growing pauses between them."""
    trac.always = answer
    with pytest.raises(error) as caught:
        await client(trac)
    assert "\x1b" not in str(caught.value)
    assert len(trac.requests) == 4
    assert 2 < trio.current_time() < 60


@pytest.mark.parametrize("as_date", [False, True])
async def test_retry_after(trac: StandInTrac, autojump_clock: trio.testing.MockClock, as_date: bool) -> None:
    """A busy server that says when to come back is left alone until then."""
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    trac.faults.append(faults.status(503, Retry_After=then if as_date else "30"))
    await client(trac)
    assert 25 < trio.current_time() < 35


@pytest.mark.parametrize("wait", ["86400", "9" * 400])
async def test_retry_much_later(trac: StandInTrac, autojump_clock: trio.testing.MockClock, wait: str) -> None:
    """A server that asks for a day's patience gets an error at once."""
    trac.always = faults.status(503, Retry_After=wait)
    with pytest.raises(Unreachable, match="too busy"):
        await client(trac)
    assert trio.current_time() < 1


async def test_endless_answer(trac: StandInTrac, autojump_clock: trio.testing.MockClock) -> None:
    """A server that never comes to an end is given up within minutes, all tries included."""
    trac.always = faults.endless
    with pytest.raises(Unreachable, match="did not answer within"):
        await client(trac)
    assert trio.current_time() <= http.DEADLINE


async def test_huge_answer(trac: StandInTrac, autojump_clock: trio.testing.MockClock) -> None:
    """An answer of hundreds of megabytes is dropped at the limit."""
    trac.always = faults.huge(500 * 2**20)
    with pytest.raises(TrackerError, match="over 32 MB"):
        await client(trac)
