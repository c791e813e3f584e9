"""The timeline and its feed, and the comparison of two moments."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import feedparser
import pytest
from werkzeug.test import Client

from offtracfs import records
from offtracfs.database import Database
from offtracfs.kinds import field_path
from offtracfs.names import value_name
from offtracfs.web.pages import compare, timeline
from tests.mounting import AUTUMN, SPRING, SUMMER, append, new_database, ticket
from tests.tickets import changed, moment, rows
from tests.tickets import database as made
from tests.web import client, counted, parsed, text

DAY = 86_400


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """The small tracker, which no test changes."""
    return made(tmp_path_factory.mktemp("small"))


@pytest.fixture
def database(small: Database, tmp_path: Path) -> Database:
    """The small tracker, for a test that changes it."""
    return copied(small, tmp_path)


@pytest.fixture
def browser(request: pytest.FixtureRequest, small: Database) -> Client:
    """Somebody who looks at it: at the one that the test changes, where it does."""
    changes_it = "database" in request.fixturenames
    return client((request.getfixturevalue("database") if changes_it else small).path)


def copied(database: Database, place: Path) -> Database:
    """A copy."""
    return Database(Path(shutil.copytree(database.path, place / "copy", symlinks=True)))


def shown(browser: Client, address: str, **query: object) -> Any:
    """The data of a page."""
    asked = f"{address}?{urlencode(query, doseq=True)}" if query else address
    answer = browser.get(asked, follow_redirects=True)
    assert answer.status_code == 200, text(answer)
    return answer.json


def changes(data: Any) -> list[Any]:
    """The changes on a page of the timeline."""
    return [change for day in data["days"] for change in day["changes"]]


def told(data: Any) -> list[tuple[object, list[str], str]]:
    """Each change on a page: its ticket, its kinds, and in words."""
    return [(change["ticket"], change["kinds"], change["change"]) for change in changes(data)]


def test_days_newest_first(browser: Client) -> None:
    """Changes stand under their days, the newest first, with who did what when."""
    data = shown(browser, "/timeline.json")
    assert [day["day"] for day in data["days"]] == ["2011-10-06", "2011-07-08", "2011-04-09"]
    assert told(data)[:5] == [
        (2, ["changed"], "Assigned to: → eve"),
        (3, ["deleted"], "deleted: Gone soon"),
        (None, ["record"], "milestone 1.0 Crocus: due"),
        (None, ["record"], "report 1 Mine: new"),
        (
            1,
            ["closed", "changed", "commented", "attached"],
            "Status: new → closed; Attachment: trace.txt; Cc: + eve; Description changed; comment: Fixed. …",
        ),
    ]
    page = browser.get("/timeline")
    assert text(page, ".day h2") == "Thursday, 6 October 2011"
    assert "#1 It crashes" in text(page, ".timeline .closed")
    assert "closed, changed, commented and file attached by ann" in text(page, ".timeline .closed .by")
    assert "#3 Gone soon" in text(page, ".timeline .deleted")


def test_the_timeline_of_then(browser: Client) -> None:
    """In the past there is nothing of what came later; a ticket that is gone now was there."""
    page = browser.get("/@2011-07-08/timeline")
    assert "2011-10" not in page.get_data(as_text=True)
    links = [node.attributes["href"] for node in parsed(page).css(".timeline .about a")]
    assert links == ["/@2011-07-08/ticket/1"] + [f"/@2011-07-08/ticket/{n}" for n in (1, 2, 3)]
    assert not parsed(page).css("a.newer")


@pytest.mark.parametrize(
    ("query", "tickets"),
    [
        ({"kind": "new"}, [1, 2, 3]),
        ({"kind": ["closed", "deleted"]}, [3, 1]),
        ({"kind": "closed"}, [1]),
        ({"kind": "commented"}, [1]),
        ({"kind": "record"}, [None] * 4),
        ({"kind": "reopened"}, []),
        ({"author": "bob"}, []),
        ({"author": "ann", "kind": "closed"}, [1]),
        ({"field": "cc"}, [1]),
        ({"field": "attachment"}, [1]),
        ({"until": "2011-07-08", "kind": ["new", "closed"]}, [1, 1, 2, 3]),
    ],
)
def test_filters(browser: Client, query: dict[str, object], tickets: list[object]) -> None:
    """Kinds, author, field and day choose from the changes, and each goes with each."""
    data = shown(browser, "/timeline.json", **query)
    assert [change["ticket"] for change in changes(data)] == tickets


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("kind=nonsense", "There is no kind of change 'nonsense': there are new, closed"),
        ("field=ownr", "There is no field 'ownr': do you mean owner?"),
        ("until=soon", "'soon' is no moment"),
        ("until=1999", "There was no tracker yet at 1999"),
    ],
)
def test_what_cannot_be_shown(browser: Client, query: str, sentence: str) -> None:
    """A filter that means nothing is answered with a sentence."""
    answer = browser.get(f"/timeline?{query}")
    assert answer.status_code == 400
    assert text(answer).find(sentence) > 0


@pytest.mark.parametrize("page", ["timeline?until", "compare?from"])
def test_addresses_mean_the_same_for_ever(database: Database, browser: Client, page: str) -> None:
    """What means another moment tomorrow leads to the address that holds a date or a commit."""
    with database.snapshot() as snapshot:
        commit = (snapshot.commit or b"").hex()
    for given, found in {
        "HEAD": commit,
        "July 8, 2011": "2011-07-08",
        "@2011-07": "2011-07",
        " 2011-07-08T12:00:00Z ": "2011-07-08T12:00:00Z",
    }.items():
        path, _, name = page.partition("?")
        answer = browser.get(f"/@2011-10/{path}.json?{urlencode({'field': 'owner', name: given})}")
        assert answer.status_code == 302
        assert (
            answer.headers["Location"]
            == f"/@2011-10/{path}.json?{urlencode({'field': 'owner', name: found})}"
        )


def test_no_moment_is_later_than_the_page(browser: Client) -> None:
    """A page of a settled past is kept for ever: nothing on it can come from after its moment."""
    then = shown(browser, "/@2011-07-08/timeline.json", until="2011-10-06")
    assert told(then) == told(shown(browser, "/@2011-07-08/timeline.json"))
    compared = shown(browser, "/@2011-07-08/compare.json", **{"from": "2011-04-09", "to": "2011-10-06"})
    assert [each["number"] for each in compared["tickets"]] == [1]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """A tracker with three days: of 60 changes, of 130, and of a first revision with 70 tickets."""
    database = new_database(tmp_path_factory.mktemp("busy") / "db")
    first: dict[str, bytes | None] = {}
    for number in range(1, 71):
        first |= ticket(number, SPRING)
    steps = [(SPRING, first)]
    logs: dict[int, list[Any]] = defaultdict(list)
    for place in range(190):
        when, number = SPRING + (1 if place < 130 else 2) * DAY + place * 60, 1 + place % 70
        logs[number] += rows(when, "ann", ("comment", "1", f"Comment {place}"))
        steps.append((when, changed(number, when, logs[number], summary=f"Changed {place}")))
    append(database, *steps)
    return database


def test_pages_end_with_days(busy: Database) -> None:
    """All changes can be reached page by page, each once; a page ends with a day unless that is too long."""
    browser = client(busy.path)
    found, where, lengths = [], "/timeline.json", []
    while where:
        data = shown(browser, where)
        lengths.append(len(changes(data)))
        found += changes(data)
        assert lengths[-1] <= timeline.MOST
        older = data["older"]
        where = f"/timeline.json?{older}" if older else ""
    told = [change["change"] for change in found if change["ticket"] and "commented" in change["kinds"]]
    assert [line.rpartition(" ")[2] for line in told] == [str(place) for place in reversed(range(190))]
    assert lengths == [60, 100, 30 + timeline.MAX_OF_REVISION]
    assert [change["commit"] for change in found if change["more"]] == []


def test_a_long_revision_leads_to_all_of_it(busy: Database, tmp_path: Path) -> None:
    """Of a revision that brought very much the first changes are shown, and a link to all of them."""
    autumn: dict[str, bytes | None] = {}
    for number in range(1, 71):
        autumn |= ticket(number, SPRING, owner="eve")
    database = copied(busy, tmp_path)
    append(database, (AUTUMN, autumn))
    browser = client(database.path)
    page = browser.get("/timeline")
    link = parsed(page).css_first(".timeline .more a")
    assert link is not None
    data: Any = browser.get((link.attributes["href"] or "").replace("compare?", "compare.json?")).json
    assert data["counts"]["tickets"] == 70
    assert data["counts"]["fields"] == [{"name": "owner", "label": "Owner", "count": 70}]


def test_newer_pages(busy: Database) -> None:
    """From an older page one gets to newer ones, up to the newest."""
    browser = client(busy.path)
    where, pages = "/timeline.json?until=2011-04-09", 0
    while where:
        data = shown(browser, where)
        newer = data["newer"]
        where = "" if newer is None else f"/timeline.json?{newer}" if newer else "/timeline.json"
        pages += 1
    assert pages == 3
    assert data == shown(browser, "/timeline.json")


def test_one_kind_is_one_box(browser: Client) -> None:
    """No kind is checked until one is asked for: so one box shows the changes of one kind alone."""

    def checked(address: str) -> list[str | None]:
        return [box.attributes["value"] for box in parsed(browser.get(address)).css("input[checked]")]

    assert checked("/timeline") == []
    assert checked("/timeline?kind=closed") == ["closed"]


def test_work_has_a_bound(busy: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing matches, some changes are looked at, and the page leads on; few questions for each."""
    monkeypatch.setattr(timeline, "MAX_LOOKED", 50)
    browser = client(busy.path)
    with counted(monkeypatch) as questions:
        data = shown(browser, "/timeline.json", kind="reopened", field="comment")
    assert changes(data) == []
    assert data["older"]
    assert len(questions) < 50 * 7
    assert "among the changes that were looked at" in text(browser.get("/timeline?kind=attached"))


