"""Lists, definition lists and indented quotes: which of them are open, by the indentation of the lines.

Lists stand in the last description of a definition list, or for themselves. Quotes and lists end each other.
"""

from __future__ import annotations

from dataclasses import dataclass

from offtracfs.wiki.nodes import Definitions, Description, Item, List, Node, Quote, Term

MAX_DEPTH = 30
"""Of blocks within blocks. What is nested more deeply stands at this depth: no text needs a deep stack."""

_ROOM_OF_BULLET, _ROOM_OF_NUMBER = 2, 3  # how much deeper than its item a line may begin that goes on with it


@dataclass(slots=True)
class _Open:
    """An open list or quote."""

    indent: int
    children: list[Node]  # where what follows is added
    list: List | None = None


class Nesting:
    """What is open in a text that stands within `depth` blocks."""

    def __init__(self, children: list[Node], depth: int) -> None:
        self._children = children
        self._depth = depth
        self._lists: list[_Open] = []
        self._quotes: list[_Open] = []
        self._definitions: Definitions | None = None
        self._description: list[Node] | None = None
        self._stops: list[int] = []  # indentations of the lines above, each deeper than the one before

    @property
    def container(self) -> list[Node]:
        """The children of the innermost open block."""
        if self._lists:
            return self._lists[-1].children
        if self._description is not None:
            return self._description
        return self._quotes[-1].children if self._quotes else self._children

    @property
    def depth(self) -> int:
        """How many blocks there are around what stands here."""
        return self._depth + len(self._lists) + len(self._quotes)

    @property
    def runs_on(self) -> bool:
        """Whether text stands here without a paragraph around it, as in lists."""
        return bool(self._lists) or self._description is not None

    def close(self) -> None:
        """Ends all."""
        self.close_lists()
        self.close_quotes()
        self.close_definitions()

    def close_lists(self, indent: int = -1) -> None:
        """Ends the lists that are indented more than that."""
        while self._lists and self._lists[-1].indent > indent:
            self._lists.pop()

    def close_quotes(self, indent: int = 0) -> None:
        """Ends the quotes that are indented more than that."""
        while self._quotes and self._quotes[-1].indent > indent:
            self._quotes.pop()

    def close_definitions(self) -> None:
        """Ends the definition list."""
        self._definitions = self._description = None

    def dedent(self) -> None:
        """A line is not indented: only lists may go on."""
        self.close_quotes()
        self.close_definitions()
        self._stops.clear()

    def term(self, children: list[Node]) -> None:
        """A line begins with a term, whose description follows."""
        self.close_lists()
        self.close_quotes()
        if self._definitions is None:
            self._definitions = Definitions()
            self.container.append(self._definitions)
        description = Description()
        self._definitions.children += [Term(children), description]
        self._description = description.children

    def item(self, indent: int, number: str) -> None:
        """A line begins an item: with this number or letter, "" for a bullet."""
        if self._lists and indent > self._lists[-1].indent and self.depth < MAX_DEPTH:
            self._open_list(indent, number)
            return
        self.close_lists(indent)
        if self._lists and bool(self._list.numbering) != bool(number):
            self._lists.pop()
            self._open_list(indent, number)
        elif self._lists:
            item = Item()
            self._list.children.append(item)
            self._lists[-1].indent, self._lists[-1].children = indent, item.children
        else:
            self._open_list(indent, number)

    def goes_on(self, indent: int) -> bool:
        """Whether a line without a bullet, indented like that, belongs to an open list."""
        if not self._lists:
            return False
        innermost = self._lists[-1].indent
        if indent < innermost:
            belongs = any(indent > each.indent for each in self._lists)
            if belongs:
                self.close_lists(indent)
            return belongs
        return indent <= innermost + (_ROOM_OF_NUMBER if self._list.numbering else _ROOM_OF_BULLET)

    def quote(self, indent: int) -> None:
        """A line is indented, and belongs to no list; in a description this means nothing."""
        self.close_lists()
        if self._description is not None:
            return
        now = self._quotes[-1].indent if self._quotes else 0
        if indent > now:
            self._stop(indent)
            for stop in [stop for stop in self._stops if stop > now]:
                self._open_quote(stop)
            return
        self.close_quotes(indent)
        if self._quotes:
            self._quotes[-1].indent = indent
        else:
            self._open_quote(indent)

    @property
    def _list(self) -> List:
        found = self._lists[-1].list
        assert found
        return found

    def _open_list(self, indent: int, number: str) -> None:
        self.close_quotes()
        item = Item()
        opened = List(*_numbering(number), children=[item])
        self.container.append(opened)
        self._lists.append(_Open(indent, item.children, opened))
        self._stop(indent)

    def _open_quote(self, indent: int) -> None:
        if self.depth < MAX_DEPTH:
            quote = Quote()
            self.container.append(quote)
            self._quotes.append(_Open(indent, quote.children))
            self._stop(indent)

    def _stop(self, indent: int) -> None:
        self._stops = [*(stop for stop in self._stops if stop < indent), indent]


def _numbering(number: str) -> tuple[str, int]:
    """How a list is numbered whose first item has this number, and from where on."""
    if not number:
        return "", 1
    if number.isdigit():
        return "1", int(number)
    first = number[0]
    if first in "iI":
        return first, 1
    kind = "a" if first.islower() else "A"
    return kind, ord(first) - ord(kind) + 1 if len(number) == 1 else 1
