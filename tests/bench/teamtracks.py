"""All cases of a TeamTrack's database, read by `query`, beside the same SELECT alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import create_engine

from offtracfs.demo.teamtrack import fill
from tests.bench import importing
from tests.bench.figures import MB, Figure
from tests.bench.processes import create, offtracfs, run

RECIPE = 3  # changes with what the demo makes, so that older databases in a cache are not taken for it
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

READ = """
import sys, time, trio
from offtracfs.trackers import registry
async def main():
    tracker = await registry.kind(sys.argv[1]).connect(sys.argv[1], None, None)
    began = time.process_time()
    async with tracker.tickets(await tracker.ids()) as stream:
        async for ticket in stream:
            pass
    print(time.process_time() - began)
trio.run(main)
"""
SELECTS = """
import sys, time
from sqlalchemy import MetaData, Table, create_engine, select
engine = create_engine(sys.argv[1])
keys = {"TTT_ISSUES": "TS_ID", "TS_CHANGEACTIONS": "TS_CASEID", "TS_CHANGES": "TS_CASEID"}
tables = {Table(name, MetaData(), autoload_with=engine): key for name, key in keys.items()}
cases, *_ = tables
began = time.process_time()
with engine.connect() as connection:
    ids = list(connection.scalars(select(cases.c.TS_ID)))
    for start in range(0, len(ids), 200):
        for table, key in tables.items():
            connection.execute(select(table).where(table.c[key].in_(ids[start : start + 200]))).all()
print(time.process_time() - began)
"""
SLOWER = 3  # times the SELECTs alone that reading may take: it makes a dozen rows and 18 texts of each case


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
    yield from _synced(size, file, cache / f"offtracfs-teamtrack-{size}")


def _synced(size: int, file: Path, database: Path) -> Iterator[Figure]:
    """A first sync, and what of it is reading; the database is made anew.

    Each change becomes a commit and rows of both indexes, as one of a Trac's: so the sync is held against
    that, and only what is this tracker's own against its SELECTs.
    """
    url = f"teamtrack+sqlite:///{file}"
    alone = float(run(sys.executable, "-c", SELECTS, f"sqlite:///{file}").output)
    read = float(run(sys.executable, "-c", READ, url).output)
    what = "the same SELECTs by SQLAlchemy alone, CPU"
    yield Figure(size, "TeamTrack: cases and history read for a sync, CPU", read, "s", what, alone, SLOWER)
    create(database, url)
    whole = run(*offtracfs(database, "sync", "--json"))
    yield Figure(size, "TeamTrack: full sync", whole.seconds, "s", what, alone)
    changes = json.loads(whole.output)["commits"] - size - 1  # counted as those of a Trac's import
    wanted = importing.WANTED if size > importing.FEW else None
    yield Figure(size, "TeamTrack: full sync: changes", changes / whole.seconds, "/s", least=wanted)
    what = "TeamTrack: full sync: memory of all processes together (RssAnon)"
    yield Figure(size, what, whole.together / MB, "MB", most=500)


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
