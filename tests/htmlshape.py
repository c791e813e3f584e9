"""The structure of HTML, as a browser's parser builds it, for comparison."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from selectolax.lexbor import LexborHTMLParser, LexborNode


def shape(html: str, selector: str = "body") -> list[str]:
    """What a browser makes of the HTML in an element: a line for each element and for each text.

    Left out is what nobody sees: space (but in code), empty paragraphs, a line break at a paragraph's end,
    titles, and the empty element in which Trac shows an icon.
    """
    element = LexborHTMLParser(f"<body>{html}").css_first(selector)
    assert element
    lines = [line for line in _joined(_walk(element, preformatted=False)) if line]
    return [line for line, after in pairwise([*lines, "", ""]) if not (line == "<br" and after in _ENDS)]


def _attributes(node: LexborNode) -> dict[str, str]:
    return {name: value or "" for name, value in node.attributes.items()} if node.is_element_node else {}


def _walk(parent: LexborNode, *, preformatted: bool) -> Iterator[str]:
    """A line for each element's beginning and end, and for each text."""
    for node in parent.iter(include_text=True):
        attributes = _attributes(node)
        classes = attributes.get("class", "")
        if node.is_text_node:
            text = (node.text_content or "").replace("\u200b", "")
            yield '"' + (text if preformatted else re.sub(r"[ \t\n\r]+", " ", text))
        elif classes == "icon" or (node.tag == "p" and not node.text().strip() and not [*node.iter()]):
            continue
        elif node.tag == "tbody":
            yield from _walk(node, preformatted=preformatted)
        elif node.is_element_node:
            aligned = re.match(r"text-align: (\w+)", attributes.get("style", ""))
            attributes["class"] = " ".join([*classes.split(), *(aligned.groups() if aligned else [])])
            shown = [f" {name}={attributes[name]}" for name in _SHOWN if attributes.get(name)]
            yield f"<{node.tag}{''.join(shown)}"
            if node.tag in _VOID:
                continue
            yield from _walk(node, preformatted=preformatted or node.tag == "pre")
            yield f"</{node.tag}"


_VOID = ("br", "hr")
_ENDS = ("</p", "</em", "</strong")
_SHOWN = ("class", "href", "id", "start", "colspan", "rowspan")


def _joined(lines: Iterator[str]) -> Iterator[str]:
    """The lines, with neighbouring texts in one."""
    text = ""
    for line in lines:
        if line.startswith('"'):
            text += line[1:]
            continue
        yield f'"{text.strip()}' if text.strip() else ""
        text = ""
        yield line
    yield f'"{text.strip()}' if text.strip() else ""
