"""Pages that list tickets: they say what the command line says, at any moment."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import feedparser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborNode
from werkzeug.test import Client

from offtracfs import demo, records
from offtracfs.database import Database
from offtracfs.querylanguage import address, parse
from offtracfs.reports.query import fields_at
from offtracfs.web import lists
from offtracfs.web.page import Pair
from tests.mounting import AUTUMN, append, ticket
from tests.program import offtracfs
from tests.tickets import FIELDS
from tests.tickets import database as small
from tests.web import client, data, parsed, text

REPORTS: Sequence[int] = (1, 2, 3, 4)
QUERIES: Sequence[str] = (
    "status=!closed",
    "status=new&status=accepted&component=track&order=time&desc=1",
    "summary=~crash&or&owner=^fit&milestone=!&group=milestone",
    "reporter=$st&keywords=!~animals&col=id&col=owner&col=time&order=id",
    "time=2015-01-01..2017&or&id=1-20,33&group=component&groupdesc=1",
    "owner=fitter&owner=docs&type=!task&status=closed&resolution=fixed",
    "description=~the&row=description",
)
EVERY = 3
SEARCHES: Sequence[str] = ("crash", "cra* -renamed", '"points stick"', "summary:crash status:closed")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """The demo's tracker."""
    database = demo.database(tmp_path_factory.mktemp("demo"))
    database.prepare_search()
    return database


@pytest.fixture(scope="module")
def browser(made: Database) -> Client:
    """Somebody who looks at it."""
    return client(made.path)


