"""Texts of others, made safe to print or to store; and lists of people in a text."""

from __future__ import annotations

import re
import unicodedata

MAX_QUOTE = 200  # characters of a server's text in a message

# C0, DEL and C1; the marks, embeddings, overrides and isolates that reorder text (Unicode's
# Bidi_Control, UAX #9); line and paragraph separators; surrogates, which no terminal's encoding holds.
COMMANDS = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""What would command a terminal, as a part of a regular expression's set."""

_COMMANDS = re.compile(f"[{COMMANDS}]")

_APART = re.compile("[;,]")


def people(text: str) -> list[str]:
    """The people in a list of Trac's, such as a ticket's cc: commas or semicolons stand between them."""
    return [person for person in map(str.strip, _APART.split(text)) if person]


def shown(text: str) -> str:
    r"""`text` on one line, with everything that would command a terminal as a visible escape.

    An escape is Python's: ``\x1b``, ``\u202e``. Whatever comes from a tracker, a file or a path goes
    through here before it is printed.
    """
    return _COMMANDS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def quoted(text: str) -> str:
    """A server's text as it may stand in a message: one line, no control or direction marks, not long."""
    line = " ".join(text[: 10 * MAX_QUOTE].split())  # the text may be megabytes
    clean = "".join(char for char in line if not unicodedata.category(char).startswith("C"))
    return clean if len(clean) <= MAX_QUOTE else clean[: MAX_QUOTE - 1] + "…"


def lines(text: str) -> str:
    """`text` with LF for CR LF: a web form sends CR LF, whichever of them the text had."""
    return text.replace("\r\n", "\n")
