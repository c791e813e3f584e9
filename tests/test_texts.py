"""Tickets as texts: what can be read back, what stays in its place, and how large the parts are."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from difflib import SequenceMatcher
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from offtracfs import records
from offtracfs.errors import UsageError
from offtracfs.texts import (
    SIZES,
    Labels,
    address_part,
    differences,
    entries,
    log_part,
    parse,
    record_of,
    ticket_part,
)
from offtracfs.texts import (
    log as log_module,
)
from offtracfs.texts import (
    ticket as ticket_module,
)
from offtracfs.texts.log import changed_lines
from tests.helpers import one_sentence

AT, LATER = "2011-04-09T21:16:07", "2011-04-09T21:16:07.000123"
STAMP = "1302383767000000"
DEFAULT = Labels()
FIELDS = [
    {"name": "summary", "label": "Summary", "type": "text"},
    {"name": "status", "label": "Status", "type": "select"},
    {"name": "owner", "label": "Owner", "type": "text"},
    {"name": "cc", "label": "Cc", "type": "text", "format": "list"},
    {"name": "description", "label": "Description", "type": "textarea"},
    {"name": "steps", "label": "Steps to see it", "type": "textarea"},
    {"name": "risk", "label": "Is it risky?", "type": "checkbox"},
]
LABELS = Labels(FIELDS)

PIECES = st.sampled_from(
    [
        *("---- ", "==== ", "---- Description\n", "==== 2011-04-09 21:16:07 bob\n", "\\---- ", "\\\\==== "),
        *("\n", "\r", "\r\n", "\n\n", " ", "\t", "\x0b", "\x1c", "\x85", "\xa0", "\u2028", "\u3000", "  \n"),
        *("\0", "\x1b[2J", "\x7f", "\x9b", "\u061c", "\u202e", "\u2066", "\ud800", "\udc00", "\ufeff", "😀"),
        *(
            "\\",
            "\\\\",
            "\\u",
            "\\u001b",
            "\\u005c",
            "\\u0041",
            "\\u00e9",
            "\\u005cu001b",
            "\\u0020",
            "\\x1b",
        ),
        *("#42 x", "Owner: bob", "Created: now", "Owner", ":", "=", "?", "é", "a", "a b", "1", "null", "{}"),
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=3), max_size=6).map("".join)
NAMES = TEXTS | st.sampled_from(
    [
        *("summary", "description", "owner", "cc", "steps", "risk", "time", "changetime", "_ts", "keywords"),
        *(
            "Owner",
            "owner\n",
            "Created",
            "Modified",
            "Summary",
            "=Owner",
            "",
            "=",
            "a (CRLF)",
            "😀b",
            "u0041",
        ),
    ]
)
TIMES = st.sampled_from([AT, LATER, "1969-12-31T23:59:59", "9999-01-01T00:00:00.999999"])
STAMPS = st.fixed_dictionaries({}, optional={"time": TIMES, "changetime": TIMES, "_ts": st.just(STAMP)})
VALUES = TEXTS | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
RECORDS = st.builds(
    lambda created, changed, stamps, props: [42, created, changed, stamps | props],
    TIMES,
    TIMES,
    STAMPS,
    st.dictionaries(NAMES, VALUES, max_size=8),
)
DEFINITIONS = st.fixed_dictionaries(
    {"name": NAMES},
    optional={
        "label": NAMES | st.sampled_from(["Risk?", "a: b", "Grün", "\u202egnal", "x\ud800", "CREATED"]),
        "type": st.sampled_from(["text", "textarea", "select"]),
        "format": st.sampled_from(["list", "wiki"]),
    },
)
JSON = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(TEXTS, inner, max_size=4)
)
LABELLINGS = (st.lists(DEFINITIONS, max_size=8) | JSON).map(Labels) | st.sampled_from([DEFAULT, LABELS])
ROWS = st.tuples(
    st.sampled_from([AT, LATER]) | TEXTS,
    st.sampled_from(["ann", "bob", None]) | TEXTS,
    st.sampled_from(["comment", "_comment0", "_comment1", "status", "cc", "description", "attachment"])
    | NAMES,
    st.sampled_from([None, "", "3", "1.4", "1."]) | TEXTS,
    st.none() | TEXTS,
    st.integers(0, 1),
).map(list)
LOGS = st.lists(ROWS | JSON, max_size=6)
TAILS = (
    st.just("")
    | st.just(address_part("https://trac.example.org/ticket/42"))
    | LOGS.map(lambda log: log_part(log, LABELS))
)


def other(value: Any) -> Any:
    """Another value of the same sort."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return f"{value}, and more"
    return value if value is None else 7 if isinstance(value, int) else 0.5


def like(record: list[Any]) -> list[Any]:
    """A record of the same fields, of which nothing can be taken over."""
    *_, props = record
    return [0, "", "", {name: other(value) for name, value in props.items()}]


