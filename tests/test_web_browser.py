"""The pages in Debian's Chromium, used as people use them, on the demo."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect

from offtracfs.database import Database
from tests.browsers import chromium, visit
from tests.test_web_server import served

PAST = "@2016-06-01"
PAGES = {
    "front": "/",
    "ticket": "/ticket/187",
    "versions": "/ticket/187/versions",
    "links": "/ticket/187/links",
    "timeline": "/timeline",
    "compare": "/compare?from=2022-05-01&to=2022-05-08",
    "roadmap": "/roadmap",
    "milestone": "/milestone/9.5%20Snowdrop",
    "person": "/person/platelayer",
    "reports": "/report",
    "report": "/report/1",
    "query": "/query?status=!closed&or&owner=~fit&group=milestone&row=description",
    "search": "/search?q=crash",
    "past": f"/{PAST}/ticket/1",
    "error": "/ticket/999",
}
"""What is looked at → its address on the demo."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, started once."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def address(demo_database: Database) -> Iterator[str]:
    """Where the demo is served, without a slash at the end."""
    with served(demo_database) as (_, address):
        yield address.rstrip("/")


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A window; whatever a test does in it, nothing may go wrong behind the user's back."""
    with visit(browser, address) as page:
        yield page


def there(page: Page, address: str) -> None:
    """The window comes to an address, whatever stands before it."""
    page.wait_for_url(re.compile(re.escape(address) + "$"))


def test_a_ticket_is_found_by_words(page: Page) -> None:
    """From the front page by a key to the search, from what was found to the ticket, and on to the next."""
    page.keyboard.press("/")
    there(page, "/search")
    page.keyboard.type("pond viaduct")
    first = page.locator("#results a.ticket").first
    expect(first.locator("mark").first).to_have_text(re.compile("^(Pond|Viaduct)$"))
    title = first.inner_text()
    first.click()
    page.wait_for_url(re.compile(r"/ticket/\d+"))
    assert " ".join(page.locator("h1").inner_text().split()) == " ".join(title.split())
    page.keyboard.press("j")
    page.wait_for_url(lambda address: f"/ticket/{title.split()[0][1:]}?" not in address)
    expect(page.locator("h1")).to_be_visible()


def test_the_slider_goes_through_a_tickets_life(page: Page) -> None:
    """A key on the slider brings the version before: its page, at an address with the commit; focus stays."""
    page.goto("/ticket/187")
    slider = page.locator("#version")
    versions = int(slider.get_attribute("max") or "")
    now = page.locator("main").inner_text()
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(re.compile(r"/@[0-9a-f]{40}/ticket/187$"))
    expect(page.locator(".banner")).to_contain_text("as it was at the commit")
    expect(slider).to_be_focused()
    expect(slider).to_have_value(str(versions - 1))
    assert page.locator("main").inner_text() != now
    page.keyboard.press("Home")
    expect(page.locator("#version-told")).to_contain_text("1 of")
    expect(page.locator("main article.change")).to_have_count(0)
    expect(slider).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("main article.change")).not_to_have_count(0)
    page.evaluate("history.go(-3)")
    there(page, "/ticket/187")
    expect(page.locator("main .dates").first).to_contain_text("last modified")


def test_the_date_stays_from_page_to_page(page: Page) -> None:
    """A date that was chosen is in the address of each page one comes to, until one goes back to now."""
    page.goto("/roadmap")
    page.locator("form.moment input[type=date]").fill("2016-06-01")
    page.locator("form.moment button").click()
    there(page, f"/{PAST}/roadmap")
    page.locator("main article.milestone h2 a").first.click()
    page.wait_for_url(f"**/{PAST}/milestone/*")
    page.locator("main a.ticket").first.click()
    page.wait_for_url(f"**/{PAST}/ticket/*")
    page.get_by_role("link", name="Timeline").click()
    there(page, f"/{PAST}/timeline")
    expect(page.locator("main time").first).to_have_attribute("datetime", re.compile("^201[0-6]-"))
    page.get_by_role("link", name="Back to now").click()
    there(page, "/timeline")
    expect(page.locator(".banner")).to_have_count(0)


