"""Directories of tickets in a real mount: links for people, computed in threads, new after each sync."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import trio

from offtracfs import records
from offtracfs.database import Database
from offtracfs.index import Revision
from offtracfs.kinds.fields import of_every_trac
from offtracfs.mount import workers
from offtracfs.reports import process
from offtracfs.reports.outputs import ReportFile
from offtracfs.reports.tickets import Ticket
from offtracfs.tree import cache
from offtracfs.tree.computed import Stopped
from offtracfs.tree.queries import Queries
from tests.mounting import (
    AUTUMN,
    SPRING,
    SUMMER,
    append,
    away,
    mounted,
    new_database,
    program,
    run,
    ticket,
    until,
)
from tests.program import PROGRAM

pytestmark = pytest.mark.usefixtures("fuse")

ACTIVE = "SELECT id AS ticket, summary FROM ticket WHERE status <> 'closed' ORDER BY id DESC"
REPORTS = {
    1: {"title": "Active", "sql": ACTIVE},
    2: {"title": "Owners", "sql": "SELECT DISTINCT owner FROM ticket"},
    3: {"title": "Saved", "sql": "query:status=new&order=id"},
    4: {"title": "Elsewhere", "sql": "SELECT * FROM wiki"},
}


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """Tickets of bob's in spring, of which one is ann's from summer on; and some reports."""
    made = new_database(tmp_path / "db")
    files: dict[str, bytes | None] = {"fields.json": records.dump(of_every_trac())}
    files |= {f"report/{number}.json": records.dump(report) for number, report in REPORTS.items()}
    for number in range(1, 8):
        files |= ticket(number, owner="bob", milestone="1.0", summary=f"Crash no {number}!")
    append(made, (SPRING, files), (SUMMER, ticket(3, SUMMER, owner="ann", summary="Points")))
    return made


@pytest.fixture
def there(mount: Any, mnt: Path) -> Path:
    """Where it is mounted."""
    return mnt


def names(path: Path) -> list[str]:
    return os.listdir(path)  # noqa: PTH208  # in the order of the directory


async def test_links_for_people(there: Path) -> None:
    """Programs see the fields, the values, and the tickets as links, which lead to where the texts are."""
    assert "owner" in await run("ls", there / "by")
    assert await run("ls", there / "by/owner") == "ann\nbob\n"
    assert (await run("ls", there / "by/owner/bob")).split() == [
        f"{n}-crash-no-{n}.txt" for n in (1, 2, 4, 5, 6, 7)
    ]
    assert await run("readlink", there / "by/owner/ann/3-points.txt") == "../../../text/3.txt\n"
    assert await run("readlink", there / "@2011-05/query/id=3/3.txt") == "../../text/3.txt\n"
    assert await run("cat", there / "by/owner/ann/3.json") == await run("cat", there / "ticket/3.json")
    assert '"Crash no 3!"' in await run("cat", there / "@2011-05/by/owner/bob/3.json")
    listed = await run("ls", "-l", "--time-style=+%s", there / "by/owner/ann")
    assert listed.split()[-4:] == [str(SUMMER), "3-points.txt", "->", "../../../text/3.txt"]


async def test_in_the_order_of_the_query(there: Path) -> None:
    """A directory is listed in its query's order by whoever does not sort."""
    assert (await run("ls", "-U", there / "query/id=1-4&order=id&desc=1")).split() == [
        "4-crash-no-4.txt",
        "3-points.txt",
        "2-crash-no-2.txt",
        "1-crash-no-1.txt",
    ]


async def test_what_is_not_there(there: Path) -> None:
    """An unknown field, a value that no ticket has, and what is no query are not there."""
    for path in (
        "by/nosuch",
        "by/owner/eve",
        "by/owner/bob/3.json",
        "query/nosuch=1",
        "query/id=x",
        "report/9",
    ):
        with pytest.raises(FileNotFoundError):
            await away(os.lstat, there / path)
    assert await away(names, there / "query/id!=0&max=2&page=99") == [], "no page, and no error in the log"
    for path in ("", "@2011-05"):
        assert not {"by", "query"} & set(await away(names, there / path))


