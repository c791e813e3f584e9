"""The tree of a wiki text as HTML: with Trac's elements and classes, and without style or script."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any, TypeAlias

from offtracfs.wiki.flow import text_of
from offtracfs.wiki.highlight import Highlighter
from offtracfs.wiki.nodes import (
    SCHEMES,
    Anchor,
    Break,
    Cell,
    Code,
    CodeBlock,
    Definitions,
    Description,
    Division,
    Document,
    Heading,
    Link,
    List,
    Node,
    Outline,
    Paragraph,
    Quote,
    Row,
    Rule,
    Styled,
    Table,
    Term,
)

_SCHEME = re.compile(r"[^/?#:]*:")
_LETTERED = {"a": "loweralpha", "A": "upperalpha", "i": "lowerroman", "I": "upperroman"}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a link leads: an address, "" where there is no such thing; a title, and Trac's classes."""

    address: str
    title: str = ""
    classes: str = ""


Resolver: TypeAlias = Callable[[Link], Target | None]
"""Says where a link within the tracker leads; None makes it text.

It must not hand back what a text says: the target of a link without a realm may be ``//another.host``.
"""


def html(document: Document, resolver: Resolver | None = None, *, prefix: str = "") -> str:
    """The HTML of a wiki text; `prefix` stands before the names of its anchors, unique on the page."""
    return "".join(_Renderer(document, resolver, prefix).nodes(document.children))


def safe(address: str) -> bool:
    """Whether a link may lead there: to an address without a scheme, or with a harmless one."""
    scheme = _SCHEME.match(address)
    return scheme is None or scheme[0][:-1].lower() in SCHEMES | {"mailto"}


