"""Highlights code, by Pygments.

Some of its lexers need time with the square or the cube of a text's length: 5,000 empty lines of C take many
seconds. So only languages whose lexers were measured are highlighted, no long text is, and a document may use
so much time and no more.
"""

from __future__ import annotations

import time
from functools import lru_cache
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pygments.formatter import Formatter
    from pygments.lexer import Lexer

MAX_LENGTH = 3_000
"""Characters of a block that is highlighted."""

MAX_SECONDS = 0.25
"""Of processor time that highlighting may take in a document, until the token in which it runs out ends."""

_LANGUAGES = """
actionscript apacheconf awk bash batch c clojure cmake coffeescript common-lisp console cpp csharp css d dart
delphi diff docker elixir erlang fortran fsharp go groovy haskell html html+php http ini java javascript
json jsp julia kotlin less lua make markdown mysql nginx objective-c ocaml perl php postgresql powershell
prolog properties pycon pytb python python2 restructuredtext ruby rust scala scheme scss sql swift tcl tex
text toml typescript vb.net verilog vhdl vim xml xslt yaml
"""
LANGUAGES = frozenset(_LANGUAGES.split())
"""Pygments' first name for each language."""


class Highlighter:
    """Highlights the blocks of one document."""

    def __init__(self) -> None:
        self._left = MAX_SECONDS

    def html(self, text: str, language: str) -> str | None:
        """The text as HTML, each part of it with Pygments' class; None where it is not highlighted."""
        if not language or len(text) > MAX_LENGTH or self._left <= 0:
            return None
        lexer = _lexer(language.lower())
        if lexer is None:
            return None
        end = time.thread_time() + self._left
        tokens = []
        for token in lexer(stripnl=False).get_tokens(text.expandtabs(8)):
            tokens.append(token)
            if time.thread_time() > end:
                break
        else:
            html = StringIO()
            _formatter().format(tokens, html)
            self._left = end - time.thread_time()
            return html.getvalue()
        self._left = 0
        return None


@lru_cache(maxsize=1)
def _formatter() -> Formatter[str]:
    # Not from the package: while one thread loads that, another may find it without what it makes up later.
    from pygments.formatters.html import HtmlFormatter

    return HtmlFormatter(nowrap=True)


@lru_cache(maxsize=256)
def _lexer(language: str) -> type[Lexer] | None:
    """The lexer of a language, by one of its names or its media type; a lexer may have a state of its own."""
    from pygments.lexers import get_lexer_by_name, get_lexer_for_mimetype
    from pygments.util import ClassNotFound

    find = get_lexer_for_mimetype if "/" in language else get_lexer_by_name
    try:
        lexer = find(language)
    except ClassNotFound:
        return None
    return type(lexer) if lexer.aliases[0] in LANGUAGES else None
