"""``[[Macro(arguments)]]``: those that people use in tickets. All others are shown as they were written."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from offtracfs.wiki.links import creole
from offtracfs.wiki.nodes import SCHEMES, Anchor, Break, Link, Outline
from offtracfs.wiki.processors import HIDDEN

_ANCHOR = re.compile(r"=#(?P<name>[\w:](?<!\d)[\w:.-]*)(?:\|\s*(?P<label>[^\]]*))?")
_MACRO = re.compile(r"(?P<name>[\w/+-]+)(?:\((?P<arguments>.*)\))?")
_ARGUMENT = re.compile(r"""(?:[^,"']|"[^"]*"|'[^']*')+""")
_PART = re.compile(r"""(?:[^:"']|"[^"]*"|'[^']*')+""")
_NAMED = re.compile(r"(?:alt|title)=[\"']?(.+?)[\"']?")
MAX_LEVEL = 6


def macro(match: re.Match[str]) -> Break | Outline | Link | Anchor | str:
    """What stands in double brackets: a macro, an anchor or a link."""
    content, source = match[1], match[0]
    if found := _ANCHOR.fullmatch(content):
        return Anchor(found["name"], [found["label"]] if found["label"] else [])
    if found := _MACRO.fullmatch(content):
        name, arguments = found["name"], found["arguments"]
        if name.lower() == "br":
            return Break()
        if make := _MACROS.get(name):
            return make([each.strip() for each in _ARGUMENT.findall(arguments or "")], source)
        if arguments is not None:
            return "" if name in HIDDEN else source
    return creole(content, source)


def _outline(arguments: list[str], source: str) -> Outline:
    """``[[PageOutline(2-3, Contents, inline, unnumbered)]]``; each argument may be left out."""
    levels, title, *style = [*arguments, "", ""]
    first, dash, last = levels.partition("-")
    return Outline(
        title=title,
        first=_level(first, 1),
        last=_level(last, MAX_LEVEL) if dash or not first else _level(first, MAX_LEVEL),
        pullout="inline" not in style,
        numbered="unnumbered" not in style,
    )


def _level(text: str, otherwise: int) -> int:
    return min(max(int(text), 1), MAX_LEVEL) if re.fullmatch(r"\s*[0-9]{1,3}\s*", text) else otherwise


def _image(arguments: list[str], source: str) -> Link | str:
    """``[[Image(ticket:3:a.png, 50%)]]``: a link to the file, since images would be loaded from elsewhere."""
    if not arguments:
        return ""
    place, *options = arguments
    place = place.strip("\"'")
    label = next((found[1] for each in options if (found := _NAMED.fullmatch(each))), "")
    scheme, _, rest = place.partition(":")
    if scheme in SCHEMES:
        return Link(scheme, rest, label or PurePosixPath(rest.partition("?")[0]).name or place, source)
    if place.startswith("/"):
        return Link("", place, label or PurePosixPath(place).name, source)
    *where, name = [part.strip("\"'") for part in _PART.findall(place)] or [place]
    if where in (["source"], ["htdocs"]):
        return Link(where[0], name, label or PurePosixPath(name).name, source)
    if len(where) == 1:
        where = ["ticket", where[0][1:]] if where[0].startswith("#") else ["wiki", where[0]]
    return Link("attachment", ":".join([name, *where]), label or name, source)


_MACROS = {"PageOutline": _outline, "TOC": _outline, "Image": _image}
