"""Roadmap, milestones, components and people."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from offtracfs import records
from offtracfs.database import Database
from offtracfs.kinds import field_path
from offtracfs.kinds.kind import whole
from offtracfs.web.pages import PAGES
from tests.mounting import AUTUMN, SPRING, SUMMER, append, new_database, ticket
from tests.tickets import changed, moment, rows
from tests.web import client, parsed, text

ODD = (
    "..",
    ".",
    "a/b",
    "/a",
    "a//b",
    "50%",
    "2.json",
    "x.html",
    "(none)",
    "-",
    "ä ö\u202e",
    "?a=b#c",
    "<b>",
    "l" * 300,
    "a \ud800 b",
)
PAST = "@2011-07-08"


def milestone(name: str, due: int = 0, completed: int = 0, about: str = "") -> dict[str, bytes | None]:
    """The record of a milestone; times are in seconds since 1970 UTC, 0 for none."""
    times = {"due": due and moment(due), "completed": completed and moment(completed)}
    return {field_path("milestone", name): records.dump({"name": name, "description": about, **times})}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """In spring, four milestones and four tickets; in summer one is closed, and one milestone completed."""
    database = new_database(tmp_path_factory.mktemp("values") / "db")
    mine: Any = {"milestone": "1.0", "component": "track"}
    spring = milestone("1.0", SUMMER - 60, about="See #1.") | milestone("1.10") | milestone("1.9", AUTUMN * 2)
    spring |= milestone("1.0.1", completed=AUTUMN - 1)  # as the first sync saw it: its past is not known
    spring |= {
        field_path("component", "track"): records.dump(
            {"name": "track", "owner": "ann", "description": "''Rails''"}
        )
    }
    spring |= ticket(1, reporter="bob", owner="ann", **mine) | ticket(2, reporter="bob", **mine)
    spring |= ticket(3, milestone="gone", owner="ann") | ticket(4, milestone="", component="track")
    log = rows(SUMMER, "ann", ("status", "new", "closed"), ("comment", "1", "Done."))
    closed = changed(1, SUMMER, log, status="closed", resolution="fixed", reporter="bob", owner="ann", **mine)
    said = changed(3, AUTUMN, rows(AUTUMN, "bob", ("comment", "1", "Why?")), milestone="gone", owner="ann")
    append(database, (SPRING, spring), (SUMMER, closed), (AUTUMN, said | milestone("1.0", 0, AUTUMN)))
    return database


@pytest.fixture(scope="module")
def browser(database: Database) -> Client:
    """Somebody who looks at it."""
    return client(database.path)


def data(browser: Client, address: str) -> Any:
    """The data of a page."""
    answer = browser.get(address)
    assert answer.status_code == 200, text(answer)
    return answer.json


def test_milestones_due_next_come_first(browser: Client) -> None:
    """Those with a date in its order, then by name with numbers as numbers; completed ones apart."""
    found = data(browser, f"/{PAST}/roadmap.json")
    assert [each["name"] for each in found["open"]] == ["1.0", "1.9", "1.10"]
    assert [each["late"] for each in found["open"]] == [True, False, False]
    assert (found["completed"], [each["name"] for each in found["others"]]) == ([], ["gone"])
    assert [each["name"] for each in found["later"]] == ["1.0.1"]
    now = data(browser, "/roadmap.json")
    assert [each["name"] for each in now["open"]] == ["1.9", "1.10"]
    assert [each["name"] for each in now["completed"]] == ["1.0", "1.0.1"]
    assert now["without"] == {"open": 1, "closed": 0, "percent": 0}


def test_how_far_a_milestone_is(browser: Client) -> None:
    """Open and closed tickets are counted as of the moment, and drawn."""
    found = data(browser, "/@2011-04-09/milestone/1.0.json")
    assert (found["open"], found["closed"], found["percent"]) == (2, 0, 0)
    page = browser.get(f"/{PAST}/milestone/1.0")
    assert "Late: it was due 2011-07-08 11:59" in text(page)
    assert "50 % 1 closed, 1 open" in text(page, ".far")
    done = parsed(page).css_first(".progress .done")
    assert done is not None
    assert done.attributes["width"] == "50"
    assert "Completed 2011-10-06" in text(browser.get("/milestone/1.0"))
    link = parsed(page).css_first(".description a")
    assert link is not None
    assert link.attributes["href"] == f"/{PAST}/ticket/1"


def test_what_is_gone_leads_to_its_last_state(database: Database, tmp_path: Path) -> None:
    """A milestone that no ticket has any more is missing, with a link to when one had it last."""
    again = Database(Path(shutil.copytree(database.path, tmp_path / "copy", symlinks=True)))
    append(again, (AUTUMN + 60, ticket(3, milestone="1.0", owner="eve")))
    browser = client(again.path)
    gone = browser.get("/milestone/gone")
    link = parsed(gone).css_first("main a")
    assert (gone.status_code, link is None) == (404, False)
    assert link is not None
    assert "0 closed, 1 open" in text(browser.get(link.attributes["href"] or ""))
    assert not parsed(browser.get("/@2011-04-09/person/eve")).css("main a")


def groups(found: Any) -> list[tuple[str, int, int]]:
    """Each group: its value, and how many of its tickets are open and closed."""
    return [(group["value"], group["open"], group["closed"]) for group in found["groups"]]


def test_tickets_are_counted_by_a_field(browser: Client) -> None:
    """A milestone's tickets by component, or by another field; those without a value, too."""
    found = data(browser, "/milestone/1.0.json")
    assert groups(found) == [("track", 1, 1)]
    assert groups(data(browser, "/milestone/1.0.json?by=owner")) == [("", 1, 0), ("ann", 0, 1)]
    assert [each["number"] for each in found["newest"]] == [1, 2]
    refused = browser.get("/milestone/1.0?by=summary")
    assert refused.status_code == 400
    assert "'summary'" in text(refused)


