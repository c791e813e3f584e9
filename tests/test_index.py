"""The index, held against git and against itself built anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtracfs import index
from offtracfs.index import Reader, Revision, build, queries
from offtracfs.index.schema import FIRST_INODE
from offtracfs.store import Store
from tests.helpers import Files, append, commits, few, listed, log_of, rebuilt, tables, view

START = 1_300_000_000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store, in the directory that its index goes to."""
    (tmp_path / "db").mkdir()
    return Store.create(tmp_path / "db/git")


def reader_of(store: Store) -> Reader:
    index.catch_up(store.path.parent, store)
    return Reader(store.path.parent)


def head_of(reader: Reader) -> Revision:
    head = reader.head()
    assert head is not None
    return head


def states(store: Store) -> Iterator[dict[str, tuple[bytes, int, int]]]:
    """After each commit, what git holds: path → blob, size and the author date of who brought it."""
    brought: dict[str, int] = {}
    for commit, changes in log_of(store):
        brought |= {change.path: commit.authored for change in changes}
        files = listed(store, commit.id.hex())
        yield {path: (blob, len(store.blob(blob)), brought[path]) for path, blob in files.items()}


@few
@given(batches=st.lists(commits, min_size=1, max_size=3))
def test_the_index_is_what_git_holds(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[Files]]
) -> None:
    """After any commits in any portions it equals one built at once, and shows each state as git has it."""
    place = tmp_path_factory.mktemp("database")
    store = Store.create(place / "git")
    with patch.multiple(build, COMMITS_A_TRANSACTION=2, ROWS_A_STATEMENT=3):
        for number, revisions in enumerate(batches):
            append(store, *revisions, start=START + number * 10_000)
            assert index.catch_up(place, store) == len(revisions)
    assert index.catch_up(place, store) == 0
    assert tables(place) == rebuilt(store)
    with closing(Reader(place)) as reader:
        assert head_of(reader).commit == store.head()
        seen: dict[int, object] = {}
        for number, expected in enumerate(states(store), 1):
            revision = reader.revision(number)
            assert revision is not None
            shown = view(reader, revision.horizon)
            assert {path: what[1:] for path, what in shown.items()} == expected
            for path, (inode, *what) in shown.items():
                assert seen.setdefault(inode, (path, *what)) == (path, *what)
            assert all(FIRST_INODE <= inode <= revision.horizon for inode in seen)


def test_an_empty_index(store: Store) -> None:
    """Before the first commit there is an index, and nothing in it."""
    with closing(reader_of(store)) as reader:
        assert reader.head() is None
        assert reader.revision(1) is None
        assert reader.before(1 << 40, 1) is None
        assert reader.next_time(0, 1) is None
        assert view(reader, 1 << 40) == {}
        append(store, {})
        index.catch_up(store.path.parent, store)
        reader.refresh()
        assert head_of(reader).number == 1


def test_deletion_and_reappearance(store: Store) -> None:
    """A deleted file is found no more, and what comes back under its name is another version of it."""
    one: Files = {"ticket/1.json": b"one"}
    append(store, one, {"ticket/1.json": None}, one, {})
    with closing(reader_of(store)) as reader:
        horizons = [revision.horizon for n in range(1, 5) if (revision := reader.revision(n))]
        entries = [reader.find("ticket", "1.json", horizon) for horizon in horizons]
        assert entries[1] is None
        first, again, still = entries[0], entries[2], entries[3]
        assert first is not None
        assert again is not None
        assert still == again
        assert first.inode < again.inode
        assert first.position == again.position
        assert reader.version(first.inode) != reader.version(again.inode)  # another author's date
        assert reader.version(again.inode + 1) is None
        assert reader.page("ticket", horizons[1]) == []


