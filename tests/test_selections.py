"""Directories of tickets: by the values of their fields, by queries, and by reports."""

from __future__ import annotations

import random
import sys
import tracemalloc
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from offtracfs import records
from offtracfs.database import Database
from offtracfs.errors import DatabaseDamaged, DatabaseError
from offtracfs.kinds.fields import FIRST, LAST
from offtracfs.names import link_name, value_name, value_of
from offtracfs.querylanguage import parse
from offtracfs.reports import tickets
from offtracfs.reports.query import fields_at
from offtracfs.reports.tickets import Ticket
from offtracfs.tree import DAYS, ROOT, Directory, Link, Tree, cache
from offtracfs.tree.selections import Links, Selections
from tests import realqueries
from tests.mounting import AUTUMN, SPRING, SUMMER, append, new_database, ticket, tree_of
from tests.selecting import finish, found, listed, made_up, numbers

FIELDS: list[dict[str, Any]] = [
    *FIRST,
    {"name": "status", "type": "radio", "label": "Status"},
    {"name": "priority", "type": "select", "label": "Priority"},
    {"name": "risk", "type": "select", "label": "Risk", "custom": True, "options": ["high", "low"]},
    {"name": "place", "type": "text", "label": "Place", "custom": True},
    *LAST,
]
LONG = "a name that is longer than any file's can be " * 10
ODD = [".", "..", "ui/menu", "100%", "~bob", "!bob", "$USER", "(none)", LONG, LONG + "!", "é ü", "-x", "a\nb"]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """Four tickets in spring; in summer one gets another owner, and one goes."""
    made = new_database(tmp_path / "db")
    spring: dict[str, bytes | None] = {"fields.json": records.dump(FIELDS)}
    spring |= {"field/priority/high.json": records.dump("1"), "field/priority/low.json": records.dump("2")}
    spring |= ticket(
        1, summary="Crash on start", owner="bob", priority="low", keywords="crash, ui", risk="high"
    )
    spring |= ticket(2, owner="ann", priority="high", keywords="ui;-slow")
    spring |= ticket(3, summary="Points at Birdbath!", owner="bob", priority="high", risk="")
    spring |= ticket(4, owner="")
    summer = ticket(1, SUMMER, summary="No crash any more", owner="ann") | {"ticket/2.json": None}
    append(made, (SPRING, spring), (SUMMER, summer))
    return made


@pytest.fixture
def tree(database: Database) -> Tree:
    return tree_of(database, clock=lambda: AUTUMN)


def test_fields(tree: Tree) -> None:
    """Of the fields that there are, those whose values tickets share are listed: no texts, no times."""
    assert list(listed(tree, "by")) == ["reporter", "owner", "status", "priority", "risk", "keywords"]
    assert found(tree, "by/summary") is found(tree, "by/place") is found(tree, "by/nosuch") is None
    assert found(tree, "by/component") is None, "this tracker has none"


def test_values(tree: Tree) -> None:
    """The values are those that tickets have at the moment; (none) where a ticket has none."""
    assert list(listed(tree, "by/owner")) == ["(none)", "ann", "bob"]
    assert list(listed(tree, "by/risk")) == ["(none)"]
    assert list(listed(tree, "@2011-04-09/by/risk")) == ["(none)", "high"]
    assert found(tree, "by/risk/high") is None
    assert found(tree, "by/owner/nobody") is found(tree, "by/owner/") is None


def test_tickets_by_value(tree: Tree) -> None:
    """A value's tickets are there in the order of their priority, as in a query, and then by number."""
    assert numbers(tree, "@2011-04-09/by/owner/bob") == [3, 1]
    assert numbers(tree, "by/owner/bob") == [3]
    assert numbers(tree, "by/owner/(none)") == [4]
    assert numbers(tree, "by/risk/(none)") == [3, 1, 4]
    assert numbers(tree, "@2011-04-09/by/risk/high") == [1]


def test_keywords_word_by_word(tree: Tree) -> None:
    """Keywords are browsed by their words, whatever stands between them."""
    assert list(listed(tree, "@2011-04-09/by/keywords")) == ["(none)", "crash", "slow", "ui"]
    assert numbers(tree, "@2011-04-09/by/keywords/ui") == [2, 1]
    assert numbers(tree, "@2011-04-09/by/keywords/slow") == [2]
    assert numbers(tree, "@2011-04-09/by/keywords/(none)") == [3, 4]


