"""The search index when things go wrong, and what a sync does to keep it up."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest

from offtracfs import search
from offtracfs.check import check
from offtracfs.database import Database
from offtracfs.errors import DatabaseBusy, DatabaseDamaged, DatabaseTooNew, DatabaseTooOld, DiskFull
from offtracfs.index import Reader, Revision
from offtracfs.search import SEARCH, parse
from offtracfs.search import build as module
from offtracfs.search.documents import Source
from tests.helpers import fill, git, killed, read_only, replace, small_disk
from tests.mounting import SPRING, append, new_database
from tests.searching import found
from tests.test_index_faults import (
    directory,
    empty,
    garbage,
    gone,
    half,
    plain_garbage,
    scribbled,
    unlinked,
)
from tests.test_search import record

TICKETS = 60


def state(number: int, *comments: str, summary: str = "crash") -> dict[str, bytes | None]:
    """The records of a ticket."""
    return record(
        number, *(("bob", text) for text in comments), summary=f"{summary} {number}", description="x " * 40
    )


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A database of some tickets."""
    return filled(tmp_path / "db")


def filled(place: Path) -> Database:
    """A new database with a revision for each third of the tickets."""
    made = new_database(place)
    thirds = [range(first, TICKETS + 1, 3) for first in (1, 2, 3)]
    append(made, *((SPRING + 60 * n, merged(third)) for n, third in enumerate(thirds)))
    return made


def merged(numbers: range) -> dict[str, bytes | None]:
    """The records of tickets."""
    return {path: data for number in numbers for path, data in state(number, "railway").items()}


def head(database: Database) -> Revision:
    """The newest revision."""
    with closing(Reader(database.path)) as reader:
        newest = reader.head()
    assert newest
    return newest


def documents(place: Path) -> list[tuple[object, ...]]:
    """All that a search index says of texts, and what some words find."""
    with closing(sqlite3.connect((place / SEARCH.link).resolve())) as connection:
        # A document's number within its ticket depends on the way in which it came.
        rows = connection.execute(
            f"SELECT id >> {module.SHIFT}, field, author, time, digest, since, until FROM document"
        )
        words = connection.execute(
            f"SELECT id >> {module.SHIFT}, digest FROM words JOIN document ON id = words.rowid"
            " WHERE words MATCH 'railway OR news'"
        )
        return sorted([*rows, *words], key=repr)


def whole(database: Database) -> bool:
    """Whether the search index is what it is when built anew, and nothing else lies about."""
    there, names = documents(database.path), {path.name for path in database.path.glob("search*")}
    assert names == {SEARCH.link, (database.path / SEARCH.link).resolve().name}, names
    search.rebuild(database.path)
    return documents(database.path) == there


def no_standing(file: Path) -> None:
    with closing(sqlite3.connect(file.resolve())) as connection, connection:
        connection.execute("DELETE FROM standing")


def other_tables(file: Path) -> None:
    with closing(sqlite3.connect(file.resolve())) as connection:
        connection.executescript("DROP TABLE document; CREATE TABLE document (x)")


def earlier(file: Path) -> None:
    with closing(sqlite3.connect(file.resolve())) as connection:
        connection.execute(f"PRAGMA user_version = {SEARCH.version - 1}")


DAMAGES = [
    garbage, half, empty, scribbled, gone, unlinked, directory, plain_garbage, no_standing, other_tables,
    earlier,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_search_index_is_built_anew(database: Database, damage: Callable[[Path], None]) -> None:
    """Whatever befell the file, a search is right or says what is wrong, and a sync makes it whole again."""
    damage(database.path / SEARCH.link)
    try:
        assert len(found(database, "crash", head(database))) == TICKETS
    except DatabaseDamaged as error:
        assert "search index" in str(error)  # noqa: PT017  # a damage may also be healed at once
    with database.writing("a test"):
        database.catch_up()
    append(database, (SPRING + 300, state(1, "railway", "news")))
    assert found(database, "news", head(database)) == [1]
    assert whole(database)


def test_a_damaged_index(database: Database) -> None:
    """Whichever page of the index is damaged, who meets it lets go of the index: then a sync heals both."""
    data, met = (database.path / "index.db").read_bytes(), 0
    for start in range(4096, len(data), 4096):
        replace((database.path / "index.db").resolve(), data[:start] + b"\xff" * 4096 + data[start + 4096 :])
        try:
            search.rebuild(database.path)
        except DatabaseDamaged:
            met += 1
            with database.writing("a test"):
                database.catch_up()
            search.rebuild(database.path)
            assert len(found(database, "crash", head(database))) == TICKETS
            data = (database.path / "index.db").read_bytes()
    assert met > 3


def test_versions(database: Database) -> None:
    """One of an earlier version waits for a sync, one of a later version is left alone."""
    file = (database.path / SEARCH.link).resolve()
    with patch.object(module, "SEARCH", SEARCH.__class__("search", 2, "search index")):
        with pytest.raises(DatabaseTooOld), patch("offtracfs.search.searching.SEARCH", module.SEARCH):
            database.search(parse("crash"), head(database))
        assert file.exists()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA user_version = {SEARCH.version + 1}")
    for ask in (lambda: search.catch_up(database.path), lambda: found(database, "x", head(database))):
        with pytest.raises(DatabaseTooNew, match="search index was made by a later version"):
            ask()
    assert file.exists()


def test_another_branch(database: Database) -> None:
    """Where the index was built from another history, so is the search index, though of the same length."""
    git(database.store, "update-ref", "refs/heads/main", "main~1")
    append(database, (SPRING + 120, state(2, "news")))
    revision = head(database)
    assert found(database, "news", revision) == [2]
    assert whole(database)


def test_a_search_index_that_lags_behind(database: Database) -> None:
    """A search at a revision that it does not know yet brings it up, or says that another process writes."""
    with patch.object(search, "catch_up"):
        append(database, (SPRING + 300, state(1, "news")))
    assert list(check(database)) == ["The search index lags behind the index: the next sync will catch up."]
    with database.writing("a test"), pytest.raises(DatabaseBusy):
        found(database, "news", head(database))
    assert found(database, "news", head(database)) == [1]
    assert list(check(database)) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE document SET until = 2 WHERE id = (SELECT max(id) FROM document)",
        "UPDATE document SET author = 'eve' WHERE field = 'comment'",
        "DELETE FROM document WHERE id = (SELECT min(id) FROM document)",
        "INSERT INTO words (words, rowid, summary, text, pieces)"
        " SELECT 'delete', min(id), 'crash 1', '', '' FROM document",
    ],
)
def test_check_finds_it(database: Database, statement: str) -> None:
    """A search index that does not say what the index says is found, with its remedy."""
    with closing(sqlite3.connect((database.path / SEARCH.link).resolve())) as connection, connection:
        connection.execute(statement)
    (said,) = check(database)
    assert said.startswith("The search index ")
    (database.path / SEARCH.link).unlink()
    with database.writing("a test"):
        database.catch_up()
    assert list(check(database)) == []


