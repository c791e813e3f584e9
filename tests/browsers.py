"""A real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.conftest import needs

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, without a window."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None) or needs("there is no Chromium")
    with sync_playwright() as playwright:
        # Who runs tests as root has no sandbox; the pages are our own.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(browser: Browser, address: str, **options: Any) -> Iterator[Page]:
    """A tab at an address, in which no script may fail and nothing may be refused.

    `options` are those of a browser's context, such as ``java_script_enabled``.
    """
    context = browser.new_context(base_url=address, **options)
    said: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    try:
        page.goto(address)
        yield page
        assert said == []
    finally:
        context.close()
