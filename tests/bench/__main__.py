"""``python -m tests.bench``: see ``--help``."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Collection, Iterator
from pathlib import Path

import click

from tests.bench import figures, generate, history, mounts, processes, syncs
from tests.bench.figures import Figure
from tests.tracservers import RealTrac, TracServer, served

PARTS = ("sync", "mount", "files", "history")
COLD = {True: "no cache holds anything", False: "a fresh mount; dropping the disk's caches takes root"}


def _numbers(_context: click.Context, _option: click.Parameter, text: str) -> list[int]:
    try:
        return sorted(int(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter("numbers with commas between them are wanted.") from None


@click.command()
@click.option(
    "--sizes", callback=_numbers, default="1000,10000,100000", show_default=True, help="In tickets."
)
@click.option(
    "--only",
    type=click.Choice(PARTS),
    multiple=True,
    help="This part; can be repeated. Those but sync and history take the database that sync made last.",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path, resolve_path=True),
    default=".cache/bench",
    show_default=True,
    help="Where what is made is kept: trackers of each size, and their databases.",
)
@click.option("--output", type=click.Path(path_type=Path), help="The table's file. Default: CACHE/bench.md.")
def main(sizes: list[int], only: tuple[str, ...], cache: Path, output: Path | None) -> None:
    """Measure generated trackers, and print each figure beside its reference as a Markdown table."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # to clean up then too
    cache.mkdir(parents=True, exist_ok=True)
    found: list[Figure] = []
    try:
        for figure in figures.against_smallest(_measured(sizes, only or PARTS, cache)):
            found.append(figure)
            click.echo(figures.line(figure), err=True)
    finally:
        cold = COLD[processes.drop_caches()]
        text = f"{figures.machine()}- Best times of a few runs; cold: {cold}\n\n{figures.table(found)}"
        click.echo(text)
        (output or cache / "bench.md").write_text(text)


def _measured(sizes: list[int], parts: Collection[str], cache: Path) -> Iterator[Figure]:
    for size in sizes:
        database = cache / f"offtracfs-{size}"
        if "sync" in parts or (not database.exists() and {"mount", "files"} & {*parts}):
            with served("modern") as server:
                yield from syncs.measure(size, _trac(server, size, cache), database)
        if "mount" in parts:
            yield from mounts.first_listing(size, database)
        if "files" in parts:
            yield from mounts.measure(size, database, cache / "disk")
        if "history" in parts:
            yield from history.measure(size, cache)


def _trac(server: TracServer, size: int, cache: Path) -> RealTrac:
    trac = server.new()
    file = trac.environment / "db/trac.db"
    shutil.copy(generate.database(size, file, cache), file)
    return trac


if __name__ == "__main__":
    main()
