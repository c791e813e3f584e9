"""The SOAP transport against a stand-in on loopback that serves a database of the demo."""

from __future__ import annotations

import logging
import re
import ssl
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import zeep
from lxml import etree

from offtracfs import teamtrack
from offtracfs.errors import LoginRefused, NotATracker, TSAPIError, Unreachable
from offtracfs.teamtrack import envelope, soap
from offtracfs.teamtrack.server import Server
from tests.teamtracks import Teamtracks, connected, everything
from tests.teamtrackserver import ENDPOINT, PASSWORD, WSDL, StandIn, serving
from tests.teamtrackwsdl import TARGET, wsdl


@pytest.fixture(params=["sqlite-cases", "sqlite-issues"])
def behind(request: pytest.FixtureRequest, teamtracks: Teamtracks) -> Iterator[Server]:
    """The database that the stand-in serves, of each schema in turn."""
    with connected(teamtracks.new(request.param)) as server:
        yield server


@pytest.fixture
def stand_in(behind: Server) -> Iterator[StandIn]:
    """The service; what it was sent is held against its schema in the end."""
    with serving(behind) as stand_in:
        yield stand_in
        document = etree.fromstring(wsdl(stand_in.url))
        (schema,) = document.iter("{http://www.w3.org/2001/XMLSchema}schema")
        valid = etree.XMLSchema(schema)
        for body in stand_in.bodies:
            (request,) = etree.fromstring(body).find(f"{{{envelope.ENVELOPE}}}Body")
            valid.assertValid(etree.fromstring(etree.tostring(request)))


@pytest.fixture
def server(stand_in: StandIn) -> Iterator[Server]:
    """The interface, connected to it."""
    with teamtrack.connect("newton", PASSWORD, stand_in.url) as server:
        yield server


def test_equal_records(server: Server, behind: Server) -> None:
    """Both transports give the same tables, fields and records, in the same order."""
    assert server.tables == behind.tables
    assert server.case_table_name() == behind.case_table_name()
    number = server.case_table_id()
    for clause in (
        "",
        "TS_STATE <> 4 ORDER BY TS_TITLE DESC",
        "TS_PROJECTID IN (SELECT TS_ID FROM TS_PROJECTS WHERE TS_PARENTID = 1) AND TS_TITLE LIKE '%''%'",
    ):
        assert list(server.query(number, clause)) == list(behind.query(number, clause))
    assert server.read_record(number, 17) == behind.read_record(number, 17)
    assert server.new_record(number) == behind.new_record(number)


def test_features(server: Server) -> None:
    """What it cannot do is no feature, and raises an error that says so."""
    assert teamtrack.feature == {"delete_record": 1, "submit": 1, "transition": 1, "update": 1}
    number = server.case_table_id()
    for refused in (
        lambda: server.new_record(number).add(),
        lambda: server.query(server.tables["USERS"], ""),
        lambda: server.read_record(server.tables["PROJECTS"], 1),
        lambda: server.new_record(server.tables["FIELDS"]),
        lambda: server.delete_record(server.tables["USERS"], 1),
        lambda: server.read_state_list(1, 1),
        lambda: server.read_transition_list(1),
        lambda: server.transport.add_field({}),  # no record of FIELDS can be had
    ):
        with pytest.raises(teamtrack.error, match="SOAP"):
            refused()


