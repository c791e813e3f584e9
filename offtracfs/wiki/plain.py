"""The tree of a wiki text as plain text: with the markup taken off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any

from offtracfs.wiki.nodes import (
    REALMS,
    Anchor,
    Break,
    Code,
    CodeBlock,
    Definitions,
    Division,
    Document,
    Heading,
    Link,
    List,
    Node,
    Outline,
    Paragraph,
    Quote,
    Rule,
    Styled,
    Table,
    Term,
)

_BREAK = "\v"  # no text has one: a parser makes it a space
_INLINE = (str, Styled, Code, Break, Link, Anchor)


def plain(document: Document) -> str:
    """The text of a document. It ends in a newline, unless it is empty."""
    return "".join(f"{line}\n" for line in _lines(document.children, apart=True))


def _lines(nodes: Sequence[Node], *, apart: bool = False) -> list[str]:
    """The lines of these nodes; `apart`: with an empty line between two blocks."""
    lines: list[str] = []
    for is_text, run in groupby(nodes, lambda node: isinstance(node, _INLINE)):
        for block in [_text_lines(run)] if is_text else map(_block_lines, run):
            if block and lines and apart:
                lines.append("")
            lines += block
    return lines


def _block_lines(node: Node) -> list[str]:
    return _BLOCKS[type(node)](node)


def _text_lines(nodes: Iterable[Node]) -> list[str]:
    text = "".join(map(_text, nodes)).replace(f"{_BREAK}\n", "\n").replace(_BREAK, "\n").strip()
    return [line.strip() for line in text.split("\n")] if text else []


def _text(node: Node) -> str:
    match node:
        case str():
            return node
        case Code():
            return node.text
        case Break():
            return _BREAK
        case Link():
            return _link(node)
        case Styled() | Anchor():
            return "".join(map(_text, node.children))
        case _:
            return ""


def _link(link: Link) -> str:
    """A link's label; and where it leads, if the label does not say that."""
    if link.label == link.source:
        return link.label
    if link.address:
        return link.label if link.label in (link.address, link.target) else f"{link.label} <{link.address}>"
    if link.realm in REALMS and link.realm != "wiki" and link.label != link.target:
        return f"{link.label} ({link.realm}:{link.target})"
    return link.text


def _indented(lines: list[str], first: str, others: str) -> list[str]:
    return [((others if number else first) + line).rstrip() for number, line in enumerate(lines)]


def _code(node: CodeBlock) -> list[str]:
    return _indented(node.text.rstrip().split("\n"), "    ", "    ")


def _list(node: List) -> list[str]:
    lines = []
    for number, item in enumerate(node.children, node.start):
        mark = f"{_NUMBERS[node.numbering](number)} "
        lines += _indented(_lines(item.children) or [""], mark, " " * len(mark))
    return lines


def _definitions(node: Definitions) -> list[str]:
    lines = []
    for part in node.children:
        inside = _lines(part.children)
        lines += inside if isinstance(part, Term) else _indented(inside, "    ", "    ")
    return lines


def _quote(node: Quote) -> list[str]:
    mark = "> " if node.citation else "  "
    return [(mark + line).rstrip() for line in _lines(node.children, apart=True)]


def _table(node: Table) -> list[str]:
    return [
        " | ".join(" ".join(_lines(cell.children)) for cell in row.children).rstrip() for row in node.children
    ]


def _letter(number: int) -> str:
    return f"{chr(ord('a') + (number - 1) % 26)}."


def _roman(number: int) -> str:
    """The number in Roman numerals; as it is, where those would be long."""
    if not 0 < number < 40:
        return f"{number}."
    tens, ones = divmod(number, 10)
    return "x" * tens + ["", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix"][ones] + "."


_NUMBERS: dict[str, Callable[[int], str]] = {
    "": lambda number: "*",
    "1": lambda number: f"{number}.",
    "a": _letter,
    "A": lambda number: _letter(number).upper(),
    "i": _roman,
    "I": lambda number: _roman(number).upper(),
}

_BLOCKS: dict[type, Callable[[Any], list[str]]] = {
    CodeBlock: _code,
    Definitions: _definitions,
    Division: lambda node: _lines(node.children, apart=True),
    Heading: lambda node: _text_lines(node.children),
    List: _list,
    Outline: lambda node: [],
    Paragraph: lambda node: _text_lines(node.children),
    Quote: _quote,
    Rule: lambda node: ["----"],
    Table: _table,
}
