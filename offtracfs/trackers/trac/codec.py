"""Calls and answers as bytes, in the two protocols of Trac's RPC plugin.

Both decode to the same plain data: times are ISO text as in `offtracfs.records`, bytes are their base64
text, and null is "": XML-RPC has no null, and the plugin sends "" instead.
"""

from __future__ import annotations

import json
import math
import re
import xmlrpc.client
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import fromstring

from offtracfs.records import iso
from offtracfs.text import quoted
from offtracfs.trackers.trac.faults import Fault, Unusable

Call = tuple[str, Sequence[Any]]
"""A method and its parameters."""

NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Characters that XML cannot hold."""

_XML_TIME = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)T(\d\d:\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Codec:
    """One protocol. `decode` and `decode_many` raise Fault or Unusable."""

    content_type: str
    exact_text: bool
    encode: Callable[[str, Sequence[Any]], bytes]
    encode_many: Callable[[Sequence[Call]], bytes]
    decode: Callable[[bytes], Any]
    decode_many: Callable[[bytes], list[Any]]


@contextmanager
def _expecting(what: str) -> Iterator[None]:
    """Turns every error of a parser into Unusable: the answer is not `what`."""
    try:
        yield
    except (SyntaxError, ValueError, LookupError, RecursionError) as error:
        raise Unusable(f"The answer is not {what}, or only a part of it ({quoted(str(error))}).") from None


def _finite(text: str) -> float:
    """The number in a text. Raises ValueError for infinity and NaN, which records cannot hold."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number")
    return number


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"__jsonclass__": ["datetime", iso(value)]}
    if isinstance(value, bytes):
        return {"__jsonclass__": ["binary", b64encode(value).decode()]}
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _from_json(value: Any) -> Any:
    """`value` with the plugin's class hints resolved and null as ""."""
    if isinstance(value, list):
        return [_from_json(item) if item.__class__ in _CONVERTED else item for item in value]
    if isinstance(value, dict):
        match value.get("__jsonclass__"):
            case ["datetime" | "binary", str(text)]:
                return text
        return {
            key: _from_json(item) if item.__class__ in _CONVERTED else item for key, item in value.items()
        }
    return "" if value is None else value


_CONVERTED = (list, dict, type(None))


def _json_call(method: str, params: Sequence[Any]) -> dict[str, Any]:
    return {"method": method, "params": params}


def _json_bytes(call: dict[str, Any]) -> bytes:
    return json.dumps(call, default=_to_json).encode()


def _json_result(answer: Any) -> Any:
    match answer:
        case {"error": {"message": message, **error}}:
            code = error.get("code")
            raise Fault(code if isinstance(code, int) else 0, quoted(str(message)))
        case {"result": result, "error": None}:
            return _from_json(result)
    raise ValueError("result and error are missing")


def _json_load(body: bytes) -> Any:
    return json.loads(body, parse_float=_finite, parse_constant=_finite)


def _json_decode(body: bytes) -> Any:
    with _expecting("JSON-RPC"):
        return _json_result(_json_load(body))


def _json_decode_many(body: bytes) -> list[Any]:
    with _expecting("JSON-RPC"):
        match _json_load(body):
            case {"result": list(answers), "error": None}:
                return [_json_result_or_fault(answer) for answer in answers]
            case answer:
                _json_result(answer)
    raise Unusable("The answer to a multicall is not a list.")


def _json_result_or_fault(answer: Any) -> Any:
    try:
        return _json_result(answer)
    except Fault as fault:
        return fault


def _to_xml(value: Any) -> Any:
    if isinstance(value, datetime):
        return xmlrpc.client.DateTime(value.utctimetuple())
    if isinstance(value, list | tuple):
        return [_to_xml(item) for item in value]
    return value


def _xml_bytes(method: str, params: Sequence[Any]) -> bytes:
    return xmlrpc.client.dumps(tuple(_to_xml(params)), method).encode()


def _xml_bytes_many(calls: Sequence[Call]) -> bytes:
    listed = [{"methodName": method, "params": list(params)} for method, params in calls]
    return _xml_bytes("system.multicall", [listed])


_SCALARS: dict[str, Callable[[str], Any]] = {
    "string": str,
    "int": int,
    "i4": int,
    "i8": int,
    "boolean": lambda text: bool(int(text)),
    "double": _finite,
    "base64": str.strip,
    "nil": lambda _: "",
}


def _from_xml(value: Element) -> Any:
    """The data in a ``<value>``. Raises ValueError or LookupError where its type or text is wrong."""
    if len(value) == 0:
        return value.text or ""
    kind = value[0]
    match kind.tag:
        case "array":
            return [_from_xml(item) for item in kind.iterfind("data/value")]
        case "struct":
            return {name.text or "": _from_xml(member) for name, member in kind}
        case "dateTime.iso8601":
            return _XML_TIME.sub(r"\1-\2-\3T\4", (kind.text or "").strip())
    return _SCALARS[kind.tag](kind.text or "")


def _xml_fault(value: Any) -> Fault:
    """The fault in a struct: the standard's, or the attributes of a Python exception (1.1 and 1.2, seen)."""
    match value:
        case {"faultCode": int(code), "faultString": str(text)}:
            return Fault(code, quoted(text))
        case {"_message": str(text)} | {"message": str(text)}:
            return Fault(0, quoted(text))
    return Fault(0, "an error without a message")


def _readable(body: bytes) -> str:
    """An answer that an XML parser accepts, and of which it keeps the carriage returns.

    Plugins of the 1.1 line may send control characters raw, which no parser takes; all send carriage
    returns raw, which every parser turns into line feeds (both seen).
    """
    text = NOT_IN_XML.sub("\ufffd", body.decode("utf-8", "replace")).strip()
    start = max(0, text.find("<methodResponse"))
    return text[:start] + text[start:].replace("\r", "&#13;")


def _xml_decode(body: bytes) -> Any:
    with _expecting("XML-RPC"):
        root = fromstring(_readable(body), forbid_dtd=True)
        if root.tag == "methodResponse" and (fault := root.find("fault/value")) is not None:
            raise _xml_fault(_from_xml(fault))
        if root.tag != "methodResponse" or (value := root.find("params/param/value")) is None:
            raise ValueError("there is no methodResponse")
        return _from_xml(value)


def _xml_decode_many(body: bytes) -> list[Any]:
    answers = _xml_decode(body)
    if not isinstance(answers, list):
        raise Unusable("The answer to a multicall is not a list.")
    return [answer[0] if isinstance(answer, list) and answer else _xml_fault(answer) for answer in answers]


JSON = Codec(
    content_type="application/json",
    exact_text=True,
    encode=lambda method, params: _json_bytes(_json_call(method, params)),
    encode_many=lambda calls: _json_bytes(
        _json_call("system.multicall", [_json_call(*call) for call in calls])
    ),
    decode=_json_decode,
    decode_many=_json_decode_many,
)
XML = Codec(
    content_type="application/xml",
    exact_text=False,
    encode=_xml_bytes,
    encode_many=_xml_bytes_many,
    decode=_xml_decode,
    decode_many=_xml_decode_many,
)
