"""The records: canonical bytes and back, what counts as the same, and what is no record."""

from __future__ import annotations

import xmlrpc.client
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from offtracfs.errors import DatabaseDamaged, TrackerError
from offtracfs.kinds import check, check_changelog, check_ticket
from offtracfs.records import (
    dump,
    from_microseconds,
    iso,
    load,
    merge,
    microseconds,
)

texts = st.text(st.characters() | st.sampled_from("\r\n\0\x85\u2028\ufffd\ud83d\ude00\udc00"))
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
moments = st.datetimes(timezones=st.just(UTC))

CREATED, CHANGED = "2006-08-22T01:42:33", "2010-11-25T02:22:00.123456"
ROW = [CREATED, "bob", "status", "new", "closed", 1]


def test_canonical_form() -> None:
    """Bytes are the seed's: sorted keys, indent 1, "," and ":", readable UTF-8, one newline."""
    record = [1, CREATED, CHANGED, {"summary": "Café 😀\r\n", "cc": "", "_ts": "12", "order": 1.5, "x": None}]
    assert (
        dump(record)
        == (
            '[\n 1,\n "2006-08-22T01:42:33",\n "2010-11-25T02:22:00.123456",\n {\n  "_ts":"12",\n  "cc":"",\n'
            '  "order":1.5,\n  "summary":"Café 😀\\r\\n",\n  "x":null\n }\n]\n'
        ).encode()
    )
    assert dump([]) == b"[]\n"
    assert dump({"recent": CREATED}) == b'{\n "recent":"2006-08-22T01:42:33"\n}\n'


@given(json)
@example({"\ud83d\ude00": 1, "\uffff": 2})
@example({"\ud83d\ude00": 1, "\U0001f600": 2})
@example('\\"\ud800')
def test_dump_and_load_are_inverse(value: Any) -> None:
    """Whatever JSON can say is dumped, loaded and dumped to the same bytes, in UTF-8 that others can read."""
    data = dump(value)
    assert dump(load(data)) == data
    data.decode()


@given(json.filter(lambda value: "\ud83d" not in str(value)))
def test_nothing_is_lost(value: Any) -> None:
    """What is loaded is what was dumped, lone surrogates and control characters included."""
    assert load(dump(value)) == value


def test_lone_surrogates_are_escapes() -> None:
    """Half a character is kept as its escape; two halves that belong together become the character."""
    assert dump("a\ud800b") == b'"a\\ud800b"\n'
    assert dump("\ud83d\ude00") == '"😀"\n'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_only_json_is_dumped(value: float) -> None:
    """A number that JSON cannot say is refused, not written for others to stumble on."""
    with pytest.raises(ValueError, match="Out of range"):
        dump([value])


@pytest.mark.parametrize("data", [b"", b"[1", b"\xff", b"<html>", b"[NaN]", b"1 2", b"[" * 100_000])
def test_bytes_that_are_no_record(data: bytes) -> None:
    """Bytes that are not JSON are damage, said in one sentence."""
    with pytest.raises(DatabaseDamaged, match=r"A record is not JSON: .*\.$"):
        load(data)


@given(moments)
def test_times_are_exact(moment: datetime) -> None:
    """A moment's ISO text and its microseconds name the same moment, to the last digit."""
    assert from_microseconds(microseconds(iso(moment))) == moment


def test_iso_is_utc() -> None:
    """Times are written in UTC without a zone, with six digits of a fraction or none."""
    there = timezone(timedelta(hours=2))
    assert iso(datetime(2011, 4, 9, 23, 16, 7, tzinfo=there)) == "2011-04-09T21:16:07"
    assert iso(datetime(2011, 4, 9, 23, 16, 7, 123, tzinfo=there)) == "2011-04-09T21:16:07.000123"


NO_TIMES = [
    "", "today", "2011-04-09", "2011-02-30T00:00:00", "2011-04-09T24:00:00", "2011-04-09T21:16:07Z",
    "2011-04-09T21:16:07+02:00", "20110409T211607", "2011-04-09 21:16:07", "2011-04-09T21:16:07.5",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_TIMES)