def test_two_days_are_compared(page: Page) -> None:
    """What changed between two days, and of that only what is new; a ticket of it leads on."""
    page.goto("/compare")
    page.locator("input[name=from]").fill("2022-05-01")
    page.locator("input[name=to]").fill("2022-06-01")
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url("**/compare?*to=2022-06-01*")
    expect(page.locator("main h1 + p")).to_contain_text("1 May 2022")
    chip = page.locator("a.chip", has_text="created")
    count = int(chip.locator("b").inner_text())
    chip.click()
    expect(page.locator("a.chip[aria-current]")).to_contain_text("created")
    assert page.locator("article.difference a.ticket").count() == count


def test_a_link_in_a_comment_leads_to_the_ticket(page: Page) -> None:
    """A reference in a comment is a link, with the other's summary as its title, and back again."""
    page.goto("/ticket/187")
    link = page.locator(".change .wiki-text a.ticket", has_text="#57")
    title = link.get_attribute("title") or ""
    link.click()
    there(page, "/ticket/57")
    assert page.locator("h1 bdi").inner_text() in title
    page.locator("#links a.ticket", has_text="#187").click()
    there(page, "/ticket/187")


def test_a_way_within_the_page_does_not_load_it_again(page: Page) -> None:
    """The link of a comment changes the address, and nothing else."""
    page.goto("/ticket/187")
    page.evaluate("window.here = true")
    page.locator("article.change a.own").first.click()
    there(page, "/ticket/187#comment:1")
    page.wait_for_timeout(200)
    assert page.evaluate("window.here")


def test_keys_lead_everywhere(page: Page) -> None:
    """Keys go through a list, to a ticket by its number, and home; ? says so; forms keep their keys."""
    page.goto("/person/platelayer")
    links = page.locator("main :is(li, td, th) a.ticket")
    page.keyboard.press("j")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("j")
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("k")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.type("g42\n")
    there(page, "/ticket/42")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_contain_text("to ticket 42")
    page.keyboard.press("h")
    there(page, "/")
    page.goto("/timeline")
    author = page.locator("input[name=author]")
    author.fill("")
    author.type("jkgh?/")
    expect(author).to_have_value("jkgh?/")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_keeps_anybody_out(browser: Browser, address: str, dark: bool) -> None:
    """On no page does axe find anything serious, such as a faint text or a nameless field."""
    scheme = "dark" if dark else "light"
    options = {"resultTypes": ["violations"]} | ({"runOnly": ["color-contrast"]} if dark else {})
    with visit(browser, address, color_scheme=scheme) as page:
        for name, where in PAGES.items():
            page.goto(where)
            found = Axe().run(page, options=options).response["violations"]
            serious = [
                (name, each["id"], node["html"][:150], node.get("failureSummary", "")[:200])
                for each in found
                for node in each["nodes"][:2]
                if each["impact"] in ("serious", "critical")
            ]
            assert serious == []


def test_without_script_all_can_be_read(browser: Browser, address: str) -> None:
    """With scripts off each page has what it has with them, and each step of the slider is a link."""
    with visit(browser, address, java_script_enabled=False) as page:
        for where in PAGES.values():
            page.goto(where)
            assert page.locator("main h1").inner_text()
        page.goto("/ticket/187")
        expect(page.locator("#version")).to_be_hidden()
        page.get_by_role("link", name="The version before").click()
        page.wait_for_url(re.compile(r"/@[0-9a-f]{40}/ticket/187$"))
        page.get_by_role("link", name="All versions").click()
        page.locator("main ol a[data-moment]").last.click()
        expect(page.locator("main article.change")).to_have_count(0)
        page.goto("/ticket/187")
        page.get_by_role("link", name="Tickets that this one refers to").click()
        expect(page.locator("#links a.ticket").first).to_contain_text("#57")


@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_is_wider_than_the_window(browser: Browser, address: str, width: int) -> None:
    """Nothing is cut off, neither on a phone nor on a screen."""
    with visit(browser, address, viewport={"width": width, "height": 800}) as page:
        for name, where in PAGES.items():
            page.goto(where)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