def same(one: Any, two: Any) -> bool:
    """Whether two records are equal, and their values of the same types."""
    return bool(one == two and repr(one) == repr(two))


def marks(text: str) -> list[str]:
    """The lines of a text that are its own."""
    return [line for line in text.split("\n") if line.startswith(("---- ", "==== "))]


# There and back.


@given(record=RECORDS, labels=LABELLINGS, tail=TAILS)
@example([42, AT, AT, {"Owner": "a", "owner": "b", "": "c", "=": "d", "Created": "e"}], LABELS, "")
@example([42, AT, AT, {"a bc": "x", "😀b": "y", "a\u0020bc (CRLF)": "z\n"}], LABELS, "")
@example([42, AT, LATER, {"time": "", "changetime": None, "_ts": STAMP}], LABELS, "")
@example([42, AT, AT, {"owner": None, "risk": 5, "votes": "5", "status": "null", "cc": True}], LABELS, "")
def test_identity(record: list[Any], labels: Labels, tail: str) -> None:
    """Whatever a record holds, its text says all of it, whatever follows, and UTF-8 can hold the text."""
    text = ticket_part(42, record, labels)
    back = record_of(parse((text + tail).encode().decode(), labels), like(record))
    assert same(back, [42, record[1], record[2], record[3]])


@pytest.mark.parametrize(
    ("filling", "times"),
    [
        ("x", 10_000_000),
        ("\n", 10_000_000),
        ("---- x\n", 1_500_000),
        ("a\r\n", 300_000),
        ("\\u001b", 100_000),
        ("\0", 100_000),
    ],
)
def test_large(filling: str, times: int) -> None:
    """A text of some megabytes comes back."""
    record = [42, AT, AT, {"summary": filling * 1000, "description": filling * times}]
    text = ticket_part(42, record, LABELS)
    assert record_of(parse(text, LABELS), like(record)) == record
    assert SIZES["ticket"](42).of(record, LABELS) == len(text.encode())


COMMANDS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@given(text=TEXTS, log=LOGS, labels=LABELLINGS)
def test_stays_in_its_place(text: str, log: list[Any], labels: Labels) -> None:
    """No text begins a line as the text's own lines begin, nor commands a terminal."""
    part = ticket_part(
        42, [42, AT, AT, dict.fromkeys(("summary", "owner", "steps", "description"), text)], LABELS
    )
    assert len(marks(part)) == (2 * (text != "") + ("\n" in text))
    told = log_part(log, labels)
    assert len(marks(told)) == len(entries(log))
    address = address_part(f"https://example.org/{text}")
    assert len(marks(address)) == 1
    assert not COMMANDS.search(part + told + address)


# What is no record.


@given(
    record=JSON | st.tuples(st.just(42), st.just(AT), st.just(AT), JSON).map(list),
    log=JSON,
    labels=LABELLINGS,
)
def test_misshapen(record: Any, log: Any, labels: Labels) -> None:
    """What does not have the shape of a ticket or of a change log still has a text, and a size."""
    for top, value, text in (
        ("ticket", record, ticket_part(42, record, labels)),
        ("changelog", log, log_part(log, labels)),
    ):
        assert SIZES[top](42).of(value, labels) == len(text.encode())


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        "text",
        [42, AT, AT],
        [42, AT, "then", {}],
        [42, None, AT, {}],
        [43, AT, AT, {}],
        [42, "", AT, {}],
    ],
)
def test_unreadable(record: Any) -> None:
    """A record of another shape, or another ticket's, is not shown in part."""
    assert ticket_part(42, record, LABELS) == "#42\n\n(this record does not have the shape of a ticket)\n"


HEAD = f"#42 It crashes\n\nOwner:      bob\nCreated:    {AT}\nModified:   {AT}\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Line 1 is no ticket's number"),
        ("It crashes\n", "Line 1 is .*: 'It crashes'"),
        (f"#{'9' * 5000} x", "Line 1 is"),
        (HEAD + "bob\n", "Line 6 is no field with its value.*: 'bob'"),
        (HEAD + "\nOwner: ann\n", "Line 7 is the second one that says Owner"),
        (HEAD + "---- Steps to see it\na\n\n---- Owner\nann\n", "Line 9 is the second one that says Owner"),
        (HEAD + f"Created: {AT}\n", "Line 6 is the second one that says Created"),
        (HEAD.replace(f"Modified:   {AT}", "Modified: today"), "Line 5 is no time"),
        ("#42 x\nOwner: bob\n", "no line Created: or Modified:"),
        (HEAD + "Votes: 3\n", "There is no field 'Votes'"),
        (HEAD + "x" * 10_000 + ": 3\n", "There is no field 'xxx"),
        (HEAD + "\x1b[2J\n", r"Line 6 is no field .*: '\\x1b\[2J'"),
    ],
)
def test_what_is_no_text(text: str, says: str) -> None:
    """What cannot be read back is refused in a sentence that says which line, and quotes only that."""
    with pytest.raises(UsageError, match=says) as caught:
        record_of(parse(text, LABELS), [42, AT, AT, {"summary": "", "owner": "", "steps": ""}])
    assert one_sentence(caught.value)
    assert len(str(caught.value)) < 200


