"""Real sites with ways of their own: other logins, fewer rights, TLS, connections that break."""

from __future__ import annotations

import http.server
import shutil
import sqlite3
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import aclosing, closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import trio

from offtracfs.errors import LoginRefused, NotATracker, PermissionMissing, Unreachable
from offtracfs.trackers.credentials import Credentials
from offtracfs.trackers.trac import connect
from tests.conftest import needs
from tests.tracclient import SPRING, connected, ticket
from tests.tracinstall import CannotInstall
from tests.tracservers import RealTrac, TracServer, served


@pytest.fixture(params=["modern", "legacy"])
def trac(request: pytest.FixtureRequest) -> RealTrac:
    """A real Trac, new or old, with no tickets."""
    server: TracServer = request.getfixturevalue(f"{request.param}_trac")
    return server.new()


# Fewer rights.


async def test_no_xml_rpc(trac: RealTrac) -> None:
    """A user without XML_RPC is told what to ask the administrator for."""
    with pytest.raises(PermissionMissing, match="permission add guest XML_RPC"):
        await connect(trac.url, trac.login("guest"))


async def test_reader_of_reports(trac: RealTrac) -> None:
    """REPORT_SQL_VIEW is enough for a report's text, but with Trac 1.6, where it is a problem to be told."""
    trac.set_report(1, "Mine", "SELECT 1", "first\nsecond")
    async with connected(trac, "reader") as tracker:
        metadata = await tracker.metadata()
    if "report" in metadata.complete:
        assert (
            metadata.records["report/1.json"]["sql"]
            == "-- ## 1: Mine ## --\n\n-- first\n-- second\n\nSELECT 1"
        )
        assert metadata.problems == []
    else:
        assert trac.modern
        assert ["REPORT_MODIFY" in problem for problem in metadata.problems] == [True]


async def test_creator_of_reports(trac: RealTrac) -> None:
    """REPORT_CREATE lets nobody read a report's text, and is not named as a remedy; REPORT_MODIFY is one."""
    trac.set_report(1, "Mine", "SELECT 1")
    trac.permit("reader", "XML_RPC", "TICKET_VIEW", "REPORT_VIEW", "REPORT_CREATE")
    async with connected(trac, "reader") as tracker:
        metadata = await tracker.metadata()
    assert "report/1.json" not in metadata.records
    assert ["REPORT_MODIFY" in p and "REPORT_CREATE" not in p for p in metadata.problems] == [True]
    trac.permit("reader", "XML_RPC", "TICKET_VIEW", "REPORT_VIEW", "REPORT_MODIFY")
    async with connected(trac, "reader") as tracker:
        assert "report/1.json" in (await tracker.metadata()).records


async def test_no_ticket_view(trac: RealTrac) -> None:
    """A user who may see no ticket, or none any more, is told what to ask the administrator for."""
    trac.create("x", SPRING)
    late = SPRING + timedelta(days=1)
    async with connected(trac, "narrow") as tracker:
        assert await tracker.changed_since(late) == []
        trac.permit("narrow", "XML_RPC")
        for ask in (tracker.ids(), tracker.changed_since(late)):
            with pytest.raises(PermissionMissing, match="permission add narrow TICKET_VIEW"):
                await ask
        trac.permit("narrow", "XML_RPC", "TICKET_VIEW")
        assert await tracker.changed_since(late) == []
        assert await tracker.ids() == [1]


async def test_narrow_user(trac: RealTrac) -> None:
    """A user who may only see tickets gets them; what stays unknown is said, and nothing counts as gone."""
    number = trac.create("x", SPRING)
    trac.set_report(1, "Mine", "SELECT 1")
    async with connected(trac, "narrow") as tracker:
        assert await tracker.changed_since(SPRING) == [number]
        assert await tracker.attached_since(SPRING) == []
        assert (await ticket(tracker, number)).number == number
        metadata = await tracker.metadata()
    assert "report" not in metadata.complete
    assert ["REPORT_VIEW" in problem for problem in metadata.problems] == [True]
    assert ["TIMELINE_VIEW" in problem for problem in tracker.problems] == [True]


async def test_timeline_without_details(trac: RealTrac) -> None:
    """A timeline without details, the default of older Tracs, hides attachments: that is said."""
    trac.configure("timeline", ticket_show_details="false")
    trac.create("x", datetime.now(UTC))
    async with connected(trac) as tracker:
        assert await tracker.attached_since(datetime.now(UTC)) == []
    assert ["ticket_show_details" in problem for problem in tracker.problems] == [True]


# Other logins.


@pytest.fixture(scope="module")
def form_server() -> Iterator[TracServer]:
    """A modern Trac whose web server asks for no password."""
    try:
        with served("modern", basic=False) as server:
            yield server
    except CannotInstall as error:
        needs(f"no modern Trac: {error}")