def test_revisions_in_time(store: Store) -> None:
    """The revision before a moment is the last one committed before it, also among equal dates."""
    for start in (1000, 1000, 2000, 2000):
        append(store, {}, start=start)
    with closing(reader_of(store)) as reader:
        found = [(moment, reader.before(moment, 4)) for moment in (999, 1000, 1001, 2000, 2001, 1 << 40)]
        assert [item and item.number for _, item in found] == [None, None, 2, 2, 4, 4]
        before = reader.before(1 << 40, 3)
        assert before is not None
        assert before.number == 3
        assert [reader.next_time(moment, 4) for moment in (0, 1000, 1001, 2000, 2001)] == [
            1000, 1000, 2000, 2000, None,
        ]  # fmt: skip
        assert reader.next_time(1001, 2) is None
        assert reader.revision(5) is None
        assert reader.revision(0) is None


def test_revisions_by_their_commits(store: Store) -> None:
    """Some first digits of a commit's id find it, unless none or several begin so."""
    append(store, *({"db.json": b"%d" % number} for number in range(40)))
    with closing(reader_of(store)) as reader:
        names = [commit.id.hex() for commit, _ in log_of(store)]
        for number, name in enumerate(names, 1):
            for length in (1, 2, 7, 8, 39, 40):
                alike = [other for other in names if other.startswith(name[:length])]
                found = reader.by_commit(name[:length], 40)
                assert (found.number if found else None) == (number if len(alike) == 1 else None)
        assert reader.by_commit(names[5], 5) is None
        assert reader.by_commit("0" * 40, 40) is None


def test_directories(store: Store) -> None:
    """A directory is there while it has files: each time for itself, and only its own."""
    append(
        store,
        {
            "field/component/ui.json": b"",
            "field/version/1.json": b"",
            "fields.json": b"",
            "field/a.json": b"",
        },
        {"field/component/ui.json": None, "field/componentry/x.json": b""},
        {"field/component/db.json": b""},
    )
    with closing(reader_of(store)) as reader:
        horizons = [revision.horizon for n in range(1, 4) if (revision := reader.revision(n))]
        assert [reader.directories("field", horizon) for horizon in horizons] == [
            ["component", "version"],
            ["componentry", "version"],
            ["component", "componentry", "version"],
        ]
        assert reader.directories("field", FIRST_INODE - 1) == []
        assert reader.directories("ticket", horizons[2]) == []
        assert [entry.name for entry in reader.entries("field", horizons[2])] == ["a.json"]


def test_directories_in_directories(store: Store) -> None:
    """A directory is there while a file is anywhere below it, and the top is no exception."""
    append(
        store,
        {
            "field/a/b/x.json": b"",
            "field/a/c/d/x.json": b"",
            "field/a-b/x.json": b"",
            "é/x.json": b"",
            "notes.json": b"",
        },
        {"field/a/b/x.json": None, "field/a-b/x.json": None},
    )
    with closing(reader_of(store)) as reader:
        first, second = [revision.horizon for n in (1, 2) if (revision := reader.revision(n))]
        assert reader.directories("", first) == reader.directories("", second) == ["field", "é"]
        assert reader.directories("field", first) == ["a", "a-b"]
        assert reader.directories("field", second) == ["a"]
        assert reader.directories("field/a", first) == ["b", "c"]
        assert reader.directories("field/a", second) == ["c"]
        assert reader.directories("field/a/c", second) == ["d"]


def test_changed_names(store: Store) -> None:
    """Between two revisions all that came, changed or went is named, and nothing else."""
    append(
        store,
        {"ticket/1.json": b"1", "ticket/2.json": b"2", "db.json": b""},
        {"ticket/1.json": None},
        {"ticket/2.json": b"two", "report/1.json": b""},
    )
    with closing(reader_of(store)) as reader:
        horizons = [0, *(revision.horizon for n in range(1, 4) if (revision := reader.revision(n)))]
        assert set(reader.changed_names(horizons[1], horizons[3])) == {
            ("ticket", "1.json"), ("ticket", "2.json"), ("report", "1.json"),
        }  # fmt: skip
        assert set(reader.changed_names(horizons[1], horizons[2])) == {("ticket", "1.json")}
        assert list(reader.changed_names(horizons[3], horizons[3])) == []
        assert len(set(reader.changed_names(0, horizons[1]))) == 3


