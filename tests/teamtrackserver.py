"""A stand-in for a live TeamTrack server: a database of the demo behind the SOAP service, on loopback.

What it does to the database it does by this project's own rules. What it says is put together and taken
apart by lxml, so that the transport under test meets another's XML.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from lxml import etree

from offtracfs import teamtrack
from offtracfs.demo.workflows import CASE_FIELDS
from offtracfs.teamtrack.server import Record, Server
from offtracfs.teamtrack.soap import PARTS
from tests.teamtrackwsdl import TARGET, wsdl

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
PASSWORD = "hunter2"
ENDPOINT = "/gsoap/gsoap_ssl.dll?sbmappservices72"
WSDL = "/gsoap/sbmappservices72.wsdl"


class StandIn:
    """The service. `requests` are the operations that were asked for; `answers` replaces the answers of
    some.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.url = ""
        self.requests: list[str] = []
        self.bodies: list[bytes] = []
        self.answers: dict[str, bytes] = {}
        self._names: dict[tuple[str, int, str], str] = {}
        self.first = 0  # what firstRecord counts from

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """HTTP status and content for a request."""
        (request,) = etree.fromstring(body).find(f"{{{ENVELOPE}}}Body")
        operation = etree.QName(request).localname
        self.requests.append(operation)
        self.bodies.append(body)
        if operation in self.answers:
            return 200, self.answers[operation]
        try:
            if operation != "GetVersion" and _text(request, "auth/password") != PASSWORD:
                raise teamtrack.error("Invalid User ID or Password.")
            response = etree.Element(f"{{{TARGET}}}{operation}Response")
            getattr(self, operation)(request, response)
            return 200, _enveloped(response)
        except (teamtrack.error, teamtrack.tsapi_error, KeyError) as error:
            fault = etree.Element(f"{{{ENVELOPE}}}Fault")
            etree.SubElement(fault, "faultcode").text = "SOAP-ENV:Server"
            etree.SubElement(fault, "faultstring").text = "Application error"
            detail = etree.SubElement(fault, "detail")
            etree.SubElement(detail, f"{{{TARGET}}}AEWebservicesFault").text = str(error)
            return 500, _enveloped(fault)

    def GetVersion(self, _request: Any, response: Any) -> None:  # noqa: N802  # here and below: SOAP's names
        _add(response, "return", "stand-in")

    def GetTables(self, _request: Any, response: Any) -> None:  # noqa: N802
        case_table = self.server.case_table_id()
        for name, number in self.server.tables.items():
            if name == "CASES" and self.server.case_table_name() != "TS_CASES":
                continue
            table = _add(response, "return")
            whole = name if name.startswith("TTT_") else f"TS_{name}"
            _add(
                table,
                "table",
                displayName="Issue" if number == 1000 else name.title(),
                id=number,
                dbName=whole,
            )
            items = number in (case_table, self.server.tables["INCIDENTS"])
            _add(table, "type", "PRIMARY-TABLE" if items else "SYSTEM-TABLE")
            for field in self.server.new_record(number).keys():  # noqa: SIM118  # the interface's own
                described = _add(table, "field")
                _add(described, "field", dbName=field)
                kind = CASE_FIELDS.get(field, "NUMERIC").replace("_", "-")
                _add(described, "fieldType", f"FLDTYPE-{kind}")
                _add(described, "attribute", 0)
                _add(described, "properties", 0)

    def GetItems(self, request: Any, response: Any) -> None:  # noqa: N802
        for item_id in request.findall(f"{{{TARGET}}}itemId"):
            holder = _add(response, "return")
            try:
                record = self.server.read_record(*_place(item_id))
            except teamtrack.tsapi_error as error:
                _error(holder, error)
            else:
                self._item(holder, record)

    def GetItemsByQuery(self, request: Any, response: Any) -> None:  # noqa: N802
        clause = f"{_text(request, 'queryWhereClause')} ORDER BY {_text(request, 'orderByClause')}"
        table = int(_text(request, "table/id"))
        found = self.server.query(table, clause)
        start = max(int(_text(request, "firstRecord")) - self.first, 0)
        answer = _add(response, "return")
        for number in found.ids[start : start + int(_text(request, "maxReturnSize"))]:
            _add(_add(answer, "item"), "id", id=number, tableId=table)
        _add(answer, "totalCount", len(found))

    def CreatePrimaryItem(self, request: Any, response: Any) -> None:  # noqa: N802
        record = self.server.new_record(self.server.case_table_id())
        item = request.find(f"{{{TARGET}}}item")
        _fill(record, item)
        number = record.submit(_login(request), int(_text(request, "project/id")))
        self._item(_add(response, "return"), self.server.read_record(record.table(), number))

    def TransitionItem(self, request: Any, response: Any) -> None:  # noqa: N802
        item = request.find(f"{{{TARGET}}}item")
        record = self.server.read_record(*_place(item.find(f"{{{TARGET}}}id")))
        _fill(record, item)
        project = _text(item, "project/id")
        if transition := int(_text(request, "transition/id")):
            record.transition(_login(request), transition, int(project) if project else None)
        else:
            record.update()
        self._item(_add(response, "return"), record)

    def DeleteItems(self, request: Any, response: Any) -> None:  # noqa: N802
        for item_id in request.findall(f"{{{TARGET}}}itemId"):
            try:
                self.server.delete_record(*_place(item_id))
            except teamtrack.tsapi_error as error:
                _add(response, "return", status="IS-ERROR", message=str(error))

    def _item(self, parent: Any, record: Record) -> None:
        """A record as a TTItem."""
        item = _add(parent, "item")
        _add(item, "id", id=record["ID"], tableId=record.table(), issueId=record["ISSUEID"])
        _add(item, "project", **self._named("PROJECTS", record["PROJECTID"]))
        _add(item, "title", record["TITLE"])
        _add(item, "description", record["DESCRIPTION"])
        for user, date, field, when in (
            ("createdBy", "createDate", "SUBMITTER", "SUBMITDATE"),
            ("modifiedBy", "modifiedDate", "LASTMODIFIER", "LASTMODIFIEDDATE"),
        ):
            _add(item, user, **self._user(record[field]))
            if record[when] is not None:
                _add(item, date, datetime.fromtimestamp(record[when], UTC).isoformat())
        _add(item, "activeInactive", {0: "Active", 1: "Inactive"}.get(record["ACTIVEINACTIVE"]))
        _add(item, "state", **self._named("STATES", record["STATE"]), isClosed="false")
        if record["OWNER"] is not None:
            _add(item, "owner", **self._user(record["OWNER"]))
        for field, value in record.items():
            if field not in PARTS:
                extended = _add(item, "extendedField")
                _add(extended, "id", dbName=field)
                several = CASE_FIELDS.get(field) == "MULTIPLE_SELECTION" and value
                for one in value.strip(",").split(",") if several else [value]:
                    _add(extended, "value", **self._value(field, one))

    def _value(self, field: str, value: Any) -> dict[str, object]:
        if value in (None, ""):
            return {}
        kind, shown = CASE_FIELDS.get(field, ""), {}
        if kind.endswith("SELECTION"):
            shown = {"displayValue": self._name("SELECTIONS", int(value))}
        if kind == "USER":
            shown = {"displayValue": self._name("USERS", int(value), "LOGINID")}
        return {**shown, "internalValue": value}

    def _user(self, number: int | None) -> dict[str, object]:
        if number is None:
            return {}
        return {**self._named("USERS", number), "loginId": self._name("USERS", number, "LOGINID")}

    def _named(self, table: str, number: int) -> dict[str, object]:
        return {"displayName": self._name(table, number), "id": number}

    def _name(self, table: str, number: int, field: str = "NAME") -> str:
        key = table, number, field
        if key not in self._names:
            found = self.server.query(self.server.tables[table], f"TS_ID = {number}")
            self._names[key] = found[0][field] if found else ""
        return self._names[key]


