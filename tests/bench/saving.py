"""A mount that can be written: reading in it beside a mount that cannot, and saving tickets.

A mount that cannot be written need not open files (`offtracfs.mount.fuse`), and one that can must. So the one
beside it has the stock pyfuse3, with which both ask for the same, but for what writing costs.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

from offtracfs.database import Settings
from offtracfs.database.settings import settings_text
from tests.bench.figures import Figure
from tests.bench.mounts import COMMANDS, mounted
from tests.bench.peers import STOCK
from tests.bench.processes import timed, times

SAVES = 100
MOST = 1.3  # times as long as where nothing can be written
MAX_SAVE = 30  # ms


def measure(size: int, database: Path) -> Iterator[Figure]:
    """The figures for a database of a generated Trac."""
    with tempfile.TemporaryDirectory(prefix="offtracfs-bench-", dir=database.parent) as name:
        copy = _writable(database, Path(name) / "db")
        with mounted(database, PYTHONPATH=str(STOCK)) as fixed, mounted(copy, "--write") as open_:
            for what, command in COMMANDS.items():
                for mountpoint in (fixed, open_) * 2:  # after a READ the kernel asks once for the time of it
                    timed(*command, cwd=mountpoint)
                rounds = [[timed(*command, cwd=each) for each in (fixed, open_)] for _ in range(times(size))]
                reference, seconds = (min(column) for column in zip(*rounds, strict=True))
                yield Figure(
                    size, f"`{what}`, warm, --write", seconds, "s", "read-only, opened", reference, most=MOST
                )
            slow = quantiles(_saves(open_), n=100)[94] * 1000
            yield Figure(size, "Saving a ticket in a mount, 95 of 100 within", slow, "ms", most=MAX_SAVE)


def _writable(database: Path, copy: Path) -> Path:
    """The same database, as that of a Trac that can be written."""
    shutil.copytree(database, copy, symlinks=True, copy_function=os.link)
    (copy / "config.toml").unlink()
    (copy / "config.toml").write_text(settings_text(Settings("http://127.0.0.1:9/")))
    return copy


def _saves(mountpoint: Path) -> list[float]:
    """Seconds from open(2) to the end of close(2), for different tickets."""
    found = []
    for number in range(1, SAVES + 1):
        file = mountpoint / f"ticket/{number}.json"
        record = json.loads(file.read_bytes())
        record[3]["keywords"] = "saved"
        data = json.dumps(record).encode()
        began = time.monotonic()
        file.write_bytes(data)
        found.append(time.monotonic() - began)
    return found