def test_the_feed_is_valid_and_stable(database: Database, browser: Client) -> None:
    """A parser of feeds finds nothing wrong; an entry's id and link stay when other entries come."""
    before = feedparser.parse(browser.get("/timeline.atom?kind=new&kind=closed").data)
    assert not before.bozo, before.bozo_exception
    assert before.version == "atom10"
    assert (before.feed.title, len(before.entries)) == ("127.0.0.1:9", 4)
    entry = before.entries[0]
    assert entry.title == "#1 It crashes (closed)"
    assert (entry.author, entry.updated) == ("ann", "2011-07-08T11:59:55Z")
    assert "Status: new → closed" in entry.summary
    append(database, (AUTUMN + 60, ticket(9, summary="a \x01 <b>& \ud800")))
    answer = browser.get("/timeline.atom?kind=new&kind=closed")
    assert answer.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    after = feedparser.parse(answer.data)
    assert not after.bozo, after.bozo_exception
    assert after.feed.id == before.feed.id
    kept = [(each.id, each.link, each.updated) for each in before.entries]
    assert [(each.id, each.link, each.updated) for each in after.entries][1:] == kept
    assert len({each.id for each in after.entries}) == 5
    for each in after.entries:
        assert browser.get(each.link.removeprefix("http://localhost")).status_code == 200
    links = {link.rel: link.href for link in after.feed.links}
    assert links["self"] == "http://localhost/timeline.atom?kind=new&kind=closed"
    discovered = parsed(browser.get("/timeline?kind=closed")).css_first("link[type='application/atom+xml']")
    assert discovered is not None
    assert discovered.attributes["href"] == "/timeline.atom?kind=closed"


