"""A real mount in which tickets are saved: what is kept, what is shown of it, and what nobody can write."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyfuse3
import pytest

from offtracfs.mount.fuse import Operations
from offtracfs.mount.writing import NO_FLUSH
from tests.drafting import drafts_of
from tests.mounting import away, run, until, walk
from tests.program import PROGRAM
from tests.saving import Site, shows

JSON, TEXT, OTHER = "ticket/1.json", "text/1.txt", "ticket/1.txt"
OWNER = b'"owner":"carol"', b'"owner":"bob"'
OWNER_IN_TEXT = b"Owner:      carol", b"Owner:      bob"


def replaced(path: Path, old: bytes, new: bytes) -> None:
    """Write a file in place with other words in it."""
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))


def names_in(folder: Path) -> list[str]:
    """What a directory lists, in order."""
    return sorted(path.name for path in folder.iterdir())


def refused(function: Callable[..., Any], *arguments: Any) -> int:
    """The number of the error that a call fails with."""
    with pytest.raises(OSError) as caught:  # noqa: PT011  # the number is looked at
        function(*arguments)
    assert caught.value.errno is not None
    return caught.value.errno


@asynccontextmanager
async def driven(database: Path, place: Path) -> AsyncIterator[None]:
    """A writable mount that a process of its own serves."""
    await run(*PROGRAM, "--db", database, "mount", "--write", "--no-sync", place)
    try:
        yield
    finally:
        await run(*PROGRAM, "umount", place)


async def test_a_save_is_shown_in_each_form_at_once(site: Site) -> None:
    """What is saved in one form of a ticket stands in the other ones, too, which were read before."""
    for path in (JSON, TEXT, OTHER):
        assert b"carol" in await away((site.mnt / path).read_bytes)
    await away(replaced, site.mnt / JSON, *OWNER)
    assert site.draft() == ({"owner": "bob"}, "")
    assert OWNER[1] in await away((site.mnt / JSON).read_bytes)
    for path in (TEXT, OTHER):
        await shows(site.mnt / path, "Owner:      bob")
    same = [(await away((site.mnt / path).stat)).st_ino for path in (TEXT, OTHER)]
    assert same[0] == same[1]
    await away(replaced, site.mnt / TEXT, b"Keywords:   rain", b"Keywords:   rain, snow")
    assert site.draft() == ({"owner": "bob", "keywords": "rain, snow"}, "")


async def test_nothing_else_sees_what_is_saved(site: Site) -> None:
    """Before, during and after a save every other name shows the tracker, with the same inodes and times."""

    def seen() -> Any:
        places = [site.mnt / at for at in ("@HEAD", "@2019-04-10", "@2019-04-09", "changelog")]
        return [
            [
                (str(path), path.read_bytes(), path.stat()[:10])
                for path in sorted(place.rglob("*.*"))
                if path.is_file()
            ]
            for place in places
        ] + [sorted(path.name for path in (site.mnt / "by/owner/carol").iterdir())]

    def write(before: Any) -> None:
        with (site.mnt / JSON).open("r+b") as file:
            file.write(b"[1,")
            file.flush()
            assert seen() == before
            file.seek(0)
            file.write((site.mnt / "@HEAD" / JSON).read_bytes().replace(*OWNER))
            file.truncate()

    before = await away(seen)
    await away(write, before)
    assert site.draft() == ({"owner": "bob"}, "")
    assert await away(seen) == before


async def test_a_draft_has_a_number_of_its_own_for_ever(site: Site, place: Path) -> None:
    """A draft's inode and time stay in another mount; an opened one is read to its end."""

    def saved_twice() -> os.stat_result:
        replaced(site.mnt / JSON, *OWNER)
        first = (site.mnt / JSON).stat()
        with (site.mnt / JSON).open("rb") as opened:
            replaced(site.mnt / JSON, b'"owner":"bob"', b'"owner":"dora"')
            second = (site.mnt / JSON).stat()
            assert b'"owner":"bob"' in opened.read()
            assert os.fstat(opened.fileno()).st_ino == first.st_ino != second.st_ino
        return second

    second = await away(saved_twice)
    async with driven(site.database.path, place):
        again = await away((place / JSON).stat)
    assert (again.st_ino, again.st_mtime, again.st_size) == (second.st_ino, second.st_mtime, second.st_size)


