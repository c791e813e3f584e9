"""What is read from HTML: titles, the form that asks for a password, and text areas.

A page may come from anyone, and be as long as an answer may be. So everything here takes time in proportion
to the length of the page. (Python's own HTML parser takes the square of it for ``<a<a<a…``.) No pattern reads
beyond the next ``<``: where that begins no tag, Trac's templates write it as ``&lt;``.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TITLE = re.compile(r"<title(?:\s[^<>]*)?>([^<]*)", re.IGNORECASE)
_TAG = re.compile(r"<!--|-->|<(/?(?:form|input|script|textarea))(?=[\s/>])([^<>]*)>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([^\s"'>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")
_ENDS = {"<!--": "-->", "script": "/script", "textarea": "/textarea"}
"""Start → end of the parts of a page in which tags are just text."""


@dataclass(slots=True)
class Form:
    """One form: its target as written, its inputs with their values, and the names of two of them."""

    action: str
    values: dict[str, str] = field(default_factory=dict)
    user: str = ""
    password: str = ""

    def add(self, attributes: dict[str, str]) -> None:
        """Take an input into account, by its attributes."""
        name = attributes.get("name", "")
        match attributes.get("type", "text").lower():
            case "password":
                self.password = name
            case "hidden" if name:
                self.values[name] = attributes.get("value", "")
            case "text" | "email" if not self.user:
                self.user = name


def _tags(page: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Each form, input and text area: which of them it is, its attributes, and a text area's text."""
    end, begun = "", None
    for found in _TAG.finditer(page):
        name = (found[1] or found[0]).lower()
        if begun:
            if name == end:
                if end == "/textarea":
                    yield "textarea", _attributes(begun[2]), _unescaped(page[begun.end() : found.start()])
                begun = None
        elif name in _ENDS:
            end, begun = _ENDS[name], found
        elif name in ("form", "input"):
            yield name, _attributes(found[2]), ""


def _attributes(text: str) -> dict[str, str]:
    return {
        name.lower(): _unescaped(double or single or bare)
        for name, double, single, bare in _ATTRIBUTE.findall(text)
    }


def _unescaped(text: str) -> str:
    try:
        return html.unescape(text)
    except ValueError:  # a character whose number has thousands of digits
        return text


def title(page: str) -> str | None:
    """The title of a page, None where it has none."""
    found = _TITLE.search(page)
    return _unescaped(found[1]) if found else None


def login_form(page: str) -> Form | None:
    """The form of a page that asks for a user and a password, None where there is none."""
    forms: list[Form] = []
    for name, attributes, _ in _tags(page):
        if name == "form":
            forms.append(Form(attributes.get("action", "")))
        elif name == "input" and forms:
            forms[-1].add(attributes)
    return next((form for form in forms if form.user and form.password), None)


def text_areas(page: str) -> dict[str, str]:
    """The text in each text area of a page, by name, with line feeds for line ends.

    The line feed right after the start tag is not part of the text (HTML's own rule). A text area without an
    end is left out: the page was cut short.
    """
    return {
        attributes["name"]: text.replace("\r\n", "\n").removeprefix("\n")
        for name, attributes, text in _tags(page)
        if name == "textarea" and attributes.get("name")
    }
