"""What is read from pages, Trac's and hostile ones, and from a hostile table of tickets."""

from __future__ import annotations

import html
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from offtracfs.text import MAX_QUOTE, quoted
from offtracfs.trackers.trac.pages import Form, login_form, text_areas, title
from offtracfs.trackers.trac.sweep import _lines

LOGIN = """<!DOCTYPE html>
<html><head><title>Login &ndash; Trac</title><script>if (a < b) document.write("<form>")</script></head><body>
<!-- <form action="/comment"><input name="u"><input name="p" type="password"></form> -->
<form id="search" action="/search"><input type="text" name="q" /><input type="submit" value="Search" /></form>
<FORM method="post" action='/login?a=1&amp;b=2'>
  <input type="hidden" name="__FORM_TOKEN" value="a&#34;b &gt; c" /><input type=hidden name=referer>
  <input
    name="user" id=user><input type="text" name="second"/><INPUT TYPE="Password" NAME="password">
  <input type="checkbox" name="rememberme" value="1"></FORM>"""


def test_login_form() -> None:
    """The form that asks for a password is found among others, with all that it would send."""
    values = {"__FORM_TOKEN": 'a"b > c', "referer": ""}
    assert login_form(LOGIN) == Form("/login?a=1&b=2", values, user="user", password="password")
    assert login_form(LOGIN.replace("assword", "asword")) is None
    assert title(LOGIN) == "Login – Trac"


@pytest.mark.parametrize("sql", ["", "\n", "\n\nSELECT '<b>&amp;' -- <!-- é\n", "SELECT 'x'\n" * 20_000])
def test_text_areas(sql: str) -> None:
    """What a text area holds comes out as it went in, 200 KB of it, too; line ends are line feeds."""
    written = html.escape(sql).replace("\n", "\r\n")
    page = f"<textarea id=x name=\"query\" rows='9'>\r\n{written}</textarea><textarea name=b>c</textarea >"
    assert text_areas(LOGIN + page) == {"query": sql, "b": "c"}


def test_page_that_is_cut() -> None:
    """Of a page that was cut short in a text area, that area is not taken for whole."""
    assert text_areas("<textarea name=a>x</textarea><textarea name=query>SELECT") == {"a": "x"}


def test_impossible_character() -> None:
    """A reference to a character with a number of thousands of digits stays as it is written."""
    odd = f"&#{'1' * 5000};"
    assert text_areas(f"<textarea name=a>{odd}</textarea>") == {"a": odd}


HOSTILE = [
    *(
        "<a",
        "<",
        "<!--",
        "<!--<script>",
        "&",
        "&#1",
        "<form",
        "<form ",
        "<form>",
        "<form a",
        "<input ' name=",
    ),
    *('<input "', "<form><input type=password name=", "<textarea ", "<textarea name=a>", "</textarea"),
    *("<title", "<title ", "<title>", "<title a=>", "</title", "a = ", "a=' "),
]


async def read_row(text: str) -> None:
    """Reads a row of Trac's table of tickets that comes in pieces of a byte."""

    async def chunks() -> AsyncIterator[bytes]:
        for value in text.encode():
            yield bytes([value])

    assert [len(cell) async for (cell,) in _lines(chunks())] == [len(text) - 3]


def read_all() -> None:
    """Reads 300,000 characters of each hostile page, in every way that pages are read, and a hostile row."""
    trio.run(read_row, '"' + "x\n" * 60_000 + '"\n')
    for text in HOSTILE:
        for before in ("", "<textarea name=a>", "<form><input type=password value='", "<title>"):
            page = before + text * (300_000 // len(text))
            login_form(page), text_areas(page), quoted(title(page) or page)


def test_hostile_pages_cost_what_their_length_costs() -> None:
    """What costs other parsers the square of its length, here many minutes, is soon read."""
    run = f"from {__name__} import read_all; read_all()"
    subprocess.run([sys.executable, "-c", run], check=True, timeout=60, cwd=Path(__file__).parents[1])


def test_long_texts_are_quoted_by_their_beginning() -> None:
    """Only the beginning of a long text is looked at when it is quoted."""

    class Counted(str):
        looked_at = 0

        def __getitem__(self, key: object) -> str:
            part = super().__getitem__(key)  # type: ignore[index]
            Counted.looked_at += len(part)
            return part

        def split(self, *_: object) -> list[str]:
            raise AssertionError("all of it is looked at")

    assert len(quoted(Counted("ab " * 1_000_000))) == MAX_QUOTE
    assert Counted.looked_at <= 10 * MAX_QUOTE