async def test_listings_have_drafts_in_their_places(site: Site) -> None:
    """`ls` gives the names that it always gave, with the sizes and inodes of drafts."""
    names = [await away(names_in, site.mnt / top) for top in ("", "ticket", "text")]
    await away(replaced, site.mnt / TEXT, *OWNER_IN_TEXT)
    await away((site.mnt / "ticket/x.tmp").touch)
    await away((site.mnt / "ticket/new-x.json").write_bytes, b'{"summary":"x"}')
    assert [await away(names_in, site.mnt / top) for top in ("", "ticket", "text")] == names

    def listed(top: str) -> None:
        with os.scandir(site.mnt / top) as entries:
            for entry in entries:
                found = Path(entry.path).stat()
                assert (entry.inode(), entry.stat().st_size) == (found.st_ino, found.st_size)
                assert found.st_size == len(Path(entry.path).read_bytes())

    await away(listed, "ticket")
    await away(listed, "text")


async def test_pending_leads_to_what_waits(site: Site) -> None:
    """`pending` has a link for each draft, also one that another process made, and is not listed."""
    assert await away(names_in, site.mnt / "pending") == []
    await away(replaced, site.mnt / JSON, *OWNER)
    await away((site.mnt / "text/new-bridge.txt").write_bytes, b"#new Bridge closed\n")
    with drafts_of(site.database) as drafts:
        drafts.change("2", {"owner": "bob"}, "", "")
    await until(lambda: len(names_in(site.mnt / "pending")) == 3)
    assert await away(names_in, site.mnt / "pending") == ["1.txt", "2.txt", "new-bridge.txt"]
    assert "bob" in await away((site.mnt / "pending/2.txt").read_text)
    assert "bob" in await away((site.mnt / "pending/2.json").read_text)
    assert "Bridge" in await away((site.mnt / "pending/new-bridge.txt").read_text)
    assert "pending" not in await away(names_in, site.mnt)
    assert not await away((site.mnt / "@HEAD/pending").exists)


async def test_another_process_may_take_a_draft_back(site: Site) -> None:
    """A draft that is discarded elsewhere is gone from every name within moments."""
    await away(replaced, site.mnt / JSON, *OWNER)
    with drafts_of(site.database) as drafts:
        drafts.store.becomes(drafts.standing()["1"], "discarded")
    for path, word in ((JSON, OWNER[0].decode()), (TEXT, "Owner:      carol")):
        await shows(site.mnt / path, word)
    assert (await away(walk, site.mnt))[JSON] == (await away(walk, site.mnt / "@HEAD"))[JSON]


async def test_what_somebody_else_changes_comes_beneath(site: Site) -> None:
    """A sync brings the tracker's changes into the text of a draft; the inode is another one then."""
    await away(replaced, site.mnt / TEXT, *OWNER_IN_TEXT)
    before = await away((site.mnt / TEXT).stat)
    await site.changes(1, priority="minor")
    await shows(site.mnt / TEXT, "Owner:      bob", "Priority:   minor")
    assert (await away((site.mnt / TEXT).stat)).st_ino != before.st_ino
    await site.changes(1, owner="dora")
    await shows(site.mnt / TEXT, "==== Conflict: Owner: the tracker has dora, yours is bob")


# What is refused


@pytest.mark.parametrize("form", [JSON, TEXT])
async def test_what_cannot_be_a_draft_is_refused_at_close(site: Site, form: str) -> None:
    """A text with a mistake fails with EINVAL when it is closed; its reason then stands in `1.error`."""
    assert not await away((site.mnt / "ticket/1.error").exists)
    data = (await away((site.mnt / form).read_bytes)).replace(b"carol", b"bob").replace(b"major", b"mayor")
    assert b"mayor" in data

    def write() -> int:
        file = os.open(site.mnt / form, os.O_WRONLY | os.O_TRUNC)
        os.write(file, data)
        os.fsync(file)
        return refused(os.close, file)

    assert await away(write) == errno.EINVAL
    assert b"carol" in await away((site.mnt / form).read_bytes), "the ticket is as it was"
    reason = await away((site.mnt / "ticket/1.error").read_text)
    assert "mayor" in reason
    assert reason == site.refusal()
    with drafts_of(site.database) as drafts:
        last = drafts.store.last_saved("1")
    assert last
    assert last.raw == data
    await away(replaced, site.mnt / form, b"carol", b"bob")
    assert not await away((site.mnt / "ticket/1.error").exists)
    assert "1.error" not in await away(names_in, site.mnt / "ticket")


async def test_what_cannot_be_a_draft_is_refused_at_rename(site: Site) -> None:
    """A file with a mistake cannot be renamed over a ticket, and stays where it is."""
    for name, data in (("wrong", b"{}"), ("empty", b""), ("zeros", b"\0" * 400)):
        await away((site.mnt / "ticket" / name).write_bytes, data)
        assert await away(refused, os.rename, site.mnt / "ticket" / name, site.mnt / JSON) == errno.EINVAL
        assert await away((site.mnt / "ticket" / name).read_bytes) == data
    assert site.draft() == ({}, "")