@given(text=TEXTS | st.lists(PIECES, max_size=30).map("".join).map(HEAD.__add__), labels=LABELLINGS)
def test_anything_typed(text: str, labels: Labels) -> None:
    """Whatever somebody has typed is read or refused."""
    with suppress(UsageError):
        record_of(parse(text, labels), [42, AT, AT, dict.fromkeys(("summary", "owner", "description"), "")])


def test_values_of_other_types() -> None:
    """What is typed where nothing was is text; where a number was it is one, if it can be."""
    parsed = parse(HEAD.replace("bob", "1.0") + "Votes: 3\nRisk: high\nDone: true\n", LABELS)
    props = {"summary": "", "owner": None, "votes": 1, "Votes": 1, "Risk": 1, "Done": False, "cc": None}
    *_, found = record_of(parsed, [42, AT, AT, props])
    assert found == {
        "summary": "It crashes", "owner": "1.0", "votes": "", "Votes": 3, "Risk": "high", "Done": True,
        "cc": None,
    }  # fmt: skip


# What it looks like.

RECORD = [
    42,
    AT,
    LATER,
    {
        "summary": "Points stick",
        "status": "closed",
        "owner": "",
        "cc": "ann, bob",
        "description": "Since Monday:\r\n---- see\r\n",
        "steps": "1. C:\\users",
        "votes": 3,
        "time": AT,
        "changetime": LATER,
        "_ts": "1302383767000123",
    },
]
TEXT = """\
#42 Points stick

Status:     closed
Cc:         ann, bob
votes:      3
Created:    2011-04-09 21:16:07
Modified:   2011-04-09 21:16:07.000123

---- Description (CRLF)
Since Monday:
\\---- see


---- Steps to see it
1. C:\\users
"""
LOG = [
    [AT, "ann", "attachment", None, "points.png", 0],
    [AT, "ann", "comment", "2", "Oiled.\r\n\r\n==== really", 1],
    [AT, "bob", "_comment0", "Oild.", "1302383767000123", 1],
    [AT, "ann", "status", "new", "closed", 1],
    [AT, "ann", "owner", "bob", "", 1],
    [AT, "ann", "cc", "ann; bob", "bob, cy", 1],
    [AT, "ann", "description", "one\r\ntwo\r\nthree\r\n", "one\ntwo\n3\n", 1],
    [LATER, "", "comment", "2.3", "  ", 1],
    ["no row"],
]
LOG_TEXT = """
==== 2011-04-09 21:16:07 ann
Attachment: points.png

==== 2011-04-09 21:16:07 ann, comment:2, edited
Status: new → closed
Owner: bob →
Cc: + cy, - ann
Description:
      two
    - three
    + 3

    Oiled.

    ==== really

==== 2011-04-09 21:16:07 anonymous, comment:3, in reply to comment:2
"""


def test_looks() -> None:
    """A text is what its package says it is."""
    assert ticket_part(42, RECORD, LABELS) == TEXT
    assert log_part(LOG, LABELS) == LOG_TEXT
    assert address_part("https://trac.example.org/ticket/42") == "\n==== https://trac.example.org/ticket/42\n"
    assert address_part("") == ""


# Differences.

LINES = st.lists(st.sampled_from(["", "a", "b", "c", " ", "a "]), max_size=12)
ENDS = st.sampled_from(["", "\n"])