def moments(database: Database, count: int) -> list[str]:
    """Some moments of a tracker's life, the same ones each time, and now."""
    with closing(database.reader()) as reader:
        head = reader.head()
        assert head is not None
        first = reader.revision(1)
        assert first is not None
        draw = random.Random(7)
        seconds = [draw.randint(first.committed, head.committed) for _ in range(count - 1)]
    return ["", *(f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}" for second in seconds)]


def says_what_the_command_line_says(
    browser: Client, database: Database, home: Path, at: str, turn: int
) -> None:
    """Some lists at a moment, by turns, hold what the program prints."""
    some = slice(turn % EVERY, None, EVERY)

    def printed(*arguments: str) -> str:
        moment = ["--at", at] if at else []
        done = offtracfs(home, "--db", database.path, *arguments[:1], *moment, *arguments[1:])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def shown(where: str) -> Any:
        answer = browser.get(f"/@{at}{where}" if at else where)
        assert answer.status_code == 200, text(answer)
        return answer

    listed = json.loads(printed("report", "--format", "json"))
    assert [(one["number"], one["title"]) for one in shown("/report.json").json["reports"]] == [
        (one["report"], one["title"]) for one in listed
    ]
    for number in REPORTS[some]:
        page = shown(f"/report/{number}.json?max=1000&USER=fitter").json
        rows = json.loads(printed("report", "--format", "json", "--", str(number), "USER=fitter"))
        assert [row["cells"] for row in page["rows"]] == rows
        assert page["total"] == len(rows)
        table = printed("report", "--format", "csv", "--", str(number), "USER=fitter")
        assert (
            shown(f"/report/{number}.csv?USER=fitter").get_data(as_text=True).splitlines()
            == table.splitlines()
        )
    for query in QUERIES[some]:
        page = shown(f"/query.json?{query}&max=1000").json
        rows = json.loads(printed("query", f"?{query}", "--format", "json"))
        names = [column["key"] for column in page["columns"] if not column["hidden"]]
        assert [{name: row["cells"][name] for name in names} for row in page["rows"]] == rows
        assert page["total"] == len(rows)
        tsv = printed("query", f"?{query}", "--format", "tsv")
        assert shown(f"/query.tsv?{query}").get_data(as_text=True).splitlines() == tsv.splitlines()
    for words in SEARCHES[some]:
        page = shown(f"/search.json?{urlencode({'q': words})}").json
        rows = json.loads(printed("search", words, "--format", "json"))
        assert [
            (hit["ticket"], "".join(hit["summary"]), hit["author"], hit["time"], "".join(hit["text"]))
            for hit in page["hits"]
        ] == [(row["ticket"], row["summary"], row["author"], row["time"], row["text"]) for row in rows]


def test_lists_say_what_the_command_line_says(browser: Client, made: Database, tmp_path: Path) -> None:
    """Reports, queries and searches hold the same rows as the commands, now and in the past."""
    for turn, at in enumerate(moments(made, 2)):
        says_what_the_command_line_says(browser, made, tmp_path, at, turn)


@pytest.mark.slow
def test_lists_say_so_at_many_moments(browser: Client, made: Database, tmp_path: Path) -> None:
    """… and at twenty moments."""
    for turn, at in enumerate(moments(made, 20)):
        says_what_the_command_line_says(browser, made, tmp_path, at, turn)


def sent(form: LexborNode, *button: Pair, changes: Mapping[str, str] = MappingProxyType({})) -> str:
    """What a browser asks for when somebody sends a form, after some changes, by a button."""
    pairs = []
    for node in form.css("input, select"):
        name, value = node.attributes.get("name"), node.attributes.get("value") or ""
        if not name or (("type", "checkbox") in node.attributes.items() and "checked" not in node.attributes):
            continue
        if node.tag == "select":
            chosen = node.css_first("option[selected]") or node.css_first("option")
            assert chosen is not None
            value = chosen.attributes.get("value") or ""
        pairs.append((name, changes.get(name, value)))
    return f"{form.attributes['action']}?{urlencode([*pairs, *button])}"


def form_of(browser: Client, where: str) -> LexborNode:
    """The form of a query's page."""
    found = parsed(browser.get(where)).css_first("form.query")
    assert found is not None
    return found


def led_to(browser: Client, where: str) -> list[tuple[str, str]]:
    """The query of the address to which a form's answer leads."""
    answer = browser.get(where)
    assert answer.status_code == 302, text(answer)
    return parse_qsl(urlsplit(answer.headers["Location"]).query, keep_blank_values=True)


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("at", ["", "/@2015-06-03"])
def test_the_form_says_what_the_address_says(browser: Client, made: Database, query: str, at: str) -> None:
    """A query's form that is sent as it came asks for the same, and leads to the address that Trac has."""
    found = browser.get(sent(form_of(browser, f"{at}/query?{query}")))
    assert found.status_code == 302
    where = urlsplit(found.headers["Location"])
    assert where.path == f"{at}/query"
    fields = fields_at(made, made.reader().head())  # type: ignore[arg-type]
    asked, before = parse(f"?{where.query}", fields), parse(f"?{query}", fields)
    before.most = asked.most
    for one in (asked, before):  # boxes are sent in the order in which they stand
        one.clauses = [{name: sorted(values) for name, values in clause.items()} for clause in one.clauses]
    assert asked == before


NAMES = ("status", "owner", "milestone", "summary", "weather", "description", "time")
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


@given(
    st.lists(
        st.dictionaries(st.sampled_from(NAMES), st.lists(VALUES, min_size=1, max_size=3), min_size=1),
        max_size=3,
    ),
    st.lists(st.sampled_from(("id", *NAMES)), unique=True),
    st.sampled_from(NAMES),
    st.sampled_from(("", *NAMES)),
    st.booleans(),
)
def test_an_address_asks_for_its_query(
    clauses: list[dict[str, list[str]]], columns: list[str], order: str, group: str, down: bool
) -> None:
    """Whatever a query asks for, the address that is made of it asks for the same."""
    fields = [{"name": name, "type": "text"} for name in NAMES]
    pairs = [
        (name, value)
        for clause in clauses
        for name, values in [("or", [""]), *clause.items()]
        for value in values
    ]
    pairs += [("col", name) for name in columns] + [("order", order), ("group", group), ("desc", "1" * down)]
    query = parse(f"?{urlencode(pairs)}", fields)
    assert query.clauses == clauses
    assert parse(f"?{urlencode(address(query))}", fields) == query


def test_constraints_are_added_and_removed(browser: Client) -> None:
    """By the buttons of the form alone, fields and groups come and go, and values with them."""
    form = form_of(browser, "/query?status=new&or&owner=~fit&group=milestone")
    assert led_to(browser, sent(form, ("rm", "0_status"))) == [("owner", "~fit"), ("group", "milestone")]
    for name, row in (("add_1", "1_component"), ("add_2", "2_component")):
        pairs = led_to(browser, sent(form, changes={name: "component"}))
        assert pairs == [
            ("status", "new"), ("or", ""), ("owner", "~fit"), ("group", "milestone"), ("add", row)
        ]  # fmt: skip
        shown = form_of(browser, f"/query?{urlencode(pairs)}")
        boxes = {box.attributes["value"] for box in shown.css(f'input[name="{row}"]')}
        assert {"track", "engines", ""} <= boxes
        chosen = sent(shown) + f"&{row}=track"
        assert [pair for pair in led_to(browser, chosen) if pair[0] == "component"] == [
            ("component", "track")
        ]
    pairs = led_to(browser, sent(form, ("more", "1_owner")))
    inputs = form_of(browser, f"/query?{urlencode(pairs)}").css('input[name="1_owner"]')
    assert [box.attributes["value"] for box in inputs] == ["fit", ""]
    assert ("owner", "~") not in led_to(browser, sent(form_of(browser, f"/query?{urlencode(pairs)}")))
    pairs = led_to(browser, sent(form_of(browser, "/query?id=1&order=id"), ("rm", "0_id")))
    assert pairs == [("order", "id")]


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("/query?status=new&format=csv&order=id", "/query.csv?status=new&order=id"),
        ("/query?status=new&format=tab", "/query.tsv?status=new"),
        ("/report/1?format=csv", "/report/1.csv"),
        ("/@2015/report/1?format=tab&USER=x", "/@2015/report/1.tsv?USER=x"),
        ("/search?q=%2342", "/ticket/42"),
        ("/@2015/search?q=+%2342+", "/@2015/ticket/42"),
    ],
)
def test_trac_s_addresses_lead_there(browser: Client, asked: str, answered: str) -> None:
    """Addresses as Trac has them, and a ticket's number that is searched, lead to the page here."""
    answer = browser.get(asked)
    assert (answer.status_code, answer.headers["Location"]) == (302, answered)


