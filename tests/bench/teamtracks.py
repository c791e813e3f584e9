"""All cases of a TeamTrack's database, read by `query`, beside the same SELECT alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import create_engine

from offtracfs.demo.teamtrack import fill
from tests.bench.figures import MB, Figure
from tests.bench.processes import run

RECIPE = 1  # changes with what the demo makes, so that older databases in a cache are not taken for it
FLAT = 1.25  # times the memory that very many cases may take
FEW = 1_000  # cases: with fewer than in two chunks, the libraries are most of the memory
OURS = """
import sys, time
from offtracfs import teamtrack
with teamtrack.connect("", "", sys.argv[1]) as server:
    began = time.perf_counter()
    count = sum(len(case["TITLE"]) > 0 for case in server.query(teamtrack.table["CASES"], ""))
    print(count / (time.perf_counter() - began))
"""
ALONE = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1])
began = time.perf_counter()
count = sum(len(row[2]) > 0 for row in database.execute("SELECT * FROM TTT_ISSUES ORDER BY TS_ID"))
print(count / (time.perf_counter() - began))
"""


def measure(size: int, cache: Path) -> Iterator[Figure]:
    """The figures for a database of so many cases, made unless the cache has it."""
    file = _made(size, cache)
    address = f"sqlite:///{file}"
    ours, alone = run(sys.executable, "-c", OURS, address), run(sys.executable, "-c", ALONE, file)
    what = "the same SELECT by Python's sqlite3 alone"
    yield Figure(
        size, "TeamTrack: cases read by `query`", float(ours.output), "/s", what, float(alone.output)
    )
    what = "TeamTrack: memory while `query` is read (RssAnon)"
    yield Figure(size, what, ours.together / MB, "MB", growth=FLAT, base=FEW)
    command = ("-m", "offtracfs_cli", "teamtrack", "query", "CASES", "--server", address, "--format", "csv")
    whole = run(sys.executable, *command)
    yield Figure(size, "`teamtrack query CASES --format csv`", size / whole.seconds, "/s")
    what = "`teamtrack query CASES`: memory (RssAnon)"
    yield Figure(size, what, whole.together / MB, "MB", growth=FLAT, base=FEW)


def _made(size: int, cache: Path) -> Path:
    file = cache / f"teamtrack-{RECIPE}-{size}.db"
    if not file.exists():
        part = file.with_suffix(".part")
        part.unlink(missing_ok=True)
        engine = create_engine(f"sqlite:///{part}")
        fill(engine, cases=size)
        engine.dispose()
        part.rename(file)
    return file