@given(before=LINES, after=LINES, same=LINES, end=ENDS, product=st.sampled_from([0, 4, 1000]))
def test_differences(before: list[str], after: list[str], same: list[str], end: str, product: int) -> None:
    """A comparison shows the lines that went and came, and no more of those that stayed than beside these."""
    old, new = ("\n".join([*same, *lines, *same]) + end for lines in (before, after))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(differences, "MAX_PRODUCT", product)
        shown = "\n".join(differences.differences(old, new)).split("\n")
    marked: dict[str, list[str]] = {"-": [], "+": [], " ": []}
    for line in shown:
        if line != differences.SKIPPED:
            marked[line[4:5] or " "].append(line[6:])
    went, came = (Counter(text.removesuffix("\n").split("\n") if text else []) for text in (old, new))
    went.subtract(marked["-"])
    went.update(marked["+"])
    assert went == came
    if old == new:
        assert shown == [""]
    assert len(marked[" "]) <= 2 * (len(marked["-"]) + len(marked["+"])) + (shown == [""])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a\n" * 5_000_000, "b\n" * 5_000_000),
        ("\n" * 10_000_000, "x\n" + "\n" * 9_999_998),
        ("x\n" * 400_000, "x\ny\n" * 400_000),
        ("a" * 10_000_000, "b" * 10_000_000),
        ("", "a\r\n" * 2_000_000),
        ("\n".join(map(str, range(1_000_000))), "\n".join(map(str, range(1, 1_000_001)))),
    ],
)
def test_large_differences(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    """Texts of ten megabytes are compared, and what is looked at line by line stays small."""
    products = []

    def matcher(junk: None, before: list[str], after: list[str], **how: Any) -> SequenceMatcher[str]:
        products.append(len(before) * len(after))
        return SequenceMatcher(junk, before, after, **how)

    monkeypatch.setattr(differences, "SequenceMatcher", matcher)
    assert sum(map(len, differences.differences(old, new)))
    assert all(product <= 2 * differences.MAX_PRODUCT for product in products)


def test_time_in_proportion() -> None:
    """Of lines that come again and again, few pairs are compared: they would take minutes."""
    n = 5_000
    old, new = "x\n" * n, "x\ny\n" * (n // 2)
    assert "".join(differences.differences(old, new)).count("x") == n + n // 2 - 1


# Sizes.


@given(stages=st.lists(st.tuples(LOGS, st.booleans(), st.booleans()), max_size=5))
def test_size_of_a_log(stages: list[tuple[list[Any], bool, bool]]) -> None:
    """A log that grows has the size of its text, also where labels change meanwhile."""
    sizes, labels = SIZES["changelog"](42), LABELS
    log: list[Any] = []
    for added, relabelled, anew in stages:
        labels = DEFAULT if relabelled else labels
        log = added if anew else log + added
        size = sizes.of(added, labels, appended=not anew)
        assert size == len(log_part(log, labels).encode())


@given(versions=st.lists(st.tuples(RECORDS | JSON, st.sampled_from([LABELS, DEFAULT])), max_size=5))
def test_size_of_a_ticket(versions: list[tuple[Any, Labels]]) -> None:
    """A ticket that changes has the size of its text."""
    sizes = SIZES["ticket"](42)
    for record, labels in versions:
        assert sizes.of(record, labels) == len(ticket_part(42, record, labels).encode())


def test_work_of_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that grows costs what is new in it: a change is rendered once, and again where it is edited."""
    rendered: Counter[str] = Counter()
    original = log_module.entry_text

    def counted(entry: Any, labels: Labels) -> str:
        rendered[entry.time] += 1
        return original(entry, labels)

    monkeypatch.setattr(log_module, "entry_text", counted)
    sizes = SIZES["changelog"](42)
    rows: list[list[Any]] = [
        [f"2011-04-09T21:{n // 60:02}:{n % 60:02}", "ann", "comment", str(n), "text", 1] for n in range(900)
    ]
    for row in rows:
        sizes.of([row], LABELS, appended=True)
    sizes.of([[rows[3][0], "bob", "_comment0", "so far", STAMP, 1]], LABELS, appended=True)
    assert rendered.pop(rows[3][0]) == 2
    assert set(rendered.values()) == {1}
    assert len(rendered) == len(rows) - 1


def test_work_of_a_ticket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a ticket that changes, only what changed is rendered."""
    rendered = []
    original = ticket_module._piece

    def counted(name: str, value: str, labels: Labels) -> str:
        rendered.append(name)
        return original(name, value, labels)

    monkeypatch.setattr(ticket_module, "_piece", counted)
    sizes = SIZES["ticket"](42)
    sizes.of(RECORD, LABELS)
    rendered.clear()
    *times, props = RECORD
    assert isinstance(props, dict)
    sizes.of([*times, props | {"status": "reopened"}], LABELS)
    assert rendered == ["status"]


def test_round_trip_of_canonical_bytes() -> None:
    """What git holds of a record is what its text gives back."""
    data = records.dump([42, AT, AT, {"summary": "\ud83d\ude00 \ud800", "owner": None, "votes": 1e22}])
    record = records.load(data)
    assert records.dump(record_of(parse(ticket_part(42, record, LABELS), LABELS), like(record))) == data


def test_what_was_done_is_no_value() -> None:
    """A row of what is no field, such as a TeamTrack's transition, says what was done, without an arrow."""
    labels = Labels([{"name": "status", "label": "State", "type": "text"}])
    rows = [("transition", "", "Close"), ("update", "", ""), ("status", "", "new"), ("gone", "a", "")]
    log = [["2011-04-09T21:16:07", "ann", *row, 1] for row in rows]
    (entry,) = entries(log)
    assert changed_lines(entry, labels) == ["transition: Close", "update", "State: → new", "gone: a →"]