async def test_real_programs(there: Path) -> None:
    """`tree`, `fd`, `find`, `tar` and a shell's completion work in these directories."""
    shown = await run(program("tree"), "--noreport", there / "by/milestone")
    assert "1.0" in shown
    assert "2-crash-no-2.txt -> ../../../text/2.txt" in shown
    found = await run("find", there / "by", "-name", "*points*")
    assert str(there / "by/owner/ann/3-points.txt") in found.splitlines()
    assert (await run(program("fdfind"), "points", there / "by/owner")).split() == [
        str(there / "by/owner/ann/3-points.txt")
    ]
    completed = await run("bash", "-c", f"cd {there}/by/owner/bob && compgen -f 5")
    assert completed == "5-crash-no-5.txt\n"
    packed = await run("sh", "-c", f"tar -C {there}/by/owner -c . | tar -t")
    assert "./ann/3-points.txt" in packed.split()


async def test_new_after_a_sync(database: Database, there: Path) -> None:
    """What a sync brings is shown, though all of it was looked at before: values, tickets, names."""
    for path in ("by/owner", "by/owner/bob", "by/owner/ann", "query/owner=bob", "@HEAD/by/owner"):
        await run("ls", "-l", there / path)
    assert not await away((there / "by/owner/eve").exists)
    await away(append, database, (AUTUMN, ticket(4, AUTUMN, owner="eve", summary="Mine")))
    for at in ("", "@HEAD"):
        await until(lambda at=at: names(there / at / "by/owner") == ["ann", "bob", "eve"])
        await until(lambda at=at: names(there / at / "by/owner/eve") == ["4-mine.txt"])
        await until(lambda at=at: "4-crash-no-4.txt" not in names(there / at / "query/owner=bob"))
        await until(lambda at=at: not os.path.lexists(there / at / "by/owner/bob/4-crash-no-4.txt"))
    assert await away(names, there / "@HEAD~1/by/owner") == ["ann", "bob"]
    assert "4-crash-no-4.txt" in await run("ls", there / "@2011-08/by/owner/bob")


async def test_a_settled_past_is_kept(database: Database, place: Path) -> None:
    """Where nothing can change any more, the kernel asks for each name once."""
    state = database.state()
    state.settled = AUTUMN
    database.save(state)
    async with mounted(database, place) as operations:
        await until(lambda: operations.tree.settled == AUTUMN)
        for expected in (True, False, False):
            operations.requests.clear()
            await run("stat", "-c", "%N", place / "@2011-05/by/owner/bob/3-crash-no-3.txt")
            assert bool(operations.requests["lookup"]) == expected


class Slow:
    """Makes queries about `slow` wait in their thread until they are let go, or nobody waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[str] = []
        self.stopped: list[str] = []
        self.go = Event()
        answer = Queries.answer

        def slowly(kind: Queries, question: str, revision: Revision, stopped: Stopped) -> Any:
            if "slow" in question:
                self.begun.append(question)
                while not self.go.wait(0.02):
                    if stopped():
                        self.stopped.append(question)
                        return []
            return answer(kind, question, revision, stopped)

        monkeypatch.setattr(Queries, "answer", slowly)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    return Slow(monkeypatch)


async def test_the_mount_answers_meanwhile(database: Database, there: Path, slow: Slow) -> None:
    """A slow query holds up nobody else, in the same directory neither, nor what a sync brings."""
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(run, "ls", there / "query/summary~=slow")
        await until(lambda: slow.begun)
        assert "3-points.txt" in await run("ls", there / "query/owner=ann")
        assert "Points" in await run("cat", there / "ticket/3.json")
        await away(append, database, (AUTUMN, ticket(9, AUTUMN, owner="eve", summary="New")))
        await until(lambda: names(there / "query/owner=eve") == ["9-new.txt"])
        await until((there / "ticket/9.json").exists)
        slow.go.set()
    assert len(slow.begun) <= 2, "once for all who wait, and once more where there was a new revision"


async def test_killed_readers_are_gone(there: Path, slow: Slow) -> None:
    """Who is killed while waiting is gone soon, and so is the work that nobody waits for any more."""
    texts = [f"summary~=slow{number}" for number in range(workers.MAX_THREADS + 2)]
    readers = [await away(subprocess.Popen, ["ls", there / "query" / text]) for text in texts]
    await until(lambda: len(slow.begun) == workers.MAX_THREADS)
    assert "Points" in await run("cat", there / "ticket/3.json")
    for reader in readers:
        reader.kill()
    await until(lambda: all(reader.poll() == -signal.SIGKILL for reader in readers))
    await until(lambda: len(slow.stopped) == len(slow.begun))
    slow.go.set()
    assert "3-points.txt" in await run("ls", there / "query/owner=ann")


async def test_side_by_side(database: Database, there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Directories that are read side by side are computed once each, even where only one can be kept."""
    many: dict[str, bytes | None] = {}
    for number in range(100, 3_100):
        many |= ticket(number, owner="crowd", summary=f"One of many tickets, no {number}")
    await away(append, database, (AUTUMN, many))
    await until((there / "ticket/3000.json").exists)
    monkeypatch.setattr(cache, "MAX_BYTES", 1)
    computed: list[str] = []
    answer = Queries.answer

    def counted(kind: Queries, question: str, *rest: Any) -> Any:
        computed.append(question)
        return answer(kind, question, *rest)

    monkeypatch.setattr(Queries, "answer", counted)
    paths = [there / f"query/owner=crowd&order={order}" for order in ("id", "time")]

    def read() -> list[int]:
        with os.scandir(paths[0]) as first, os.scandir(paths[1]) as second:
            return [
                len({entry.name for entry in each})
                for each in zip(*zip(first, second, strict=True), strict=True)
            ]

    assert await away(read) == [3_000, 3_000]
    assert len(computed) == 2