def test_other_times_are_refused(text: str) -> None:
    """A time in any other form than the records' is no time: a zone would be dropped unseen."""
    with pytest.raises(ValueError):  # noqa: PT011  # datetime's words vary with Python's version
        microseconds(text)


LONG, SHORT, OTHER = "2011-04-09T21:16:07.123456", "2011-04-09T21:16:07", "2011-04-09T21:16:08"


@pytest.mark.parametrize(
    ("old", "new", "merged"),
    [
        (LONG, SHORT, LONG),
        (SHORT, LONG, LONG),
        (LONG, OTHER, OTHER),
        (LONG, LONG[:-1] + "7", LONG[:-1] + "7"),
        (LONG, "2011-04-09", "2011-04-09"),
        ("a long text", "a long", "a long"),
        ([1, SHORT, LONG, {"time": LONG, "gone": ""}], [1, SHORT, SHORT, {"time": SHORT, "came": "x"}],
         [1, SHORT, LONG, {"time": LONG, "came": "x"}]),
        ([[LONG, "bob"]], [[SHORT, "bob"], [OTHER, "eve"]], [[LONG, "bob"], [OTHER, "eve"]]),
        ([[LONG, "bob"], [OTHER, "eve"]], [[SHORT, "bob"]], [[LONG, "bob"]]),
        (None, [SHORT], [SHORT]),
        ({"a": 1}, [1], [1]),
        ("a\r\nb", "a\nb", "a\nb"),
        ("a\x01b", "a\ufffdb", "a\ufffdb"),
    ],
)  # fmt: skip
def test_merge(old: Any, new: Any, merged: Any) -> None:
    """What is new wins, unless what is old is the same time said more precisely."""
    assert merge(old, new) == merged


LOST_IN_XML = [
    "a\r\nb",
    "a\rb",
    "a\r\r\nb",
    "a\x01b",
    "a\x7fb",
    "a\x84b",
    "a\x9fb",
    "a\ufffeb",
    "a\U0001ffffb",
    "\ufdd0\r",
]


def through_xml(text: str) -> str:
    """What XML-RPC makes of a text: the plugin replaces what XML may not hold, a parser ends the lines."""
    kept = "".join("\ufffd" if not (c in "\r\n\t\x85" or c.isprintable()) else c for c in text)
    ((found,), _) = xmlrpc.client.loads(xmlrpc.client.dumps((kept,)))
    return str(found)


@pytest.mark.parametrize("text", LOST_IN_XML)
def test_losses_of_xml_are_no_change(text: str) -> None:
    """What came whole stays whole when XML-RPC later brings the same with its losses, and only then."""
    assert through_xml(text) != text
    assert merge([text], [through_xml(text)], exact_text=False) == [text]
    assert merge([text], [through_xml(text)]) == [through_xml(text)]
    assert merge([through_xml(text)], [text], exact_text=False) == [text]


@given(json, json, st.booleans())
def test_merge_takes_all_that_is_new(old: Any, new: Any, exact: bool) -> None:
    """What is new is itself where nothing was and where the same was; merged again, nothing moves."""
    merged = merge(old, new, exact_text=exact)
    assert merge(None, new, exact_text=exact) == new
    assert merge(new, new, exact_text=exact) == new
    assert dump(merge(merged, new, exact_text=exact)) == dump(merged)


def test_a_ticket() -> None:
    """A record of the right shape comes back as it is."""
    record = [7, CREATED, CHANGED, {"summary": "x", "votes": 3, "share": 0.5, "none": None}]
    assert check_ticket(7, record) is record


