"""The web application: what is the same for all its pages."""

from __future__ import annotations

import re
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from offtracfs import records
from offtracfs.database import Database, State
from offtracfs.tree import Tree
from offtracfs.web.application import application
from offtracfs.web.guard import Guard
from offtracfs.web.page import Page
from offtracfs.web.pages import PAGES
from tests.mounting import AUTUMN, SUMMER, append, new_database, ticket
from tests.tickets import database as made
from tests.web import EXAMPLES, YOUNG, client, parsed, text

PAST = "@2011-07-08"  # the summer's end of day: ticket 1 was closed on that day


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """The small tracker."""
    return made(tmp_path)


@pytest.fixture
def browser(database: Database) -> Client:
    """Somebody who looks at it."""
    return client(database.path)


def address_of(database: Database, page: Page) -> str:
    """The address of a page's example, without a moment."""
    app = application(database.path, Guard())
    with app.test_request_context():
        return app.url_for(page.name, **EXAMPLES[page.name])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
@pytest.mark.parametrize("at", ["", PAST, "@HEAD~1"])
def test_every_page_is_there_at_every_moment(
    database: Database, browser: Client, page: Page, at: str
) -> None:
    """Each page comes as HTML and as JSON, now and in the past, and its links stay at that moment."""
    where = f"{at and '/'}{at}{address_of(database, page)}"
    shown = browser.get(where)
    there = not (at and page.name in YOUNG)
    assert (shown.status_code, shown.mimetype) == (200 if there else 404, "text/html")
    tree = parsed(shown)
    # A link that leads to another moment on purpose says so.
    anchors = tree.css("main a[href]:not([data-moment]), body > header a[href]")
    links = [node.attributes["href"] or "" for node in anchors]
    inside = [link for link in links if link.startswith("/")]
    assert all(link.startswith(f"/{at}" if at else "/") for link in inside)
    assert bool(tree.css_first(".banner")) == bool(at)
    assert not tree.css("[style], style, script:not([src])")  # the policy would forbid them


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_machines_get_what_people_get(database: Database, browser: Client, page: Page) -> None:
    """A page as JSON is an object, with the same validators as the page for people but for the address."""
    where = address_of(database, page)
    shown, found = browser.get(where), browser.get(f"{where}.json")
    assert isinstance(found.json, dict)
    assert found.headers.get("ETag") == shown.headers.get("ETag")
    assert browser.get(f"{where}.html").data.replace(b".html", b"") == shown.data


@pytest.mark.parametrize(
    "at",
    ["@2011", "@2011-04-09", "@2011-07-08T12:00:00Z", "@2011-07-08T11:59", "@HEAD~1", "@HEAD~2", "@HEAD~3",
     "@1999", "@2999", "@2011-02-30", "@nothing", "@abcdef0"],
)  # fmt: skip
def test_moments_are_those_of_the_mount(database: Database, browser: Client, at: str) -> None:
    """A moment in an address leads to the revision that it has in the mount, or to none as there."""
    with closing(database.reader()) as reader:
        there = Tree(database, reader).revision(at)
    answer = browser.get(f"/{at}/")
    assert answer.status_code == (200 if there else 404)
    if there:
        assert answer.headers["ETag"].startswith(f'"{there.commit.hex()[:20]}-')
    else:
        assert text(answer).endswith(".")


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("/ticket/1?at=2011-07-08", f"/{PAST}/ticket/1"),
        ("/ticket/1?at=July+8,+2011&order=time", f"/{PAST}/ticket/1?order=time"),
        (f"/{PAST}/ticket/1.json?at=2011-04", "/@2011-04/ticket/1.json"),
        (f"/{PAST}/ticket/1?at=", "/ticket/1"),
        ("/@HEAD/ticket/1", "/ticket/1"),
        ("/@/ticket/1", "/ticket/1"),
    ],
)
def test_the_date_picker_keeps_the_page(browser: Client, asked: str, answered: str) -> None:
    """A moment that a form has sent, or that has a better name, is answered with the page's address then."""
    answer = browser.get(asked)
    assert (answer.status_code, answer.headers["Location"]) == (302, answered)


@pytest.mark.parametrize(
    "path", ["//evil.example/", "/\\evil.example/", "/@HEAD//evil.example/", "/@//evil.example"]
)
def test_no_redirect_leads_elsewhere(browser: Client, path: str) -> None:
    """Whatever an address holds, an answer never sends a browser to another host."""
    for query in ("at=", "at=2011", ""):
        answer = browser.get("/", query_string=query, environ_overrides={"PATH_INFO": path})
        assert answer.status_code in (302, 404)
        assert re.match(r"(/[^/\\].*)?$", answer.headers.get("Location", ""))


