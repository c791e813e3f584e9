"""The search index: built anew beside the index, brought up to ten changes, and asked now and in the past."""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from offtracfs import search
from offtracfs.index import Reader, Revision
from offtracfs.search import SEARCH, Search, hits, parse
from tests.bench.figures import MB, Figure

TIMES = 5
SHOWN = 20  # tickets
HALF = 0.5  # of the index's time
MOST = 50  # milliseconds
RANKS = {"rare": (0.02, 0.2), "common": (0.001, 0.02), "very common": (0, 0.001)}
"""Parts of the vocabulary, the most frequent words first."""
PAIRS = 20  # of words of a kind
MOMENTS = (0.9, 0.5, 0.1)  # as parts of all revisions


def built(size: int, directory: Path, reference: float) -> Iterator[Figure]:
    """The figures of building it; `reference` is what the index took, in seconds."""
    began = time.perf_counter()
    search.rebuild(directory)
    seconds = time.perf_counter() - began
    yield Figure(size, "Search index built anew", seconds, "s", "the index", reference, HALF)
    file, index = (directory / name for name in (SEARCH.link, "index.db"))
    yield Figure(size, "Search index", file.stat().st_size / MB, "MB", "the index", index.stat().st_size / MB)


def updated(size: int, directory: Path, changes: int) -> Iterator[Figure]:
    """The figure of bringing it up to an index that knows a few changes more, each of another ticket."""
    file = (directory / SEARCH.link).resolve()
    before = directory / "before"
    shutil.copy(file, before)
    taken = []
    for _ in range(TIMES):
        shutil.copy(before, file)
        began = time.perf_counter()
        search.catch_up(directory)
        taken.append((time.perf_counter() - began) * 1000)
    yield Figure(size, f"Search index update, {changes} tickets changed", min(taken), "ms", most=MOST)


def searched(size: int, directory: Path) -> Iterator[Figure]:
    """The figures of searches for two words, which the best tickets answer, with what is shown of them."""
    known, dice = vocabulary(directory), random.Random(size)
    with closing(Reader(directory)) as reader:
        head = reader.head()
        assert head
        past = [reader.revision(int(head.number * part)) for part in MOMENTS]
    for kind, (first, last) in RANKS.items():
        words = known[int(len(known) * first) : int(len(known) * last)]
        pairs = [" ".join(dice.sample(words, 2)) for _ in range(PAIRS)]
        now = [_asked(directory, pair, head) for pair in pairs]
        then = [_asked(directory, pair, revision) for pair in pairs for revision in past if revision]
        what = f"Search for two {kind} words, the slowest of {PAIRS}"
        yield Figure(size, what, max(now), "ms", most=MOST)
        yield Figure(size, f"{what}, at T", max(then), "ms", most=MOST)


def vocabulary(directory: Path) -> list[str]:
    """The words that are in at least ten texts, the most frequent first."""
    with closing(sqlite3.connect(directory / SEARCH.link)) as connection:
        connection.execute("CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, words, row)")
        found = connection.execute("SELECT term FROM vocabulary WHERE doc >= 10 ORDER BY doc DESC")
        return [word for (word,) in found]


def _asked(directory: Path, text: str, revision: Revision) -> float:
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        with Search(directory, parse(text), revision) as found:
            assert len(list(islice(hits(found, SHOWN), SHOWN))) <= SHOWN
        taken.append((time.perf_counter() - began) * 1000)
    return min(taken)