def test_compare_says_what_differs(browser: Client) -> None:
    """Between two days: how much came, in numbers; and of each ticket what, in the words of `diff`."""
    page = browser.get("/compare?from=2011-04-09&to=2011-10-06")
    chips = [" ".join(node.text().split()) for node in parsed(page).css(".chip")]
    assert chips == ["3 tickets touched", "1 closed", "1 deleted", "1 comment", "1 Assigned to", "1 Status"]
    first, second, third, milestone, report = parsed(page).css(".difference")
    assert [line.text().strip() for line in first.css(".went, .came")] == ["- two", "+ 2"]
    assert "Status: new → closed" in first.text()
    assert "Assigned to: → eve" in second.text()
    assert third.css("h2 a") == []
    assert "due: 0 → 2011-10-06T12:00:00" in milestone.text()
    assert "new" in report.text()
    between = "from the end of 9 April 2011 to the end of 6 October 2011"
    assert text(page, "main > p").startswith(between)
    assert text(page, "title").startswith(f"What changed {between}")


def test_what_came_and_was_closed_between_is_found(database: Database, browser: Client) -> None:
    """A ticket created and closed between two moments counts as created; a link leads to all closings."""
    log = rows(AUTUMN + 120, "eve", ("status", "new", "closed"))
    append(database, (AUTUMN + 60, ticket(9)), (AUTUMN + 120, changed(9, AUTUMN + 120, log, status="closed")))
    page = browser.get("/compare?from=2011-10-05&to=2011-10-06")
    chips = [node.text().split() for node in parsed(page).css(".chip")]
    assert ["1", "created"] in chips
    assert ["1", "closed"] not in chips
    link = parsed(page).css_first(".chosen a")
    assert link is not None
    assert "#9" in text(browser.get(link.attributes["href"] or ""), ".timeline")


def test_compare_backwards(browser: Client) -> None:
    """From a later to an earlier day, the same differences lead back."""
    data = shown(browser, "/compare.json", **{"from": "2011-10-06", "to": "2011-04-09"})
    assert (data["counts"]["new"], data["counts"]["reopened"], data["counts"]["comments"]) == (1, 1, 0)
    assert data["tickets"][0]["lines"][0] == {"part": "field", "text": "Status: closed → new"}


