"""The same tree with a patched pyfuse3, which need not open files, and with the stock one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from offtracfs.database import Database
from tests.bench.counting import counted
from tests.conftest import needs
from tests.helpers import ROOT
from tests.mounting import AUTUMN, append, ticket

STOCK = Path(sys.prefix, "stock")  # where `make test` puts it
PLACES = ("", "@2011-04", "@", "ticket/1.json@", "text", "by/status/new")
REPORTS = ("report/1.txt", "report/1.csv", "@2011-04/report/1.txt")

Seen = tuple[int, int, int, float, bytes | list[str]]


@pytest.fixture
def stock() -> str:
    """The folder with the stock pyfuse3."""
    if not STOCK.exists():
        needs(f"no stock pyfuse3 in {STOCK}: `make test` puts it there")
    return str(STOCK)


def seen(mnt: Path) -> Iterator[tuple[str, Seen]]:
    """What every path in a mount is: mode, links, size, time, and what it holds."""
    found = [path for place in PLACES for path in [mnt / place, *(mnt / place).rglob("*")]]
    for path in [*found, *(mnt / report for report in REPORTS)]:
        about = path.lstat()
        if path.is_symlink():
            held: bytes | list[str] = os.fsencode(path.readlink())
        else:
            held = [each.name for each in path.iterdir()] if path.is_dir() else path.read_bytes()
        kept = (about.st_mode, about.st_nlink, about.st_size, about.st_mtime)
        yield str(path.relative_to(mnt)), (*kept, held)


def test_the_same_tree(fuse: None, database: Database, stock: str) -> None:
    """Byte for byte; only with the stock pyfuse3 does the kernel ask to open each file, and to close it."""
    append(database, (AUTUMN + 1, ticket(7, summary="seven")), (AUTUMN + 2, {"report/1.json": b"{}"}))
    trees, asked = [], []
    for environment in ({}, {"PYTHONPATH": stock}):
        with counted(database.path, **environment) as mount:
            trees.append(dict(seen(mount.path)))
            asked.append(mount.requests())
    patched, with_stock = trees
    assert len(patched) > 3_000
    assert with_stock == patched
    files = sum(isinstance(held, bytes) for *_, held in patched.values())
    assert asked[0]["open"] <= 2  # not one for each: the answer to the first may still be on its way
    assert asked[0]["release"] == 0
    assert asked[1]["open"] >= asked[1]["release"] > files / 2


def test_without_a_network(tmp_path: Path) -> None:
    """Where the source of pyfuse3 cannot be had, one sentence says so, and what helps."""
    (tmp_path / "tmp").mkdir()
    surroundings = os.environ | {"PIP_NO_INDEX": "1", "TMPDIR": str(tmp_path / "tmp")}
    command = [str(ROOT / "packaging/pyfuse3/install"), sys.executable]
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("offtracfs: pyfuse3 ")
    assert "cannot be fetched" in last
    assert not list((tmp_path / "tmp").iterdir())
