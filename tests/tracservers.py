"""Real Tracs for the tests, served on loopback and driven over RPC."""

from __future__ import annotations

import configparser
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from offtracfs.trackers.credentials import Credentials
from offtracfs.trackers.trac.codec import JSON
from tests.tracinstall import PASSWORD, CannotInstall, Installation, installed


@dataclass
class RealTrac:
    """One environment of a served Trac, acted on as its administrator; no reports yet."""

    url: str
    environment: Path
    installation: Installation
    client: httpx.Client
    transport: httpx.AsyncBaseTransport | None = None

    @property
    def modern(self) -> bool:
        """Whether this is the modern Trac."""
        return "PYTHONHOME" not in self.installation.environ

    def login(self, user: str = "admin", password: str = PASSWORD) -> Credentials:
        """Credentials for one of RIGHTS."""
        return Credentials(user, password)

    def call(self, method: str, *params: Any) -> Any:
        """What an RPC method returns, as JSON-RPC gives it. Raises Fault."""
        return JSON.decode(self._post(JSON.encode(method, params)))

    def _post(self, content: bytes) -> bytes:
        headers = {"Content-Type": JSON.content_type}
        answer = self.client.post(f"{self.url}/login/rpc", content=content, headers=headers)
        return answer.raise_for_status().content

    def create(self, summary: str, when: datetime, *, author: str = "admin", **fields: str) -> int:
        """A new ticket's id."""
        description = fields.pop("description", "")
        attributes = {"reporter": author, **fields}
        number = self.call("ticket.create", summary, description, attributes, False, when)
        assert isinstance(number, int)
        return number

    def fill(self, count: int, when: datetime) -> list[int]:
        """The ids of many new tickets, made in one call."""
        calls = [("ticket.create", [f"ticket {n}", "", {}, False, when]) for n in range(count)]
        return JSON.decode_many(self._post(JSON.encode_many(calls)))

    def change(
        self, number: int, when: datetime, author: str = "admin", comment: str = "", **fields: str
    ) -> None:
        """A change to a ticket, without its workflow."""
        self.call("ticket.update", number, comment, fields, False, author, when)

    def delete(self, number: int) -> None:
        """Deletes a ticket with its past."""
        self.call("ticket.delete", number)

    def attach(self, number: int, name: str, description: str = "") -> None:
        """Attaches a small file, now."""
        self.call("ticket.putAttachment", number, name, description, b"content", True)

    def rename_component(self, old: str, new: str) -> None:
        """Renames a component, which changes tickets without a trace."""
        self.call("ticket.component.update", old, {"name": new})

    def set_report(self, number: int, title: str, sql: str, description: str = "") -> None:
        """Makes or replaces a report."""
        with closing(sqlite3.connect(self.environment / "db/trac.db", timeout=30)) as database, database:
            database.execute(
                "INSERT OR REPLACE INTO report (id, title, query, description) VALUES (?, ?, ?, ?)",
                (number, title, sql, description),
            )

    def run_sql(self, *statements: str) -> None:
        """Changes the environment's database behind Trac's back: see `reload`."""
        with closing(sqlite3.connect(self.environment / "db/trac.db", timeout=30)) as database, database:
            for statement in statements:
                database.execute(statement)

    def permit(self, user: str, *permissions: str) -> None:
        """Makes these all the permissions that a user has; the running server knows them at once."""
        with closing(sqlite3.connect(self.environment / "db/trac.db", timeout=30)) as database, database:
            database.execute("DELETE FROM permission WHERE username = ?", (user,))
            rows = [(user, permission) for permission in permissions]
            database.executemany("INSERT INTO permission VALUES (?, ?)", rows)
        self.reload()

    def reload(self) -> None:
        """Makes the server forget what it knows of users and permissions: it does where trac.ini is newer."""
        path = self.environment / "conf/trac.ini"
        later = path.stat().st_mtime + 10
        os.utime(path, (later, later))

    def configure(self, section: str, **options: str) -> None:
        """Sets options in trac.ini, before the environment is first served."""
        path = self.environment / "conf/trac.ini"
        ini = configparser.RawConfigParser()
        ini.read(path)
        ini.read_dict({section: options})
        with path.open("w") as file:
            ini.write(file)


class TracServer:
    """A running tracd that serves every environment below one directory."""

    def __init__(self, installation: Installation, directory: Path, port: int, client: httpx.Client) -> None:
        self.installation = installation
        self.directory = directory
        self.port = port
        self.client = client

    def new(self) -> RealTrac:
        """A fresh environment with Trac's default fields and values, no tickets and no reports."""
        environment = Path(tempfile.mkdtemp(prefix="t", dir=self.directory))
        shutil.copytree(self.installation.template, environment, dirs_exist_ok=True)
        url = f"http://127.0.0.1:{self.port}/{environment.name}"
        return RealTrac(url, environment, self.installation, self.client)


@contextmanager
def served(kind: str, *, basic: bool = True, packages: Sequence[str] = ()) -> Iterator[TracServer]:
    """A server of that kind for as long as the context lasts. Raises CannotInstall.

    `basic=False` leaves logging in to Trac's plugins. `packages` are installed beside Trac's own.
    """
    installation = installed(kind, packages)
    with tempfile.TemporaryDirectory(prefix=f"offtracfs-{kind}-") as directory:
        accounts = f"*,{installation.template / 'htpasswd'},trac"
        command = [*installation.python, "-m", "trac.web.standalone", "--hostname=127.0.0.1"]
        command += [f"--env-parent-dir={directory}"] + [f"--basic-auth={accounts}"] * basic
        with (
            _running(command, installation.environ, Path(directory, ".log")) as port,
            httpx.Client(auth=("admin", PASSWORD), timeout=60) as client,
        ):
            yield TracServer(installation, Path(directory), port, client)


@contextmanager
def _running(command: list[str], environ: dict[str, str], log: Path) -> Iterator[int]:
    """Runs tracd; gives its port once it answers. Another process may take a free port first: then again."""
    for _ in range(5):
        port = _free_port()
        with log.open("w") as output:
            process = subprocess.Popen(
                [*command, f"--port={port}"], env=environ, stdout=output, stderr=output
            )
        try:
            if _answers(process, port):
                yield port
                return
        finally:
            process.terminate()
            process.wait()
    raise CannotInstall(f"tracd did not start: {log.read_text()[-600:]}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return process.poll() is None
    return False
