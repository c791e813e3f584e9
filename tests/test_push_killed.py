"""Pushes that are killed, and answers that are lost: each change arrives once all the same."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
import trio

from offtracfs.drafts.pushing import Result
from tests.drafting import Desk
from tests.tracinstall import PASSWORD
from tests.tracservers import RealTrac

SPRING = datetime(2011, 4, 9, 21, 16, 7, tzinfo=UTC)
CHANGE = re.compile(rb"ticket\.(update|create)\b")
SETTLING = 0.5  # seconds: these servers carry out in milliseconds what they have read

# A push that ends itself by SIGKILL at a step: before and after each request, when its last byte is sent,
# when the answer begins, and before, within and after each transaction.
KILLED = """
import os, signal, sys
from contextlib import aclosing, contextmanager
from pathlib import Path
import trio
from offtracfs.database import Database
from offtracfs.drafts import opened, store
from offtracfs.drafts.pushing import Push
from offtracfs.trackers.credentials import Credentials
from offtracfs.trackers.trac import connect, http
from tests.tracclient import OnlyXml

directory, password, xml, last = sys.argv[1:]
steps = 0

def step():
    global steps
    steps += 1
    if steps == int(last):
        os.kill(os.getpid(), signal.SIGKILL)

def around(inner):
    @contextmanager
    def stepping(self):
        step()
        with inner(self):
            yield
            step()
        step()
    return stepping

store.DraftStore.transaction = around(store.DraftStore.transaction)

async def traced(name, _):
    if name in ("http11.send_request_body.complete", "http11.receive_response_headers.complete"):
        step()

inner = http.Http._once

async def once(self, method, path, request, limit):
    step()
    found = await inner(self, method, path, request | {"extensions": {"trace": traced}}, limit)
    step()
    return found

http.Http._once = once

async def main():
    database = Database(Path(directory))
    transport = OnlyXml() if xml else None
    with opened(database) as drafts, database.pushing("test"):
        tracker = await connect(database.settings.url, Credentials("admin", password), transport=transport)
        async with aclosing(tracker):
            await Push(drafts, tracker, settling=1.0).run(drafts.to_send(), lambda result: None)

trio.run(main)
"""


async def killed(desk: Desk, step: int) -> bool:
    """Push, and be killed at a step; False where the push came to its end before that."""
    xml = "xml" if desk.trac.transport else ""
    arguments = [sys.executable, "-c", KILLED, str(desk.database.path), PASSWORD, xml, str(step)]
    done = await trio.run_process(arguments, check=False, cwd=Path(__file__).parents[1])
    assert done.returncode in (0, -9)
    return done.returncode == -9


async def push_until_known(desk: Desk) -> list[Result]:
    """Push until nothing is unknown any more."""
    results: list[Result] = []
    for _ in range(5):
        results += await desk.push(settling=SETTLING)
        if all(result.fate != "unknown" for result in results[-1:]):
            break
        await trio.sleep(SETTLING)
    return results


@pytest.fixture
async def desk(tmp_path: Path, trac: RealTrac) -> Desk:
    """Somebody with a Trac of one ticket, synced."""
    trac.create("Points stick", SPRING, owner="carol")
    made = Desk(tmp_path / "db", trac)
    await made.sync()
    return made


class Count(NamedTuple):
    """What became of changes that were tried."""

    tried: int
    once: int
    doubled: int
    lost: int


def write(desk: Desk, kind: str, words: str) -> None:
    """Save a draft: a comment and an owner, an owner alone, or a new ticket."""
    if kind == "new":
        name = words.replace(" ", "-")
        desk.save_bytes(f"ticket/new-{name}.json", f'{{"summary": "{words}"}}'.encode())
    else:
        desk.change(1, words if kind == "comment" else "", owner=words)


def counted(trac: RealTrac, kind: str, tried: list[str]) -> Count:
    """How often each change has arrived."""
    if kind == "new":
        numbers = trac.call("ticket.query", "max=0&order=id")
        found = Counter(trac.call("ticket.get", number)[3]["summary"] for number in numbers)
    else:
        name = {"comment": "comment", "change": "owner"}[kind]
        found = Counter(row[4] for row in trac.call("ticket.changeLog", 1) if row[2] == name)
    times = [found[words] for words in tried]
    return Count(len(times), times.count(1), sum(many > 1 for many in times), times.count(0))


async def kill_at(desk: Desk, kind: str, steps: Iterable[int]) -> Count:
    """Write a draft, have its push killed at a step, and push again: for each step, up to the last one."""
    tried = []
    for step in steps:
        words = f"{kind} killed at {step}"
        write(desk, kind, words)
        tried.append(words)
        alive = not await killed(desk, step)
        await push_until_known(desk)
        assert desk.pending() == []
        if alive:
            break
    return counted(desk.trac, kind, tried)  # type: ignore[arg-type]


@pytest.mark.parametrize("trac", ["modern"], indirect=True)
@pytest.mark.parametrize(("kind", "steps"), [("comment", (12, 13, 15)), ("new", (8, 9, 11))])
async def test_a_push_that_is_killed_at_some_steps(desk: Desk, kind: str, steps: tuple[int, ...]) -> None:
    """Killed with the request journaled, sent, and answered: what was saved arrives once."""
    assert await kill_at(desk, kind, steps) == Count(3, 3, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("trac", ["modern", "legacy", "modern-xml", "legacy-xml"], indirect=True)
@pytest.mark.parametrize("kind", ["comment", "change", "new"])
async def test_a_push_that_is_killed_at_every_step(
    desk: Desk, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed before and after each request, within it, and around each write: all arrives once."""
    found = await kill_at(desk, kind, count(1))
    with capsys.disabled():
        sys.stdout.write(f"\n{kind}, {'XML' if desk.trac.transport else 'JSON'}: {found}\n")
    assert found.tried > 15
    assert found == Count(found.tried, found.tried, 0, 0)


