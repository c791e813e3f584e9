"""Lists in a real browser, as somebody uses them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect

from offtracfs import demo
from tests.browsers import chromium, visit
from tests.test_web_server import served

PAGES = (
    "/report",
    "/report/2",
    "/report/3?USER=fitter",
    "/query?status=!closed&or&owner=~fit&group=milestone&max=20&row=description",
    "/query?status=new&add=0_milestone&add=0_time&add=1_id",
    "/search",
    "/search?q=crash&in=comment",
    "/ticket/292?list=/report/1",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the demo's tracker is served."""
    database = demo.database(tmp_path_factory.mktemp("demo"))
    database.prepare_search()
    with served(database) as (_, found):
        yield found.rstrip("/")


def columns(page: Page, label: str) -> set[str]:
    """What stands in a column of a list."""
    return {text.strip() for text in page.locator(f'td[data-label="{label}"]').all_inner_texts()}


def test_search_as_you_type(browser: Browser, address: str) -> None:
    """Results come while one types, on the same page, and the address keeps up; #42 and Enter lead on."""
    with visit(browser, f"{address}/search") as page:
        page.evaluate("window.unchanged = true")
        words = page.get_by_role("searchbox")
        words.press_sequentially("cras", delay=20)
        expect(page.locator("#results mark").first).to_have_text(re.compile("^crash", re.IGNORECASE))
        expect(page).to_have_url(f"{address}/search?q=cras")
        words.press_sequentially(" -crash", delay=20)
        expect(page.locator("#results")).to_contain_text("No ticket has that.")
        assert page.evaluate("window.unchanged")
        words.fill("#42")
        words.press("Enter")
        expect(page).to_have_url(f"{address}/ticket/42")


def test_a_query_by_its_form(browser: Browser, address: str) -> None:
    """A field is added by choosing it, its values are ticked, columns sort, and tickets follow each other."""
    with visit(browser, f"{address}/@2018/query") as page:
        page.locator("select[name=add_0]").select_option(label="Component")
        page.locator(".constraint summary").wait_for()
        page.get_by_label("track", exact=True).check()
        page.get_by_role("button", name="Show tickets").click()
        page.wait_for_url("**component=track**")
        assert columns(page, "Component") in (set(), {"track"})
        page.get_by_role("button", name="Remove the condition on Status").click()
        page.wait_for_url(lambda where: "status" not in where)
        page.get_by_role("link", name="Summary").click()
        texts = page.locator("td.summary").all_inner_texts()
        assert len(texts) > 10
        assert texts == sorted(texts)
        page.locator("td.summary a").first.click()
        expect(page.locator("h1")).to_contain_text(texts[0])
        page.locator(".walk a[rel=next]").click()
        expect(page.locator("h1")).to_contain_text(texts[1])
        page.locator(".walk a:not([rel])").click()
        assert page.locator("td.summary").all_inner_texts() == texts
        assert "/@2018/" in page.url


def test_without_script(browser: Browser, address: str) -> None:
    """With script off, fields are added by a button, and a search is an ordinary form."""
    with visit(browser, f"{address}/query?status=new", java_script_enabled=False) as page:
        page.locator("select[name=add_1]").select_option("owner")
        page.get_by_role("button", name="Add").last.click()
        page.locator('input[name="1_owner"]').fill("fitter")
        page.get_by_role("button", name="Show tickets").click()
        assert page.url.endswith("/query?status=new&or=&owner=~fitter")
        page.goto(f"{address}/search")
        page.get_by_role("searchbox").fill("crash")
        page.get_by_role("button", name="Search").click()
        assert page.locator("#results mark").count() > 10


def test_a_report_is_downloaded(browser: Browser, address: str) -> None:
    """A variable is filled in, and the rows that one sees are those of the file."""
    with visit(browser, f"{address}/report/3") as page:
        page.get_by_label("USER").fill("fitter")
        page.get_by_role("button", name="Run").click()
        rows = page.locator("table.list tbody tr").count()
        assert rows > 0
        with page.expect_download() as download:
            page.get_by_role("link", name="CSV").click()
        assert len(download.value.path().read_text().splitlines()) == rows + 1


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_everybody_can_use_it(browser: Browser, address: str, scheme: str, width: int) -> None:
    """Axe finds nothing serious on any of the pages, and no page is wider than the screen."""
    for where in PAGES:
        options = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
        with visit(browser, address + where, **options) as page:
            found = Axe().run(page).response["violations"]
            serious = [one for one in found if one["impact"] in ("serious", "critical")]
            assert [(where, one["id"], one["nodes"][0]["html"]) for one in serious] == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), where
