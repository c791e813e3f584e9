"""Reports as pages: how they look, and that none of them holds anybody up."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from werkzeug.exceptions import ClientDisconnected, ServiceUnavailable
from werkzeug.test import Client

from offtracfs import records
from offtracfs.database import Database
from offtracfs.errors import QueryRefused
from offtracfs.web import lists, runs
from offtracfs.web.runs import Runs, Wanted
from tests.mounting import AUTUMN, append
from tests.test_web_server import served
from tests.tickets import database as made
from tests.web import client, data, parsed, text

LOOKS = """SELECT p.value AS __color__, 'Group ' || (id % 2) AS __group__, id AS ticket, summary,
  'font-weight: bold; background: url(http://evil.example); position: fixed; color: red' AS __style__,
  '#fdd' AS __bgcolor__,
  1300000000000000 AS created, 'report <b>' AS what_, description AS _description_, reporter AS _hidden
FROM ticket JOIN enum p ON p.name = 'major' ORDER BY id % 2, id"""
SLOW = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
VARIABLES = (
    "-- WHO = ann\nSELECT id AS ticket, '$USER' AS me, $MISSING AS missing FROM ticket WHERE reporter = $WHO"
)
REPORTS = {
    2: ("Looks", LOOKS),
    3: ("Slow", SLOW),
    4: ("For $WHO", VARIABLES),
    5: ("Refused", "DELETE FROM ticket"),
    6: ("Saved", "query:status!=closed&order=id"),
    7: ("Misspelt", "query:status"),
    8: ("Nothing", "SELECT 1 AS ticket WHERE 0"),
    9: (
        "</title><script>alert(1)</script>",
        "SELECT '<script>alert(2)</script>' AS \"<script>alert(3)</script>\"",
    ),
}


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """The small tracker with some reports."""
    found = made(tmp_path)
    files = {
        f"report/{number}.json": records.dump({"title": title, "sql": sql})
        for number, (title, sql) in REPORTS.items()
    }
    files["field/priority/major.json"] = records.dump("2")
    append(found, (AUTUMN + 60, files))
    return found


@pytest.fixture
def browser(database: Database) -> Client:
    """Somebody who looks at it."""
    return client(database.path)


def test_groups_colours_and_looks(browser: Client) -> None:
    """Columns for groups, colours, lines of their own, hidden cells and styles do what they do in Trac."""
    shown = browser.get("/report/2")
    page = parsed(shown)
    assert [node.text().split() for node in page.css(".group th")] == [
        ["Group", "0", "1"],
        ["Group", "1", "1"],
    ]
    assert [node.text().strip() for node in page.css("thead th")] == ["Ticket", "Summary", "Created", "What"]
    rows = page.css("tbody tr.color2:not(.more)")
    links = [node.attributes["href"] for row in rows for node in row.css("td.ticket a")]
    assert links == ["/ticket/2?list=/report/2", "/ticket/1?list=/report/2"]
    assert page.css("tbody tr.more td[colspan='4'] .wiki-text")
    sheet = page.css_first("link[href='/report/2.style']")
    assert sheet is not None
    style = browser.get("/report/2.style")
    assert style.mimetype == "text/css"
    said = "background-color: #fdd; font-weight: bold"
    assert all(said in line and "color: red" in line for line in style.get_data(as_text=True).splitlines())
    assert not {"url", "position", "evil"} & set(style.get_data(as_text=True).replace(":", " ").split())
    assert all("_hidden" in row["cells"] for row in data(browser, "/report/2.json")["rows"])


def test_variables_have_a_form(browser: Client) -> None:
    """A report's variables have values from the address, from its text, and from who asks."""
    page = parsed(browser.get("/report/4"))
    assert "For ann" in text(browser.get("/report/4"), "h1")
    found = {box.attributes["name"]: box.attributes["value"] for box in page.css("form.variables input")}
    assert found == {"USER": "anonymous", "MISSING": "", "WHO": "ann"}
    asked = data(browser, "/report/4.json?WHO=ann&USER=bob&MISSING=x")
    assert [row["cells"] for row in asked["rows"]] == [{"ticket": 1, "me": "bob", "missing": "x"}]
    assert data(browser, "/report/4.json?WHO=nobody")["rows"] == []


def test_what_cannot_run_is_a_sentence(browser: Client) -> None:
    """A report that is refused shows why, and its SQL; so for programs; no download is half an answer."""
    shown = browser.get("/report/5")
    assert shown.status_code == 200
    assert "DELETE is not allowed here" in text(shown, ".trouble")
    assert text(shown, ".sql code") == "DELETE FROM ticket"
    assert data(browser, "/report/5.json")["trouble"].startswith("DELETE is not allowed")
    assert browser.get("/report/5.csv").status_code == 400
    assert "no part of a query" in text(browser.get("/report/7"), ".trouble")
    assert "no report 99" in text(browser.get("/report/99"))
    assert "It gives no rows" in text(browser.get("/report/8"))


def test_a_saved_query_is_shown_where_queries_are(browser: Client) -> None:
    """A report that is a query leads to the query's page, also as a download, which names the report."""
    answer = browser.get("/@HEAD~0/report/6", follow_redirects=True)
    assert answer.request.path == "/query"
    assert text(answer, "h1").startswith("{6}")
    assert browser.get("/report/6.csv", follow_redirects=True).get_data(as_text=True).startswith("id,")


