"""Highlights code, by Pygments."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pygments.lexer import Lexer

MAX_LENGTH = 20_000
"""Characters of a code block that is highlighted: some of Pygments' lexers need more than linear time."""


def highlighted(text: str, language: str) -> str | None:
    """The HTML of a text in some language, in which each part has Pygments' class; None where there is none."""
    lexer = _lexer(language.lower()) if language and len(text) <= MAX_LENGTH else None
    if lexer is None:
        return None
    from pygments import highlight
    from pygments.formatters import HtmlFormatter

    return highlight(text, lexer, HtmlFormatter(nowrap=True))


@lru_cache(maxsize=64)
def _lexer(language: str) -> Lexer | None:
    """The lexer of a language, by one of its names or its media type."""
    from pygments.lexers import get_lexer_by_name, get_lexer_for_mimetype
    from pygments.util import ClassNotFound

    find = get_lexer_for_mimetype if "/" in language else get_lexer_by_name
    try:
        return find(language, stripnl=False)
    except ClassNotFound:
        return None