class Proxy:
    """A TCP proxy to a Trac. While `drops`, it closes a connection when the answer to a change begins."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.drops = False
        self.dropped = 0
        self._changing = False

    async def serve(self, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; the port is what this starts with."""
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        task_status.started(listeners[0].socket.getsockname()[1])
        await trio.serve_listeners(self._answer, listeners)

    async def _answer(self, client: trio.SocketStream) -> None:
        server = await trio.open_tcp_stream("127.0.0.1", self._target)
        async with client, server, trio.open_nursery() as nursery:
            nursery.start_soon(self._carry, client, server, nursery.cancel_scope, False)
            nursery.start_soon(self._carry, server, client, nursery.cancel_scope, True)

    async def _carry(
        self, source: trio.SocketStream, target: trio.SocketStream, over: trio.CancelScope, answers: bool
    ) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in source:
                self._changing |= not answers and CHANGE.search(data) is not None
                if answers and self.drops and self._changing:
                    self._changing, self.dropped = False, self.dropped + 1
                    break
                await target.send_all(data)
        over.cancel()


@asynccontextmanager
async def proxied(trac: RealTrac) -> AsyncIterator[tuple[RealTrac, Proxy]]:
    """A Trac behind a proxy."""
    parts = urlsplit(trac.url)
    assert parts.port
    proxy = Proxy(parts.port)
    async with trio.open_nursery() as nursery:
        port = await nursery.start(proxy.serve)
        yield replace(trac, url=f"http://127.0.0.1:{port}{parts.path}"), proxy
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "trac",
    [
        "modern",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("legacy", "modern-xml", "legacy-xml")),
    ],
    indirect=True,
)
async def test_an_answer_that_is_lost_is_settled_by_looking(tmp_path: Path, trac: RealTrac) -> None:
    """A change that arrived without an answer is found at once, and is not sent again."""
    trac.create("Points stick", SPRING, owner="carol")
    async with proxied(trac) as (behind, proxy):
        desk = Desk(tmp_path / "db", behind)
        await desk.sync()
        proxy.drops = True
        for kind in ("comment", "change", "new"):
            write(desk, kind, f"{kind} without an answer")
            results = await push_until_known(desk)
            assert [result.fate for result in results][-1:] == ["sent"]
            assert counted(trac, kind, [f"{kind} without an answer"]) == Count(1, 1, 0, 0)
        assert proxy.dropped == 3
        assert desk.pending() == []
        assert desk.became("new-new-without-an-answer") == 2


@pytest.mark.parametrize("trac", ["modern"], indirect=True)
async def test_what_never_arrived_is_sent_again_after_the_servers_own_timeout(
    desk: Desk, trac: RealTrac
) -> None:
    """A request that was journaled and never sent is unknown for a while, and then it is sent once."""
    write(desk, "new", "never sent")
    assert await killed(desk, 8)
    results = await desk.push(settling=3600.0)
    assert [result.fate for result in results] == ["unknown"]
    (waits,) = desk.pending()
    assert waits["state"] == "sending"
    results = await desk.push(settling=0.0)
    assert [result.fate for result in results] == ["sent"]
    assert "What was sent before had not arrived." in results[0].sentences
    assert counted(trac, "new", ["never sent"]) == Count(1, 1, 0, 0)