def test_pages_of_a_list(browser: Client) -> None:
    """A list is shown page by page; the links lead to the others, and nothing is left out or there twice."""
    whole = [row["ticket"] for row in data(browser, "/query.json?order=id&max=1000")["rows"]]
    where, found = "/query?order=id&max=90", []
    while where:
        page = browser.get(where)
        found += data(browser, where.replace("/query?", "/query.json?"))["rows"]
        following = parsed(page).css_first(".paging a[rel=next]")
        where = (following.attributes["href"] or "") if following else ""
    assert [row["ticket"] for row in found] == whole
    assert browser.get("/query?order=id&max=90&page=99").status_code == 400
    assert "max=x is no number" in text(browser.get("/query?max=x"))


def test_a_report_is_sorted_within_its_groups(browser: Client) -> None:
    """A click on a column sorts by it, the next click the other way round; groups stay."""
    page = parsed(browser.get("/report/2"))
    link = next(node for node in page.css("thead a") if node.text() == "Summary")
    where = link.attributes["href"] or ""
    rows = data(browser, where.replace("/report/2", "/report/2.json"))["rows"]
    groups = list(dict.fromkeys(row["group"] for row in rows))
    keys = [(groups.index(row["group"]), row["cells"]["summary"].casefold()) for row in rows]
    assert keys == sorted(keys)
    again = next(node for node in parsed(browser.get(where)).css("thead a") if node.text() == "Summary")
    other = data(browser, (again.attributes["href"] or "").replace("/report/2", "/report/2.json"))["rows"]
    assert other != rows
    keys = [(groups.index(row["group"]), row["cells"]["summary"].casefold()) for row in reversed(other)]
    assert keys == sorted(keys, key=lambda key: (-key[0], key[1]))
    assert "no column 'nothing'" in text(browser.get("/report/2?sort=nothing"), ".trouble")


