"""Puts the tokens of lines into the tree: text in font styles, which may go on in the next line."""

from __future__ import annotations

from collections.abc import Iterable

from offtracfs.wiki.inline import CellStart, RowStart, Toggle, Token, tokens
from offtracfs.wiki.nodes import Anchor, Break, Code, Link, Node, Outline, Style, Styled

STYLES: dict[str, Style] = {
    "'''": "strong",
    "**": "strong",
    "''": "em",
    "//": "em",
    "__": "underline",
    "~~": "del",
    ",,": "sub",
    "^": "sup",
}
BOLD, ITALIC, BOLD_ITALIC = "'''", "''", "'''''"


class Flow:
    """Running text in one block after the other. A font style ends with the block in which it began."""

    def __init__(self) -> None:
        self._children: list[Node] = []  # of the block
        self._open: list[tuple[str, Styled]] = []  # each style's mark and node, the outermost first
        self._last: Node | None = None

    def into(self, children: list[Node], *, newlines: bool = False) -> None:
        """A line begins in the block with these children; `newlines`: with a break before it."""
        if children is not self._children:
            self._children, self._last = children, None
            self._open.clear()
        if children:
            if newlines and not isinstance(self._last, Break):
                self._add(Break())
            self._add("\n")

    def put(self, token: Token) -> None:
        """Adds what the line has next."""
        if isinstance(token, Toggle):
            self._toggle(token.mark)
        elif not isinstance(token, CellStart | RowStart):
            self._add(token)

    def _add(self, node: Node) -> None:
        (self._open[-1][1].children if self._open else self._children).append(node)
        self._last = node

    def _toggle(self, mark: str) -> None:
        if mark != BOLD_ITALIC:
            self._switch(mark)
            return
        marks = [mark for mark, _ in self._open if mark in (BOLD, ITALIC)]
        # The inner one ends first; where one is open, it ends before the other begins.
        inner = marks[-1] if marks else BOLD
        self._switch(inner)
        self._switch(ITALIC if inner == BOLD else BOLD)

    def _switch(self, mark: str) -> None:
        """Begins a style, or ends it. The styles within it go on after its end."""
        marks = [mark for mark, _ in self._open]
        if mark not in marks:
            self._begin(mark)
            return
        index = marks.index(mark)
        del self._open[index:]
        for inner in marks[index + 1 :]:
            self._begin(inner)

    def _begin(self, mark: str) -> None:
        styled = Styled(STYLES[mark])
        self._add(styled)
        self._open.append((mark, styled))


def one_line(text: str) -> list[Node]:
    """The nodes of a text of one line, such as a heading's: without tables and outlines."""
    children: list[Node] = []
    flow = Flow()
    flow.into(children)
    for token in tokens(text):
        if not isinstance(token, Outline):
            flow.put(" " if isinstance(token, Break) else token)
    return children


def text_of(nodes: Iterable[Node]) -> str:
    """The text of running text, without its markup."""
    return "".join(map(_text, nodes))


def _text(node: Node) -> str:
    match node:
        case str():
            return node
        case Code() | Link():
            return node.text
        case Styled() | Anchor():
            return text_of(node.children)
        case _:
            return " "


def is_blank(node: Node | Token) -> bool:
    """Whether it is space only."""
    return isinstance(node, str) and not node.strip()