def test_pages(store: Store) -> None:
    """A long listing comes a page at a time, in one order, and goes on from any position."""
    append(store, {f"ticket/{number}.json": b"" for number in range(25)}, {"ticket/30.json": b""})
    with closing(reader_of(store)) as reader, patch.object(queries, "PAGE", 10):
        horizon = head_of(reader).horizon
        entries = list(reader.entries("ticket", horizon))
        assert sorted(entry.name for entry in entries) == sorted(f"{n}.json" for n in [*range(25), 30])
        assert len(reader.page("ticket", horizon)) == 10
        assert [entry.position for entry in entries] == sorted({entry.position for entry in entries})
        for number, entry in enumerate(entries):
            assert list(reader.entries("ticket", horizon, entry.position)) == entries[number + 1 :]


QUESTIONS: dict[str, Callable[[Reader, int], object]] = {
    "find": lambda reader, horizon: reader.find("ticket", "7.json", horizon),
    "missing": lambda reader, horizon: reader.find("ticket", "none", horizon),
    "version": lambda reader, horizon: reader.version(horizon),
    "page": lambda reader, horizon: reader.page("ticket", horizon),
    "before": lambda reader, _: reader.before(START + 90, 2),
    "next_time": lambda reader, _: reader.next_time(START + 90, 3),
    "by_commit": lambda reader, _: reader.by_commit("0123456", 3),
    "head": lambda reader, _: reader.head(),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_is_one_statement(store: Store, question: str) -> None:
    """A lookup, a page or a revision costs one statement, as of now and as of any time before."""
    append(store, *({f"ticket/{n}.json": b"%d" % k for n in range(20)} for k in range(5)))
    statements: list[str] = []
    with closing(reader_of(store)) as reader:
        for number in (1, 5):
            revision = reader.revision(number)
            assert revision is not None
            reader._sqlite.set_trace_callback(statements.append)
            QUESTIONS[question](reader, revision.horizon)
            reader._sqlite.set_trace_callback(None)
            assert len(statements) == 1
            statements.clear()


def steps(reader: Reader, question: str, number: int) -> int:
    """How many instructions SQLite's machine takes for an answer as of a revision."""
    revision = reader.revision(number)
    assert revision is not None
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    reader._sqlite.set_progress_handler(step, 1)
    QUESTIONS[question](reader, revision.horizon)
    reader._sqlite.set_progress_handler(None, 1)
    return count


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[int, int, Reader]]]:
    """A small and a large tracker: number of tickets, of changes, and a reader."""
    found = []
    for tickets, changes in ((10, 4), (400, 100)):
        store = Store.create(tmp_path_factory.mktemp("tracker") / "git")
        some: list[Files] = [{f"ticket/{n % 10}.json": b"%d" % n} for n in range(changes)]
        append(store, {f"ticket/{n}.json": b"" for n in range(tickets)}, *some)
        found.append((tickets, changes, reader_of(store)))
    yield found
    for _, _, reader in found:
        reader.close()


@pytest.mark.parametrize("question", QUESTIONS)
def test_answers_do_not_slow_down(sizes: list[tuple[int, int, Reader]], question: str) -> None:
    """An answer takes as many steps in a large tracker with a long past as in a small new one.

    A page takes them in proportion to its files.
    """
    costs = []
    for tickets, changes, reader in sizes:
        now, then = steps(reader, question, 1 + changes), steps(reader, question, 2)
        assert abs(now - then) <= 0.1 * max(now, then) + 5
        costs.append(now / (tickets if question == "page" else 1))
    assert costs[1] <= 1.2 * costs[0] + 5