def test_odd_keywords(tree: Tree, database: Database) -> None:
    """Keywords without a word are no keywords; "$USER" is a word, not whoever looks."""
    files = ticket(5, keywords=" , ") | ticket(6, keywords="$USER") | ticket(7, keywords="anonymous;-")
    files |= ticket(3, keywords="ui") | ticket(4, keywords="ui")
    append(database, (AUTUMN, files))
    tree.refresh()
    assert list(listed(tree, "by/keywords")) == ["(none)", "$USER", "anonymous", "ui"]
    assert numbers(tree, "by/keywords/(none)") == [1, 5]
    assert numbers(tree, "by/keywords/$USER") == [6]
    assert numbers(tree, "by/keywords/anonymous") == [7]


def test_links(tree: Tree) -> None:
    """A link has the summary of the moment, leads to the text in the same "@…", and has the change's time."""
    assert listed(tree, "by/owner/ann") == {"1-no-crash-any-more.txt": Link("../../../text/1.txt", SUMMER)}
    assert listed(tree, "@2011-04-09/query/owner=bob") == {
        "3-points-at-birdbath.txt": Link("../../text/3.txt", SPRING),
        "1-crash-on-start.txt": Link("../../text/1.txt", SPRING),
    }


def test_numbers_can_be_entered(tree: Tree) -> None:
    """Whoever knows a ticket's number needs no more of its name; other tickets are not there."""
    assert found(tree, "by/owner/bob/3.txt") == Link("../../../text/3.txt", SPRING)
    assert found(tree, "by/owner/bob/3.json") == Link("../../../ticket/3.json", SPRING)
    for name in ("1.txt", "1.json", "03.txt", "3", "3-.txt", "3-crash.txt", "3.csv", "x", "٣.txt"):
        assert found(tree, f"by/owner/bob/{name}") is None


def test_odd_values(tmp_path: Path) -> None:
    """Whatever a value is, it has a name, and below that there are its tickets and no others."""
    database = new_database(tmp_path / "db")
    files: dict[str, bytes | None] = {"fields.json": records.dump(FIELDS)}
    for number, value in enumerate(ODD, 1):
        files |= ticket(number, owner=value, risk=value)
    append(database, (SPRING, files))
    tree = tree_of(database)
    for field in ("owner", "risk"):
        assert set(listed(tree, f"by/{field}")) == set(map(value_name, ODD))
        for number, value in enumerate(ODD, 1):
            assert numbers(tree, f"by/{field}/{value_name(value)}") == [number], value


def test_queries(tree: Tree, database: Database) -> None:
    """A query in Trac's language is a directory; "/" is %2F in it, and "%" is %25."""
    assert numbers(tree, "query/status=new&order=id&desc=1") == [4, 3, 1]
    assert numbers(tree, "query/owner~=b&or&owner=") == [3, 4]
    assert numbers(tree, "query/?owner=ann&owner=bob") == [3, 1]
    assert numbers(tree, "query/id!=0&max=2&page=2&order=id") == [4]
    assert numbers(tree, "query/owner=nobody") == []
    append(database, (AUTUMN, ticket(9, summary="50% of a/b", keywords="$USER")))
    tree.refresh()
    assert numbers(tree, "query/summary~=50%25 of a%2Fb") == [9]


@pytest.mark.parametrize(
    "text",
    [
        "x=1",
        "owner=bob&ordr=id",
        "owner",
        "",
        "time=never",
        "id=x",
        "owner=%FF",
        "a&&b",
    ],
)
def test_no_query(tree: Tree, text: str) -> None:
    """What is no query, or names a field that there is not, is no directory."""
    assert found(tree, f"query/{text}") is None


def test_no_page(tree: Tree) -> None:
    """A page behind the last one is seen only when the query runs: it is empty."""
    assert listed(tree, "query/id!=0&max=1&page=9") == {}
    assert numbers(tree, "query/id!=0&max=1&page=3&order=id") == [4]


def test_fields_that_cannot_be_named(tree: Tree, database: Database) -> None:
    """A field whose name is no UTF-8, or has a NUL, is left out; the others can be asked for."""
    odd = [{"name": name, "type": "select", "label": "Odd"} for name in ("a\ud800", "b\0")]
    append(database, (AUTUMN, {"fields.json": records.dump([*FIELDS, *odd])}))
    tree.refresh()
    assert list(listed(tree, "by")) == ["reporter", "owner", "status", "priority", "risk", "keywords"]
    assert numbers(tree, "query/owner=bob") == [3]
    assert found(tree, "query/b\0=1") is found(tree, "query/a%ED%A0%80=1") is None


def test_broken_fields(tree: Tree, database: Database) -> None:
    """Where the definitions of fields cannot be read, the error names their file."""
    append(database, (AUTUMN, {"fields.json": b"[{"}))
    head = tree.refresh()
    assert head
    for broken in (fields_at, tickets.context):
        with pytest.raises(DatabaseDamaged, match=r"^fields\.json: A record is not JSON"):
            broken(database, head)


