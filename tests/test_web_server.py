"""`offtracfs web`, as a real process that real connections reach."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from offtracfs.database import Database
from tests.mounting import AUTUMN, append, ticket
from tests.program import offtracfs, started, surroundings
from tests.tickets import database as made


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """The small tracker."""
    return made(tmp_path)


@contextmanager
def served(database: Database, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and the address that it prints; it must end well by a signal, without a word."""
    command = ("--db", str(database.path), "web", "--port", "0", *options)
    with started(database.path.parent, *command) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            line = process.stdout.readline()
            match = re.match(r"(http://\S+)", line)
            assert match, (line, process.stderr.read() if process.poll() is not None else "")
            yield process, match[1]
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=20)
            assert process.returncode == 0, said
        finally:
            process.kill()


def children(process: subprocess.Popen[str]) -> list[int]:
    """The processes that it has started, two of them."""
    while len(found := Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()) != 2:
        assert process.poll() is None
        time.sleep(0.01)
    return [int(child) for child in found]


def test_serves_and_follows(database: Database) -> None:
    """It answers from its first line on, shows what a sync brings meanwhile, and ends at Ctrl-C."""
    with served(database) as (_, address), httpx.Client(base_url=address) as browser:
        first = browser.get("/ticket/1")
        assert first.status_code == 200
        assert "It crashes" in first.text
        assert "server" not in first.headers
        append(database, (AUTUMN + 60, ticket(1, summary="Brought by a sync")))
        assert "Brought by a sync" in browser.get("/ticket/1").text


def test_a_second_one_is_told_in_a_sentence(database: Database) -> None:
    """A port that is in use, and an address that is not ours, are one sentence each."""
    with served(database) as (_, address):
        port = address.rstrip("/").rpartition(":")[2]
        done = offtracfs(database.path.parent, "--db", "db", "web", "--port", port)
        assert (done.returncode, done.stdout) == (64, "")
        assert done.stderr == f"offtracfs: Port {port} of 127.0.0.1 is in use: choose another with --port.\n"
    for host in ("nowhere.invalid", "203.0.113.1"):
        done = offtracfs(database.path.parent, "--db", "db", "web", "--host", host)
        assert (done.returncode, done.stderr.count("\n")) == (64, 1)


def test_workers_share_the_port(database: Database) -> None:
    """Several processes answer; one that is killed is replaced, and all end with the first."""
    with served(database, "--workers", "2") as (process, address):
        before = children(process)
        os.kill(before[0], signal.SIGKILL)
        assert process.stderr is not None
        assert "another one is started" in process.stderr.readline()
        for _ in range(6):
            assert httpx.get(f"{address}ticket/1").status_code == 200
        after = children(process)
        assert before[1] in after
        assert before[0] not in after
    assert not any(Path(f"/proc/{child}").exists() for child in after)


def test_workers_end_with_a_parent_that_is_killed(database: Database) -> None:
    """When the first process is killed, its workers end by themselves, and the port is free."""
    with started(database.path.parent, "--db", "db", "web", "--port", "0", "--workers", "2") as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[0]
        assert httpx.get(address).status_code == 200
        process.kill()
        process.communicate(timeout=20)  # until the workers have closed the pipe that they share with it
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


def test_slow_connections_hold_up_nobody(database: Database) -> None:
    """While hundreds of connections are idle, or in the middle of a request, others are answered."""
    with served(database) as (_, address), ExitStack() as stack:
        port = int(address.rstrip("/").rpartition(":")[2])
        for number in range(400):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            if number % 2:
                connection.sendall(b"GET /ticket/1 HTTP/1.1\r\nHost: local")
        assert httpx.get(f"{address}ticket/1").status_code == 200
        assert httpx.get(address, headers={"X-Long": "x" * 100_000}).status_code == 431
        assert httpx.post(address, content=b"x" * 10_000).status_code == 413