def test_writes(server: Server, behind: Server, stand_in: StandIn) -> None:
    """Submit, transition, update and delete reach the database, on behalf of whom they are said to be."""
    number = server.case_table_id()
    new = server.new_record(number)
    values = {"PROJECTID": 5, "TITLE": "é <&> '", "DESCRIPTION": "a\r\nb\rc\td", "COSTS": 0.1, "OWNER": None}
    for name, value in (values | {"PLACES": ",3,1,", "SEVERITY": 9, "CLOSEDATE": 1_500_000_000}).items():
        new[name] = value
    made = new.submit("Joe")
    case = server.read_record(number, made)
    assert case == behind.read_record(number, made)
    assert {name: case[name] for name in values} == values
    assert (case["SUBMITTER"], case["PLACES"], case["SEVERITY"]) == (12, ",3,1,", 9)
    assert case["CLOSEDATE"] == 1_500_000_000
    case["PLACES"] = ""
    assert case.transition("Joe", 2, 6) is case
    assert (case["STATE"], case["PROJECTID"], case["PLACES"], case["LASTSTATECHANGER"]) == (2, 6, "", 12)
    case["DESCRIPTION"] = case["DESCRIPTION"] + "\nAdditional text."
    assert case.update() == behind.read_record(number, made)
    server.delete_record(number, made)
    assert stand_in.requests.count("TransitionItem") == 2
    for ask in (server.read_record, server.delete_record):
        with pytest.raises(teamtrack.tsapi_error, match=f"no record with the id {made}"):
            ask(number, made)


def test_failed_writes(server: Server, behind: Server, stand_in: StandIn) -> None:
    """What the server refuses is an error with its words; what cannot be sent is not sent."""
    number = server.case_table_id()
    case = server.read_record(number, 12)
    before, values = everything(behind), dict(case)
    for login, transition in (("newton", 99), ("Nobody", 3)):
        with pytest.raises(teamtrack.tsapi_error, match="The TeamTrack says: Application error: "):
            case.transition(login, transition)
    asked = len(stand_in.requests)
    wrong: list[tuple[str, Any]] = [
        ("TITLE", "\x0b"),
        ("TITLE", 5),
        ("OWNER", "1"),
        ("OWNER", True),
        ("COSTS", "1"),
    ]
    for field, value in wrong:
        new = server.new_record(number)
        new["PROJECTID"], new[field] = 2, value
        with pytest.raises(teamtrack.error):
            new.submit("Joe")
    assert len(stand_in.requests) == asked
    assert dict(case) == values
    assert everything(behind) == before


def test_clauses_are_checked_before_they_are_sent(server: Server, stand_in: StandIn) -> None:
    """A clause that is more than a condition never leaves this machine."""
    asked = len(stand_in.requests)
    for clause in ("1=1; DROP TABLE TS_USERS", "pg_sleep(3) = 1", "1=1 UNION SELECT 1"):
        with pytest.raises(teamtrack.error):
            server.query(server.case_table_id(), clause)
    assert len(stand_in.requests) == asked


