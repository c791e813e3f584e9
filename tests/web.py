"""The web application, asked in this process; and what stands in its pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selectolax.lexbor import LexborHTMLParser
from werkzeug.test import Client, TestResponse

from offtracfs.index import Reader
from offtracfs.web.application import application
from offtracfs.web.guard import Guard

EXAMPLES: dict[str, dict[str, Any]] = {
    "front": {},
    "query": {},
    "report": {"number": 1},
    "reports": {},
    "search": {},
    "ticket": {"number": 1},
    "versions": {"number": 1},
    "links": {"number": 1},
    "timeline": {},
    "compare": {},
    "roadmap": {},
    "milestone": {"name": "1.0 Crocus"},
    "component": {"name": "ui"},
    "person": {"name": "ann"},
}
"""Page → values of its rule for which there is something in the small tracker of `tests.tickets`."""

YOUNG = ("report",)
"""Pages of which there is something only in the end."""


def client(directory: Path, guard: Guard | None = None) -> Client:
    """A browser without a network, which follows no redirects."""
    return Client(application(directory, guard or Guard()), TestResponse)


def data(browser: Client, where: str) -> Any:
    """What a program gets at an address, as JSON."""
    return browser.get(where).json


def parsed(response: TestResponse) -> LexborHTMLParser:
    """The page in an answer, as a browser's parser sees it."""
    return LexborHTMLParser(response.get_data(as_text=True))


def text(response: TestResponse, selector: str = "main") -> str:
    """The text of a part of a page, with single spaces."""
    found = parsed(response).css_first(selector)
    assert found is not None, selector
    return " ".join(found.text().split())


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The questions that the index is asked meanwhile."""
    asked: list[str] = []
    rows = Reader._rows

    def counting(self: Reader, statement: str, most: int | None, **values: Any) -> list[Any]:
        asked.append(statement)
        return rows(self, statement, most, **values)

    with monkeypatch.context() as patched:
        patched.setattr(Reader, "_rows", counting)
        yield asked
