"""What the pages of the timeline, of comparisons and of values say is what the command line says then."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from random import Random
from typing import Any
from urllib.parse import quote

import pytest
from werkzeug.test import Client

from offtracfs import demo, records
from offtracfs.changes.comparison import KINDS
from offtracfs.database import Database
from tests.program import offtracfs
from tests.web import client, counted

EVERY_KIND = "&".join(f"kind={kind}" for kind in KINDS)
COLUMNS = ("id", "milestone", "component", "status", "owner", "reporter")
QUERY = "&".join(f"col={name}" for name in COLUMNS)
EVENTS = 250  # of the timeline that are compared


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """The demo."""
    return demo.database(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def browser(database: Database) -> Client:
    """Somebody who looks at it."""
    return client(database.path)


def data(browser: Client, address: str) -> Any:
    """A page's data."""
    answer = browser.get(address)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.json


def moments(database: Database, seed: int, count: int) -> list[str]:
    """Some seconds in the demo's life, as addresses have them; they are sorted."""
    with closing(database.reader()) as reader:
        first, head = reader.revision(1), reader.head()
    assert first
    assert head
    random = Random(seed)
    found = sorted(random.randint(first.committed, head.committed) for _ in range(count))
    return [f"{records.from_microseconds(when * records.SECOND):%Y-%m-%dT%H:%M:%SZ}" for when in found]


