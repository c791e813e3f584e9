"""The tree of a wiki text.

A node is a plain string or one of these classes. What it holds is text, never HTML: the renderers escape it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

SCHEMES = frozenset({"http", "https", "ftp"})
"""Schemes of the addresses outside of the tracker that a link may lead to; and there is ``mailto``."""

_REALMS = """
attachment browser bug changeset comment diff export htdocs issue log milestone query raw-attachment report
repos search source ticket timeline wiki
"""
REALMS = frozenset(_REALMS.split())
"""The realms of TracLinks: what can stand before the colon in a Trac without plugins."""

Style: TypeAlias = Literal["strong", "em", "underline", "del", "sub", "sup"]
Alignment: TypeAlias = Literal["", "left", "right", "center"]


@dataclass(slots=True)
class Styled:
    """Text in a font style."""

    style: Style
    children: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Code:
    """Code within a line."""

    text: str


@dataclass(frozen=True, slots=True)
class Break:
    """A line break that the author asked for."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link: ``ticket:42`` has the realm "ticket" and the target "42".

    The realm is one of REALMS, a scheme, or some prefix that only the site knows, such as "Wikipedia". It is
    "" for a link relative to the tracker's own address, such as ``[/wiki here]`` or ``[#heading]``, and
    "intertrac" for a short link to another tracker: ``#T42`` has the target "T:ticket:42".
    """

    realm: str
    target: str
    label: str
    source: str  # as the author wrote it

    @property
    def address(self) -> str | None:
        """The address of a link that leads out of the tracker; None for all others."""
        if self.realm == "mailto" or (self.realm in SCHEMES and self.target.startswith("//")):
            return f"{self.realm}:{self.target}"
        return None

    @property
    def text(self) -> str:
        """What is shown of a link that leads nowhere: its source where it may be no link at all."""
        known = self.realm in REALMS or (not self.realm and not self.target.startswith("."))
        return self.label if known else self.source


@dataclass(slots=True)
class Anchor:
    """A place that links can lead to, with a text or without."""

    name: str
    children: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Outline:
    """``[[PageOutline]]``: links to the document's headings of these levels."""

    title: str
    first: int
    last: int
    pullout: bool
    numbered: bool


@dataclass(slots=True)
class Paragraph:
    """Lines of text."""

    children: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Heading:
    """A heading of a level from 1 to 6."""

    level: int
    name: str  # of its anchor, unique in the document
    children: list[Node]


@dataclass(frozen=True, slots=True)
class Rule:
    """A horizontal rule."""


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """Lines to be shown as they are; `language` is what the author called their language, "" for nothing."""

    text: str
    language: str = ""


@dataclass(slots=True)
class Item:
    """An item of a list."""

    children: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class List:
    """A list; `numbering` is "" for bullets, else what the first item had: "1", "a", "A", "i" or "I"."""

    numbering: str = ""
    start: int = 1
    children: list[Item] = field(default_factory=list)


@dataclass(slots=True)
class Term:
    """What a definition defines."""

    children: list[Node]


@dataclass(slots=True)
class Description:
    """What a definition says."""

    children: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Definitions:
    """Terms, each followed by its description."""

    children: list[Term | Description] = field(default_factory=list)


@dataclass(slots=True)
class Quote:
    """Indented text, or a citation: lines that begin with ``>``."""

    citation: bool = False
    children: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Cell:
    """A cell of a table."""

    header: bool = False
    columns: int = 1  # that it spans, from left to right
    rows: int = 1  # that it spans, downwards
    alignment: Alignment = ""
    classes: tuple[str, ...] = ()  # that the author gave it
    children: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Row:
    """A row of a table."""

    classes: tuple[str, ...] = ()
    children: list[Cell] = field(default_factory=list)


@dataclass(slots=True)
class Table:
    """A table."""

    classes: tuple[str, ...] = ()
    children: list[Row] = field(default_factory=list)


@dataclass(slots=True)
class Division:
    """A part of the text that the author gave classes, or that is written from right to left."""

    classes: tuple[str, ...] = ()
    from_right: bool = False
    children: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class Document:
    """A whole text, and its headings in their order."""

    children: list[Node]
    headings: list[Heading]


Inline: TypeAlias = str | Styled | Code | Break | Link | Anchor
Block: TypeAlias = (
    Outline
    | Paragraph
    | Heading
    | Rule
    | CodeBlock
    | List
    | Item
    | Definitions
    | Term
    | Description
    | Quote
    | Table
    | Row
    | Cell
    | Division
)
Node: TypeAlias = Inline | Block


def links(document: Document) -> Iterator[Link]:
    """All links in a document, in its order."""
    left: list[object] = [document]
    while left:
        node = left.pop()
        if isinstance(node, Link):
            yield node
        left += reversed(getattr(node, "children", ()))
