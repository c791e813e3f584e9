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
COMMANDS = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""What is escaped wherever it stands, as the inside of a regular expression's set."""

_ESCAPE = r"\\u([0-9a-f]{4})"
_UNSAFE_ON_A_LINE = re.compile(rf"^\s|[{COMMANDS}\n]|\s$|{_ESCAPE}")
_MAYBE_UNSAFE = re.compile(rf"[{COMMANDS}\\]")
_ESCAPED = re.compile(_ESCAPE)
_ESCAPABLE = re.compile(rf"[{COMMANDS}\s\\]")
_EVERY = "".join(map(chr, range(1 << 16)))
_SPELLED = {ord(found): f"\\u{ord(found):04x}" for found in re.findall(f"[{COMMANDS}]", _EVERY)}
_MAYBE_UNSAFE_ASCII = bytes(code for code in range(128) if _MAYBE_UNSAFE.match(chr(code)))
_MARK = rf"(?:{'|'.join(MARKS)})"
_MARKED = re.compile(rf"^(?=\\*{_MARK})", re.MULTILINE)
_ESCAPED_MARK = re.compile(rf"^\\(?=\\*{_MARK})", re.MULTILINE)


def _escape(match: re.Match[str]) -> str:
    found = match[0]
    if len(found) == 1:
        return f"\\u{ord(found):04x}"
    return f"\\u005c{found[1:]}" if _ESCAPABLE.match(chr(int(match[1], 16))) else found


def _unescape(match: re.Match[str]) -> str:
    meant = chr(int(match[1], 16))
    return meant if _ESCAPABLE.match(meant) else match[0]


def _escaped(text: str) -> str:
    # Most texts need no escape. Of those in ASCII, that is seen four times as fast.
    if text.isascii():
        data = text.encode()
        if len(data.translate(None, _MAYBE_UNSAFE_ASCII)) == len(data):
            return text
    elif not _MAYBE_UNSAFE.search(text):
        return text
    return _ESCAPED.sub(_escape, text).translate(_SPELLED)


def on_a_line(text: str) -> str:
    """`text` on one line, without white space at its ends."""
    if text.isprintable() and "\\" not in text and text[:1] != " " and text[-1:] != " ":
        return text  # most are; the other white space is not printable
    return _UNSAFE_ON_A_LINE.sub(_escape, text)


def off_the_line(line: str) -> str:
    """The inverse of `on_a_line`."""
    return _ESCAPED.sub(_unescape, line) if "\\" in line else line


def block(text: str) -> str:
    """`text` on lines of its own, of which none begins as those of `MARKS` do."""
    escaped = _escaped(text)
    return _MARKED.sub(r"\\", escaped) if any(mark in escaped for mark in MARKS) else escaped


def unblock(lines: str) -> str:
    """The inverse of `block`."""
    return off_the_line(_ESCAPED_MARK.sub("", lines))


def indented(text: str, mark: str = "    ") -> str:
    """`text` on lines of its own that begin with a mark; an empty line has no blanks at its end.

    It need not be read back.
    """
    empty = mark.rstrip()
    lines = _escaped(text.replace("\r\n", "\n")).split("\n")
    return "\n".join([mark + line if line else empty for line in lines])