class _Renderer:
    def __init__(self, document: Document, resolver: Resolver | None, prefix: str) -> None:
        self.headings = document.headings
        self.resolver = resolver
        self.prefix = prefix
        self.outlined = False
        self.highlighter = Highlighter()

    def nodes(self, nodes: Iterable[Node]) -> str:
        """The HTML of these nodes."""
        return "".join(
            escape(node) if isinstance(node, str) else _ELEMENTS[type(node)](self, node) for node in nodes
        )

    def styled(self, node: Styled) -> str:
        if node.style == "underline":
            return f'<span class="underline">{self.nodes(node.children)}</span>'
        return f"<{node.style}>{self.nodes(node.children)}</{node.style}>"

    def link(self, node: Link) -> str:
        if address := node.address:
            kind = "mail-link" if node.realm == "mailto" else "ext-link"
            return f"<a{_attributes({'class': kind, 'href': address})}>{escape(node.label)}</a>"
        target = self._target(node)
        if target is None or not safe(target.address):
            return escape(node.text)
        attributes = {"class": target.classes, "href": target.address, "title": target.title}
        return f"<a{_attributes(attributes)}>{escape(node.label)}</a>"

    def _target(self, link: Link) -> Target | None:
        if not link.realm and link.target.startswith("#"):
            return Target(f"#{self.prefix}{link.target[1:]}")
        return self.resolver(link) if self.resolver else None

    def anchor(self, node: Anchor) -> str:
        attributes = _attributes({"class": "wikianchor", "id": self.prefix + node.name})
        return f"<span{attributes}>{self.nodes(node.children)}</span>"

    def heading(self, node: Heading) -> str:
        attributes = _attributes({"class": "section", "id": self.prefix + node.name})
        return f"<h{node.level}{attributes}>{self.nodes(node.children)}</h{node.level}>\n"

    def paragraph(self, node: Paragraph) -> str:
        return f"<p>\n{self.nodes(node.children)}\n</p>\n"

    def code_block(self, node: CodeBlock) -> str:
        found = self.highlighter.html(node.text, node.language)
        if found is None:
            return f'<pre class="wiki">{escape(node.text)}</pre>\n'
        return f'<div class="wiki-code"><div class="code"><pre>{found}</pre></div></div>\n'

    def list(self, node: List) -> str:
        name = "ol" if node.numbering else "ul"
        start = str(node.start) if node.start != 1 else ""
        attributes = _attributes({"class": _LETTERED.get(node.numbering, ""), "start": start})
        items = "".join(f"<li>{self.nodes(item.children)}</li>" for item in node.children)
        return f"<{name}{attributes}>{items}</{name}>\n"

    def definitions(self, node: Definitions) -> str:
        return f'<dl class="wiki">{self.nodes(node.children)}</dl>\n'

    def term(self, node: Term) -> str:
        return f"<dt>{self.nodes(node.children)}</dt>"

    def description(self, node: Description) -> str:
        return f"<dd>{self.nodes(node.children)}</dd>\n"

    def quote(self, node: Quote) -> str:
        attributes = _attributes({"class": "citation" if node.citation else ""})
        return f"<blockquote{attributes}>\n{self.nodes(node.children)}</blockquote>\n"

    def table(self, node: Table) -> str:
        attributes = _attributes({"class": " ".join(["wiki", *_given(node.classes)])})
        return f"<table{attributes}>\n{self.nodes(node.children)}</table>\n"

    def row(self, node: Row) -> str:
        attributes = _attributes({"class": " ".join(_given(node.classes))})
        return f"<tr{attributes}>{self.nodes(node.children)}</tr>\n"

    def cell(self, node: Cell) -> str:
        name = "th" if node.header else "td"
        classes = [*_given(node.classes), *([node.alignment] if node.alignment else [])]
        attributes = _attributes(
            {"class": " ".join(classes), "colspan": _span(node.columns), "rowspan": _span(node.rows)}
        )
        return f"<{name}{attributes}>{self.nodes(node.children)}</{name}>"

    def division(self, node: Division) -> str:
        classes = " ".join(_given(node.classes)) or ("rtl" if node.from_right else "wikipage")
        attributes = _attributes({"class": classes, "dir": "rtl" if node.from_right else ""})
        return f"<div{attributes}>{self.nodes(node.children)}</div>\n"

    def outline(self, node: Outline) -> str:
        """The first outline of a text; a text full of them would be as large as its square."""
        if self.outlined:
            return ""
        self.outlined = True
        title = f'<h4 class="section">{escape(node.title)}</h4>' if node.title else ""
        inside = title + "".join(self._entries(node))
        if node.pullout:
            return f'<div class="wiki-toc">{inside}</div>\n'
        return inside if node.numbered else f'<div class="wiki-toc-un">{inside}</div>\n'

    def _entries(self, node: Outline) -> Iterator[str]:
        """Lists within lists, as deep as the headings' levels."""
        level = node.first - 1
        for heading in self.headings:
            if not node.first <= heading.level <= node.last:
                continue
            if heading.level > level:
                yield "<ol><li>" * (heading.level - level)
            else:
                yield "</li></ol>" * (level - heading.level) + "</li><li>"
            level = heading.level
            address = _attributes({"href": f"#{self.prefix}{heading.name}"})
            yield f"<a{address}>{escape(text_of(heading.children))}</a>"
        yield "</li></ol>" * (level - node.first + 1)


def _attributes(values: dict[str, str]) -> str:
    return "".join(f' {name}="{escape(value)}"' for name, value in values.items() if value)


def _given(classes: tuple[str, ...]) -> list[str]:
    """Classes that the author chose: never those of the page around the text."""
    return [f"wiki-{name}" for name in classes]


def _span(count: int) -> str:
    return str(count) if count > 1 else ""


_ELEMENTS: dict[type, Callable[[_Renderer, Any], str]] = {
    Anchor: _Renderer.anchor,
    Break: lambda renderer, node: "<br />",
    Cell: _Renderer.cell,
    Code: lambda renderer, node: f"<code>{escape(node.text)}</code>",
    CodeBlock: _Renderer.code_block,
    Definitions: _Renderer.definitions,
    Description: _Renderer.description,
    Division: _Renderer.division,
    Heading: _Renderer.heading,
    Link: _Renderer.link,
    List: _Renderer.list,
    Outline: _Renderer.outline,
    Paragraph: _Renderer.paragraph,
    Quote: _Renderer.quote,
    Row: _Renderer.row,
    Rule: lambda renderer, node: "<hr />\n",
    Styled: _Renderer.styled,
    Table: _Renderer.table,
    Term: _Renderer.term,
}
