"""The program as its users start it, and a stand-in Trac behind a real socket for it to talk to."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from offtracfs.database import Database
from tests import forkserver
from tests.standin import StandInTrac

PROGRAM = [sys.executable, "-P", "-m", "offtracfs_cli"]
INSTALLED = Path(sys.executable).parent / "offtracfs"
SPRING = datetime(2011, 4, 9, tzinfo=UTC)  # when the tickets of a `ServedTrac` are made
Done = subprocess.CompletedProcess[str]


def surroundings(home: Path, **more: str) -> dict[str, str]:
    """An environment in which nothing of this machine's user is found."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, "HOME": str(home), "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring", **more}


def offtracfs(home: Path, *arguments: str | Path, **environment: str) -> Done:
    """What the program says, and how it ends."""
    return forkserver.run(
        [str(argument) for argument in arguments], env=surroundings(home, **environment), cwd=home
    )


def started(home: Path, *arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
    """The program, running."""
    command = [*PROGRAM, *(str(argument) for argument in arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **{"env": surroundings(home), "cwd": home, **pipes, **options})


class ServedTrac(StandInTrac):
    """A stand-in that answers on loopback, and can be made to hold its answers back."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Event()
        self._held = b""

    def hold(self, word: bytes = b"") -> None:
        """Hold back requests with that word until the gate is set; `asked` is set when there is one."""
        self._held = word
        self.asked.clear()
        self.gate.clear()

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The answer to one request, when the gate is open."""
        if self._held in request.content:
            self.asked.set()
            self.gate.wait(60)
        return super().answer(request)


@contextmanager
def serving(tickets: int = 0) -> Iterator[ServedTrac]:
    """A Trac with so many tickets whose `url` any process can reach."""
    trac = ServedTrac()
    trac.fill(tickets, SPRING)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # as the base class wants it
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            url = f"http://{self.headers['host']}{self.path}"
            request = httpx.Request(self.command, url, headers=list(self.headers.items()), content=content)
            answer = trac.answer(request)
            self.send_response_only(answer.status_code)
            for name, value in {**answer.headers, "content-length": str(len(answer.content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.content)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Keeps the tests' output for the tests."""

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:  # a client that was killed
                self.close_connection = True

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        trac.url = f"http://127.0.0.1:{server.server_port}/project"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield trac
        finally:
            trac.gate.set()
            server.shutdown()
            thread.join()


def user(home: Path, trac: ServedTrac) -> Path:
    """The home of somebody with a database `db` of that Trac, whose password is in netrc."""
    netrc = home / ".netrc"
    netrc.write_text("machine 127.0.0.1 login admin password secret\n")
    netrc.chmod(0o600)
    run(home, "init", trac.url, "--user", "admin")
    return home


def database(home: Path) -> Database:
    """That database."""
    return Database(home / "db")


def run(home: Path, *arguments: str) -> str:
    """What a command on the database `db` prints on stdout; it must succeed without a word on stderr."""
    done = offtracfs(home, "--db", "db", *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout
