"""What a real mount shows while its database changes, breaks and comes back."""

from __future__ import annotations

import errno
import logging
import os
import random
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyfuse3
import pytest
import trio

from offtracfs import index
from offtracfs.database import Database
from offtracfs.index.opening import LINK
from offtracfs.reports.outputs import Outputs
from offtracfs.tree import Tree
from tests.mounting import (
    AUTUMN,
    TICKETS,
    Counting,
    append,
    away,
    damage,
    materialise,
    mounted,
    run,
    until,
    walk,
)

pytestmark = pytest.mark.usefixtures("fuse")


def shows(path: Path, contents: bytes | None) -> bool:
    try:
        return path.read_bytes() == contents
    except FileNotFoundError:
        return contents is None


async def test_new_state_appears(database: Database, mount: Counting, mnt: Path) -> None:
    """What another process publishes is seen: what changed, came and went, and the folders' times."""
    changes: dict[str, bytes | None] = {
        "ticket/1.json": b"newest\n",
        "ticket/3.json": None,
        "ticket/50.json": b"[]\n",
        "changelog/50.json": b"born\n",
        "field/resolution/fixed.json": b"1\n",
        "field/component/ui.json": None,
    }
    await run("ls", "-lR", mnt)
    for path, contents in changes.items():
        assert not await away(shows, mnt / path, contents), path
    opened = await away((mnt / "ticket/1.json").open)
    append(database, (AUTUMN + 100, changes))
    for path, contents in changes.items():
        await until(partial(shows, mnt / path, contents))
        await until(partial(shows, mnt / "@HEAD" / path, contents))
    assert (await away(os.stat, mnt / "ticket")).st_mtime == AUTUMN + 100
    assert "resolution" in await run("ls", mnt / "field")
    assert (await away(os.stat, mnt / "field")).st_nlink == 4
    assert await away(opened.read) == "[1, 2]\n"
    opened.close()
    assert await run("cat", mnt / "@2011-07/ticket/1.json") == "[1, 2]\n"


async def test_new_directories_appear(database: Database, mnt: Path) -> None:
    """A directory that the kernel knows to be missing is seen when it comes, at the top and further down."""
    paths = ("wiki/Sub/Page.json", "field/a/b/x.json")
    for path in paths:
        for part in (mnt / path.split("/")[0], (mnt / path).parent.parent, (mnt / path).parent, mnt / path):
            await away(part.exists)
    append(database, (AUTUMN + 100, dict.fromkeys(paths, b"new\n")))
    for path in paths:
        await until(partial(shows, mnt / path, b"new\n"))
    assert "wiki" in await run("ls", mnt)
    assert await run("ls", mnt / "field/a") == "b\n"
    append(database, (AUTUMN + 101, dict.fromkeys(paths)))
    await until(lambda: not (mnt / "wiki").exists() and not (mnt / "field/a").exists())


async def test_moving_periods_follow_and_settled_ones_stay(database: Database, mnt: Path) -> None:
    """A period that still may change follows a sync, though the kernel has kept what it showed."""
    late = int(datetime.now(UTC).timestamp())
    year = f"@{datetime.now(UTC):%Y}"
    assert await run("cat", mnt / year / "ticket/2.json", mnt / "@2011/ticket/2.json") == "again\nagain\n"
    append(database, (late, {"ticket/2.json": b"late\n"}))
    await until(partial(shows, mnt / year / "ticket/2.json", b"late\n"))
    assert await run("cat", mnt / "@2011/ticket/2.json") == "again\n"
    assert f"{datetime.now(UTC):%Y-}" in await run("ls", mnt / "@")


async def test_counting_back_from_the_head(database: Database, mnt: Path) -> None:
    """Each new revision moves `@HEAD~1` by one, to what changed the time before; listings, too."""
    back = mnt / "@HEAD~1/ticket"
    assert await run("cat", back / "1.json") == "[1, 2]\n"
    assert not await away((back / "50001.json").exists)
    assert "50001.json" not in await run("ls", "-l", back)
    append(database, (AUTUMN + 1, {"ticket/1.json": b"first\n", "ticket/50001.json": b"born\n"}))
    await until(partial(shows, mnt / "ticket/1.json", b"first\n"))
    await run("ls", "-l", back)
    assert await run("cat", back / "1.json") == "[1, 2]\n"
    append(database, (AUTUMN + 2, {"ticket/2.json": None}))
    await until(partial(shows, back / "1.json", b"first\n"))
    await until(partial(shows, back / "50001.json", b"born\n"))
    assert "50001.json" in await run("ls", "-l", back)
    append(database, (AUTUMN + 3, {"ticket/3.json": b"third\n"}))
    await until(partial(shows, back / "2.json", None))