@pytest.mark.parametrize("where", ["/report/2?sort=summary", "/query?status=closed&order=time&max=10&page=2"])
def test_a_ticket_knows_its_neighbours(browser: Client, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a list, its tickets are visited one after the other, at the list's moment, and the list again."""
    monkeypatch.setattr(lists, "PATIENCE", 60.0)  # on a busy machine, too
    path, _, query = where.partition("?")
    rows = data(browser, f"/@2020{path}.json?{query.replace('max=10&page=2', 'max=1000')}")["rows"]
    numbers = [row["ticket"] for row in rows]
    link = parsed(browser.get(f"/@2020{where}")).css_first("td a.ticket")
    assert link is not None
    place = link.attributes["href"] or ""
    assert dict(parse_qsl(urlsplit(place).query)) == {"list": where}
    first = int(urlsplit(place).path.rpartition("/")[2])
    seen = [first]
    for _ in range(12):
        page = parsed(browser.get(place))
        following = page.css_first(".walk a[rel=next]")
        if following is None:
            break
        place = following.attributes["href"] or ""
        seen.append(int(urlsplit(place).path.rpartition("/")[2]))
    start = numbers.index(first)
    assert seen == numbers[start : start + len(seen)]
    assert len(seen) > 5
    page = parsed(browser.get(place))
    back = page.css(".walk a:not([rel])")
    assert [node.attributes["href"] for node in back] == [f"/@2020{where}"]
    assert page.css_first(".walk a[rel=prev]") is not None


@pytest.mark.parametrize(
    "where",
    ["https://evil.example/query", "//evil.example/query", "javascript:alert(1)", "/nowhere", "/ticket/1",
     "/query?id=x", "/query?status=\0", "/report/999", "", "/", "/query?" + "or&" * 5_000, "\\\\evil",
     "/@2011/query"],
)  # fmt: skip
def test_no_list_leads_elsewhere(browser: Client, where: str) -> None:
    """A list that is none is passed over, and no link on the page leads to another place."""
    answer = browser.get(f"/ticket/42?{urlencode({'list': where})}")
    assert answer.status_code == 200
    links = [node.attributes["href"] or "" for node in parsed(answer).css(".walk a")]
    assert all(link.startswith("/") and not link.startswith("//") for link in links)


def test_search_shows_where_the_words_are(browser: Client) -> None:
    """The words are marked; filters are those of the command, and its errors are sentences."""
    page = parsed(browser.get("/search?q=crash&in=comment&author=maintainer"))
    assert {mark.text().lower() for mark in page.css("#results mark")} == {"crash"}
    bylines = {node.text().split(",")[0].strip() for node in page.css(".hits .by")}
    assert bylines == {"maintainer"}
    assert len(page.css("input[name=in][checked]")) == 1
    assert text(browser.get("/search?q=a+AND+b"), ".trouble").startswith("AND is no operator")
    assert "no text 'nothing'" in text(browser.get("/search?q=x&in=nothing"), ".trouble")
    assert text(browser.get("/search?q=42"), ".jump") == "Ticket #42"
    assert browser.get("/search").status_code == 200


def test_links_in_texts_lead_to_lists(tmp_path: Path) -> None:
    """TracLinks to reports, queries, searches and several tickets lead to these pages, at the same moment."""
    texts = {
        "report:1": "/report/1",
        "{1}": "/report/1",
        "report:1?USER=bob": "/report/1?USER=bob",
        "[query:status=new&or&owner~=bob these]": "/query?status=new&or=&owner=~bob",
        "search:crash": "/search?q=crash",
        "ticket:1,2": "/query?id=1,2",
        "query:status": None,
        "report:x": None,
    }
    database = small(tmp_path)
    append(database, (AUTUMN + 60, ticket(1, description="\n\n".join(texts))))
    page = parsed(client(database.path).get("/@HEAD~0/ticket/1", follow_redirects=True))
    links = [unquote(node.attributes["href"] or "") for node in page.css("#description a")]
    assert links == [where for where in texts.values() if where]


def test_a_query_is_a_feed(tmp_path: Path) -> None:
    """RSS of a query has its tickets in order, with their texts as HTML, whatever is in them."""
    database = small(tmp_path)
    fields = {"fields.json": records.dump([*FIELDS, {"name": "time", "type": "time", "label": "Created"}])}
    odd = ticket(9, summary="a \x01 <b>& \ud800", description="'''bold''' <i>")
    append(database, (AUTUMN + 60, fields | odd))
    browser = client(database.path)
    answer = browser.get("/query?format=rss&order=id", follow_redirects=True)
    assert answer.request.path == "/query.rss"
    found = feedparser.parse(answer.data)
    assert not found.bozo, found.bozo_exception
    assert found.version == "rss20"
    assert [entry.link for entry in found.entries] == [f"http://localhost/ticket/{n}" for n in (1, 2, 9)]
    first, _, last = found.entries
    assert (first.title, first.author, first.published_parsed[:3]) == ("#1: It crashes", "ann", (2011, 4, 9))
    assert "<strong>bold</strong>" in last.summary
    assert "<i>" not in answer.get_data(as_text=True)