def said(database: Database, *arguments: str) -> str:
    """What the command line says."""
    done = offtracfs(database.path.parent, "--db", database.path, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def events(browser: Client, at: str) -> Iterator[Any]:
    """The changes of the timeline at a moment, from page to page."""
    where = f"/@{at}/timeline.json?{EVERY_KIND}"
    while where:
        page = data(browser, where)
        yield from (change for day in page["days"] for change in day["changes"])
        where = f"/@{at}/timeline.json?{page['older']}" if page["older"] else ""


def check_timeline(database: Database, browser: Client, at: str) -> None:
    """The timeline has the changes of `offtracfs log`, in its order."""
    told = json.loads(said(database, "log", "--until", at, "-n", str(EVENTS), "--format", "json"))
    found = [*zip(events(browser, at), told, strict=False)]
    assert len(found) == len(told)
    for change, other in found:
        names = ("time", "ticket", "author", "change", "commit")
        assert [change[name] for name in names] == [other[name] for name in names]


def differences(browser: Client, at: str, since: str, until: str) -> Iterator[Any]:
    """The pages of a comparison."""
    where = f"/@{at}/compare.json?from={quote(since)}&to={quote(until)}"
    while where:
        page = data(browser, where)
        yield page
        where = f"/@{at}/compare.json?{page['more']}" if page["more"] else ""


def below(lines: list[Any]) -> Iterator[str]:
    """The lines of a ticket or a record, as the command line has them."""
    for line in lines:
        if line["part"] == "comparison":
            yield from (f"{' ' * 8}{'…' if text == '  …' else text}" for text in line["lines"])
        else:
            yield f"    {line['text']}" if line["text"] else ""


def check_comparison(database: Database, browser: Client, since: str, until: str) -> None:
    """A comparison has the lines of `offtracfs diff`, and its counts."""
    pages = [*differences(browser, max(since, until), since, until)]
    tickets = [ticket for page in pages for ticket in page["tickets"]]
    titles = [(f"#{ticket['number']} {ticket['summary']}", ticket["lines"]) for ticket in tickets]
    titles += [(record["name"], record["lines"]) for record in pages[0]["records"]]
    assert not pages[0]["records_left"]
    text = ""
    for title, lines in titles:
        text += "\n".join([title, *below(lines)]) + "\n\n"
    assert text.rstrip("\n") == said(database, "diff", since, until).rstrip("\n")
    *_, last = said(database, "diff", since, until, "--stat").splitlines()
    counts = pages[0]["counts"]
    told = {word: int(count) for count, word in re.findall(r"(\d+) (new|deleted|ticket)", last)}
    assert told.pop("ticket", 0) == len(tickets) <= counts["tickets"]
    assert told == {word: counts[word] for word in ("new", "deleted") if counts[word]}
    assert counts["comments"] == sum(
        line["part"] == "heading" and "comment:" in line["text"]
        for ticket in tickets
        for line in ticket["lines"]
        if "new" not in ticket["kinds"]
    ) + sum(len(log) for log in _of_new(browser, until, tickets))
    for kind in ("new", "closed", "reopened", "deleted"):
        assert counts[kind] == sum(kind in ticket["kinds"] for ticket in tickets)


def _of_new(browser: Client, until: str, tickets: list[Any]) -> Iterator[list[Any]]:
    """The comments of the tickets that are new at a moment."""
    for ticket in tickets:
        if "new" in ticket["kinds"]:
            found = data(browser, f"/@{until}/ticket/{ticket['number']}.json")
            yield [change for change in found["changes"] if change["comment"]]


def check_values(database: Database, browser: Client, at: str) -> None:
    """Roadmap, milestones, components and people have the tickets that a query has."""
    rows = list(csv.DictReader(io.StringIO(said(database, "query", QUERY, "--at", at, "--format", "csv"))))
    rows = [dict(zip(COLUMNS, row.values(), strict=True)) for row in rows]
    counted = {
        field: Counter((row[field], row["status"] == "closed") for row in rows)
        for field in ("milestone", "component", "owner", "reporter")
    }
    roadmap = data(browser, f"/@{at}/roadmap.json")
    shown = [each for part in ("open", "completed", "later", "others") for each in roadmap[part]]
    assert {name for name, _ in counted["milestone"]} - {""} <= {each["name"] for each in shown}
    for each in [*shown, roadmap["without"] | {"name": ""}]:
        assert progress(each) == of(counted["milestone"], each["name"])
    for field in ("milestone", "component"):
        for name in {name for name, _ in counted[field]} - {""}:
            page = data(browser, f"/@{at}/{field}/{quote(name)}.json?by=owner")
            assert progress(page) == of(counted[field], name)
            mine = Counter((row["owner"], row["status"] == "closed") for row in rows if row[field] == name)
            assert all(progress(group) == of(mine, group["value"]) for group in page["groups"])
            assert {group["value"] for group in page["groups"]} == {owner for owner, _ in mine}
            assert {each["number"] for each in page["newest"]} <= {
                int(row["id"]) for row in rows if row[field] == name
            }
    for name in {name for name, _ in [*counted["owner"], *counted["reporter"]]} - {"", "anonymous"}:
        page = data(browser, f"/@{at}/person/{quote(name)}.json")
        assert progress(page["owns"]) == of(counted["owner"], name)
        assert progress(page["reported"]) == of(counted["reporter"], name)


def progress(found: Any) -> tuple[int, int]:
    """How many are open, and closed."""
    return found["open"], found["closed"]


def of(found: Counter[tuple[str, bool]], name: str) -> tuple[int, int]:
    """How many with a value are open, and closed."""
    return found[name, False], found[name, True]


def check(database: Database, browser: Client, seed: int, count: int) -> None:
    """All of that, at some moments."""
    for at in moments(database, seed, count):
        check_timeline(database, browser, at)
        check_values(database, browser, at)
    for since in moments(database, seed + 1, count):
        until = moments(database, int(since[:4]), 1)[0]
        check_comparison(database, browser, since, until)


def test_pages_say_what_the_command_line_says(database: Database, browser: Client) -> None:
    """At random moments, timeline, comparison, roadmap, milestones, components and people."""
    check(database, browser, 1, 1)


@pytest.mark.slow
def test_pages_say_what_the_command_line_says_at_many_moments(database: Database, browser: Client) -> None:
    """… and at many more."""
    check(database, browser, 100, 25)


@pytest.mark.parametrize(
    ("address", "most"),
    [("roadmap", 6), ("milestone/3.5%20Gentian", 8), ("component/track", 8), ("compare?from=2016", 310)],
)
def test_questions_do_not_grow_with_the_tracker(
    browser: Client, monkeypatch: pytest.MonkeyPatch, address: str, most: int
) -> None:
    """However many tickets there are, a page asks the index a few questions."""
    browser.get(f"/{address}")
    with counted(monkeypatch) as questions:
        assert browser.get(f"/{address}").status_code == 200
    assert len(questions) <= most


def test_links_lead_somewhere(browser: Client) -> None:
    """A page of each kind has links that lead to pages that are there."""
    seen: set[str] = set()
    for start in (
        "/timeline",
        "/roadmap",
        "/compare",
        "/@2016-06/person/fitter",
        "/@2016-06/component/track",
    ):
        page = browser.get(start).get_data(as_text=True)
        links = set(re.findall(r'href="(/[^"#]*)', page)) - seen
        for link in Random(0).sample(sorted(links), min(12, len(links))):
            assert browser.get(link.replace("&amp;", "&"), follow_redirects=True).status_code == 200, link
        seen |= links
