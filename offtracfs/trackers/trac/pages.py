"""What is read from HTML: the form that asks for a password, and text areas."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass(slots=True)
class Form:
    """One form: its target as written, its inputs with their values, and the names of two of them."""

    action: str
    values: dict[str, str] = field(default_factory=dict)
    user: str = ""
    password: str = ""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.areas: dict[str, str] = {}
        self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        name = values.get("name", "")
        if tag == "form":
            self.forms.append(Form(values.get("action", "")))
        elif tag == "textarea" and name:
            self._area = name
            self.areas[name] = ""
        elif tag == "input" and name and self.forms:
            self._input(self.forms[-1], name, values)

    def _input(self, form: Form, name: str, values: dict[str, str]) -> None:
        match values.get("type", "text").lower():
            case "password":
                form.password = name
            case "hidden":
                form.values[name] = values.get("value", "")
            case "text" | "email" if not form.user:
                form.user = name

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.areas[self._area] += data


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader


def login_form(html: str) -> Form | None:
    """The form of a page that asks for a user and a password, None where there is none."""
    forms = (form for form in _read(html).forms if form.user and form.password)
    return next(forms, None)


def text_areas(html: str) -> dict[str, str]:
    """The text in each text area of a page, by name, with line feeds for line ends.

    The line feed right after the start tag is not part of the text (HTML's own rule).
    """
    return {name: text.replace("\r\n", "\n").removeprefix("\n") for name, text in _read(html).areas.items()}