async def test_a_line_that_begins_no_ticket_is_refused_at_once(site: Site) -> None:
    """A shell's `echo` is told of its mistake, though it does not look at what closing says."""
    for words in ("echo hello >1.json", "echo >1.json", "echo >1.txt"):
        said = await run("bash", "-c", words, cwd=site.mnt / "ticket", code=1)
        assert "write error: Invalid argument" in said
    assert site.draft() == ({}, "")


@pytest.mark.parametrize(
    "words",
    [
        ": >1.json",
        "cat /dev/null >1.json",
        "truncate -s 0 1.json",
        f'{sys.executable} -c \'open("1.json", "w").truncate(4000)\'',
    ],
)
async def test_an_empty_file_is_no_draft(site: Site, words: str) -> None:
    """A ticket that is made empty, or filled with zeros, is as it was; nothing is refused or kept."""
    before = await away((site.mnt / JSON).read_bytes)
    await run("bash", "-c", words, cwd=site.mnt / "ticket")
    assert await away((site.mnt / JSON).read_bytes) == before
    assert (site.draft(), site.refusal()) == (({}, ""), "")


WRITES: dict[str, tuple[int, Callable[[Path], Any]]] = {
    "in the past": (errno.EROFS, lambda mnt: (mnt / "@HEAD/ticket/1.json").write_bytes(b"x")),
    "appended in the past": (errno.EROFS, lambda mnt: (mnt / "@2019/text/1.txt").open("ab")),
    "created in the past": (errno.EROFS, lambda mnt: (mnt / "@HEAD/ticket/x").touch()),
    "deleted in the past": (errno.EROFS, lambda mnt: (mnt / "@HEAD/ticket/1.json").unlink()),
    "renamed into the past": (
        errno.EROFS,
        lambda mnt: (mnt / "ticket/1.json").rename(mnt / "@HEAD/ticket/2.json"),
    ),
    "change log": (errno.EROFS, lambda mnt: (mnt / "changelog/1.json").write_bytes(b"x")),
    "root": (errno.EROFS, lambda mnt: (mnt / "x").touch()),
    "report": (errno.EROFS, lambda mnt: (mnt / "fields.json").write_bytes(b"x")),
    "ticket deleted": (errno.EPERM, lambda mnt: (mnt / "ticket/1.json").unlink()),
    "text deleted": (errno.EPERM, lambda mnt: (mnt / "text/1.txt").unlink()),
    "ticket renamed": (errno.EPERM, lambda mnt: (mnt / "ticket/1.json").rename(mnt / "ticket/x")),
    "ticket over another": (errno.EPERM, lambda mnt: (mnt / "ticket/1.json").rename(mnt / "ticket/2.json")),
    "ticket made": (errno.EPERM, lambda mnt: (mnt / "ticket/77.json").touch()),
    "refusal made": (errno.EPERM, lambda mnt: (mnt / "ticket/77.error").touch()),
    "mode of a ticket": (errno.EPERM, lambda mnt: (mnt / "ticket/1.json").chmod(0o600)),
    "time of a ticket": (errno.EPERM, lambda mnt: os.utime(mnt / "ticket/1.json")),
    "too long a name": (errno.ENAMETOOLONG, lambda mnt: (mnt / "ticket" / ("x" * 256)).touch()),
    "too large": (errno.EINVAL, lambda mnt: os.truncate(os.open(mnt / JSON, os.O_WRONLY), 17 << 20)),
    "directory": (errno.ENOSYS, lambda mnt: (mnt / "ticket/x").mkdir()),
    "no such file": (errno.ENOENT, lambda mnt: (mnt / "ticket/x").rename(mnt / "ticket/1.json")),
}


@pytest.mark.parametrize(("number", "write"), WRITES.values(), ids=WRITES)
async def test_what_nobody_can_write(site: Site, number: int, write: Callable[[Path], Any]) -> None:
    """The past and all that is no ticket is read-only; tickets cannot be made, deleted or renamed."""
    assert await away(refused, write, site.mnt) == number
    assert not site.operations.overlay.tickets


async def test_deleting_everything_deletes_nothing(site: Site) -> None:
    """`rm -rf` of the tickets takes scratch files away at most."""
    before = await away(walk, site.mnt)
    await run("rm", "-rf", site.mnt / "ticket", site.mnt / "text", code=1)
    assert await away(walk, site.mnt) == before


# Scratch files