@pytest.fixture
def form_trac(form_server: TracServer) -> RealTrac:
    """A Trac that logs in by the AccountManager plugin's form."""
    site = form_server.new()
    accounts = str(site.installation.template / "htpasswd")
    site.configure("components", **{"acct_mgr.*": "enabled", "trac.web.auth.LoginModule": "disabled"})
    site.configure(
        "account-manager", auth_init="false", password_store="HtPasswdStore", htpasswd_file=accounts
    )
    return site


async def test_form_login(form_trac: RealTrac) -> None:
    """A site that logs in by a form lets us in, to its RPC and to its pages."""
    form_trac.set_report(1, "Mine", "SELECT 1")
    async with connected(form_trac) as tracker:
        assert await tracker.ids() == []
        metadata = await tracker.metadata()
        assert "report/1.json" in metadata.records
        assert metadata.problems == []
        assert await tracker.changed_since(SPRING) == []
        assert await tracker.attached_since(SPRING) == []
        assert tracker.problems == []


async def test_form_refuses(form_trac: RealTrac) -> None:
    """A wrong password in a form is refused like any other."""
    with pytest.raises(LoginRefused, match="refused the user name 'admin' or the password"):
        await connect(form_trac.url, Credentials("admin", "hunter2"))


async def test_session_expires(form_trac: RealTrac) -> None:
    """A session that the site has forgotten is renewed without a word."""
    async with connected(form_trac) as tracker:
        with closing(sqlite3.connect(form_trac.environment / "db/trac.db", timeout=30)) as database, database:
            assert database.execute("DELETE FROM auth_cookie").rowcount == 1
        assert await tracker.ids() == []


async def test_no_login_needed(trac: RealTrac) -> None:
    """Where anonymous may do everything, no user is needed."""
    trac.installation.run(
        "trac.admin.console", str(trac.environment), "permission", "add", "anonymous", "TRAC_ADMIN"
    )
    trac.set_report(1, "Mine", "SELECT 1")
    async with aclosing(await connect(trac.url)) as tracker:
        assert await tracker.ids() == []
        assert "report/1.json" in (await tracker.metadata()).records


async def test_no_password(trac: RealTrac) -> None:
    """A user without a password is told that none was found, and where one may be kept."""
    with pytest.raises(
        LoginRefused, match=r"none was found: put it into ~/\.netrc, or see `offtracfs init --help`"
    ):
        await connect(trac.url, Credentials("admin", None))


# Addresses.


async def test_wrong_path(trac: RealTrac) -> None:
    """An address where no Trac is gives doubt about the address."""
    with pytest.raises(NotATracker, match="check the address"):
        await connect(trac.url + "-not")


async def test_plugin_disabled(trac: RealTrac) -> None:
    """A Trac without the plugin gives doubt about the plugin."""
    trac.configure("components", **{"tracrpc.*": "disabled"})
    with pytest.raises(NotATracker, match="XmlRpcPlugin"):
        await connect(trac.url, trac.login())


async def test_nobody_there() -> None:
    """A port that nobody listens on is said to be unreachable, and why."""
    with pytest.raises(Unreachable, match=r"cannot be reached \(Connection refused\)"):
        await connect("http://127.0.0.1:9")


# Connections.


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate and its key for 127.0.0.1, signed by itself."""
    if not shutil.which("openssl"):
        needs("no openssl to make a certificate with")
    path = tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x"]
    command += [
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(path),
        "-out",
        str(tmp_path / "public"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + (tmp_path / "public").read_text())
    return path


@pytest.fixture
def tls_url(certificate: Path, tmp_path: Path) -> Iterator[str]:
    """A web server with that certificate, and with no Trac."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


async def test_untrusted_certificate(tls_url: str) -> None:
    """A certificate that nobody vouches for is refused at once, with the remedy."""
    with pytest.raises(Unreachable, match=r"No trusted connection.*self.signed.*SSL_CERT_FILE"):
        await connect(tls_url)


async def test_trusted_certificate(tls_url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedy works: with its authority named, the server is reached, and is no Trac."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(NotATracker):
        await connect(tls_url)


async def test_no_tls_there(trac: RealTrac) -> None:
    """Where the server speaks http only, an https address is answered with the remedy."""
    with pytest.raises(Unreachable, match=r"No trusted connection.* begins with http://"):
        await connect(trac.url.replace("http:", "https:"))


ANSWER = b'{"result": ["system.listMethods"], "error": null}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


async def test_connection_breaks(nursery: trio.Nursery) -> None:
    """A connection that breaks in the middle of an answer is made again."""
    answers = [HEAD % len(ANSWER) + ANSWER[:9], b"", HEAD % len(ANSWER) + ANSWER]

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(answers.pop(0))

    (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
    port = listener.socket.getsockname()[1]
    async with aclosing(await connect(f"http://127.0.0.1:{port}")) as tracker:
        assert tracker.requests == 3
    nursery.cancel_scope.cancel()
