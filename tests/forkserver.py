"""The program without its start: a process that has all of its modules loaded, and forks for each command.

Most of what a command costs is to load modules. What is forked is a process like any other, with arguments,
an environment, a directory, streams and an exit code of its own.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO

from offtracfs_cli.main import COMMANDS, main

TIMEOUT = 60  # seconds that a command may take
MAX_REQUEST = 1 << 20  # bytes
_ONE_AT_A_TIME = threading.Lock()


def run(arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """What the program says, and how it ends; by SIGALRM after TIMEOUT."""
    reading, writing = os.pipe()
    request = json.dumps([*arguments, dict(env), str(cwd)]).encode()
    with _ONE_AT_A_TIME, os.fdopen(reading, encoding="utf-8") as output, _file() as errors:
        socket.send_fds(_server(), [request], [writing, errors.fileno()])
        os.close(writing)
        stdout = output.read()
        code = int(_server().recv(16))
        errors.seek(0)
        return subprocess.CompletedProcess(arguments, code, stdout, errors.read())


def _file() -> IO[str]:
    return tempfile.TemporaryFile("w+", encoding="utf-8")


@cache
def _server() -> socket.socket:
    """The way to this process's server, which ends with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-P", __file__, str(theirs.fileno())]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True
        )
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


def _serve(client: socket.socket) -> None:
    """Answer each request with the exit code of its command. Comes back in the process of a command alone."""
    for name in COMMANDS:
        import_module(f"offtracfs_cli.{name}")
    gc.freeze()
    while True:
        request, streams, _, _ = socket.recv_fds(client, MAX_REQUEST, 2)
        if not request:
            os._exit(0)
        child = os.fork()
        if not child:
            break
        for stream in streams:
            os.close(stream)
        client.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    client.close()
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
        os.close(stream)
    *arguments, environment, cwd = json.loads(request)
    sys.argv[1:] = arguments
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(":"))  # as Python does when it starts
    time.tzset()
    os.chdir(cwd)
    signal.alarm(TIMEOUT)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
    main(prog_name="offtracfs")