async def test_listing_is_stable_while_a_sync_lands(database: Database, mnt: Path) -> None:
    """A folder that is being read shows the state it was opened at; whoever looks next sees the new one."""
    expected = {f"{number}.json" for number in (*range(1, TICKETS), 20_000, 1_000_000)}

    def begin() -> tuple[Any, set[str]]:
        entries = os.scandir(mnt / "ticket")
        return entries, {next(entries).name for _ in range(10)}

    entries, seen = await away(begin)
    changes: dict[str, bytes | None] = {f"ticket/{number}.json": b"new\n" for number in range(5, 1_200)}
    append(database, (AUTUMN + 9, changes | {"ticket/1299.json": None, "ticket/7777.json": b"7\n"}))
    await until(partial(shows, mnt / "ticket/7777.json", b"7\n"))
    seen |= {entry.name for entry in await away(list, entries)}
    assert seen == expected
    for number in (5, 600, 1_199):
        assert await run("cat", mnt / f"ticket/{number}.json") == "new\n"
    assert await run("cat", mnt / "ticket/1299.json", code=1)
    assert await away(os.path.exists, mnt / "ticket/7777.json")


async def test_large_sync_leaves_the_mount_responsive(database: Database, mnt: Path) -> None:
    """While the kernel is told of many thousand names, questions are still answered at once."""
    await run("ls", "-lR", mnt)
    many: dict[str, bytes | None] = {f"ticket/{number}.json": b"many\n" for number in range(1, 20_000)}
    append(database, (AUTUMN + 9, many))
    slowest = 0.0
    with trio.fail_after(30):
        while not await away(shows, mnt / "ticket/19999.json", b"many\n"):
            began = trio.current_time()
            await away(os.stat, mnt / f"@HEAD~{int(began * 1e6) % 3}")
            slowest = max(slowest, trio.current_time() - began)
    assert slowest < 1
    await until(partial(shows, mnt / "ticket/1.json", b"many\n"))


@pytest.mark.parametrize("revisions", [12, pytest.param(30, marks=pytest.mark.slow)])
async def test_syncs_amid_readers_leave_nothing_stale(
    database: Database, mnt: Path, tmp_path: Path, revisions: int
) -> None:
    """After many revisions while others went through the whole mount, it shows what git holds."""
    chance = random.Random(42)
    commands = (f"grep -r x {mnt}", f"ls -lR {mnt}", f"find {mnt}/@HEAD/ -newermt 2012-01-01")

    async def read_on(command: str) -> None:
        while True:  # a file may go while it is being looked at: what is said about that is of no interest
            quiet = partial(trio.run_process, check=False, capture_stdout=True, capture_stderr=True)
            await quiet(command.split())

    async with trio.open_nursery() as nursery:
        for command in commands:
            nursery.start_soon(read_on, command)
        for moment in range(AUTUMN + 1, AUTUMN + 1 + revisions):
            paths = [f"ticket/{chance.randrange(1, 2 * TICKETS)}.json" for _ in range(50)]
            contents = [chance.choice([None, b"%d\n" % moment]) for _ in paths]
            await away(append, database, (moment, dict(zip(paths, contents, strict=True))))
        nursery.cancel_scope.cancel()
    expected = materialise(database, "main", tmp_path / "git")
    for place in (mnt, mnt / "@HEAD"):
        await until(lambda place=place: walk(place) == expected)


