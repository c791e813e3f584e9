"""Wiki texts, each with the HTML that a real Trac 1.6 makes of it, in the file ``wikitexts.txt``.

`python -m tests.wikitexts` asks the real Trac again and writes the file anew.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

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


_ODD = re.compile("[\r\x0b\x0c\x85\u2028\\\\]")


def _escaped(text: str) -> str:
    return re.sub(
        "[\r\x0b\x0c\x85\u2028\\\\]", lambda found: found[0].encode("unicode_escape").decode(), text
    )


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
    """Trac's HTML of these texts, at BASE. A link to a place in the text names the place alone."""
    found = [str(site.call("wiki.wikiToHtml", text)) for text in texts]
    return [html.replace(f'"{site.url}#', '"#').replace(site.url, BASE).strip() for html in found]


_TICKETS = {"1": "new ticket", "2": "closed ticket"}
_MISSING = {
    "ticket": "missing ticket",
    "report": "missing report",
    "milestone": "missing milestone",
    "changeset": "missing changeset",
    "source": "missing source",
    "log": "missing source",
}
_SEVERAL = re.compile("[0-9]+[-:,][-:,0-9\u200b]+")


def resolve(link: Link) -> Target | None:
    """Where links lead in the Trac that `prepare` has prepared; it has no repository."""
    path, query, fragment = _split(link.target)
    realm = {"bug": "ticket", "issue": "ticket"}.get(link.realm, link.realm)
    match realm:
        case "ticket" if path in _TICKETS:
            return Target(f"{BASE}/ticket/{path}{query}{fragment}", classes=_TICKETS[path])
        case "ticket" if _SEVERAL.fullmatch(path):
            return Target(f"{BASE}/query?id={quote(path)}")
        case "comment" if path in ("1:ticket:1", "ticket:1:1"):
            return Target(f"{BASE}/ticket/1#comment:1", classes="new ticket")
        case "report" | "milestone" if path in ("1", "milestone1"):
            return Target(f"{BASE}/{realm}/{path}", classes=realm)
        case "milestone":
            return Target(f"{BASE}/milestone/{path}", classes=_MISSING[realm])
        case "wiki":
            page = path.strip("/")
            classes = "wiki" if page == "WikiStart" else "missing wiki"
            return Target(f"{BASE}/wiki/{quote(page)}{query}{fragment}", classes=classes)
        case "search":
            return Target(f"{BASE}/search?q={quote(path)}", classes="search")
        case "" if path.startswith("//"):
            return Target(path[1:])
        case "" if not path.startswith("."):
            return Target(f"{BASE}{path}{query}")
    return Target("", classes=_MISSING[realm]) if realm in _MISSING else None


def _split(target: str) -> tuple[str, str, str]:
    rest, mark, fragment = target.partition("#")
    path, question, query = rest.partition("?")
    return path, question + query, mark + fragment


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