async def test_scratch_files_are_files(site: Site) -> None:
    """Any other name is a file as on any disk, but unlisted: it is renamed, and deleted while open."""
    path, other = site.mnt / "ticket/.1.json.swp", site.mnt / "text/~x ä"

    def use() -> None:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o640))
        assert path.stat().st_mode & 0o777 == 0o640
        path.write_bytes(b"swap")
        path.chmod(0o600)
        os.utime(path, (1, 2))
        found = path.stat()
        assert (found.st_mode & 0o777, found.st_size, found.st_atime, found.st_mtime) == (0o600, 4, 1, 2)
        with path.open("r+b") as file:
            path.rename(other)
            assert not path.exists()
            file.write(b"S")
            file.flush()
            assert other.read_bytes() == b"Swap"
            other.unlink()
            file.seek(0)
            assert file.read() == b"Swap"
        assert not other.exists()
        assert refused(path.unlink) == errno.ENOENT
        with path.open("xb"):
            assert refused(path.open, "xb") == errno.EEXIST
        assert path.name not in names_in(site.mnt / "ticket")

    await away(use)


async def test_scratch_files_outlive_the_mount(site: Site, tmp_path: Path, place: Path) -> None:
    """What a program left is there after a kill, also what was being written to a ticket."""
    await away((site.mnt / "ticket/.1.json.swp").write_bytes, b"swap")
    file = await away(os.open, site.mnt / JSON, os.O_WRONLY | os.O_TRUNC)
    await away(os.write, file, b"[1, half of it")
    shutil.copytree(site.database.path, tmp_path / "killed", symlinks=True)
    await away(refused, os.close, file)
    async with driven(tmp_path / "killed", place):
        assert await away((place / "ticket/.1.json.swp").read_bytes) == b"swap"
        assert await away((place / "ticket/1.json.unsaved").read_bytes) == b"[1, half of it"
        assert b"carol" in await away((place / JSON).read_bytes)
    assert not any(path.name.endswith(".unsaved") for path in (site.database.path / "scratch").rglob("*"))


async def test_two_writers_never_make_a_third_text(site: Site) -> None:
    """Two programs that write one ticket at once share a file, as anywhere; what is not whole is refused."""
    whole = await away((site.mnt / JSON).read_bytes)

    def both() -> int:
        one, other = (os.open(site.mnt / JSON, os.O_WRONLY | os.O_TRUNC) for _ in range(2))
        os.write(one, whole.replace(*OWNER))
        os.write(other, b"[1, 2")
        first = refused(os.close, one)
        os.close(other)
        return first

    assert await away(both) == errno.EINVAL
    assert site.draft() == ({}, "")


THROUGH_MEMORY = """
import mmap, sys
with open(sys.argv[1], "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
    at = memory.find(b"carol")
    memory[at : at + 5] = b"perry"
"""


async def test_a_mapping_is_saved_too(site: Site) -> None:
    """What a program writes through memory is saved when it closes the file."""
    # In another process: a page fault keeps Python's lock, and the driver in this process needs that.
    await run(sys.executable, "-c", THROUGH_MEMORY, site.mnt / JSON)
    await until(lambda: site.draft() == ({"owner": "perry"}, ""))


# New tickets


async def test_a_new_ticket_begins_with_a_template(site: Site) -> None:
    """A name that begins with `new-` is a template, and what is saved under it is a draft in both forms."""
    template = await away((site.mnt / "text/new-bridge.txt").read_bytes)
    assert template.startswith(b"#new")
    await away(replaced, site.mnt / "text/new-bridge.txt", b"#new", b"#new Bridge closed")
    await away(replaced, site.mnt / "text/new-bridge.txt", b"closed", b"open")
    values, _ = site.draft("new-bridge")
    assert values["summary"] == "Bridge open"
    assert b"Bridge open" in await away((site.mnt / "ticket/new-bridge.json").read_bytes)


# A mount that is only read


def test_a_mount_that_is_only_read_has_no_handler_more() -> None:
    """Without `--write` nothing that changes files is handled, and FLUSH is refused once and for all."""
    handled = {
        name
        for name in vars(pyfuse3.Operations)
        if getattr(Operations, name) is not getattr(pyfuse3.Operations, name)
    }
    assert not handled & {"create", "flush", "fsync", "rename", "setattr", "unlink", "write", "mkdir"}


async def test_reading_costs_a_flush_more(site: Site) -> None:
    """To read a file that was read before takes an OPEN, a RELEASE, and a FLUSH where pyfuse3 needs one."""
    for _ in range(2):  # the first time that it is looked at after a READ, the kernel asks when that was
        await run("cat", *(site.mnt / f"ticket/{number}.json" for number in (1, 2, 3)))
    await until(lambda: site.operations.requests["release"] == 6)
    site.operations.requests.clear()
    await run("cat", *(site.mnt / f"ticket/{number}.json" for number in (1, 2, 3)))
    await until(lambda: site.operations.requests["release"] == 3)
    assert site.operations.requests == {"open": 3, "release": 3} | ({} if NO_FLUSH else {"flush": 3})
