r"""How texts become words, the same for what is searched and for what is looked for.

SQLite's tokenizer ``unicode61`` splits a text at whatever is no letter, digit or mark, and folds case and
accents. So ``foo_bar``, ``1.2.3``, ``#42`` and ``src/foo.c`` are several words each, in a row: a phrase.
Before it come two steps that the tokenizer does not know:

- Han, kana, Thai, Khmer, Lao and Myanmar are written without spaces. Each character is a word of its own
  there, and what somebody looks for is a phrase of them: so a word of two characters is found.
- The pieces of ``NullPointerException`` are kept beside it, in a column of their own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

TOKENIZER = "unicode61 remove_diacritics 2 categories ''L* N* Co M*''"
APART = "\x1f"  # splits words, and is taken out of what is shown; no text for people has it
GAP = "\ue000"  # a word between the pieces of two words, so that no phrase spans them

_SPACELESS = re.compile(
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Myanmar, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # iteration marks, kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "]"
)
_CAPITAL = re.compile(r"[A-ZÀ-ÖØ-Þ](?:(?<=[a-z0-9ß-öø-ÿ].)|[A-ZÀ-ÖØ-Þ][a-zß-öø-ÿ])")
_WORD = re.compile(r"[^\W_]+")
_PIECE = re.compile(r"[A-ZÀ-ÖØ-Þ]+(?![a-z0-9ß-öø-ÿ])|[A-ZÀ-ÖØ-Þ]?[a-z0-9ß-öø-ÿ]+|[^\W_]")


class Compound(NamedTuple):
    """A word of several, such as ``NullPointerException``: where it is in a text, and its pieces."""

    start: int
    end: int
    pieces: list[str]


def prepared(text: str) -> str:
    """A text as the tokenizer gets it."""
    if text.isascii():
        return text
    return _SPACELESS.sub(f"{APART}\\g<0>{APART}", unicodedata.normalize("NFC", text.replace(APART, " ")))


def compounds(text: str) -> Iterator[Compound]:
    """The words of several in a text, by their capitals."""
    end = 0
    # A pattern for whole words would try each letter of a text; this one looks at capitals alone.
    for capital in _CAPITAL.finditer(text):
        start = capital.start()
        if start < end:
            continue
        while start > end and _WORD.match(text[start - 1]):
            start -= 1
        word = _WORD.match(text, start)
        assert word
        end = word.end()
        yield Compound(start, end, _PIECE.findall(word[0]))


def pieces(text: str) -> str | None:
    """The pieces of all words of several in a text; None where it has none."""
    return f" {GAP} ".join(" ".join(found.pieces) for found in compounds(text)) or None


def has_words(text: str) -> bool:
    """Whether the tokenizer finds a word in it."""
    return any(unicodedata.category(character)[0] in "LNM" for character in text)  # Co: nobody types that