def answered(port: int, request: bytes) -> bytes:
    """The first line of what the server says to some bytes; "" where it only hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        with suppress(OSError):  # it may hang up before it has read all
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        try:
            with connection.makefile("rb") as answer:
                return answer.readline().strip()
        except ConnectionError:
            return b""


UP = ("..", "%2e%2e", ".%2e", "%252e%252e", "..%00", "%c0%ae%c0%ae", "..;", "....", "%uff0e%uff0e", "..\\..")
BETWEEN = ("/", "//", "%2f", "\\", "%5c", "%252f", "%c0%af")
HOSTILE = [
    *(f"GET /{start}{3 * (up + between)}etc/passwd HTTP/1.1".encode("latin-1")
      for up in UP for between in BETWEEN for start in ("", "static/", "@2011/static/", "ticket/1")),
    *(b"GET " + target + b" HTTP/1.1" for target in (
        b"/" + b"a" * 20_000, b"/?" + b"a=b&" * 5_000, b"/" + b"../" * 5_000, b"/@" + b"9" * 20_000 + b"/",
        b"/%", b"/%zz",
        b"/%00", b"/\xff\xfe", b"/@%ff%fe/", b"*", b"", b"http://evil.example/", b"//evil.example/",
        b"evil.example:80",
        b"/ticket/" + b"9" * 5_000, b"/ticket/-1", b"/ticket/1e9", b"/ticket/\xd9\xa1",
        b"/@2011-04-09/@2011/", b"/@HEAD~" + b"9" * 400,
    )),
    *(method + b" / HTTP/1.1" for method in (
        b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"PROPFIND", b"get", b"G\0T",
        b"M" * 9_000,
    )),
    b"GET /", b"GET / HTTP/9.9", b"GET / HTTP/1.1 HTTP/1.1", b"GET  /  HTTP/1.1",
    b"\x16\x03\x01\x02\0\x01\0", b"\0" * 5_000, b"PRI * HTTP/2.0",
]  # fmt: skip
HEADS = [
    b"Host: evil.example", b"Host: localhost:1:2", b"Host:", b"Host: [::1",
    b"Host: localhost\r\nHost: evil.example", b"X-No: host",
    b"Host: localhost\r\nContent-Length: -1", b"Host: localhost\r\nContent-Length: 1\r\nContent-Length: 2",
    b"Host: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5",
    b"Host: localhost\r\nTransfer-Encoding: cow",
    b"Host: localhost\r\n folded: yes", b"Host: localhost\r\nno colon",
    b"Host: localhost\r\nRange: bytes=0-,0-,0-,0-",
    b"Host: localhost\r\nX: " + b"x" * 40_000, b"Host: localhost\r\n" + b"X: y\r\n" * 9_000,
    b"Host: localhost\r\nCookie: " + b"a=b; " * 5_000,
    b"Host: localhost\r\nAuthorization: Basic " + b"/" * 9_000,
    b"Host: localhost\r\nIf-None-Match: " + b'"x",' * 5_000, b"Host: localhost\r\nIf-Modified-Since: \xff",
    b"Host: localhost\r\nExpect: 100-continue\r\nContent-Length: 3",
]  # fmt: skip


def test_hostile_requests_are_answered_and_forgotten(database: Database) -> None:
    """Whatever is sent is answered in HTTP or cut off, none is a bug of ours, and the server lives."""
    requests = [request + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n" for request in HOSTILE]
    requests += [b"GET /ticket/1 HTTP/1.1\r\n" + head + b"\r\nConnection: close\r\n\r\n" for head in HEADS]
    with served(database) as (process, address):
        port = int(address.rstrip("/").rpartition(":")[2])
        for request in requests:
            line = answered(port, request)
            assert re.match(rb"HTTP/1\.[01] (100|200|302|304|4\d\d|501|505) |$", line), (request[:200], line)
        assert httpx.get(f"{address}ticket/1").status_code == 200
        assert process.poll() is None


@pytest.mark.parametrize("count", [600, pytest.param(10_000, marks=pytest.mark.slow)])
def test_thousands_at_once_are_all_answered(database: Database, count: int) -> None:
    """Requests that come all at once wait their turn, and each is answered."""
    request = b"GET /ticket/1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with served(database) as (_, address), ExitStack() as stack:
        where = ("127.0.0.1", int(address.rstrip("/").rpartition(":")[2]))
        waiting = []
        for _ in range(count):
            waiting.append(stack.enter_context(socket.create_connection(where, timeout=120)))
            waiting[-1].sendall(request)
        for connection in waiting:
            with connection.makefile("rb") as answer:
                assert answer.readline() == b"HTTP/1.1 200 OK\r\n"


def test_a_token_is_printed_where_others_can_reach_it(database: Database) -> None:
    """Other than on loopback, the printed address lets a browser in, and no other does."""
    with (
        served(database, "--host", "0.0.0.0") as (_, address),
        httpx.Client(follow_redirects=True) as browser,
    ):
        plain, _, token = address.partition("?token=")
        assert len(token) > 20
        assert browser.get(plain).status_code == 401
        assert browser.get(address).status_code == 200
        assert browser.get(f"{plain}ticket/1").status_code == 200


def test_a_password_is_asked_for(database: Database) -> None:
    """A password command's first line is the password, also on loopback; it is printed nowhere."""
    with served(database, "--password-command", "echo s3cret") as (_, address):
        assert "s3cret" not in address
        assert httpx.get(address).status_code == 401
        assert httpx.get(address, auth=("anybody", "s3cret")).status_code == 200
    done = offtracfs(database.path.parent, "--db", "db", "web", "--password-command", "false")
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == "offtracfs: --password-command ended with exit code 1.\n"


def test_the_browser_is_opened(database: Database, tmp_path: Path) -> None:
    """With --open, $BROWSER is started with the address, and finds somebody who listens."""
    program = tmp_path / "browser"
    program.write_text(f"#!/bin/sh\necho \"$1\" >'{tmp_path}/opened'\n")
    program.chmod(0o755)
    command = ("--db", str(database.path), "web", "--port", "0", "--open")
    with started(tmp_path, *command, env=surroundings(tmp_path, BROWSER=str(program))) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().split()[0]
            assert httpx.get(address).status_code == 200
            assert (tmp_path / "opened").read_text().strip() == address
        finally:
            process.terminate()
            process.communicate(timeout=20)