@contextmanager
def serving(server: Server) -> Iterator[StandIn]:
    """The service for a TeamTrack, whose `url` any process can reach."""
    stand_in = StandIn(server)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(200, wsdl(stand_in.url + ENDPOINT) if self.path == WSDL else b"")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self._send(*stand_in.answer(body) if self.path == ENDPOINT else (404, b""))

        def _send(self, status: int, content: bytes) -> None:
            self.send_response_only(status)
            self.send_header("content-type", "text/xml; charset=utf-8")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Keeps the tests' output for the tests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        stand_in.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield stand_in
        finally:
            http.shutdown()
            thread.join()


def _text(node: Any, path: str) -> str:
    return node.findtext("/".join(f"{{{TARGET}}}{name}" for name in path.split("/"))) or ""


def _add(parent: Any, name: str, content: object = None, **members: object) -> Any:
    node = etree.SubElement(parent, f"{{{TARGET}}}{name}")
    node.text = None if content is None else str(content)
    for member, value in members.items():
        _add(node, member, value)
    return node


def _enveloped(content: Any) -> bytes:
    envelope = etree.Element(f"{{{ENVELOPE}}}Envelope")
    etree.SubElement(envelope, f"{{{ENVELOPE}}}Body").append(content)
    written: bytes = etree.tostring(envelope, xml_declaration=True, encoding="utf-8")
    return written


def _error(holder: Any, error: Exception) -> None:
    _add(holder, "status", status="IS-ERROR", message=error)


def _login(request: Any) -> str:
    return _text(request, "auth/loginAsUserId") or _text(request, "auth/userId")


def _place(item_id: Any) -> tuple[int, int]:
    return int(_text(item_id, "tableId")), int(_text(item_id, "id"))


def _fill(record: Record, item: Any) -> None:
    """Set what a TTItem sets."""
    for field, name in (("TITLE", "title"), ("DESCRIPTION", "description")):
        node = item.find(f"{{{TARGET}}}{name}")
        if node is not None:
            record[field] = node.text or ""
    for node in item.findall(f"{{{TARGET}}}extendedField"):
        field = _text(node, "id/dbName")
        told = [_text(value, "internalValue") for value in node.findall(f"{{{TARGET}}}value")]
        kind, said = CASE_FIELDS[field], told[0]
        if kind == "MULTIPLE_SELECTION":
            record[field] = f",{','.join(told)}," if said else ""
        elif kind == "TEXT":
            record[field] = said
        else:
            record[field] = None if not said else float(said) if kind == "NUMERIC" else int(said)