@pytest.mark.parametrize(
    ("query", "tickets"),
    [
        ({"kind": "closed"}, [1]),
        ({"kind": "deleted"}, [3]),
        ({"kind": "commented"}, [1]),
        ({"kind": "attached"}, [1]),
        ({"field": "owner"}, [2]),
        ({"field": "cc"}, [1]),
        ({"field": "description"}, [1]),
        ({"field": "owner", "kind": "closed"}, []),
        ({"after": 1}, [2, 3]),
    ],
)
def test_compare_has_filters(browser: Client, query: dict[str, object], tickets: list[int]) -> None:
    """Kinds of change and fields choose from the tickets; other records are then left out."""
    data = shown(browser, "/compare.json", **{"from": "2011-04-09", **query})
    assert [each["number"] for each in data["tickets"]] == tickets
    assert data["records"] == []


def test_compare_has_pages(busy: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tickets come some at a time, each once; no page compares more than some."""
    browser = client(busy.path)
    numbers, where = [], "/compare.json?from=2011-04-09"
    while where:
        data = shown(browser, where)
        numbers.append([each["number"] for each in data["tickets"]])
        where = f"/compare.json?{data['more']}" if data["more"] else ""
    assert numbers == [[*range(1, 51)], [*range(51, 71)]]
    monkeypatch.setattr(compare, "MAX_LOOKED", 20)
    with counted(monkeypatch) as questions:
        data = shown(browser, "/compare.json?from=2011-04-09&kind=attached")
    assert data["tickets"] == []
    assert data["more"]
    assert len(questions) < 20 * 4 + 20


def test_a_long_text_is_cut(database: Database, browser: Client) -> None:
    """Of a ticket with very much that is new the first lines are shown, and that there are more."""
    log = rows(AUTUMN + 60, "eve", ("comment", "2", "line\n" * 10_000))
    append(database, (AUTUMN + 60, changed(2, AUTUMN + 60, log, summary="Long", owner="eve")))
    data = shown(browser, "/compare.json", **{"from": "2011-10-06T12:00:30Z"})
    (long,) = data["tickets"]
    assert (len(long["lines"]), long["cut"]) == (compare.MAX_LINES, True)
    assert "More has changed" in text(browser.get("/compare?from=2011-10-06T12:00:30Z"))


def test_an_edited_comment_is_no_new_one(database: Database, browser: Client) -> None:
    """The number of new comments has none that was only edited, and those of new tickets."""
    edited = rows(SUMMER, "bob", ("_comment0", "Fixed.", "1"), ("comment", "1", "Mended."))
    added = rows(AUTUMN + 60, "eve", ("comment", "2", "Thanks"))
    append(database, (AUTUMN + 60, changed(1, AUTUMN + 60, edited + added, status="closed")))
    new = changed(9, AUTUMN + 120, rows(AUTUMN + 120, "eve", ("comment", "1", "Hello")), summary="New")
    append(database, (AUTUMN + 120, new))
    data = shown(browser, "/compare.json", **{"from": "2011-10-06T12:00:30Z"})
    assert data["counts"]["comments"] == 2
    assert sum("commented" in each["kinds"] for each in data["tickets"]) == 1


def test_nothing_becomes_markup(tmp_path: Path) -> None:
    """Whatever a summary, a name, a comment or a milestone holds is shown as text, on each of these pages."""
    script = "<script>alert(1)</script>'\"><img src=x onerror=alert(1)>"
    database = new_database(tmp_path / "db")
    fields = dict.fromkeys(("summary", "owner", "reporter", "milestone", "component", "status"), script)
    log = rows(SUMMER, script, ("comment", "1", script), (script, script, script), ("attachment", "", script))
    record: Any = {"name": script, "description": script, "due": moment(AUTUMN), "completed": 0}
    append(
        database,
        (SPRING, {field_path("milestone", script): records.dump(record)} | ticket(8, SPRING, reporter="ann")),
        (SUMMER, changed(8, SUMMER, log, **fields)),
    )
    browser = client(database.path)
    name = quote(value_name(script), safe="")
    pages = ("timeline", "compare?from=2011-04-09", "roadmap")
    for page in (*pages, *(f"{realm}/{name}" for realm in ("milestone", "component", "person"))):
        answer = browser.get(f"/{page}")
        tree = parsed(answer)
        assert (answer.status_code, tree.css("script:not([src]), img")) == (200, [])
        assert script.split("'")[0] in text(answer)
        assert not [node for node in tree.css("*") if any(key.startswith("on") for key in node.attributes)]
    feed = feedparser.parse(browser.get("/timeline.atom").data)
    assert not feed.bozo
