"""The texts of tickets on a real mount, under real programs."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
import trio

from offtracfs import records
from offtracfs.database import Database
from offtracfs.names import text_name
from tests import syncing
from tests.mounting import (
    SPRING,
    SUMMER,
    TICKETS,
    Counting,
    WithHandles,
    append,
    away,
    mounted,
    program,
    run,
    ticket,
    until,
)
from tests.textmodel import texts_of
from tests.truths import Life

pytestmark = pytest.mark.usefixtures("fuse")

LARGE = "needle in a large text\n" * 20_000


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Contents and time of each file in a folder, sizes checked."""
    found = {}
    for file in folder.iterdir():
        data, status = file.read_bytes(), file.stat()
        assert status.st_size == len(data), file
        found[file.name] = (data, int(status.st_mtime))
    return found


async def test_programs(database: Database, mnt: Path, tmp_path: Path) -> None:
    """`ls`, `cat`, `grep`, `tar` and `rsync` go through all texts, whose sizes are right."""
    names = sorted(text_name(number) for number in (*range(1, TICKETS), 20_000, 1_000_000))
    assert (await run("ls", mnt / "text")).splitlines() == names
    *_, (_, expected) = texts_of(database.store)
    assert await away(contents, mnt / "text") == {text_name(n): found for n, found in expected.items()}
    assert await run("cat", mnt / "text/7.txt") == expected[7][0].decode()
    assert await run("cat", mnt / "ticket/7.txt") == expected[7][0].decode()
    found = await run("grep", "-rnc", "shape of a ticket", mnt / "text")
    assert found.count(".txt:1\n") == len(names)
    assert await run("tar", "-C", mnt, "-cf", tmp_path / "t.tar", "text") == ""
    await run("tar", "-C", tmp_path, "-xf", tmp_path / "t.tar")
    assert await run(program("rsync"), "-nrtci", "--delete", f"{mnt}/text/", f"{tmp_path / 'text'}/") == ""


async def test_every_moment(tmp_path: Path) -> None:
    """At every revision, the mount shows the texts that git's files of that revision make."""
    life = Life(Random(7))
    database = syncing.new_database(tmp_path / "db", life)
    life.live(60, silently=True)
    await syncing.synced(database, life)
    mnt = tmp_path / "mnt"
    async with mounted(database, mnt):
        for commit, expected in texts_of(database.store):
            found = await away(contents, mnt / f"@{commit}" / "text")
            assert found == {text_name(number): text for number, text in expected.items()}


async def test_what_changes_is_seen(database: Database, mount: Counting, mnt: Path) -> None:
    """After a sync both names of a text show the new one; a new ticket has one, a deleted one has none."""
    changed = ticket(7, summary="Changed")
    log = [["2011-04-09T21:16:07", "ann", "comment", "1", "A word.", 1]]
    places = [mnt / top / "7.txt" for top in ("text", "ticket")]
    before = [await away(place.read_bytes) for place in places]
    assert before[0] == before[1]
    assert not await away((mnt / "text/5000.txt").exists)
    assert await away((mnt / "text/8.txt").exists)
    append(database, (SUMMER + 10**8, changed | ticket(5000) | {"ticket/8.json": None}))
    await until(lambda: b"Changed" in places[0].read_bytes() and b"Changed" in places[1].read_bytes())
    await until((mnt / "text/5000.txt").exists)
    await until(lambda: not (mnt / "text/8.txt").exists())
    append(database, (SUMMER + 10**8 + 1, {"changelog/7.json": records.dump(log)}))
    await until(lambda: all(b"\n    A word.\n" in place.read_bytes() for place in places))
    stand = [await away(lambda place=place: place.stat()) for place in places]
    assert stand[0].st_ino == stand[1].st_ino
    assert stand[0].st_size == len(await away(places[0].read_bytes))
    assert mount.requests["read"] < 20


async def test_two_moments(database: Database, mount: Counting, mnt: Path) -> None:
    """`diff -r` of two moments shows the tickets that changed; a text seen through two "@…" is read once."""
    append(database, (SPRING + 10**8, ticket(1)), (SPRING + 10**8 + 86_400, ticket(2, status="closed")))
    day = datetime.fromtimestamp(SPRING + 10**8, UTC)
    one, two = mnt / f"@{day:%Y-%m-%d}" / "text", mnt / "@HEAD" / "text"
    await until(lambda: one.is_dir() and b"closed" in (two / "2.txt").read_bytes())
    told = await run("diff", "-r", one, two, code=1)
    assert re.findall("^diff -r (?:.*/)(.*)$", told, re.MULTILINE) == ["2.txt"]
    assert "> Status:     closed" in told
    await run("grep", "-r", "needle", one, code=1)
    reads = mount.requests["read"]
    await run("grep", "-r", "needle", two, code=1)
    assert mount.requests["read"] == reads


@pytest.mark.parametrize(
    "command", [("grep", "-r", "nowhere"), ("ls", "-lR"), ("cp", "-r")], ids=["grep", "ls", "cp"]
)
async def test_nothing_is_listed(database: Database, tmp_path: Path, command: tuple[str, ...]) -> None:
    """`grep -r`, `ls -lR` and `cp -r` of the root ask what they asked before a text was looked at."""
    counts = []
    for looks in (False, True):
        mnt = tmp_path / "mnt"
        async with mounted(database, mnt, WithHandles) as operations:
            if looks:
                await run("ls", "-l", mnt / "text")
                await run("cat", mnt / "text/7.txt", mnt / "ticket/9.txt")
            before = operations.requests.copy()
            target = [tmp_path / f"copy-{looks}"] if command[0] == "cp" else []
            await run(*command, mnt, *target, code=command[0] == "grep")
            asked = operations.requests - before
            counts.append({name: asked[name] for name in ("lookup", "getattr", "open", "read", "opendir")})
            assert not [path for path in target if (path / "text").exists()]
    one, other = counts
    assert other.pop("getattr") <= one.pop("getattr") + 1  # of the root's own attributes
    assert other == one


async def test_a_large_text(database: Database, mount: Counting, mnt: Path) -> None:
    """A large text is made once, while other readers are answered."""
    append(database, (SUMMER + 10**8, ticket(50_000, description=LARGE)))
    file = mnt / "text/50000.txt"
    await until(file.exists)
    read: list[str] = []

    async def reads() -> None:
        read.append(await away(file.read_text))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(reads)
    assert [LARGE in text for text in read] == [True] * 3
    assert (await away(file.stat)).st_size == len(read[0])
    assert await run("grep", "-c", "needle", file) == "20000\n"
