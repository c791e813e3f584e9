r"""Any text on the lines of another, and back: nothing is lost, and nothing leaves its place.

What a terminal would take for a command, and what UTF-8 cannot say, is written as ``\u001b``, with four
digits as in JSON. A backslash stays one, unless it would be read as the begin of such an escape: then it is
``\u005c``. So ``C:\users`` and ``\u00e9`` stay as they are.
"""

from __future__ import annotations

import re

MARKS = ("---- ", "==== ")
"""How the lines begin that are not part of a record's texts."""

# C0 but for tab and line feed, DEL and C1; what reorders text (Unicode's Bidi_Control, UAX #9); line and
# paragraph separators; surrogates.
_COMMANDS = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_ESCAPE = r"\\u([0-9a-f]{4})"
_UNSAFE = re.compile(rf"[{_COMMANDS}]|{_ESCAPE}")
_UNSAFE_ON_A_LINE = re.compile(rf"^\s|[{_COMMANDS}\n]|\s$|{_ESCAPE}")
_ESCAPED = re.compile(_ESCAPE)
_ESCAPABLE = re.compile(rf"[{_COMMANDS}\s\\]")
_MARK = rf"(?:{'|'.join(MARKS)})"
_MARKED = re.compile(rf"^(?=\\*{_MARK})", re.MULTILINE)
_ESCAPED_MARK = re.compile(rf"^\\(?=\\*{_MARK})", re.MULTILINE)
_LINE = re.compile(r"^(?=.)", re.MULTILINE)


def _escape(match: re.Match[str]) -> str:
    found = match[0]
    if len(found) == 1:
        return f"\\u{ord(found):04x}"
    return f"\\u005c{found[1:]}" if _ESCAPABLE.match(chr(int(match[1], 16))) else found


def _unescape(match: re.Match[str]) -> str:
    meant = chr(int(match[1], 16))
    return meant if _ESCAPABLE.match(meant) else match[0]


def on_a_line(text: str) -> str:
    """`text` on one line, without white space at its ends."""
    return _UNSAFE_ON_A_LINE.sub(_escape, text)


def off_the_line(line: str) -> str:
    """The inverse of `on_a_line`."""
    return _ESCAPED.sub(_unescape, line)


def block(text: str) -> str:
    """`text` on lines of its own, of which none begins as those of `MARKS` do."""
    return _MARKED.sub(r"\\", _UNSAFE.sub(_escape, text))


def unblock(lines: str) -> str:
    """The inverse of `block`."""
    return _ESCAPED.sub(_unescape, _ESCAPED_MARK.sub("", lines))


def indented(text: str, by: str = "    ") -> str:
    """`text` on indented lines of its own; an empty line stays empty. It need not be read back."""
    return _LINE.sub(by, _UNSAFE.sub(_escape, text.replace("\r\n", "\n")))
