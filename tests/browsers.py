"""A real browser: Debian's Chromium, driven by Playwright; and what it saw that should not be."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, sync_playwright

from tests.conftest import needs

TIMEOUT = 30_000  # milliseconds: the machine may be busy
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",  # who runs tests as root has none; the pages are our own
)
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, without a window."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None) or needs("there is no Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*QUIET])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(browser: Browser, address: str, **options: Any) -> Iterator[Page]:
    """A tab at an address; in the end, nothing went wrong behind the user's back.

    No script failed, nothing was refused by the policy, no dialog was shown, no window opened, and nothing
    was asked of another server. `options` are those of a browser's context, such as ``java_script_enabled``.
    """
    start = urlsplit(address)
    seen: list[str] = []
    with browser.new_context(base_url=address, **options) as context:
        context.set_default_timeout(TIMEOUT)
        page = context.new_page()
        page.on("console", lambda message: seen.extend(_wrong(message, page)))
        page.on("pageerror", lambda error: seen.extend([str(error)]))
        page.on("popup", lambda other: seen.extend([f"window {other.url}"]))
        page.on("dialog", lambda dialog: seen.extend(_dismissed(dialog)))
        page.on("request", lambda asked: seen.extend(_elsewhere(asked.url, start.netloc)))
        page.goto(address)
        yield page
        assert seen == []


def _wrong(message: ConsoleMessage, page: Page) -> list[str]:
    """What the console says; but for the status of a page that is itself an error, which it shows."""
    is_own = message.text.startswith("Failed to load") and message.location["url"] == page.url
    return [message.text] if message.type in ("error", "warning") and not is_own else []


def _elsewhere(url: str, host: str) -> list[str]:
    asked = urlsplit(url)
    return [] if asked.scheme in ("blob", "data") or asked.netloc == host else [url]


def _dismissed(dialog: Dialog) -> list[str]:
    dialog.dismiss()
    return [f"dialog {dialog.message}"]
