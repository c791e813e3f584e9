"""The server: a socket, worker processes that share it, and threads in each of them."""

from __future__ import annotations

import logging
import os
import resource
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from waitress.server import create_server

from offtracfs.errors import UsageError
from offtracfs.web.application import application
from offtracfs.web.guard import Guard
from offtracfs.web.runs import Runs

THREADS = 8  # of a process: so many pages are made at once; each thread has its own connections
MAX_CONNECTIONS = 4_000  # of a process, idle ones too; those that come after wait in the kernel
BACKLOG = 4_096  # connections that wait there; Linux has a limit of its own (net.core.somaxconn)
FILES = 200  # that a process may need beside its connections
IDLE_TIMEOUT = 60  # seconds
MAX_WAITING = 1 << 30  # bytes of one answer, in a file, that a slow reader has not taken yet
MAX_HEADER, MAX_BODY = 32_768, 1_024  # bytes of a request; none that is answered has a body

log = logging.getLogger(__name__)


class Server:
    """Listens from the moment that it is made, and answers when it is told to `serve`.

    Raises UsageError where it cannot listen at `host` and `port`; port 0 is any that is free.
    """

    def __init__(self, directory: Path, host: str, port: int, guard: Guard) -> None:
        self._directory = directory
        self._guard = guard
        try:
            family, kind, protocol, _, where = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(where)
            self._socket.listen(BACKLOG)
        except (OSError, OverflowError) as error:
            raise UsageError(_why_not(host, port, error)) from None
        self.port: int = self._socket.getsockname()[1]

    def serve(self, workers: int = 1) -> None:
        """Answer until SIGINT or SIGTERM. With several workers, each is a process."""
        signal.signal(signal.SIGTERM, _end)
        if workers == 1:
            self._answer()
        else:
            _keep(workers, self._answer)

    def _answer(self) -> None:
        """Answer, in this process. Waitress reads and writes in one thread: who is slow holds up nobody."""
        runs = Runs(self._directory)
        server = create_server(
            application(self._directory, self._guard, runs),
            sockets=[self._socket],
            threads=THREADS,
            connection_limit=min(MAX_CONNECTIONS, _allowed_files() - FILES),
            channel_timeout=IDLE_TIMEOUT,
            max_request_header_size=MAX_HEADER,
            max_request_body_size=MAX_BODY,
            asyncore_use_poll=True,  # select() knows no file above 1,023
            channel_request_lookahead=1,  # or nobody would see that a reader has left before the answer
            outbuf_high_watermark=MAX_WAITING,  # where there is more, a thread waits for the reader
            ident=None,
            clear_untrusted_proxy_headers=True,
        )
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # that requests wait is no news
        try:
            server.run()  # until KeyboardInterrupt or SystemExit
        finally:
            runs.end()


def _why_not(host: str, port: int, error: Exception) -> str:
    match error:
        case socket.gaierror():
            return f"There is no address {host!r} to listen at: see --host."
        case OSError(errno=number) if number == 98:
            return f"Port {port} of {host} is in use: choose another with --port."
    return f"Nobody can listen at port {port} of {host} ({getattr(error, 'strerror', error)}): see --port."


def _end(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


def _allowed_files() -> int:
    """How many files this process may have open, after that was made as many as it may be."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + FILES
    allowed = wanted if most == resource.RLIM_INFINITY else min(most, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))
    return allowed


def _keep(count: int, work: Callable[[], None]) -> None:
    """Have `work` done by so many processes until a signal; one that ends before is started again.

    They end with this process, whatever ends it: each waits for the end of a pipe that only this one holds.
    """
    waiting, held = os.pipe()
    children = {_child(work, waiting, held) for _ in range(count)}
    try:
        while True:
            gone, status = os.wait()
            children.discard(gone)
            log.error("A worker process has ended (%s): another one is started.", status)
            children.add(_child(work, waiting, held))
    except (KeyboardInterrupt, SystemExit):
        pass
    finally:
        os.close(held)
        for child in children:
            os.kill(child, signal.SIGTERM)
        for child in children:
            os.waitpid(child, 0)


def _child(work: Callable[[], None], waiting: int, held: int) -> int:
    """A process that does the work."""
    if child := os.fork():
        return child
    code = 1
    try:
        os.close(held)
        threading.Thread(target=_end_with_parent, args=(waiting,), daemon=True).start()
        work()
        code = 0
    except (KeyboardInterrupt, SystemExit):
        code = 0
    finally:
        os._exit(code)


def _end_with_parent(waiting: int) -> None:
    os.read(waiting, 1)
    os.kill(os.getpid(), signal.SIGTERM)
