"""A ticket's page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from werkzeug.test import Client

from offtracfs.database import Database
from offtracfs.trackers.registry import ticket_pages
from offtracfs.tree import Directory, File
from tests.mounting import AUTUMN, append, ticket, tree_of
from tests.tickets import NASTY, changed, moment, rows
from tests.tickets import database as made
from tests.web import client, parsed, text

SUMMERY = "@2011-07-08"
SPRINGLY = "@2011-04-09"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """The small tracker."""
    return made(tmp_path)


@pytest.fixture
def browser(database: Database) -> Client:
    """Somebody who looks at it."""
    return client(database.path)


def test_fields_as_they_stood(browser: Client) -> None:
    """Summary, state and fields are shown by their labels, now and as they were."""
    now, then = browser.get("/ticket/1"), browser.get(f"/{SPRINGLY}/ticket/1")
    assert text(now, "h1") == "#1 It crashes"
    assert (text(now, ".status"), text(then, ".status")) == ("closed", "new")
    assert "Cc ann, eve" in text(now, ".fields")
    assert "Cc ann " in f"{text(then, '.fields')} "
    assert text(browser.get("/ticket/2"), ".fields") == "Assigned to eve"
    assert text(then, ".banner") == (
        "You are looking at the past: the tracker as it was at the end of 9 April 2011. Back to now"
    )


def test_the_change_log(browser: Client) -> None:
    """Each change has who, when, what from what to what, and what was said; long texts are compared."""
    shown = browser.get("/ticket/1")
    attached, change = (" ".join(node.text().split()) for node in parsed(shown).css(".change"))
    assert attached == "bob, 2011-07-08 12:00 Attachment trace.txt"
    assert change.startswith("comment:1 bob, 2011-07-08 12:00")
    assert "Status new → closed" in change
    lines = [span.text().rstrip("\n") for span in parsed(shown).css(".diff span")]
    assert [line for line in lines if line[0] in "+-"] == ["- two", "+ 2"]
    assert "Fixed." in text(shown, ".change .wiki-text")
    assert not parsed(browser.get(f"/{SPRINGLY}/ticket/1")).css(".change")


def test_the_same_for_programs(browser: Client) -> None:
    """JSON has the fields, and the changes with their rows; times are UTC and say so."""
    found: Any = browser.get(f"/{SUMMERY}/ticket/1.json").json
    assert (found["number"], found["status"], found["created"]) == (1, "closed", "2011-04-09T12:00:00Z")
    attached, change = found["changes"]
    assert (attached["fields"][0]["attached"], attached["fields"][0]["new"]) == (True, "trace.txt")
    assert (change["author"], change["number"], change["time"]) == ("bob", "1", "2011-07-08T12:00:00Z")
    assert {field["name"] for field in change["fields"]} == {"cc", "description", "status"}


def test_links_in_texts(database: Database, browser: Client) -> None:
    """TracLinks lead to tickets and comments at the moment of the page, with Trac's titles and classes."""
    told = "See #1, ticket:99, comment:1, comment:2:ticket:1 and milestone:nowhere."
    log = rows(AUTUMN + 60, "eve", ("comment", "1", told))
    append(database, (AUTUMN + 60, changed(2, AUTUMN + 60, log, summary="Another", description="#1")))
    links = parsed(browser.get("/@HEAD~0/ticket/2", follow_redirects=True)).css(".change .wiki-text a")
    assert [(link.text(), link.attributes["href"], link.attributes["class"]) for link in links] == [
        ("#1", "/ticket/1", "closed ticket"),
        ("ticket:99", "/ticket/99", "missing ticket"),
        ("comment:1", "/ticket/2#comment:1", "ticket"),
        ("comment:2:ticket:1", "/ticket/1#comment:2", "closed ticket"),
        ("milestone:nowhere", "/milestone/nowhere", "missing milestone"),
    ]
    assert links[0].attributes["title"] == "closed: It crashes"
    link = parsed(browser.get("/@2011-10-06/ticket/2")).css_first("#description a")
    assert link is not None
    assert link.attributes["href"] == "/@2011-10-06/ticket/1"


def test_nothing_becomes_markup(database: Database, browser: Client) -> None:
    """Whatever a field, a name or a text holds is shown as text."""
    fields = dict.fromkeys(
        ("summary", "status", "type", "resolution", "owner", "cc", "description", "odd"), SCRIPT
    )
    log = rows(
        AUTUMN + 60, SCRIPT, ("comment", SCRIPT, SCRIPT), (SCRIPT, SCRIPT, SCRIPT), ("attachment", "", SCRIPT)
    )
    append(database, (AUTUMN + 60, ticket(8) | changed(8, AUTUMN + 60, log, **fields)))
    shown = browser.get("/ticket/8")
    assert not parsed(shown).css("script:not([src^='/static/'])")
    assert text(shown).count(SCRIPT) >= 11
    assert NASTY in (parsed(browser.get("/ticket/2")).css_first("h1 bdi") or pytest.fail("no title")).text()