def test_a_component_has_its_owner_and_its_tickets(browser: Client) -> None:
    """A component has what its record says, and its tickets by milestone."""
    page = browser.get("/component/track")
    assert text(page, "h1") == "Component track"
    assert "Owned by ann" in text(page)
    assert text(page, ".description i, .description em") == "Rails"
    found = data(browser, "/component/track.json")
    assert [(group["value"], group["share"]) for group in found["groups"]] == [("1.0", 100), ("", 50)]


def test_a_person(browser: Client) -> None:
    """Somebody's page has what they own, what they reported, what they commented on and what they did."""
    ann, bob = data(browser, "/person/ann.json"), data(browser, "/person/bob.json")
    assert (ann["owns"]["open"], ann["owns"]["closed"], ann["owns"]["statuses"]) == (
        1,
        1,
        {"closed": 1, "new": 1},
    )
    assert [each["number"] for each in ann["owns"]["newest"]] == [3]
    assert (bob["reported"]["open"], bob["reported"]["closed"]) == (1, 1)
    assert [each["number"] for each in ann["commented"]] == [3, 1]  # git's author of all commits is ann
    assert ["closed", "commented"] in [change["kinds"] for change in ann["changes"]]
    assert data(browser, "/@2011-04-09/person/ann.json")["commented"] == []
    page = browser.get("/person/ann")
    assert "99" not in text(page)
    assert parsed(page).css("a[href='/timeline?author=ann']")
    assert parsed(page).css("a[href='/timeline?kind=commented&author=ann']")


@pytest.mark.parametrize("address", ["milestone/nothing", "component/nothing", "person/nothing"])
def test_what_nobody_has_is_missing(browser: Client, address: str) -> None:
    """A name that neither a record nor a ticket has is not there."""
    answer = browser.get(f"/{address}")
    assert answer.status_code == 404
    assert "'nothing'" in text(answer, "main p")


def test_links_to_the_query(browser: Client) -> None:
    """Where there is a page of queries, numbers lead to the tickets that they count."""
    queries = any(page.name == "query" for page in PAGES)
    for page in ("", "milestone/1.0", "component/track?by=status", "person/ann", "roadmap"):
        links = parsed(browser.get(f"/{PAST}/{page}")).css(f"a[href^='/{PAST}/query?']")
        assert bool(links) == queries
        for link in links:
            number = link.text().split()[0]
            where = (link.attributes["href"] or "").replace("query?", "query.json?")
            assert not number.isdecimal() or data(browser, where)["total"] == int(number)


@pytest.mark.parametrize("name", ODD)
def test_any_name_has_an_address(tmp_path: Path, name: str) -> None:
    """Whatever a milestone, a component or a person is called, links lead to its page, as HTML and JSON."""
    database = new_database(tmp_path / "db")
    append(database, (SPRING, ticket(1, milestone=name, component=name, owner=name, reporter=name)))
    browser = client(database.path)
    page = parsed(browser.get("/ticket/1"))
    links = {link.attributes["href"] or "" for link in page.css(".fields a")}
    assert len(links) == 3
    shown = whole(name)
    for link in links:
        assert text(browser.get(link), "h1 bdi") == " ".join(shown.split())
        alternate = parsed(browser.get(link)).css_first("link[type='application/json']")
        assert alternate is not None
        assert data(browser, alternate.attributes["href"] or "")["name"] == shown
        address = parsed(browser.get(link)).css_first("footer a[href^='/@']")
        assert address is not None
        assert text(browser.get(address.attributes["href"] or ""), "h1 bdi") == " ".join(shown.split())
        assert "/../" not in link
        assert not link.endswith(("/..", "/."))


def test_tracs_links(database: Database, tmp_path: Path) -> None:
    """``milestone:x`` and ``timeline:…`` lead to their pages, with Trac's classes."""
    told = "milestone:1.0 milestone:1.9 milestone:gone timeline:2011-04-09 timeline:nothing"
    again = Database(Path(shutil.copytree(database.path, tmp_path / "copy", symlinks=True)))
    append(again, (AUTUMN + 60, ticket(9, description=told)))
    links = parsed(client(again.path).get("/ticket/9")).css("#description a")
    assert [(link.attributes["href"], link.attributes["class"]) for link in links] == [
        ("/milestone/1.0", "closed milestone"),
        ("/milestone/1.9", "milestone"),
        ("/milestone/gone", "missing milestone"),
        ("/timeline?until=2011-04-09", "timeline"),
    ]


def test_misshapen_records_are_no_bug(tmp_path: Path) -> None:
    """Records of other shapes make pages that say less, and never a failure."""
    database = new_database(tmp_path / "db")
    odd: dict[str, bytes | None] = {
        "ticket/1.json": b'[1,"x"]\n',
        "changelog/1.json": b"{}\n",
        "fields.json": b"{}\n",
        field_path("milestone", "x"): b'{"name":"x","due":"soon"}\n',
        field_path("component", "x"): b"[]\n",
        "db.json": b"[]\n",
    }
    append(database, (SPRING, odd), (SUMMER, odd | {"ticket/1.json": b"null\n"}))
    browser = client(database.path)
    for page in ("timeline", "timeline.atom", "compare?from=2011-04-09", "roadmap"):
        assert browser.get(f"/{page}").status_code == 200
    for page in ("milestone/x", "component/x", "person/x"):
        assert browser.get(f"/{page}").status_code in (200, 404)