async def test_damaged_object_is_an_error_of_its_files(
    database: Database, mnt: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file whose git object is damaged gives EIO, the same each time; all others can be read."""
    damage(database, b"again\n")
    for _ in range(2):
        with pytest.raises(OSError) as caught:  # noqa: PT011
            await away((mnt / "ticket/2.json").read_bytes)
        assert caught.value.errno == errno.EIO
    assert "cannot be read" in caplog.text
    assert await run("cat", mnt / "ticket/1.json") == "[1, 2]\n"
    assert (await away(os.stat, mnt / "ticket/2.json")).st_size == 6


class Failing(Counting):
    """Operations whose tree has a bug."""

    def __init__(self, tree: Tree, outputs: Outputs) -> None:
        super().__init__(tree, outputs)
        tree.file = tree.read = tree.entries = self.fail  # type: ignore[method-assign,assignment]
        lookup = tree.lookup_in
        tree.lookup_in = lambda at, name: self.fail() if name == "3.json" else lookup(at, name)  # type: ignore[assignment,method-assign]

    def fail(self, *_: Any) -> Any:
        raise ZeroDivisionError("a bug")


async def test_bug_costs_one_call(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A handler that fails unexpectedly costs that call, which gives EIO, and a traceback in the log."""
    mnt = tmp_path / "mnt"
    async with mounted(database, mnt, Failing):
        for call in (
            partial(os.stat, mnt / "ticket/3.json"),
            (mnt / "db.json").read_bytes,
            partial(os.listdir, mnt),
        ):
            caplog.clear()
            with pytest.raises(OSError) as caught:  # noqa: PT011
                await away(call)
            assert caught.value.errno == errno.EIO
            assert "ZeroDivisionError: a bug" in caplog.text
            assert {record.levelno for record in caplog.records} == {logging.ERROR}
        assert (await away(os.stat, mnt / "ticket/4.json")).st_size == 13


async def test_rebuilt_index_is_gone_over_to(database: Database, mnt: Path) -> None:
    """When the index is built anew and swapped in, the mount goes on and sees what comes after."""
    before = await away(os.stat, mnt / "ticket/1.json")
    index.rebuild(database.path, database.store)
    append(database, (AUTUMN + 9, {"ticket/2.json": b"after\n"}))
    await until(partial(shows, mnt / "ticket/2.json", b"after\n"))
    assert (await away(os.stat, mnt / "ticket/1.json")).st_ino == before.st_ino
    assert await run("cat", mnt / "@2011-05/ticket/1.json") == '[1,"needle"]\n'


async def test_damaged_index_is_got_over(database: Database, mount: Counting, mnt: Path) -> None:
    """With a damaged index calls fail with EIO, and once it has been built anew they do not."""
    file = (database.path / LINK).resolve()
    intact = file.stat().st_size
    with file.open("r+b") as stream:
        stream.write(b"garbage " * (intact // 8))
    file.with_name(file.name + "-wal").write_bytes(b"")

    def fails() -> bool:
        try:
            list((mnt / "report").iterdir())
        except OSError as error:
            return error.errno == errno.EIO
        return False

    await until(fails)
    with database.writing("a test"):
        database.catch_up()
    await until(lambda: not fails())
    assert await run("cat", mnt / "ticket/2.json") == "again\n"


async def test_vanished_database_does_not_end_the_mount(
    database: Database, mount: Counting, mnt: Path
) -> None:
    """While the database's directory is away the mount answers; when it is back, what is new is seen."""
    away_path = database.path.with_name("elsewhere")
    database.path.rename(away_path)
    await run("ls", "-lR", mnt)
    away_path.rename(database.path)
    append(database, (AUTUMN + 9, {"ticket/2.json": b"back\n"}))
    await until(partial(shows, mnt / "ticket/2.json", b"back\n"))


async def test_forgotten_trees_cost_nothing(mount: Counting, mnt: Path) -> None:
    """What is known of hundreds of visited trees is let go of when the kernel forgets them."""
    few = len(mount.inodes)
    names = [f"@2011-04-10T{minute // 60:02}:{minute % 60:02}" for minute in range(400)]

    def visit() -> list[int]:  # held open: the kernel may not forget them before it shall
        return [os.open(mnt / name / "ticket", os.O_PATH) for name in names]

    def leave(opened: list[int]) -> None:
        for file in opened:
            os.close(file)
        for name in names:
            with suppress(FileNotFoundError):
                pyfuse3.invalidate_entry(pyfuse3.ROOT_INODE, name.encode())

    opened = await away(visit)
    assert len(mount.inodes) >= few + 2 * len(names)
    await away(leave, opened)
    await until(lambda: len(mount.inodes) <= few + 10)


async def test_many_readers_at_once(mnt: Path) -> None:
    """Hundreds of readers at once each get what they asked for."""
    numbers = range(3, 403)
    got: Counter[bytes] = Counter()
    limiter = trio.CapacityLimiter(len(numbers))

    async def read(number: int) -> None:
        path = mnt / ("" if number % 2 else "@2011-05") / f"ticket/{number}.json"
        got[await trio.to_thread.run_sync(path.read_bytes, limiter=limiter)] += 1

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            for number in numbers:
                nursery.start_soon(read, number)
    assert got == Counter(b'[%d,"needle"]\n' % number for number in numbers)


def held_open() -> list[str]:
    """The files that this process has open or mapped."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [*(str(link.readlink()) for link in links), *Path("/proc/self/maps").read_text().splitlines()]


async def test_replaced_packs_are_let_go(database: Database, mnt: Path) -> None:
    """After a repack and the next revision, no file is held open that is not there any more."""
    assert await run("cat", mnt / "ticket/2.json") == "again\n"
    for number in range(3):
        append(database, (AUTUMN + number, {"ticket/2.json": b"%d\n" % number}))
        await until(partial(shows, mnt / "ticket/2.json", b"%d\n" % number))
        database.store.maintain(packs=0)
    append(database, (AUTUMN + 9, {"ticket/2.json": b"last\n"}))
    await until(partial(shows, mnt / "ticket/2.json", b"last\n"))
    assert not [line for line in await away(held_open) if str(database.path) in line and "(deleted)" in line]
