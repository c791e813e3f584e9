"""Text that is fit to be printed."""

from __future__ import annotations

import re

# C0, DEL and C1; the marks, embeddings, overrides and isolates that reorder text (Unicode's
# Bidi_Control, UAX #9); line and paragraph separators; surrogates, which no terminal's encoding holds.
_COMMANDS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(text: str) -> str:
    r"""`text` on one line, with everything that would command a terminal as a visible escape.

    An escape is Python's: ``\x1b``, ``\u202e``. Whatever comes from a tracker, a file or a path goes
    through here before it is printed.
    """
    return _COMMANDS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def count(number: int, thing: str) -> str:
    """``1 ticket``, ``7,852 tickets``."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def size(bytes_: int) -> str:
    """A number of bytes, as ``ls -h`` would say it: ``931 B``, ``2.4 MB``."""
    value, units = float(bytes_), ["B", "kB", "MB", "GB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} {units[0]}" if units[0] == "B" or value >= 100 else f"{value:.1f} {units[0]}"