def test_a_number_that_no_file_can_have() -> None:
    """A number of more than 18 digits is refused: its files would have no place, nor its row in SQLite."""
    assert check_ticket(10**18 - 1, [10**18 - 1, CREATED, CHANGED, {}])
    with pytest.raises(TrackerError, match="more than 18 digits"):
        check_ticket(10**18, [10**18, CREATED, CHANGED, {}])


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "does not have the shape"),
        ([], "does not have the shape"),
        ({"id": 7}, "does not have the shape"),
        ([7, CREATED, CHANGED], "does not have the shape"),
        ([7, CREATED, CHANGED, {}, 1], "does not have the shape"),
        (["7", CREATED, CHANGED, {}], "does not have the shape"),
        ([7, 1164420120, CHANGED, {}], "does not have the shape"),
        ([7, CREATED, None, {}], "does not have the shape"),
        ([7, CREATED, CHANGED, []], "does not have the shape"),
        ([8, CREATED, CHANGED, {}], "answered with ticket 8"),
        *(([7, time, CHANGED, {}], "a time that cannot be read") for time in NO_TIMES),
        ([7, CREATED, "soon", {}], "a time that cannot be read"),
        ([7, CREATED, CHANGED, {"cc": ["bob"]}], "no text in its field 'cc'"),
        ([7, CREATED, CHANGED, {"cc": {"bob": 1}}], "no text in its field 'cc'"),
        ([7, CREATED, CHANGED, {"share": float("inf")}], "no text in its field 'share'"),
    ],
)
def test_no_ticket(value: Any, says: str) -> None:
    """A record of another shape, another ticket's or with an unreadable time is refused in one sentence."""
    with pytest.raises(TrackerError, match=f"{says}.*\\.$"):
        check_ticket(7, value)


def test_a_changelog() -> None:
    """Rows of the right shape come back as they are; nulls are Trac's own."""
    rows: list[Any] = [ROW, [CHANGED, None, "comment", None, None, 0]]
    assert check_changelog(7, rows) is rows
    assert check_changelog(7, []) == []


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        "rows",
        [None],
        [[]],
        [ROW[:5]],
        [[*ROW, 1]],
        [[12, *ROW[1:]]],
        [[*ROW[:1], 5, *ROW[2:]]],
        [[*ROW[:2], None, *ROW[3:]]],
        [[*ROW[:3], ["new"], *ROW[4:]]],
        [[*ROW[:5], "1"]],
        [ROW, ["soon", *ROW[1:]]],
    ],
)
def test_no_changelog(value: Any) -> None:
    """A change log of another shape, or with a time that cannot be read, is refused and named."""
    with pytest.raises(TrackerError, match=r"^The change log of ticket 7 .*\.$"):
        check_changelog(7, value)


FIELD = {"name": "risk", "type": "select", "label": "Risk", "options": ["a", ""], "value": "1", "order": 3}
COMPONENT = {"name": "ui", "owner": "", "description": "x", "due": 0}
REPORT = {"title": "Mine", "sql": "SELECT 1", "description": "x"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("fields.json", []),
        ("fields.json", [FIELD, {"name": "x"}, FIELD | {"custom": True, "more": {"of": ["its", "own"]}}]),
        ("field/component/ui.json", COMPONENT),
        ("field/priority/high.json", "1"),
        ("field/priority/high.json", 1),
        ("report/1.json", REPORT),
        ("report/1.json", {"title": "", "sql": ""}),
    ],
)
def test_metadata(path: str, value: Any) -> None:
    """A record of fields or reports that has its shape is taken."""
    check(path, value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("fields.json", None),
        ("fields.json", {"name": "x"}),
        ("fields.json", ["x"]),
        ("fields.json", [{"label": "nameless"}]),
        *(("fields.json", [FIELD, FIELD | {key: ["a"]}]) for key in ("name", "label", "type", "format")),
        *(("fields.json", [FIELD | {key: {"a": 1}}]) for key in ("value", "order", "custom", "optional")),
        *(("fields.json", [FIELD | {"options": options}]) for options in ("ab", {"a": 1}, [["a"]], [1])),
        ("fields.json", [FIELD | {"value": float("nan")}]),
        ("field/component/ui.json", [COMPONENT]),
        ("field/component/ui.json", {"owner": "nameless"}),
        ("field/component/ui.json", COMPONENT | {"owner": ["a", "b"]}),
        ("field/component/ui.json", None),
        ("report/1.json", "SELECT 1"),
        ("report/1.json", {"title": "Mine"}),
        ("report/1.json", REPORT | {"sql": ["SELECT"]}),
        ("report/1.json", REPORT | {"description": {}}),
        ("nowhere/1.json", {}),
    ],
)
def test_no_metadata(path: str, value: Any) -> None:
    """A record of fields or reports of another shape is refused in one sentence, to be said of its path."""
    with pytest.raises(TrackerError, match=r"^it .*\.$"):
        check(path, value)