@pytest.mark.parametrize("first", [0, 1])
def test_pages(
    server: Server, behind: Server, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """Ids come page by page, whether firstRecord counts from 0 or 1; items some at a time, when looked at."""
    monkeypatch.setattr(soap, "PAGE", 7)
    monkeypatch.setattr(soap, "ITEMS", 9)
    stand_in.first = first
    number = server.case_table_id()
    found = server.query(number, "1=1 ORDER BY TS_TITLE")
    assert list(found.ids) == list(behind.query(number, "1=1 ORDER BY TS_TITLE").ids)
    assert "GetItems" not in stand_in.requests
    assert stand_in.requests.count("GetItemsByQuery") <= -(-len(found) // (7 - first))
    assert len(list(found)) == len(found)
    assert stand_in.requests.count("GetItems") == -(-len(found) // 9)


def test_the_password(stand_in: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    """It is sent to nobody before a TeamTrack has answered, and is in no message, no log and no repr."""
    caplog.set_level(logging.DEBUG)
    with teamtrack.connect("newton", PASSWORD, stand_in.url) as server:
        assert stand_in.requests == ["GetVersion", "GetTables"]
        assert PASSWORD.encode() not in stand_in.bodies[0]
        assert PASSWORD.encode() in stand_in.bodies[1]
        assert PASSWORD not in repr(vars(server.transport))
    with pytest.raises(teamtrack.tsapi_error) as refused:
        teamtrack.connect("newton", "wrong", stand_in.url)
    assert isinstance(refused.value, LoginRefused)
    assert "wrong" not in str(refused.value)
    stand_in.answers["GetTables"] = _fault(f"it was {PASSWORD}")
    with pytest.raises(teamtrack.tsapi_error) as repeated:
        teamtrack.connect("newton", PASSWORD, stand_in.url)
    assert PASSWORD not in str(repeated.value)
    assert PASSWORD not in caplog.text


def _fault(said: str) -> bytes:
    fault = f"<e:Fault><faultcode>x</faultcode><faultstring>{said}</faultstring></e:Fault>"
    return f'<e:Envelope xmlns:e="{envelope.ENVELOPE}"><e:Body>{fault}</e:Body></e:Envelope>'.encode()


def _answer(operation: str, content: str) -> bytes:
    response = f'<{operation}Response xmlns="{TARGET}">{content}</{operation}Response>'
    return f'<e:Envelope xmlns:e="{envelope.ENVELOPE}"><e:Body>{response}</e:Body></e:Envelope>'.encode()


BOMB = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>'
ITEM = "<return><item><id><id>{}</id></id>{}</item></return>"


@pytest.mark.parametrize(
    ("operation", "content"),
    [
        ("GetVersion", b""),
        ("GetVersion", b"<html>Log in, please</html>"),
        ("GetVersion", b"not XML <"),
        ("GetVersion", BOMB),
        ("GetVersion", b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>'),
        (
            "GetTables",
            _answer("GetTables", "<return><table><id>one</id><dbName>TS_X</dbName></table></return>"),
        ),
        ("GetItemsByQuery", _fault("no")),
        ("GetItemsByQuery", _answer("GetItems", "")),
        ("GetItemsByQuery", _answer("GetItemsByQuery", ITEM.format("x", ""))),
        (
            "GetItemsByQuery",
            _answer(
                "GetItemsByQuery",
                "<return><item><id><id>1</id></id></item><totalCount>many</totalCount></return>",
            ),
        ),
        ("GetItems", _answer("GetItems", ITEM.format(1, "<state><id>new</id></state>"))),
        ("GetItems", _answer("GetItems", ITEM.format(1, "<createDate>yesterday</createDate>"))),
        ("GetItems", _answer("GetItems", ITEM.format(1, "<createDate>9999-99-99T00:00:00Z</createDate>"))),
    ],
)
def test_hostile_answers(stand_in: StandIn, operation: str, content: bytes) -> None:
    """Whatever a server answers that is not understood is an error of the TeamTrack, in one sentence."""

    def ask() -> None:
        with teamtrack.connect("newton", PASSWORD, stand_in.url) as server:
            list(server.query(server.case_table_id(), "TS_ID = 1"))

    ask()
    stand_in.answers[operation] = content
    with pytest.raises(teamtrack.tsapi_error) as refused:
        ask()
    assert re.fullmatch(r"[^\n]*\.", str(refused.value))


def test_an_answer_without_end(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is too long is not read to its end."""
    monkeypatch.setattr(envelope, "MAX_ANSWER", 10_000)
    stand_in.answers["GetVersion"] = b" " * 20_000
    with pytest.raises(teamtrack.tsapi_error, match="more than 10,000 bytes"):
        teamtrack.connect("newton", PASSWORD, stand_in.url)


def test_pages_without_end(server: Server, stand_in: StandIn) -> None:
    """A server that counts more records than it gives does not keep us asking."""
    item = "<item><id><id>3</id></id></item>"
    stand_in.answers["GetItemsByQuery"] = _answer(
        "GetItemsByQuery", f"<return>{item}<totalCount>9000</totalCount></return>"
    )
    assert list(server.query(server.case_table_id()).ids) == [3]
    assert stand_in.requests.count("GetItemsByQuery") == 2


def test_what_is_no_service(stand_in: StandIn) -> None:
    """A web server without the service, and a port where nobody listens, are told apart."""
    with pytest.raises(teamtrack.tsapi_error, match="HTTP status 404") as refused:
        teamtrack.connect("", "", f"{stand_in.url}/elsewhere")
    assert isinstance(refused.value, NotATracker)
    with pytest.raises(teamtrack.tsapi_error) as silent:
        teamtrack.connect("", "", "http://127.0.0.1:9")
    assert isinstance(silent.value, Unreachable)


def test_errors_are_told_apart_and_are_both_tracker_errors() -> None:
    """An error of the TeamTrack's is never an error of the interface's."""
    assert not issubclass(TSAPIError, teamtrack.error)
    assert not issubclass(teamtrack.error, TSAPIError)


def test_hosts() -> None:
    """A bare host, with a port or without, is asked over TLS; another path is taken as it is."""
    service = "/gsoap/gsoap_ssl.dll?sbmappservices72"
    assert soap.endpoint("teamtrack") == f"https://teamtrack{service}"
    assert soap.endpoint("teamtrack.example.org:8080") == f"https://teamtrack.example.org:8080{service}"
    assert soap.endpoint("[::1]:8080") == f"https://[::1]:8080{service}"
    assert soap.endpoint("http://teamtrack:80/") == f"http://teamtrack{service}"
    assert soap.endpoint("https://h/own/service.dll?x") == "https://h/own/service.dll?x"


def test_a_bare_host_is_asked_over_tls(
    behind: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """host:8080 is the document's form: its certificate is checked, and then it is the same service."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *files, *subject]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    stand_in = StandIn(behind)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, content = stand_in.answer(self.rfile.read(int(self.headers["content-length"])))
            assert self.path == ENDPOINT
            self.send_response(status)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Keeps the tests' output for the tests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        http.socket = context.wrap_socket(http.socket, server_side=True)
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        host = f"127.0.0.1:{http.server_port}"
        try:
            with pytest.raises(teamtrack.tsapi_error, match="certificate"):
                teamtrack.connect("newton", PASSWORD, host)
            assert stand_in.requests == []
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            with teamtrack.connect("newton", PASSWORD, host) as server:
                assert server.read_record(server.case_table_id(), 17)["ID"] == 17
        finally:
            http.shutdown()
            thread.join()


def test_an_independent_client(stand_in: StandIn, behind: Server) -> None:
    """zeep, which knows nothing of us, takes the stand-in's WSDL and is answered as we are."""
    client: Any = zeep
    call, number = client.Client(stand_in.url + WSDL).service, behind.case_table_id()
    auth = {"userId": "newton", "password": PASSWORD}
    assert call.GetVersion() == "stand-in"
    tables = {
        table.table.dbName: table.table.id for table in call.GetTables(auth=auth, tableType="NOT-SPECIFIED")
    }
    assert tables[behind.case_table_name()] == number
    page = {"firstRecord": 0, "maxReturnSize": 3, "orderByClause": "TS_ID DESC"}
    listed = call.GetItemsByQuery(auth=auth, table={"id": number}, queryWhereClause="TS_ID < 9", **page)
    assert (listed.totalCount, [item.id.id for item in listed.item]) == (8, [8, 7, 6])
    (holder,) = call.GetItems(auth=auth, itemId=[{"id": 17, "tableId": number}])
    case = behind.read_record(number, 17)
    assert (holder.item.title, holder.item.state.id) == (case["TITLE"], case["STATE"])
    assert holder.item.createDate.timestamp() == case["SUBMITDATE"]
    on_behalf = auth | {"loginAsUserId": "Joe"}
    field = {"id": {"dbName": "COSTS"}, "setValueBy": "INTERNAL-VALUE", "value": [{"internalValue": "2.5"}]}
    item = {"title": "By zeep", "extendedField": [field]}
    made = call.CreatePrimaryItem(auth=on_behalf, project={"id": 2}, item=item).item.id
    moved = call.TransitionItem(
        auth=on_behalf, item={"id": {"id": made.id, "tableId": number}}, transition={"id": 2}, breakLock=False
    )
    case = behind.read_record(number, made.id)
    assert (case["TITLE"], case["COSTS"], case["STATE"]) == ("By zeep", 2.5, moved.item.state.id)
    assert case["SUBMITTER"] == 12
    call.DeleteItems(auth=auth, itemId=[{"id": made.id, "tableId": number}])
    with pytest.raises(client.exceptions.Fault, match="Application error"):
        call.GetTables(auth={"userId": "newton"}, tableType="NOT-SPECIFIED")