def test_a_date_without_a_tracker_says_so(browser: Client) -> None:
    """Before the tracker began, and in the future, there is one sentence that says so."""
    assert "There was no tracker yet at 1999" in text(browser.get("/@1999/"))
    assert "is in the future" in text(browser.get("/@2999/"))
    assert "'soon'" in text(browser.get("/?at=soon"))


def test_a_new_revision_is_seen(database: Database, browser: Client) -> None:
    """What a sync brings is shown at once; neither a new index nor a repacked store is in the way."""
    first = browser.get("/ticket/1")
    append(database, (AUTUMN + 60, ticket(1, summary="Brought by a sync")))
    second = browser.get("/ticket/1")
    assert "Brought by a sync" in text(second, "h1")
    assert first.headers["ETag"] != second.headers["ETag"]
    with database.writing("a test"):
        database.rebuild()
    subprocess.run(["git", f"--git-dir={database.path / 'git'}", "gc", "--quiet", "--prune=now"], check=True)
    assert browser.get("/ticket/1").data == second.data
    append(database, (AUTUMN + 120, ticket(1, summary="And by the next")))
    assert "And by the next" in text(browser.get("/ticket/1"), "h1")
    assert "It crashes" in text(browser.get(f"/{PAST}/ticket/1"), "h1")


def test_an_unchanged_page_costs_a_304(browser: Client) -> None:
    """With the ETag of a page that is as it was, the answer is empty, and no view was asked."""
    shown = browser.get("/ticket/1")
    again = browser.get("/ticket/1", headers={"If-None-Match": shown.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == shown.headers["ETag"]
    assert again.headers["Cache-Control"] == "private, no-cache"
    assert shown.last_modified is not None
    assert shown.last_modified.timestamp() == AUTUMN
    assert browser.get("/ticket/1", headers={"If-None-Match": '"another"'}).status_code == 200


def test_the_settled_past_is_immutable(database: Database, browser: Client) -> None:
    """A moment before which no commit comes any more is kept by a browser; others are asked for again."""
    kept = "private, max-age=2592000, immutable"
    assert browser.get(f"/{PAST}/ticket/1").headers["Cache-Control"] == "private, no-cache"
    database.save(State(settled=AUTUMN))
    assert browser.get(f"/{PAST}/ticket/1").headers["Cache-Control"] == kept
    for at in ("", "@2011/", "@HEAD~1/"):
        assert browser.get(f"/{at}ticket/1").headers["Cache-Control"] == "private, no-cache"
    assert "immutable" not in browser.get(f"/{PAST}/ticket/99").headers["Cache-Control"]


def test_every_answer_has_the_headers_that_protect(browser: Client) -> None:
    """Pages, files, redirects and errors forbid scripts of others, frames, guesses of types and referrers."""
    for address in ("/ticket/1", "/ticket/1.json", "/nowhere", "/?at=2011", "/static/style.css", "/api"):
        headers = browser.get(address).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "NONSENSE"])
def test_only_reading(browser: Client, method: str) -> None:
    """All methods but GET and HEAD are refused, for each address."""
    for address in ("/ticket/1", "/static/style.css", "/api"):
        refused = browser.open(address, method=method)
        assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD")


def test_head_is_a_get_without_a_body(browser: Client) -> None:
    """HEAD gives the headers of GET."""
    shown, head = browser.get("/ticket/1"), browser.head("/ticket/1")
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["ETag"] == shown.headers["ETag"]
    assert head.headers["Content-Length"] == shown.headers["Content-Length"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *dict.fromkeys(
            ("localhost", "LOCALHOST:5000", "127.0.0.1:5000", "[::1]:5000", "tracker"), 200
        ).items(),
        *dict.fromkeys(("evil.example", "evil.example:5000", "localhost.evil.example", ""), 421).items(),
        ("localhost@evil.example", 421),
    ],
)
def test_another_name_is_refused(database: Database, host: str, status: int) -> None:
    """A request must be for an address or a name of ours: a page elsewhere may have led its name here."""
    browser = client(database.path, Guard(names=["tracker"]))
    assert browser.get("/", headers={"Host": host}).status_code == status