SLOW = """if True:
    import sys
    from pathlib import Path
    from offtracfs import search
    from offtracfs.search import build, documents
    class Slow(documents.Source):
        def tickets(self, after=0):
            for number, ticket in enumerate(super().tickets(after)):
                if number == int(sys.argv[2]):
                    print("ready", flush=True)
                    input()
                yield ticket
    build.Source, build.DOCUMENTS_A_STATEMENT = Slow, 3
    build.PRAGMAS = build.PRAGMAS | {"cache_size": "1"}  # pages are written before the transaction ends
    search.catch_up(Path(sys.argv[1]))
    print("ready", flush=True)
"""


@pytest.mark.parametrize("after", ["0", "1", "20", "1000"])
@pytest.mark.parametrize("anew", [False, True])
def test_killed(database: Database, after: str, anew: bool) -> None:
    """Killed at any time, who searches has seen nothing of it, and the next time it is what it should be."""
    old = head(database)
    with patch.object(search, "catch_up"):
        append(database, (SPRING + 300, {**merged(range(TICKETS, TICKETS + 40)), **state(1, "news")}))
    if anew:
        (database.path / SEARCH.link).unlink()
    killed(SLOW, database.path, after)
    if not anew:
        assert len(found(database, "crash", old)) == TICKETS
    with database.writing("a test"):
        database.catch_up()
    assert found(database, "news", head(database)) == [1]
    assert len(found(database, "crash", head(database))) == TICKETS + 39
    assert whole(database)


def test_on_a_read_only_disk(tmp_path: Path) -> None:
    """Where nobody can write all can be searched."""
    with small_disk(tmp_path / "disk", "4m") as disk:
        database = filled(disk / "db")
        read_only(disk)
        assert len(found(database, "crash railway", head(database))) == TICKETS


def test_a_full_disk(tmp_path: Path) -> None:
    """Without room the error says so and searches go on; with room again all is as it should be."""
    with small_disk(tmp_path / "disk", "4m") as disk:
        database = filled(disk / "db")
        old = head(database)
        with patch.object(search, "catch_up"):
            append(database, (SPRING + 300, merged(range(TICKETS, 10 * TICKETS))))
        hog = fill(disk)
        for write in (search.catch_up, search.rebuild):
            with pytest.raises(DiskFull):
                write(database.path)
        assert len(found(database, "crash", old)) == TICKETS
        hog.unlink()
        with database.writing("a test"):
            database.catch_up()
        assert whole(database)


def test_who_searches_is_undisturbed(database: Database) -> None:
    """A search that has begun ends on what it began with, while the file is brought up or built anew."""
    old = head(database)
    with database.search(parse("crash"), old) as going:
        numbers = going.tickets()
        first = next(numbers)
        append(database, (SPRING + 300, state(1, "railway", summary="hang")))
        search.rebuild(database.path)
        assert sorted([first, *numbers]) == [*range(1, TICKETS + 1)]
    assert len(found(database, "crash", head(database))) == TICKETS - 1
    assert len(found(database, "crash", old)) == TICKETS


def test_nobody_waits(database: Database) -> None:
    """A search is given up where nobody waits for it any more."""
    with (
        pytest.raises(Exception, match="interrupted"),
        patch("offtracfs.search.searching.STEPS", 1),
        database.search(parse("crash"), head(database), lambda: True) as going,
    ):
        list(going.tickets())


def test_work_is_per_change(database: Database) -> None:
    """A sync reads the texts of tickets that changed, and writes those that are new, and no others."""
    read: list[int] = []
    of_ticket = Source.documents

    def documents_of(self: Source, number: int, after: int = 0) -> object:
        read.append(number)
        return of_ticket(self, number, after)

    with patch.object(search, "catch_up"):
        append(database, (SPRING + 300, state(1, "railway", "news") | state(7, "railway", summary="hang")))
    with patch.object(Source, "documents", documents_of):
        assert search.catch_up(database.path) == 2
        assert read == [1, 7]
        assert search.catch_up(database.path) == 0
        assert read == [1, 7]
    assert whole(database)
