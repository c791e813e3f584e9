"""A real mount under real programs."""

from __future__ import annotations

import os
import pty
import re
import select
import stat
import subprocess
from pathlib import Path

import pytest

from offtracfs.database import Database
from tests.mounting import TICKETS, away, materialise, program, run

pytestmark = pytest.mark.usefixtures("fuse")


async def test_ls_find_and_tar_see_everything(database: Database, mnt: Path, tmp_path: Path) -> None:
    """`ls`, `find` and `tar` go through the whole tracker without a word, and see no "@"."""
    assert (await run("ls", mnt / "ticket")).splitlines() == sorted(
        [f"{number}.json" for number in (*range(1, TICKETS), 20_000, 1_000_000)]
    )
    listed = (await run("find", mnt, "-type", "f", "-printf", "%P\n")).splitlines()
    expected = materialise(database, "main", tmp_path / "git")
    assert sorted(listed) == sorted(expected)
    assert await run("tar", "-C", mnt, "-cf", tmp_path / "t.tar", ".") == ""
    packed = (await run("tar", "-tf", tmp_path / "t.tar")).splitlines()
    assert sorted(name[2:] for name in packed if name[-1] != "/") == sorted(expected)
    assert (await run("ls", "-a", mnt)).split()[:3] == [".", "..", "changelog"]


async def test_copy_is_plain_and_rsync_finds_it_equal(mnt: Path, tmp_path: Path) -> None:
    """`cp -r` gives a plain folder, and `rsync` by checksum and time has nothing to add to it."""
    await run("cp", "-r", "--preserve=timestamps", mnt, tmp_path / "copy")
    assert await run(program("rsync"), "-nrtci", "--delete", f"{mnt}/", f"{tmp_path / 'copy'}/") == ""
    assert await run("diff", "-r", mnt, tmp_path / "copy") == ""


async def test_a_copy_belongs_to_who_made_it(mnt: Path, tmp_path: Path) -> None:
    """What `cp -r` makes can be written and deleted by its owner, and `df -i` calls the mount 1 % full."""
    await run("cp", "-r", mnt, tmp_path / "copy")
    modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in (tmp_path / "copy").rglob("*")}
    assert modes == {(True, 0o755), (False, 0o644)}
    used = (await run("df", "--output=ipcent", mnt)).split()[-1]
    assert used == "1%"


async def test_newest_first(mnt: Path) -> None:
    """`ls -t` and `find -newermt` tell what changed last."""
    assert (await run("ls", "-t", mnt / "ticket")).split()[:2] in (
        ["1000000.json", "2.json"],
        ["2.json", "1000000.json"],
    )
    found = await run("find", mnt / "ticket", "-type", "f", "-newermt", "2011-06-01", "-printf", "%f\n")
    assert sorted(found.split()) == ["1.json", "1000000.json", "2.json"]


@pytest.mark.parametrize(
    "command",
    [
        ("vim", "-es", "-u", "NONE", "-c", "set verbosefile={out} | verbose set readonly? | %print | qa!"),
        (
            "emacs",
            "-Q",
            "--batch",
            "--eval",
            '(progn (find-file "{file}") (princ (buffer-string)) '
            '(princ (if buffer-read-only "readonly" "writable")))',
        ),
    ],
    ids=["vim", "emacs"],
)
async def test_editors_open_read_only(mnt: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Vim and emacs show a ticket, and know that it is read-only."""
    file, out = mnt / "ticket/1.json", tmp_path / "said"
    first, *rest = (part.format(file=file, out=out) for part in command)
    said = await run(program(first), *rest, *([file] if first == "vim" else []))
    text = said + (await away(out.read_text) if first == "vim" else "")
    assert "[1, 2]" in text
    assert "readonly" in text
    assert "noreadonly" not in text


def screen(command: list[str | Path], wanted: bytes) -> bytes:
    """What a program shows on a terminal, up to `wanted` or the end of ten seconds; it is killed then."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | {"TERM": "xterm"}
    )
    shown = b""
    while not re.search(wanted, shown) and select.select([ours], [], [], 10)[0]:
        shown += os.read(ours, 4096)
    process.kill()
    process.wait()
    os.close(ours)
    os.close(theirs)
    return shown


async def test_nano_says_that_it_is_read_only(mnt: Path) -> None:
    """Nano opens a ticket and warns that the file cannot be written."""
    wanted = b"is meant to be read-only|is unwritable"  # to root, and to others
    # A shell goes there: with `cwd` it would be this process that waits for its own answer.
    there: list[str | Path] = [
        "sh",
        "-c",
        'cd "$1" && exec "$2" -I 1.json',
        "sh",
        mnt / "ticket",
        program("nano"),
    ]
    shown = await away(screen, there, wanted)
    assert re.search(wanted, shown)
