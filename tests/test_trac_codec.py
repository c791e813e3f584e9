"""Both protocols of the plugin: what becomes of values, faults and hostile answers."""

from __future__ import annotations

import json
import xmlrpc.client
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtracfs.text import quoted
from offtracfs.trackers.trac.codec import JSON, XML, Codec
from offtracfs.trackers.trac.faults import Fault, Unusable

XML_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\t\n\r"))
"""Text that XML can hold."""
SCALARS = st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1)


def nested(text: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Values as RPC methods return them."""
    return st.recursive(
        SCALARS | text,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
        max_leaves=12,
    )


def without_null(value: Any) -> Any:
    """`value` with "" for null, anywhere."""
    if isinstance(value, list):
        return [without_null(item) for item in value]
    if isinstance(value, dict):
        return {key: without_null(item) for key, item in value.items()}
    return "" if value is None else value


def json_answer(result: Any, error: Any = None) -> bytes:
    """A JSON-RPC answer as the plugin writes it."""
    return json.dumps({"result": result, "error": error, "id": None}).encode()


def xml_answer(value: str) -> bytes:
    """An XML-RPC answer around a literal value."""
    head = "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value>"
    return f"{head}{value}</value>\n</param>\n</params>\n</methodResponse>\n".encode()


@given(nested(st.text()))
def test_json_values(value: Any) -> None:
    """Whatever JSON can say comes through, with "" for null."""
    assert JSON.decode(json_answer(value)) == without_null(value)


@given(nested(XML_TEXT))
def test_xml_values(value: Any) -> None:
    """Whatever XML can hold comes through, carriage returns too, with "" for nil."""
    answer = xmlrpc.client.dumps((value,), methodresponse=True, allow_none=True).encode()
    assert XML.decode(answer) == without_null(value)


@pytest.mark.parametrize(
    ("codec", "answer"),
    [
        (JSON, json_answer([{"__jsonclass__": ["datetime", "2011-04-09T21:16:07"]}])),
        (
            XML,
            xml_answer(
                "<array><data><value><dateTime.iso8601>20110409T21:16:07</dateTime.iso8601></value></data></array>"
            ),
        ),
    ],
)
def test_times(codec: Codec, answer: bytes) -> None:
    """Times become the ISO text of records."""
    assert codec.decode(answer) == ["2011-04-09T21:16:07"]


@pytest.mark.parametrize(
    ("codec", "answer"),
    [
        (JSON, json_answer({"__jsonclass__": ["binary", "AP8="]})),
        (XML, xml_answer("<base64>\nAP8=\n</base64>")),
    ],
)
def test_bytes(codec: Codec, answer: bytes) -> None:
    """Binary data is its base64 text, which a record can hold."""
    assert codec.decode(answer) == "AP8="


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_no_finite_number(number: str) -> None:
    """Numbers that no record can hold are refused."""
    with pytest.raises(Unusable, match="is no number"):
        JSON.decode(json_answer(None).replace(b"null", number.encode(), 1))
    with pytest.raises(Unusable, match="is no number"):
        XML.decode(xml_answer(f"<double>{number}</double>"))


def test_xml_scalars() -> None:
    """Numbers and truth values of XML-RPC are read, and text without a type too."""
    numbers = ["<i4>1</i4>", "<i8>2</i8>", "<int>-3</int>", "<double>1.5</double>", "<boolean>1</boolean>"]
    texts = ["<nil/>", "plain", "<string/>", ""]
    values = "".join(f"<value>{item}</value>" for item in numbers + texts)
    got = XML.decode(xml_answer(f"<array><data>{values}</data></array>"))
    assert got == [1, 2, -3, 1.5, True, "", "plain", "", ""]


def test_json_call() -> None:
    """A call in JSON: times in UTC with six digits or none, which is what plugin 1.1.9 reads rightly."""
    moment = datetime(2011, 4, 9, 23, 16, 7, 120, tzinfo=timezone(timedelta(hours=2)))
    call = json.loads(JSON.encode("m", [moment, moment.replace(microsecond=0), b"\x00"]))
    assert call["method"] == "m"
    assert call["params"] == [
        {"__jsonclass__": ["datetime", "2011-04-09T21:16:07.000120"]},
        {"__jsonclass__": ["datetime", "2011-04-09T21:16:07"]},
        {"__jsonclass__": ["binary", "AA=="]},
    ]


def test_xml_call() -> None:
    """A call in XML: times in UTC."""
    moment = datetime(2011, 4, 9, 23, 16, 7, tzinfo=timezone(timedelta(hours=2)))
    params, method = xmlrpc.client.loads(XML.encode("m", [moment, "<é>", [moment]]))
    assert method == "m"
    assert params == ("20110409T21:16:07", "<é>", ["20110409T21:16:07"])


def test_calls_in_one() -> None:
    """Many calls in one name their methods as each protocol wants."""
    calls = [("ticket.get", [1]), ("ticket.changeLog", [1])]
    assert json.loads(JSON.encode_many(calls)) == {
        "method": "system.multicall",
        "params": [{"method": "ticket.get", "params": [1]}, {"method": "ticket.changeLog", "params": [1]}],
    }
    params, method = xmlrpc.client.loads(XML.encode_many(calls))
    assert method == "system.multicall"
    assert params == (
        [{"methodName": "ticket.get", "params": [1]}, {"methodName": "ticket.changeLog", "params": [1]}],
    )


def test_json_answers_in_one() -> None:
    """In a JSON multicall each answer is a result or an error of its own."""
    error = {"name": "JSONRPCError", "code": 404, "message": "Ticket 9 does not exist."}
    got = JSON.decode_many(json_answer([{"result": None, "error": None}, {"result": None, "error": error}]))
    assert got[0] == ""
    assert isinstance(got[1], Fault)
    assert (got[1].code, str(got[1])) == (404, "Ticket 9 does not exist.")


EXCEPTION = (
    "<struct><member><name>{}</name><value><string>Ticket 9 does not exist.</string></value></member>"
    "<member><name>title</name><value><string>Invalid ticket number</string></value></member></struct>"
)
STANDARD = EXCEPTION.format("faultString").replace(
    "</struct>", "<member><name>faultCode</name><value><int>404</int></value></member></struct>"
)


@pytest.mark.parametrize("fault", [EXCEPTION.format("_message"), EXCEPTION.format("message"), STANDARD])
def test_xml_answers_in_one(fault: str) -> None:
    """In an XML multicall a fault is the standard's, or the attributes of the plugin's exception."""
    results = f"<value><array><data><value><int>1</int></value></data></array></value><value>{fault}</value>"
    got = XML.decode_many(xml_answer(f"<array><data>{results}</data></array>"))
    assert got[0] == 1
    assert isinstance(got[1], Fault)
    assert str(got[1]) == "Ticket 9 does not exist."
    assert got[1].gone


@pytest.mark.parametrize(
    ("codec", "answer"),
    [
        (JSON, json_answer(None, {"code": 403, "message": "XML_RPC privileges are required"})),
        (XML, xmlrpc.client.dumps(xmlrpc.client.Fault(403, "XML_RPC privileges are required")).encode()),
    ],
)
def test_fault(codec: Codec, answer: bytes) -> None:
    """A method's own error is a Fault with its code, for one call as for many."""
    for decode in (codec.decode, codec.decode_many):
        with pytest.raises(Fault, match="privileges") as caught:
            decode(answer)
        assert caught.value.code == 403
        assert caught.value.forbidden


BOMB = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;&b;">]>'


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage",
        b"<methodResponse>",
        b"<html></html>",
        b"<methodResponse></methodResponse>",
        xml_answer("<int>one</int>"),
        xml_answer("<unknown/>"),
        xml_answer("<struct><member/></struct>"),
        xml_answer("<string>&c;</string>").replace(b"<methodResponse>", BOMB.encode() + b"<methodResponse>"),
        xml_answer("<array><data>" + "<value><array><data>" * 5000),
    ],
)
def test_no_xml(answer: bytes) -> None:
    """What is no XML-RPC is refused as such: garbage, truncated answers, entity bombs."""
    with pytest.raises(Unusable, match="The answer is not XML-RPC"):
        XML.decode(answer)


@pytest.mark.parametrize("answer", [json_answer(1), json_answer({"a": 1}), xml_answer("<int>1</int>")])
def test_no_list_of_answers(answer: bytes) -> None:
    """A multicall's answer must be a list."""
    codec = XML if answer.startswith(b"<?xml") else JSON
    with pytest.raises(Unusable, match="not a list"):
        codec.decode_many(answer)


def test_raw_control_characters() -> None:
    """Control characters that old plugins send raw do not spoil the answer."""
    raw = xml_answer("<string>a&amp;X</string>").replace(b"X", b"\x00\x1b\xff\xef\xbf\xbf")
    assert XML.decode(raw) == "a&" + "\ufffd" * 4


@given(st.text(max_size=500))
def test_quoted(text: str) -> None:
    """A quoted text is short, on one line, and commands no terminal."""
    assert len(quoted(text)) <= 200
    assert quoted(text).isprintable() or " " in quoted(text)
    assert not set(quoted(text)) & set("\n\r\x1b\x9b\u202e\u2066")
