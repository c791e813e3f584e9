"""``python -m tests.bench``: see ``--help``."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Collection, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from tests.bench import (
    browsing,
    changes,
    figures,
    generate,
    history,
    importing,
    index,
    mounts,
    processes,
    pushing,
    reports,
    saving,
    syncs,
    teamtracks,
    web,
)
from tests.bench.figures import Figure
from tests.tracservers import RealTrac, TracServer, served

PARTS = (
    "sync", "import", "index", "mount", "browsing", "texts", "files", "history", "changes", "reports",
    "saving", "web", "teamtrack", "push",
)  # fmt: skip
READING = {
    "mount": mounts.first_listing,
    "browsing": browsing.measure,
    "texts": mounts.texts,
    "changes": changes.measure,
    "saving": saving.measure,
}
"""The parts that need nothing but a database."""
BESIDE = {"reports": reports.measure, "web": web.measure}
"""The parts that need a database, and the Trac that it is of."""

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
    help="This part; can be repeated. All but sync, push and teamtrack take the last database of import.",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path, resolve_path=True),
    default=".cache/bench",
    show_default=True,
    help="Where what is made is kept: trackers of each size, and their databases.",
)
@click.option(
    "--source",
    type=click.Path(exists=True, path_type=Path, resolve_path=True),
    help="Import this Trac's SQLite database, and measure nothing else.",
)
@click.option("--output", type=click.Path(path_type=Path), help="The table's file. Default: CACHE/bench.md.")
def main(
    sizes: list[int], only: tuple[str, ...], cache: Path, source: Path | None, output: Path | None
) -> None:
    """Measure generated trackers, and print each figure beside its reference as a Markdown table."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # to clean up then too
    cache.mkdir(parents=True, exist_ok=True)
    found: list[Figure] = []
    try:
        with TemporaryDirectory(prefix="scratch-", dir=cache) as name:
            scratch = Path(name)
            if source:
                measured = importing.measure(source, cache / "imported", scratch / "import")
            else:
                measured = _measured(sizes, only or PARTS, cache, scratch)
            for figure in figures.against_smallest(measured):
                found.append(figure)
                click.echo(figures.line(figure), err=True)
    finally:
        said = [
            f"A ticket that was made up has {generate.CHANGES} changes beside its creation",
            f"Best times of a few runs; cold: {COLD[processes.drop_caches()]}",
        ]
        text = "".join(f"- {line}\n" for line in [*figures.machine(), *said]) + f"\n{figures.table(found)}"
        click.echo(text)
        (output or cache / "bench.md").write_text(text)


def _measured(sizes: list[int], parts: Collection[str], cache: Path, scratch: Path) -> Iterator[Figure]:
    if set(parts) - {"teamtrack", "push"}:
        yield from _measured_trac(sizes, parts, cache, scratch)
    if "push" in parts:
        with served("modern") as server:
            yield from pushing.measure(server.new(), scratch / "pushed")
    for size in sizes if "teamtrack" in parts else []:
        yield from teamtracks.measure(size, cache)


def _measured_trac(sizes: list[int], parts: Collection[str], cache: Path, scratch: Path) -> Iterator[Figure]:
    for size in sizes:
        source, database = generate.environment(size, cache) / "db/trac.db", cache / f"offtracfs-{size}"
        if "sync" in parts:
            with served("modern") as server:
                yield from syncs.measure(size, _trac(server, source), scratch / "synced")
        if "import" in parts:
            yield from importing.measure(source, database, scratch / "import")
        elif not database.exists():
            importing.make(source, database)
        if "index" in parts:
            yield from index.measure(size, database, scratch / "index")
        if "files" in parts:
            yield from mounts.measure(size, database, scratch / "disk")
        if "history" in parts:
            yield from history.measure(size, database, source, scratch / "moments")
        for part in (part for part in READING if part in parts):
            yield from READING[part](size, database)
        for part in (part for part in BESIDE if part in parts):
            with served("modern") as server:
                yield from BESIDE[part](size, database, _trac(server, source))


def _trac(server: TracServer, source: Path) -> RealTrac:
    trac = server.new()
    shutil.copy(source, trac.environment / "db/trac.db")
    return trac


if __name__ == "__main__":
    main()
