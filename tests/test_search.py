"""Searching: against brute force over all texts of all tickets at any moment."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtracfs import records, search
from offtracfs.database import Database
from offtracfs.errors import QueryRefused
from offtracfs.index import Reader, Revision
from offtracfs.search import hits, parse
from offtracfs.search.hits import _SENTENCE
from offtracfs.search.query import Term
from offtracfs.search.words import compounds, pieces
from tests.helpers import examples, few, one_sentence
from tests.mounting import SPRING, append, new_database
from tests.searching import found, has, matching, random_query, texts_at, words

AT = "2011-04-09T12:00:00"
CAMEL = "a NullPointerException in getURLFor of src/net/httpClient.c since v1.2.3, see #42 and foo_bar"


def record(number: int, *comments: tuple[str, str], **props: str) -> dict[str, bytes | None]:
    """The records of a ticket with some comments, each with its author."""
    log = [[AT, author, "comment", f"{turn}", text, 1] for turn, (author, text) in enumerate(comments, 1)]
    props = {"status": "new", **props}
    return {
        f"ticket/{number}.json": records.dump([number, AT, AT, props]),
        f"changelog/{number}.json": records.dump(log),
    }


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """An empty database."""
    return new_database(tmp_path / "db")


def revisions(database: Database) -> list[Revision]:
    """All revisions, oldest first."""
    reader = Reader(database.path)
    try:
        head = reader.head()
        return [
            revision
            for number in range(1, (head.number if head else 0) + 1)
            if (revision := reader.revision(number))
        ]
    finally:
        reader.close()


def fill(database: Database, *states: dict[str, bytes | None]) -> None:
    """A revision for each of these states."""
    append(database, *((SPRING + 60 * turn, state) for turn, state in enumerate(states)))


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ("nullpointerexception", True),
        ("NullPointerException", True),
        ("pointer", True),
        ('"null pointer"', True),
        ("NullPointer*", True),
        ("point*", True),
        ("url", True),
        ('"pointer exception get"', False),
        ('"exception in"', False),
        ('"nullpointerexception in geturlfor"', True),
        ("foo_bar", True),
        ("foo", True),
        ("bar_foo", False),
        ("1.2.3", False),  # it is v1.2.3
        ("v1.2.3", True),
        ("v1.2", True),
        ("#42", True),
        ("42", True),
        ("src/net/httpClient.c", True),
        ("net/httpclient", True),
        ("client", True),
        ("since -foo_bar", False),
        ("since -foo_baz", True),
        ("SÍNCE", True),
        ("sinc", False),
        ("e\u0301tat", True),
        ("ETAT", True),
        ("エラー", True),
        ("起動", True),
        ("動起", False),
        ("検索", True),
        ("ภาษา", True),
        ("हिन्दी", True),
        ("हिन्", False),
        ("нет", True),
        ("x:since", False),
    ],
)
def test_words_as_people_write_them(database: Database, asked: str, there: bool) -> None:
    """Words are found whole and in parts, in any case, with and without accents, in any script."""
    text = f"{CAMEL} État 起動時のエラー、全文検索 ภาษาไทย हिन्दी НЕТ"
    fill(database, record(1, description=text), record(2, summary="other"))
    assert found(database, asked, revisions(database)[-1]) == [1] * there


def test_pieces() -> None:
    """Words of several are cut where a capital says so, and no phrase spans two of them."""
    assert [text.pieces for text in compounds("HTTPServer2Go iPhone ABC Abc ÜberKlasse x2")] == [
        ["HTTP", "Server2", "Go"],
        ["i", "Phone"],
        ["Über", "Klasse"],
    ]
    assert pieces("one Two THREE") is None


def test_what_was_edited_away(database: Database) -> None:
    """A text is found as long as it stood: before nothing, after that what took its place."""
    fill(
        database,
        record(1, summary="crash"),
        record(1, ("bob", "railway"), summary="crash"),
        record(1, ("bob", "railway"), summary="hang", status="closed"),
        record(1, ("bob", "motorway"), summary="crash", status="closed"),
        {"ticket/1.json": None, "changelog/1.json": None},
        record(1, ("bob", "railway"), summary="crash"),
    )
    assert [found(database, "crash", each) for each in revisions(database)] == [[1], [1], [], [1], [], [1]]
    assert [found(database, "railway", each) for each in revisions(database)] == [[], [1], [1], [], [], [1]]
    assert [found(database, "crash railway", each) for each in revisions(database)] == [
        [],
        [1],
        [],
        [],
        [],
        [1],
    ]
    assert [found(database, "crash -railway", each) for each in revisions(database)] == [
        [1],
        [],
        [],
        [1],
        [],
        [],
    ]


def test_a_ticket_that_has_no_text_at_first(database: Database) -> None:
    """A ticket gets its first text after others that came later than it: all are found."""
    fill(database, record(1), record(2, summary="crash"), record(1, summary="crash"))
    assert [sorted(found(database, "crash", each)) for each in revisions(database)] == [[], [2], [1, 2]]


def test_filters(database: Database) -> None:
    """Texts are chosen by field and author; tickets by what their fields say at that moment."""
    fill(
        database,
        record(1, ("Bob", "crash"), summary="one", status="new", owner="ann", risk="high")
        | record(2, ("eve", "crash"), summary="crash", status="closed", risk="crash")
        | record(
            3, ("eve", "no"), keywords="crash", description="crash", status="Accepted", milestone="1.0 beta"
        ),
        record(1, ("Bob", "crash"), summary="one", status="closed", owner="ann"),
    )
    first, second = revisions(database)

    def asked(text: str, revision: Revision = first, **options: Any) -> set[int]:
        return set(found(database, text, revision, **options))

    assert asked("crash") == {1, 2, 3}
    assert asked("crash in:comments") == asked("crash", within=["comment"]) == {1, 2}
    assert asked("crash in:summary in:keywords") == {2, 3}
    assert asked("crash in:risk") == {2}
    assert asked("summary:crash") == {2}
    assert asked("summary:crash no") == set()
    assert asked("description:cra* no") == {3}
    assert (
        asked("crash author:bob in:comments") == asked("crash", authors=["bob"], within=["comments"]) == {1}
    )
    assert asked("crash status:new") == {1}
    assert asked("crash status:new", second) == set()
    assert asked("crash status:new status:ACCEPTED") == asked("crash", statuses=["new", "accepted"]) == {1, 3}
    assert asked("crash -status:closed") == {1, 3}
    assert asked("crash owner:ann") == {1}
    assert asked('crash milestone:"1.0 beta"') == {3}
    assert asked('crash owner:""') == {2, 3}
    assert asked("crash risk:high") == {1}
    assert asked("crash risk:high", second) == set()
    assert asked("crash status:crash") == set()


def test_the_best_first(database: Database) -> None:
    """Words in a summary come before words in a text, and those before words in several texts."""
    many: dict[str, bytes | None] = {}
    for number in range(10, 60):
        many |= record(number, ("bob", "common words"), summary=f"x{number}")
    many |= record(
        1, ("bob", "a long comment on a crash in the railway and on many other things that go on here")
    )
    many |= record(2, summary="crash of the railway")
    many |= record(3, ("bob", "railway"), ("bob", "and " * 20 + "crash"))
    fill(database, many)
    (revision,) = revisions(database)
    assert found(database, "crash railway", revision) == [2, 1, 3]
    assert len(found(database, "common", revision)) == 50


@pytest.mark.parametrize("limit", ["COMMON", "MAX_RANKED", "FIRST_VERIFIED", "PROBE"])
def test_limits_change_no_set(database: Database, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """Whatever is not ranked, or verified in other portions, the same tickets match."""
    dice = Random(3)
    state: dict[str, bytes | None] = {}
    for number in range(1, 80):
        state |= record(
            number, *(("bob", dice.choice(("a", "b", "a b", "b c d"))) for _ in range(3)), summary="c"
        )
    fill(database, state)
    (revision,) = revisions(database)
    queries = ["a", "a b", "c a", "d a", "c -d", "a* b"]
    before = [sorted(found(database, text, revision)) for text in queries]
    monkeypatch.setattr(f"offtracfs.search.searching.{limit}", 1)
    texts = texts_at(database, revision)
    assert [sorted(found(database, text, revision)) for text in queries] == before
    assert before[1] == sorted(matching(texts, ["a", "b"]))


vocabulary = st.sampled_from(
    [
        "crash",
        "Crash",
        "cräsh",
        "rail_way",
        "rail",
        "way",
        "RailWay",
        "1.2",
        "2.1",
        "#42",
        "HTTPWay",
        "a",
        "crashed",
    ]
)
sentences = st.lists(vocabulary, max_size=4).map(" ".join)
tickets = st.builds(
    lambda comments, summary, description: (comments, summary, description),
    st.lists(sentences, max_size=2),
    sentences,
    sentences,
)
histories = st.lists(
    st.dictionaries(st.integers(1, 3), st.none() | tickets, max_size=3), min_size=1, max_size=5
)
asked_for = st.lists(
    vocabulary
    | vocabulary.map(lambda word: f"{word[:2]}*")
    | st.builds(lambda a, b: f'"{a} {b}"', vocabulary, vocabulary),
    min_size=1,
    max_size=2,
)


def state_of(wanted: dict[int, Any]) -> dict[str, bytes | None]:
    """The files that a revision sets."""
    files: dict[str, bytes | None] = {}
    for number, ticket in wanted.items():
        if ticket is None:
            files |= {f"ticket/{number}.json": None, f"changelog/{number}.json": None}
        else:
            comments, summary, description = ticket
            files |= record(
                number, *(("bob", text) for text in comments), summary=summary, description=description
            )
    return files


@few
@given(histories, st.lists(asked_for, min_size=1, max_size=4), st.booleans())
def test_brute_force(
    tmp_path_factory: pytest.TempPathFactory, history: Any, queries: Sequence[list[str]], at_once: bool
) -> None:
    """At every revision of any history, the tickets found are those that brute force over all texts finds."""
    database = new_database(tmp_path_factory.mktemp("search") / "db")
    moments = [(SPRING + 60 * turn, state_of(wanted)) for turn, wanted in enumerate(history)]
    for moment in moments if not at_once else []:
        append(database, moment)
    if at_once:
        append(database, *moments)
    for revision in revisions(database):
        texts = texts_at(database, revision)
        for wanted in queries:
            listed = found(database, " ".join(wanted), revision)
            assert len(listed) == len(set(listed))
            assert set(listed) == matching(texts, wanted), (revision.number, wanted)


def _against_demo(database: Database, seed: int, moments: int, queries: int) -> None:
    dice, all_revisions = Random(seed), revisions(database)
    for revision in dice.choices(all_revisions, k=moments):
        texts = texts_at(database, revision)
        for _ in range(queries if texts else 0):
            wanted, unwanted = random_query(dice, texts)
            listed = found(database, " ".join([*wanted, *(f"-{word}" for word in unwanted)]), revision)
            assert set(listed) == matching(texts, wanted, unwanted), (revision.number, wanted, unwanted)


def test_brute_force_on_the_demo(demo_database: Database) -> None:
    """Random words, beginnings and phrases at random moments of ten years: the same tickets."""
    _against_demo(demo_database, 1, 3, 30)


@pytest.mark.slow
def test_brute_force_on_the_demo_at_length(demo_database: Database) -> None:
    """The same, for many."""
    _against_demo(demo_database, 2, 10, 100)


def test_hits(database: Database) -> None:
    """With a ticket come the sentence in which the words are, and who wrote it when."""
    text = "All was well. Then a NullPointerException came, and all was lost! Nobody\nknows why."
    fill(
        database,
        record(1, ("bob", text), ("eve", "unlike this"), summary="Broken pointer", status="new")
        | record(2, summary="A pointer\x02 to\x1f nowhere", status=""),
        record(1, ("bob", text), ("eve", "unlike this"), summary="Broken pointer", status="closed"),
    )
    with database.search(parse("pointer"), revisions(database)[-1]) as search:
        two, one = sorted(hits(search), key=lambda hit: -hit.number)
    assert one.number == 1
    assert (one.status, one.field, one.author, one.time) == ("closed", "comment", "bob", SPRING * 1_000_000)
    assert one.summary == ["Broken ", "pointer", ""]
    assert one.text == ["Then a ", "NullPointerException", " came, and all was lost!"]
    assert (two.field, two.author, two.time) == ("summary", "ann", (SPRING - 5) * 1_000_000)
    assert "".join(two.text) == "A pointer to nowhere"
    with database.search(parse('"nobody knows" ever'), revisions(database)[-1]) as search:
        assert list(hits(search)) == []


def test_a_long_sentence(database: Database) -> None:
    """Of a long sentence there is a part around what was found."""
    fill(database, record(1, description="long " * 200 + "日本語 crash " + "tail " * 200))
    with database.search(parse("本語 crash"), revisions(database)[-1]) as search:
        (hit,) = hits(search)
    assert len("".join(hit.text)) < 260
    assert hit.text[0].startswith("… ")
    assert hit.text[-1].endswith(" …")
    assert hit.text[1::2] == ["本語", "crash"]


@pytest.mark.parametrize(
    "text", ["", " ", "...", "-crash", "status:new", "author:bob", '""', "*", "in:nowhere crash",
             "-in:summary x", "x" * 1_001, "a\0", "a\udcff", "- - -"]
)  # fmt: skip
def test_refused(text: str) -> None:
    """What asks for nothing, or for no text that there is, is one sentence."""
    with pytest.raises(QueryRefused) as raised:
        parse(text)
    assert one_sentence(raised.value)


@examples(25)
@given(st.text(st.sampled_from("ab\"*-:()^+{}NEAR OROAND\\'\n\t%_;é漢\u200b") | st.characters(), max_size=30))
def test_any_text_is_safe(shared: Database, text: str) -> None:
    """No text means anything to SQLite: it finds something or nothing, or is refused."""
    try:
        query = parse(text, ["risk"])
    except QueryRefused:
        return
    with shared.search(query, revisions(shared)[-1]) as search:
        assert {hit.number for hit in hits(search)} <= {1}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """A database with one ticket, for tests that only read."""
    database = new_database(tmp_path_factory.mktemp("shared") / "db")
    fill(database, record(1, ("bob", "a b OR AND NEAR"), summary='"a"'))
    return database


def test_parse() -> None:
    """A name before a colon that is no field is a word; quotes and stars mean what they look like."""
    query = parse('http://x.org:8 "a b"* cra* risk:"very high" -"no way" don\'t', ["risk"])
    assert query.terms == [Term("http://x.org:8"), Term("a b", True), Term("cra", True), Term("don't")]
    assert query.excluded == [Term("no way")]
    assert query.fields == {"risk": ["very high"]}


def test_brute_force_itself() -> None:
    """What the tests compare with knows a word when it sees one."""
    assert words("Ça va_bien 1.2") == ["ca", "va", "bien", "1", "2"]
    assert has(CAMEL, '"null pointer"')
    assert not has(CAMEL, '"pointer exception in"')
    assert search.SEARCH.link == "search.db"


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ("comments:engine", True),
        ("Comment:engine", True),
        ("comment:train", False),
        ("KEYWORD:steam", True),
        ("Status:new engine", True),
        ("status:NEW engine", True),
        ("status:closed engine", False),
        ("engine engine ENGINE", True),
        ("engine author:JÜRGEN", True),
        ("engine author:jürg", False),
        ("comment:3", True),
    ],
)
def test_names_before_a_colon(database: Database, asked: str, there: bool) -> None:
    """Names, values and authors are taken without regard to case, and texts in the plural, too."""
    comment = ("Jürgen", "the engine of comment:3")
    fill(database, record(1, comment, summary="train", keywords="steam", status="new"))
    assert bool(found(database, asked, revisions(database)[-1])) == there


def test_each_word_once() -> None:
    """A word that is asked for often costs no more."""
    assert len(parse("a* b a* a*").terms) == 2


@pytest.mark.parametrize("text", ["crash OR frost", "AND crash", "crash NOT frost"])
def test_operators_of_others(text: str) -> None:
    """What would be an operator elsewhere is refused, and not looked for; in small letters it is a word."""
    with pytest.raises(QueryRefused, match="is no operator here"):
        parse(text)
    assert len(parse(text.lower()).terms) == len(text.split())


def test_names_that_are_no_fields() -> None:
    """A name before a colon that is no field is a word, and this is told."""
    assert parse("nosuch:value http://example.org").no_fields == ["nosuch", "http"]


def test_passages_cost_what_their_length_costs() -> None:
    """A comment of a long run of full stops is cut into sentences in a time that grows with it."""
    taken = []
    for length in (20_000, 160_000):
        began = time.process_time()
        assert _SENTENCE.search("." * length + "x") is None
        taken.append(time.process_time() - began)
    assert taken[1] < 30 * max(taken[0], 0.001)