def test_revisions_share_their_fields(tree: Tree, database: Database) -> None:
    """What every revision keeps does not hold the definitions of fields again."""
    append(database, (AUTUMN, ticket(5)))
    before, after = tree.head, tree.refresh()
    assert before
    assert after
    assert before != after
    assert tickets.context(database, before).fields is tickets.context(database, after).fields


def test_now_is_the_revision(tree: Tree) -> None:
    """In a query, "today" is the day of the revision's commit, in the past and in the present."""
    assert numbers(tree, "@2011-05/query/created=today..") == [2, 3, 1, 4]
    assert numbers(tree, "query/created=today..") == [1]


def test_user(tree: Tree, database: Database) -> None:
    """$USER is whoever the tracker knows us as, and anonymous where it knows nobody."""
    append(database, (AUTUMN, ticket(5, owner="anonymous")))
    tree.refresh()
    assert numbers(tree, "query/owner=$USER") == [5]
    state = database.state()
    state.user = "bob"
    database.save(state)
    assert numbers(tree_of(database), "query/owner=$USER") == [3]


def test_not_listed(tree: Tree) -> None:
    """None of it is listed above, so that `grep -r` and `cp -r` do not go there."""
    for root in (ROOT, Directory("@2011-04-09", "")):
        names = {entry.name for entry in tree.entries(tree.open(root))}
        assert not names & {"by", "query", "text"}
        assert tree.lookup(root, "by") == root.child("by")
    assert listed(tree, "query") == {}
    assert found(tree, "field/by") is found(tree, "ticket/query") is None
    assert tree.lookup(DAYS, "by") is tree.lookup(DAYS, "query") is None


def test_before_the_first_sync(tmp_path: Path) -> None:
    """Where nothing has been synced, nothing can be entered, and the kernel may not keep that."""
    tree = tree_of(new_database(tmp_path / "db"))
    for name in ("by", "query"):
        assert found(tree, name) is None
        assert tree.may_appear(ROOT, name)


def test_nothing_is_computed_twice(tree: Tree, database: Database) -> None:
    """Contents are kept by revision, in whatever "@…" they are looked at; a new revision needs new ones."""
    assert tree.work(tree.open(Directory("", "by/owner")))
    assert numbers(tree, "by/owner/bob") == [3]
    for at in ("", "@HEAD", "@2011-07"):
        for path in ("by", "by/owner", "by/owner/bob"):
            assert tree.work(tree.open(Directory(at, path))) is None
    append(database, (AUTUMN, ticket(7, owner="bob")))
    tree.refresh()
    assert tree.work(tree.open(Directory("", "by/owner/bob")))
    assert tree.work(tree.open(Directory("@2011-07", "by/owner/bob"))) is None
    assert numbers(tree, "by/owner/bob") == [3, 7]


