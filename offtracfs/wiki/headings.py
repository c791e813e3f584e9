"""Headings, and the names of their anchors."""

from __future__ import annotations

import re

from offtracfs.wiki.flow import one_line, text_of
from offtracfs.wiki.nodes import Heading

_HEADING = re.compile(r"\s*(?P<level>={1,6})\s(?P<text>.*)")
_NAME = re.compile(r"[\w:](?<!\d)[\w:.-]*")
_NOT_IN_NAME = re.compile(r"[^\w:.-]+")


class Headings:
    """The headings of a document, in their order."""

    def __init__(self) -> None:
        self.found: list[Heading] = []
        self._names: dict[str, int] = {}  # and how many anchors were named after each

    def read(self, line: str) -> Heading | None:
        """The heading that a line is; None where it is none."""
        match = _HEADING.fullmatch(line)
        if not match:
            return None
        text, mark, name = match["text"].rpartition("#")
        if mark and _NAME.fullmatch(name.rstrip()):
            name = name.rstrip()
        else:
            text, name = match["text"], ""
        children = one_line(text.strip().removesuffix(match["level"]))
        heading = Heading(len(match["level"]), self._unique(name or _name(text_of(children))), children)
        self.found.append(heading)
        return heading

    def _unique(self, name: str) -> str:
        """`name`, with a number behind it where it is taken."""
        unique = name
        while unique in self._names:
            unique = f"{name}{self._names[name]}"
            self._names[name] += 1
        self._names[unique] = 1
        return unique


def _name(text: str) -> str:
    """The name that a heading gets from its text: an XML name."""
    name = _NOT_IN_NAME.sub("", text)
    return "a" + name if not name or name[0].isdigit() or name[0] in ".-" else name