def versions(browser: Client, at: str) -> list[dict[str, Any]]:
    """The versions of ticket 1 up to a moment."""
    shown: Any = browser.get(f"{at}/ticket/1/versions.json").json
    found: list[dict[str, Any]] = shown["versions"]
    return found


def test_versions(browser: Client) -> None:
    """Each version has its time, its author and what it changed, and leads to the ticket as it stood."""
    shown: Any = browser.get("/ticket/1.json").json
    found: Any = versions(browser, "")
    assert shown["versions"]["count"] == len(found) > 1
    assert [version["time"] for version in found] == sorted(version["time"] for version in found)
    assert found[-1]["address"] == "/ticket/1"
    assert {"author": found[-1]["author"], "change": found[-1]["change"]}.items() <= shown["versions"].items()
    before: Any = browser.get(f"{shown['versions']['before']}.json").json
    assert shown["versions"]["before"] == found[-2]["address"]
    assert before["versions"]["count"] == len(found) - 1
    then = versions(browser, f"/{SPRINGLY}")
    assert [version["at"] for version in then] == [version["at"] for version in found[: len(then)]]
    assert 1 <= len(then) < len(found)


def test_words_that_changed(database: Database, browser: Client) -> None:
    """In a long text that was changed, and in an edited comment, the words that changed are marked."""
    old, new = "It works here.", "It works for me now."
    log = rows(AUTUMN + 60, "eve", ("comment", "1", new), ("_comment0", old, "1"))
    append(database, (AUTUMN + 60, changed(2, AUTUMN + 60, log)))
    shown = parsed(browser.get("/ticket/2"))
    assert [mark.text() for mark in shown.css(".edited .went mark")] == ["here"]
    assert "for me now" in "".join(mark.text() for mark in shown.css(".edited .came mark"))
    data: Any = browser.get("/ticket/2.json").json
    assert data["changes"][-1]["edited"] == [[f"- {old}", f"+ {new}"]]


def test_links_both_ways(database: Database, browser: Client) -> None:
    """The tickets that a ticket refers to, and those that refer to it, as far as they are there."""
    log = rows(AUTUMN + 60, "eve", ("comment", "1", "See #1 and #77, but not 1 or {{{#1}}}."))
    append(database, (AUTUMN + 60, changed(2, AUTUMN + 60, log, description="See comment:1:ticket:1")))
    database.catch_up()
    of_two: Any = browser.get("/ticket/2/links.json").json
    of_one: Any = browser.get("/ticket/1/links.json").json
    assert [ticket["number"] for ticket in of_two["links_to"]] == [1]
    assert [ticket["number"] for ticket in of_one["linked_from"]] == [2]
    then: Any = browser.get("/@2011-10-06/ticket/1/links.json").json
    assert then["linked_from"] == [] or [ticket["number"] for ticket in then["linked_from"]] == [2]


@pytest.mark.parametrize("at", ["", SUMMERY, SPRINGLY])
def test_the_text_is_the_mounts(database: Database, browser: Client, at: str) -> None:
    """A ticket's text is that of `text/N.txt`, at any moment."""
    tree = tree_of(database, pages=ticket_pages(database.settings.url))
    found = tree.lookup(Directory(at, "text"), "1.txt")
    assert isinstance(found, File)
    shown = browser.get(f"{at and '/'}{at}/ticket/1.txt")
    assert (shown.mimetype, shown.data) == ("text/plain", tree.read(found.inode))


@pytest.mark.parametrize("count", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_tickets_at_random_moments_are_the_mounts(demo_database: Database, count: int) -> None:
    """At any second of ten years a ticket's text is the mount's at `@T`, and missing where it is there."""
    tree, dice = tree_of(demo_database, pages=ticket_pages(demo_database.settings.url)), Random(count)
    browser = client(demo_database.path)
    begin, end = (datetime(year, 6, 1, tzinfo=UTC).timestamp() for year in (2014, 2022))
    for _ in range(count):
        at, number = f"@{moment(int(dice.uniform(begin, end)))}Z", dice.randint(1, 300)
        found = tree.lookup(Directory(at, "text"), f"{number}.txt")
        shown = browser.get(f"/{at}/ticket/{number}.txt")
        assert shown.status_code == (200 if found else 404)
        if isinstance(found, File):
            assert shown.data == tree.read(found.inode)