def test_a_secret_is_asked_for(database: Database) -> None:
    """With a secret, nothing is shown without it: as a password, or once as a token in the address."""
    browser = client(database.path, Guard("0.0.0.0", ["localhost"], "s3crét"))
    for address in ("/", "/ticket/1.json", "/static/style.css", "/api", "/nowhere"):
        refused = browser.get(address)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("Basic")
        assert b"crashes" not in refused.data
    assert browser.get("/", auth=("anybody", "wrong")).status_code == 401
    assert browser.get("/", auth=("anybody", "s3crét")).status_code == 200
    assert browser.get("/?token=wrong").status_code == 401
    admitted = browser.get(f"/{PAST}/ticket/1.json?token=s3cr%C3%A9t&x=1")
    assert (admitted.status_code, admitted.headers["Location"]) == (302, f"/{PAST}/ticket/1.json?x=1")
    assert "HttpOnly" in admitted.headers["Set-Cookie"]
    assert "s3cr" not in admitted.headers["Set-Cookie"]
    assert browser.get("/ticket/1").status_code == 200


@pytest.mark.parametrize(
    "name",
    ["", "..", "../server.py", "..%2fserver.py", "%2e%2e/%2e%2e/errors.py", "style.css%00", "nothing.css"],
)
def test_files_are_found_by_name_only(browser: Client, name: str) -> None:
    """No address leads to a file but those of the pages."""
    assert browser.get(f"/static/{name}").status_code == 404
    assert browser.get("/static/style.css").mimetype == "text/css"


def test_the_api_lists_every_page(database: Database, browser: Client) -> None:
    """Each page stands in the description of the API, and what that says is there answers."""
    api: Any = browser.get("/api").json
    assert api["openapi"].startswith("3.1")
    named = {
        operation["get"]["operationId"].rpartition("_")[0]: path for path, operation in api["paths"].items()
    }
    assert named.keys() == {page.name for page in PAGES}
    for path, operation in api["paths"].items():
        page = operation["get"]["operationId"].rpartition("_")[0]
        answer = browser.get(path.format(**EXAMPLES[page]))
        assert answer.status_code == 200
        assert [*operation["get"]["responses"]["200"]["content"]] == [answer.mimetype]


def test_errors_are_sentences_for_people_and_programs(browser: Client) -> None:
    """What is not there is said in a sentence, as a page or as JSON."""
    assert text(browser.get("/nowhere"), "main p") == "There is no such page."
    assert text(browser.get("/ticket/99"), "main p") == "There is no ticket 99, nor was there one."
    found: Any = browser.get("/ticket/99.json")
    assert (found.status_code, found.json["error"]) == (404, "There is no ticket 99, nor was there one.")


def test_what_is_gone_leads_to_its_last_state(browser: Client) -> None:
    """A deleted ticket's page says so, and has a link to the ticket as it was."""
    gone = browser.get("/ticket/3")
    assert gone.status_code == 404
    link = parsed(gone).css_first("main a")
    assert link is not None
    assert "Gone soon" in text(browser.get(link.attributes["href"] or ""), "h1")


def test_an_empty_database_says_what_is_missing(tmp_path: Path) -> None:
    """Before the first sync each page says so; after it, there is the tracker, without a restart."""
    database = new_database(tmp_path / "db")
    with database.writing("a test"):
        database.catch_up()
    browser = client(database.path)
    missing = browser.get("/ticket/1")
    assert missing.status_code == 503
    assert "offtracfs sync" in text(missing)
    append(database, (SUMMER, ticket(1)))
    assert browser.get("/ticket/1").status_code == 200


def test_bytes_that_are_no_text_can_be_shown(database: Database, browser: Client) -> None:
    """A lone surrogate, which UTF-8 cannot hold, is replaced in HTML and escaped in JSON."""
    append(database, (AUTUMN + 60, ticket(7, summary="a \ud800 b")))
    assert "a \ufffd b" in text(browser.get("/ticket/7"), "h1")
    assert records.load(browser.get("/ticket/7.json").data)["summary"] == "a \ud800 b"


@pytest.fixture
def misshapen(tmp_path: Path) -> Client:
    """A tracker whose records have other shapes than they should have."""
    database = new_database(tmp_path / "db")
    odd = {"ticket/1.json": b'[1,"needle"]\n', "ticket/2.json": b"null\n", "ticket/3.json": b"no JSON"}
    odd |= {
        "changelog/1.json": b"{}\n",
        "changelog/2.json": b"[1]\n",
        "db.json": b"[]\n",
        "fields.json": b"{}\n",
    }
    append(database, (SUMMER, odd))
    return client(database.path)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_misshapen_records_are_no_bug(misshapen: Client, number: int) -> None:
    """A record of another shape makes a page that says little, and never a failure."""
    assert misshapen.get(f"/ticket/{number}").status_code in (200, 404)
