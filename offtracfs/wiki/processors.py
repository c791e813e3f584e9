"""What stands behind ``#!`` on the first line of a block: a processor's name and its parameters."""

from __future__ import annotations

import re

HIDDEN = {"comment", "htmlcomment"}
"""Processors whose text is for the authors only."""

NESTED = {"div", "rtl", "td", "th", "tr", "table"}
"""Processors whose text is wiki text."""

PROCESSOR = r"(?P<indent>\s*)#!(?P<processor>[\w+-][\w+/.-]*)"
PARAMETER = r"[-\w]++=(?:\"[^\"]*\"|'[^']*'|[-,\w]++)"

_PARAMETER = re.compile(
    r"(?<![-\w])(?P<name>[-\w]++)=(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>[-,\w]++))"
)
MAX_SPAN = 100
_CLASS = re.compile(r"[a-zA-Z][-\w]{0,40}", re.ASCII)


def parameters(text: str) -> dict[str, str]:
    """The parameters ``name=value`` in a text; flags without a value are left out."""
    return {
        match["name"]: match["double"] or match["single"] or match["bare"] or ""
        for match in _PARAMETER.finditer(text)
    }


def classes(given: dict[str, str]) -> tuple[str, ...]:
    """The CSS classes that an author gave, as far as they are plain names."""
    return tuple(name for name in given.get("class", "").split() if _CLASS.fullmatch(name))


def span(text: str | None) -> int:
    """How many columns or rows a cell takes, by a parameter of its own."""
    return min(max(int(text), 1), MAX_SPAN) if text and re.fullmatch("[0-9]{1,4}", text, re.ASCII) else 1
