"""A Trac's own database taken in with its whole past: time, memory and size.

The reference is ``git fast-import`` alone, given what a sync wrote to it: a ``git`` that comes first in
the PATH keeps a copy.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from offtracfs.store import Store
from offtracfs.store.git import environment
from tests.bench.figures import MB, Figure
from tests.bench.processes import ENVIRONMENT, Ran, create, offtracfs, run

WANTED = 2_500  # changes a second
SLOWER = 1.25  # times as long may a change take where there are very many
FEW = 5_000  # tickets: with fewer, most of the time is that of starting programs
MAINTAIN = """
import sys
from pathlib import Path
from offtracfs.database import Database
database = Database(Path(sys.argv[1]))
with database.writing("benchmark"):
    database.store.maintain(packs=0)
"""
RECORDER = """#!/bin/sh
case " $* " in
*" fast-import "*) tee "$STREAMS/$(date +%s%N)" | {git} "$@" ;;
*) exec {git} "$@" ;;
esac
"""
FAST_IMPORT = ("git", "fast-import", "--quiet", "--done", "--force", "--date-format=raw")


def measure(source: Path, database: Path, scratch: Path) -> Iterator[Figure]:
    """The figures for a Trac's SQLite database; ours is made anew, and left for others to use."""
    with closing(sqlite3.connect(source)) as connection:
        (size,) = connection.execute("SELECT count(*) FROM ticket").fetchone()
    ran, alone = make(source, database), _alone(source, scratch)
    changes = json.loads(ran.output)["commits"] - size - 1  # beside the creation of each ticket, and the root
    speed, reference = changes / ran.seconds, changes / alone
    what = "`git fast-import` alone"
    yield Figure(size, "Import: changes", speed, "/s", what, reference, least=WANTED if size > FEW else None)
    each = ran.seconds / changes * 1e6
    yield Figure(size, "Import: time of a change", each, "µs", growth=SLOWER, base=FEW)
    what = "Import: memory of all processes together (RssAnon)"
    yield Figure(size, what, ran.together / MB, "MB", most=500)
    maintained = run(sys.executable, "-c", MAINTAIN, database)
    yield Figure(size, "Maintenance after it", maintained.seconds, "s")
    what = "Maintenance: memory of all processes together (RssAnon)"
    yield Figure(size, what, maintained.together / MB, "MB", most=1000)
    kept = sum(file.stat().st_size for file in (database / "git/objects").rglob("*")) / MB
    what = "the source's SQLite file"
    yield Figure(size, "Repository after maintenance", kept, "MB", what, source.stat().st_size / MB, 3)


def make(source: Path, database: Path, **variables: str) -> Ran:
    """A new database of a Trac's SQLite database, in place of any; what its sync took."""
    create(database, f"trac+sqlite://{source}", **variables)
    return run(*offtracfs(database, "sync", "--json"), **variables)


def _alone(source: Path, scratch: Path) -> float:
    """Seconds that ``git fast-import`` takes for all that an import gives it; `scratch` is made anew."""
    shutil.rmtree(scratch, ignore_errors=True)
    streams, programs = scratch / "streams", scratch / "bin"
    for directory in (streams, programs):
        directory.mkdir(parents=True)
    recorder = programs / "git"
    recorder.write_text(RECORDER.format(git=shutil.which("git")))
    recorder.chmod(0o755)
    make(source, scratch / "recorded", STREAMS=str(streams), PATH=f"{programs}:{ENVIRONMENT['PATH']}")
    repository = Store.create(scratch / "alone").path
    began = time.monotonic()
    for stream in sorted(streams.iterdir()):
        with stream.open("rb") as file:
            subprocess.run(FAST_IMPORT, stdin=file, env=environment(repository), check=True)
    return time.monotonic() - began