def test_few_are_kept(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many directories are looked at, what is kept of them stays small; the newest is kept always."""
    monkeypatch.setattr(cache, "MAX_BYTES", 1)
    for number in range(50):
        assert numbers(tree, f"query/id!={number}0") == [3, 1, 4]
    known = [tree.work(tree.open(Directory("", f"query/id!={number}0"))) is None for number in range(50)]
    assert known == [False] * 49 + [True]


def test_all_kinds_share_the_room(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of directories of one kind makes room for those of another."""
    monkeypatch.setattr(cache, "MAX_BYTES", 1)
    for path in ("by/owner", "query/id!=0", "by/owner/bob"):
        finish(tree, Directory("", path))
    assert tree.work(tree.open(Directory("", "by/owner/bob"))) is None
    assert tree.work(tree.open(Directory("", "query/id!=0"))), "it made room"


def test_an_opened_directory_keeps_its_contents(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing that is being read goes on, whatever else is looked at meanwhile."""
    monkeypatch.setattr(cache, "MAX_BYTES", 1)
    directory = Directory("", "query/id!=0")
    finish(tree, directory)
    listing = tree.open(directory)
    first, *others = tree.entries(listing)
    finish(tree, Directory("", "query/id!=1"))
    assert tree.work(tree.open(directory)), "it made room"
    assert tree.work(listing) is None
    assert list(tree.entries(listing, first.position)) == others
    assert tree.lookup_in(listing, first.name) == first.node


def test_links_take_little_memory() -> None:
    """Of a link its name takes the most, and the directory knows what it takes."""
    found = [
        (link_name(n, f"Points at Birdbath, curve {n}"), Ticket(n, "", AUTUMN)) for n in range(20_000, 0, -1)
    ]
    names = sum(sys.getsizeof(name) for name, _ in found)
    tracemalloc.start()
    try:
        made = Links(Selections.numbered, found)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert names + taken < len(found) * 140
    assert made.size == pytest.approx(names + taken, rel=0.02)
    for name, (number, *_) in found[::1_000]:
        assert made.node(ROOT, name) == Link(f"../text/{number}.txt", AUTUMN)


def test_listing_goes_on_from_any_position(tree: Tree) -> None:
    """From each position the rest of a listing follows."""
    finish(tree, Directory("", "by/risk/(none)"))
    listing = tree.open(Directory("", "by/risk/(none)"))
    entries = list(tree.entries(listing))
    for place, entry in enumerate(entries):
        assert list(tree.entries(listing, entry.position)) == entries[place + 1 :]


def test_the_kernel_keeps_only_what_cannot_change(tree: Tree) -> None:
    """Names in these directories are told to nobody: those of a settled past stay as they are."""
    tree.settled = SUMMER + 1
    assert tree.is_told(Directory("@2011-06", "by/owner"))
    assert tree.is_told(ROOT)
    assert not tree.is_told(ROOT, Directory("", "by"))
    assert not tree.is_told(Directory("@2011-06", "report/1")), "SQL can ask for the time"
    for at in ("", "@HEAD", "@2011"):
        assert not tree.is_told(Directory(at, "by/owner"))
        assert tree.may_appear(Directory(at, "by/owner"), "x")


def test_a_limit(tree: Tree, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes too long is an error that says so, and what nobody waits for any more ends, too."""
    monkeypatch.setattr(tickets, "STEPS", 1)
    listing = tree.open(Directory("", "query/summary~=crash"))
    work = tree.work(listing)
    assert work
    with pytest.raises(DatabaseError, match="limit"):
        work.run([], lambda: True)
    monkeypatch.setattr(tickets, "TIMEOUT", 0)
    with pytest.raises(DatabaseError, match="longer than 0 seconds"):
        work.run([], lambda: False)
    assert tree.work(listing), "nothing was kept"


def test_by_an_index(database: Database) -> None:
    """For exact values SQLite looks at the tickets that have them, and at no others; also in the past."""
    for number in (1, 2):
        with closing(database.reader()) as reader:
            at = reader.revision(number)
        assert at
        context = tickets.context(database, at)
        with tickets.asking(database.path, at, lambda: False) as run:
            for text in ("owner=bob", "owner=bob|ann&status=new", "risk=high", "owner=bob&or&reporter=bob"):
                made = tickets.statement(parse(text, FIELDS), context)
                plan = [row[-1] for row in run(f"EXPLAIN QUERY PLAN {made.text}", made.values)]
                assert not [line for line in plan if line.startswith("SCAN t")], plan


@pytest.fixture(scope="module")
def railway(demo_database: Database) -> Database:
    """The demo, with ten years of history."""
    return demo_database


def asked(database: Database, text: str, at: str) -> list[int] | None:
    """The tickets that `offtracfs query --at` lists, in its order; None where it refuses the query."""
    rows = realqueries.ours(database, f"{text}&col=id", at)
    return None if rows is None else [int(row[0]) for row in rows[1:]]


def compared(database: Database, tree: Tree, dice: random.Random) -> int:
    """Compares a query, and a value of a field, at some moment; how many tickets there were."""
    head = tree.head
    assert head
    with closing(database.reader()) as reader:
        revision = reader.revision(dice.randrange(head.number // 10, head.number + 1))
    assert revision
    at = revision.commit.hex()
    values = {
        name: tickets.values(database, revision, name, lambda: False) for name in listed(tree, f"@{at}/by")
    }
    text = made_up(dice, values)
    directory, expected = f"@{at}/query/{quote(text, safe=' =&|~!^$?')}", asked(database, text, at)
    assert (numbers(tree, directory) if found(tree, directory) else None) == expected, text
    field = dice.choice([*values])
    name = dice.choice([*listed(tree, f"@{at}/by/{field}")])
    mode = "~" if field == "keywords" and name != "(none)" else ""
    text = f"{field}{mode}={value_of(name)}"
    assert numbers(tree, f"@{at}/by/{field}/{name}") == asked(database, text, at), text
    return len(expected or [])


def test_made_up(railway: Database) -> None:
    """What by/ and query/ show at some moment is what `offtracfs query --at` lists, in its order."""
    tree, dice = tree_of(railway), random.Random(1)
    assert sum(compared(railway, tree, dice) > 1 for _ in range(25)) > 10


@pytest.mark.slow
def test_made_up_many(railway: Database) -> None:
    """The same, of hundreds of others."""
    tree, dice = tree_of(railway), random.Random(2)
    assert sum(compared(railway, tree, dice) > 1 for _ in range(400)) > 200