def test_nothing_in_a_report_is_markup(browser: Client) -> None:
    """Titles, names of columns and cells are text."""
    for where in ("/report", "/report/9", "/report/2"):
        assert not parsed(browser.get(where)).css("main script, main b")
    assert "<script>alert(2)</script>" in text(browser.get("/report/9"), "tbody")


def test_a_list_of_a_report(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tickets of a report follow each other in its order, groups and all."""
    monkeypatch.setattr(lists, "PATIENCE", 60.0)  # on a busy machine, too
    page = parsed(browser.get("/ticket/2?list=/report/2"))
    following = page.css_first(".walk a[rel=next]")
    assert following is not None
    assert following.attributes["href"] == "/ticket/1?list=/report/2"
    assert not parsed(browser.get("/ticket/2?list=/report/5")).css(".walk")


def test_no_ticket_waits_for_its_list(
    database: Database, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ticket's page comes without neighbours where its list takes long, and the list is then let go of."""
    monkeypatch.setattr(lists, "PATIENCE", 0.5)
    shown = browser.get("/ticket/2?list=/report/3")
    assert shown.status_code == 200
    assert not parsed(shown).css(".walk")
    until(lambda: not running(database))


def running(database: Database) -> list[str]:
    """The command lines of the processes that run a report of that database."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if str(database.path) in line and "report" in line:
            found.append(" ".join(line))
    return found


def until(condition: object, seconds: float = 20) -> None:
    """Wait for something that comes soon."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def some(database: Database) -> Iterator[Runs]:
    """Its reports that run."""
    found = Runs(database.path)
    yield found
    found.end()
    until(lambda: not running(database))


def wanted(database: Database, report: int, *options: str) -> Wanted:
    """A report as it is now."""
    with database.snapshot() as snapshot:
        assert snapshot.commit
        return Wanted(report, snapshot.commit, options)


def test_who_asks_for_the_same_waits_for_one_run(
    database: Database, some: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several readers get one output; after a minute it is made again; a refusal is kept as long."""
    what = wanted(database, 8, "--format=csv")
    with ThreadPoolExecutor(runs.MAX_READERS) as threads:
        files = [*threads.map(lambda _: some.output(what, lambda: False), range(runs.MAX_READERS))]
    for file in files:
        with file:
            assert file.read() == b"ticket\r\n"
    seen: list[Wanted] = []
    work = some._work

    def seen_at_work(wanted: Wanted, run: Any) -> None:
        seen.append(wanted)
        work(wanted, run)

    monkeypatch.setattr(some, "_work", seen_at_work)
    some.output(what, lambda: False).close()
    assert seen == []
    monkeypatch.setattr(runs, "MAX_AGE", 0.0)
    some.output(what, lambda: False).close()
    assert seen == [what]
    with pytest.raises(QueryRefused, match="DELETE"):
        some.output(wanted(database, 5), lambda: False)


def test_a_reader_who_leaves_ends_the_run(database: Database, some: Runs) -> None:
    """The process of a report ends when the last of its readers has left, and not before."""
    left = [Event(), Event()]
    with ThreadPoolExecutor(2) as threads:
        what = wanted(database, 3)
        waiting = [threads.submit(some.output, what, event.is_set) for event in left]
        until(lambda: len(running(database)) == 1)
        left[0].set()
        with pytest.raises(ClientDisconnected):
            waiting[0].result(10)
        assert len(running(database)) == 1
        left[1].set()
        with pytest.raises(ClientDisconnected):
            waiting[1].result(10)
        until(lambda: not running(database))


def test_only_some_run_and_only_some_wait(database: Database, some: Runs) -> None:
    """More reports than may run wait their turn; more readers than may wait are told to come again."""
    left = Event()
    with ThreadPoolExecutor(runs.MAX_READERS) as threads:
        for number in range(runs.MAX_READERS):
            threads.submit(some.output, wanted(database, 3, f"--max={number}"), left.is_set)
        until(lambda: len(running(database)) == runs.MAX_RUNNING)
        until(lambda: some._readers._value == 0)
        with pytest.raises(ServiceUnavailable) as told:
            some.output(wanted(database, 8), lambda: False)
        assert dict(told.value.get_headers())["Retry-After"]
        assert len(running(database)) == runs.MAX_RUNNING
        left.set()


def test_slow_reports_hold_up_nobody(database: Database) -> None:
    """While more slow reports are asked for than may wait, all other pages come; who hangs up ends them."""
    with (
        served(database) as (_, address),
        httpx.Client(base_url=address, timeout=60) as browser,
        ExitStack() as slow,
    ):
        port = urlsplit(address).port or 0
        asking = [slow.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(6)]
        for number, connection in enumerate(asking):
            connection.sendall(f"GET /report/3?USER={number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        until(lambda: len(select.select(asking, [], [], 0)[0]) == len(asking) - runs.MAX_READERS)
        for connection in select.select(asking, [], [], 0)[0]:
            answer = connection.recv(1_000).decode()
            assert answer.startswith("HTTP/1.1 503 ")
            assert "Retry-After: " in answer
        until(lambda: len(running(database)) == runs.MAX_RUNNING)
        assert browser.get("/ticket/1").status_code == 200
        assert browser.get("/query").status_code == 200
        slow.close()
        until(lambda: not running(database))
        assert browser.get("/report/8").status_code == 200