async def test_the_mount_ends_meanwhile(
    database: Database, place: Path, slow: Slow, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever waits gets an error, and the mount ends at once."""
    async with mounted(database, place), trio.open_nursery() as nursery:
        nursery.start_soon(partial(run, "ls", place / "query/summary~=slow", code=2))
        await until(lambda: slow.begun)
        os.kill(os.getpid(), signal.SIGTERM)
    assert "The mount ends." in caplog.text
    await until(lambda: slow.stopped)
    caplog.clear()


async def test_an_error_is_that_of_one_call(
    there: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug in a thread costs the call that waited, with a traceback in the log."""

    def fail(*_: Any) -> Sequence[Ticket]:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Queries, "answer", fail)
    with pytest.raises(OSError, match="Input/output error") as caught:
        await away(os.listdir, there / "query/owner=bob")
    assert caught.value.errno == errno.EIO
    assert "ZeroDivisionError: a bug" in caplog.text
    assert await away(names, there / "by/owner") == ["ann", "bob"]
    caplog.clear()


async def test_tickets_of_reports(database: Database, place: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A report's tickets are links in its order, once each; it runs in a process, when it is entered."""
    asked: list[ReportFile] = []

    def command(report: ReportFile) -> list[str]:
        asked.append(report)
        started = [*PROGRAM, "--db", str(database.path)]
        return process.command(started, report.report, report.suffix, report.commit)

    async with mounted(database, place, command=command):
        await run("stat", place / "report/1")
        assert await run("ls", place / "report") == "1.json\n2.json\n3.json\n4.json\n"
        assert asked == []
        assert (await away(names, place / "report/1"))[-2:] == ["2-crash-no-2.txt", "1-crash-no-1.txt"]
        assert await run("readlink", place / "report/1/3.txt") == "../../text/3.txt\n"
        assert (await away(names, place / "report/3"))[2] == "3-points.txt"
        assert (await away(names, place / "@2011-05/report/3"))[2] == "3-crash-no-3.txt"
        assert len(asked) == 3
        for number in (2, 4):
            with pytest.raises(OSError, match="Invalid argument"):
                await away(os.listdir, place / f"report/{number}")
    assert "Report 2 lists no tickets" in caplog.text
    assert "wiki" in caplog.text
    caplog.clear()


@pytest.mark.parametrize("count", [8_000, pytest.param(20_000, marks=pytest.mark.slow)])
async def test_the_event_loop_goes_on(database: Database, there: Path, count: int) -> None:
    """While many thousand tickets are listed, the event loop is never held up for long."""
    many: dict[str, bytes | None] = {}
    for number in range(100, 100 + count):
        many |= ticket(number, owner="crowd", summary=f"One of very many tickets, no {number}")
    await away(append, database, (AUTUMN, many))
    await until((there / f"ticket/{count}.json").exists)
    turns, done = 0, False

    async def list_all() -> None:
        nonlocal done
        assert len(await away(names, there / "by/owner/crowd")) == count
        done = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(list_all)
        while not done:
            turns += 1
            await trio.sleep(0.001)
    assert turns > 20, "else it was done in the event loop"
