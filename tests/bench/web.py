"""Pages in a browser, for several readers at once, beside the real Trac that shows the same data."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import httpx

from offtracfs.database import Database
from tests.bench.figures import MB, Figure
from tests.bench.generate import LAST_DAY, QUIET
from tests.bench.processes import ENVIRONMENT, offtracfs, status
from tests.bench.search import vocabulary
from tests.realreports import visiting
from tests.tracservers import RealTrac

READERS = 8  # at once
SECONDS = 3  # that they read a page, each of them at least once
FASTER = 0.2  # of Trac's time
PAST = 1.5  # times as long may a page of the past take
AS_YOU_TYPE = 50  # milliseconds
TYPED = 50  # searches
REQUESTS = 100_000  # over which memory must stay as it is
GROWTH = 1.05
DAY = f"{datetime.fromtimestamp(LAST_DAY - QUIET, UTC):%Y-%m-%d}"  # all tickets are there

PAGES = {
    "Front page": ("/", ""),
    "Ticket": ("/ticket/{number}", "/ticket/{number}"),
    "Report": ("/report/1", "/report/1"),
    "Query": ("/query?status=!closed&order=priority", "/query?status=!closed&order=priority"),
    "Timeline": (f"/timeline?until={DAY}", f"/timeline?from={DAY}&daysback=3&ticket=on&ticket_details=on"),
    "Roadmap": ("/roadmap", "/roadmap"),
    "Search": ("/search?q={word}", "/search?q={word}&ticket=on&noquickjump=1"),
    "Compare": (f"/compare?from={DAY}", ""),
}
"""What a page is called → its address here, and in Trac, "" where Trac has none; with a ticket and a word."""


class Read(NamedTuple):
    """How long pages took, each in milliseconds, and how many came in a second."""

    taken: list[float]
    rate: float


def measure(size: int, directory: Path, site: RealTrac) -> Iterator[Figure]:
    """The figures for a database of a generated Trac, which is served as `site`."""
    Database(directory).prepare_search()
    words = vocabulary(directory)
    words = words[len(words) // 50 :]  # the others are in every ticket
    dice = random.Random(size)
    with _served(directory) as (process, ours), visiting() as client:
        client.get(f"{site.url}/login").raise_for_status()  # for a cookie
        theirs = partial(
            _read, site.url, cookie="; ".join(f"{name}={value}" for name, value in client.cookies.items())
        )

        def address(form: str) -> str:
            return form.format(number=dice.randint(1, size), word=quote(dice.choice(words)))

        for name, (here, there) in PAGES.items():
            now = _read(ours, partial(address, here))
            past = _read(ours, partial(address, f"/@{DAY}{here}"))
            what = f"{name} in a browser, {READERS} readers"
            cuts = quantiles(now.taken, n=100)
            if there:
                reference = theirs(partial(address, there))
                trac, last = median(reference.taken), quantiles(reference.taken, n=100)[98]
                yield Figure(
                    size, f"{what}, each", 1000 / now.rate, "ms", "Trac 1.6", 1000 / reference.rate, FASTER
                )
                yield Figure(size, f"{what}, p50", cuts[49], "ms", "Trac 1.6", trac)
                yield Figure(size, f"{what}, p99", cuts[98], "ms", "Trac 1.6", last)
            else:
                yield Figure(size, f"{what}, p50", cuts[49], "ms")
                yield Figure(size, f"{what}, p99", cuts[98], "ms")
            yield Figure(size, f"{what}, p50 at T", median(past.taken), "ms", "now", cuts[49], PAST)
        yield from _typed(size, ours, words, dice)
        yield from _memory(size, process, ours, address)


def _typed(size: int, url: str, words: list[str], dice: random.Random) -> Iterator[Figure]:
    """Searches that are asked for while a word is being written."""
    connection = HTTPConnection(urlsplit(url).netloc)
    prefixes = [word[: dice.randint(2, max(len(word), 2))] for word in dice.choices(words, k=TYPED)]
    taken = [_once(connection, f"/search?q={quote(prefix)}*", {}) for prefix in prefixes]
    cuts = quantiles(taken, n=100)
    yield Figure(size, "Search as one types, p50", cuts[49], "ms", most=AS_YOU_TYPE)
    yield Figure(size, "Search as one types, p99", cuts[98], "ms", most=AS_YOU_TYPE)


def _memory(
    size: int, process: subprocess.Popen[str], url: str, address: Callable[[str], str]
) -> Iterator[Figure]:
    """What the server holds after many requests, beside what it held after a tenth of them."""
    form = iter(lambda: PAGES["Ticket"][0], None)
    held = []
    for part in (0.1, 0.9):
        _read(url, lambda: address(next(form)), count=int(part * REQUESTS))
        held.append(status(process.pid, "RssAnon") / MB)
    what = f"Memory of `web` after {REQUESTS:,} requests"
    yield Figure(size, what, held[1], "MB", "a tenth of them", held[0], GROWTH)


def _read(url: str, address: Callable[[], str], cookie: str = "", count: int = 0) -> Read:
    """Pages as several readers get them at once: so many, or what they can read in some seconds."""
    start = urlsplit(url)
    began = time.perf_counter()

    def read(_number: int) -> list[float]:
        connection = HTTPConnection(start.netloc, timeout=120)
        taken: list[float] = []
        while not taken or (len(taken) < count / READERS if count else time.perf_counter() - began < SECONDS):
            taken.append(
                _once(connection, start.path.rstrip("/") + address(), {"Cookie": cookie} if cookie else {})
            )
        connection.close()
        return taken

    with ThreadPoolExecutor(READERS) as readers:
        taken = [each for some in readers.map(read, range(READERS)) for each in some]
    return Read(taken, len(taken) / (time.perf_counter() - began))


def _once(connection: HTTPConnection, address: str, headers: dict[str, str]) -> float:
    """Milliseconds until a page has come; whoever is told to come again does so."""
    began = time.perf_counter()
    while True:
        connection.request("GET", address, headers=headers)
        answer = connection.getresponse()
        answer.read()
        if not (again := answer.headers["Retry-After"]):
            break
        time.sleep(int(again))
    assert answer.status == httpx.codes.OK, (address, answer.status)
    return (time.perf_counter() - began) * 1000


@contextmanager
def _served(directory: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`offtracfs web` with one process, as it is started by default, and its address."""
    command = offtracfs(directory, "web", "--port", "0")
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process, process.stdout.readline().split()[0]
        finally:
            process.terminate()
