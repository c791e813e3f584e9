"""Directories that the kernel lists by itself: nothing is asked for twice, and nothing is stale."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pyfuse3
import trio
from trio.testing import MockClock

from offtracfs.database import Database
from offtracfs.mount.listings import MAX_MISSED, Listings
from tests.mounting import AUTUMN, TICKETS, Counting, WithHandles, append, away, mounted, run, until

ASKED = ("opendir", "readdir", "lookup", "getattr")


async def asked(mount: Counting, *command: str | Path) -> Counter[str]:
    """What a command asks of the file system."""
    mount.requests.clear()
    await run(*command)
    return Counter({name: mount.requests[name] for name in ASKED if mount.requests[name]})


async def test_known_names_are_listed_by_the_kernel(mount: Counting, mnt: Path) -> None:
    """Whoever lists a directory again asks only to open it."""
    for directory in (mnt / "ticket", mnt / "@2011-04/ticket"):
        await run("ls", "-l", directory)
        for command in (["ls"], ["ls", "-l"], ["find"]):
            assert await asked(mount, *command, directory) == {"opendir": 1}


async def test_a_stock_pyfuse3_lists_anew(fuse: None, database: Database, place: Path) -> None:
    """Without the patch the kernel keeps no listing, and asks for all entries each time."""
    async with mounted(database, place, WithHandles) as mount:
        first = await asked(mount, "ls", "-l", place / "ticket")
        again = await asked(mount, "ls", "-l", place / "ticket")
        assert again["readdir"] >= first["readdir"] - 1 > 1
        assert again["lookup"] == 0


async def test_names_that_were_given_back(mount: Counting, mnt: Path) -> None:
    """When the kernel gives back many inodes, it may lack any names: so they are listed anew."""
    await run("ls", "-l", mnt / "ticket")
    moments = [f"@2011-04-10T{number // 60:02}:{number % 60:02}" for number in range(MAX_MISSED)]
    for end, expected in ((10, 0), (MAX_MISSED, 2)):
        before = mount.listings.missed
        await run("stat", *[mnt / moment for moment in moments[:end]])
        for moment in moments[:end]:
            await away(pyfuse3.invalidate_entry, pyfuse3.ROOT_INODE, moment.encode())
        await until(lambda before=before, end=end: mount.listings.missed >= before + 2 * end)
        again = await asked(mount, "ls", "-l", mnt / "ticket")
        assert again["readdir"] >= expected
        assert bool(again["readdir"]) == bool(expected)
        assert again["lookup"] == 0


async def test_names_that_are_asked_for(mount: Counting, mnt: Path) -> None:
    """When the kernel asks for many names, it does not know them: so they are listed anew."""
    await run("ls", mnt / "ticket")
    await run("stat", *[mnt / f"@2011-04/ticket/{number}.json" for number in range(1, MAX_MISSED + 10)])
    assert (await asked(mount, "ls", mnt / "ticket"))["readdir"] > 1
    assert await asked(mount, "ls", "-l", mnt / "ticket") == {"opendir": 1}


async def test_no_listing_is_stale(database: Database, mount: Counting, mnt: Path) -> None:
    """New revisions show at once to who opens a directory, to who has it open, and in all its places."""
    places = [mnt / "ticket", mnt / "@HEAD/ticket", mnt / "@2011-10/ticket"]
    expected = {f"{number}.json" for number in (*range(1, TICKETS), 20_000, 1_000_000)}
    opened = [await away(os.open, place, os.O_RDONLY) for place in places]
    try:
        for number in range(2_000, 2_003):  # all of one second: a directory's time does not tell
            for place in places:
                await run("ls", place)
            append(database, (AUTUMN + 1, {f"ticket/{number}.json": b"new\n"}))
            expected.add(f"{number}.json")
            await until((mnt / f"ticket/{number}.json").exists)
            for place, file in zip(places, opened, strict=True):
                await until(lambda place=place: {each.name for each in place.iterdir()} == expected, 3)
                assert set(await away(os.listdir, file)) == expected
    finally:
        for file in opened:
            os.close(file)


async def test_a_reader_in_the_midst_leaves_no_old_listing(database: Database, mnt: Path) -> None:
    """Who began to read before a revision goes on with what was there; the kernel keeps nothing of that."""
    entries = await away(os.scandir, mnt / "ticket")
    seen = {(await away(next, entries)).name for _ in range(10)}
    append(database, (AUTUMN + 1, {"ticket/7777.json": b"7\n", "ticket/1299.json": None}))
    await until((mnt / "ticket/7777.json").exists)
    seen |= {entry.name for entry in await away(list, entries)}
    assert "1299.json" in seen
    assert "7777.json" not in seen
    for _ in range(2):
        listed = set(await away(os.listdir, mnt / "ticket"))
        assert listed == seen - {"1299.json"} | {"7777.json"}


async def test_names_run_out(autojump_clock: MockClock) -> None:
    """Names are listed anew in time, before they are too old; a directory must have been given at all."""
    listings = Listings(10)
    assert not listings.are_known(1)
    listings.give(1)
    await trio.sleep(9)
    assert listings.are_known(1)
    await trio.sleep(1)
    assert not listings.are_known(1)
    listings.give(1)
    assert listings.are_known(1)
    listings.forget(1)
    assert not listings.are_known(1)
