"""Wiki texts, each with the HTML that a real Trac 1.6 makes of it, in the file ``wikitexts.txt``.

`python -m tests.wikitexts` asks the real Trac again and writes the file anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from selectolax.lexbor import LexborHTMLParser, LexborNode

from offtracfs.wiki import Target
from offtracfs.wiki.nodes import Link
from tests.tracservers import RealTrac, served

FILE = Path(__file__).with_suffix(".txt")
BASE = "http://trac.example"
_NAME, _HTML = "%%%%%% ", "%%%%%% html"


class Example(NamedTuple):
    """A text, and what Trac makes of it."""

    name: str
    text: str
    html: str


def read() -> list[Example]:
    """The examples in the file. Trac's odd ends of lines stand there as Python's escapes."""
    sections = FILE.read_text(encoding="utf-8").split(f"\n{_NAME}")
    examples = []
    for name, html in zip(sections[1::2], sections[2::2], strict=True):
        title, _, text = name.partition("\n")
        examples.append(Example(title, _unescaped(text), html.partition("\n")[2]))
    return examples


def write(examples: list[Example]) -> None:
    """Writes the file."""
    head = "Written by tests/wikitexts.py: wiki texts, and the HTML that Trac 1.6 makes of each.\n"
    parts = [f"\n{_NAME}{name}\n{_escaped(text)}\n{_HTML}\n{html}" for name, text, html in examples]
    FILE.write_text(head + "".join(parts) + "\n", encoding="utf-8")


def _escaped(text: str) -> str:
    return re.sub("[\r\x0b\x0c\x85\u2028\\\\]", lambda found: found[0].encode("unicode_escape").decode(), text)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(?:\\|r|x..|u....)", lambda found: found[0].encode().decode("unicode_escape"), text)


def prepare(site: RealTrac) -> None:
    """Gives a Trac what the texts link to: two tickets, of which the second is closed, and a report."""
    when = datetime(2020, 1, 1, tzinfo=UTC)
    site.create("the first", when)
    site.create("the second", when)
    site.change(1, datetime(2020, 1, 2, tzinfo=UTC), comment="a comment")
    site.run_sql("UPDATE ticket SET status = 'closed', resolution = 'fixed' WHERE id = 2")
    site.set_report(1, "a report", "SELECT 1")


def rendered(site: RealTrac, texts: list[str]) -> list[str]:
    """Trac's HTML of these texts, at BASE."""
    return [str(site.call("wiki.wikiToHtml", text)).replace(site.url, BASE).strip() for text in texts]


_RANGES = re.compile("[0-9]+(?:[-:][0-9]+)?(?:,\u200b?[0-9]+(?:[-:][0-9]+)?)*")
_TICKETS = {"1": "new ticket", "2": "closed ticket"}


def resolve(link: Link) -> Target | None:
    """Where links lead in the Trac that `prepare` has prepared; it has no repository."""
    path, query, fragment = _split(link.target)
    match link.realm:
        case "ticket" | "bug" | "issue" if path in _TICKETS:
            return Target(f"{BASE}/ticket/{path}{query}{fragment}", classes=_TICKETS[path])
        case "ticket" | "bug" | "issue" if _RANGES.fullmatch(path) and not path.isdigit():
            return Target(f"{BASE}/query?id={quote(path)}")
        case "ticket" | "bug" | "issue":
            return Target("", classes="missing ticket")
        case "comment" if path in ("1:ticket:1", "ticket:1:1"):
            return Target(f"{BASE}/ticket/1#comment:1", classes="new ticket")
        case "report":
            return Target(f"{BASE}/report/1", classes="report") if path == "1" else Target("", classes="missing report")
        case "milestone":
            classes = "milestone" if path == "milestone1" else "missing milestone"
            return Target(f"{BASE}/milestone/{path}", classes=classes)
        case "changeset":
            return Target("", classes="missing changeset")
        case "source" | "log":
            return Target("", classes="missing source")
        case "search":
            return Target(f"{BASE}/search?q={quote(path)}", classes="search")
        case "wiki":
            page = path.strip("/")
            classes = "wiki" if page == "WikiStart" else "missing wiki"
            return Target(f"{BASE}/wiki/{quote(page)}{query}{fragment}", classes=classes)
        case "" if path.startswith("//"):
            return Target(path[1:])
        case "" if path.startswith("/"):
            return Target(f"{BASE}{path}")
        case "" if query:
            return Target(f"{BASE}{query}")
    return None


def _split(target: str) -> tuple[str, str, str]:
    rest, mark, fragment = target.partition("#")
    path, question, query = rest.partition("?")
    return path, question + query, mark + fragment


def shape(html: str) -> list[str]:
    """What a browser makes of HTML: its elements with what matters of their attributes, and its texts.

    Left out is what does not differ on the screen: space (but in code), empty paragraphs, titles, the empty
    element in which Trac shows an icon.
    """
    body = LexborHTMLParser(f"<body>{html}</body>").body
    assert body
    return [line for line in _joined(_walk(body, preformatted=False)) if line]


def _walk(parent: LexborNode, *, preformatted: bool) -> Iterator[str]:
    """A line for each element's beginning and end, and for each text."""
    for node in parent.iter(include_text=True):
        attributes = {name: value or "" for name, value in node.attributes.items()} if node.is_element_node else {}
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
            yield f"<{node.tag}{''.join(shown)}".replace(f"href={BASE}#", "href=#")
            yield from _walk(node, preformatted=preformatted or node.tag == "pre")
            yield f"</{node.tag}"


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


def main() -> None:
    """Asks the real Trac for its HTML of all texts."""
    examples = read()
    with served("modern") as server:
        site = server.new()
        prepare(site)
        found = rendered(site, [example.text for example in examples])
    write([example._replace(html=html) for example, html in zip(examples, found, strict=True)])


if __name__ == "__main__":
    main()
