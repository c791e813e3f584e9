r"""What stands within a line: a scanner that gives its tokens from left to right.

Each construct is a `Rule` in a table, found by its first character. Where several could begin at one place,
Trac's order decides. An ``!`` before a construct makes it text.

Time is linear in the line's length: a rule whose closing characters do not follow any more is not tried,
names and schemes have a greatest length, and no pattern looks twice at what it passed over in vain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase, digits
from typing import NamedTuple, TypeAlias

from offtracfs.wiki.links import (
    LABEL,
    QUOTED,
    RELATIVE,
    SCHEME,
    bracketed,
    interproject,
    label_of,
    unquoted,
)
from offtracfs.wiki.macros import macro
from offtracfs.wiki.nodes import Alignment, Anchor, Break, Code, Inline, Link, Outline
from offtracfs.wiki.processors import PARAMETER, classes, parameters


@dataclass(frozen=True, slots=True)
class Toggle:
    """Where a font style begins or ends, by its mark, such as ``'''``."""

    mark: str


@dataclass(frozen=True, slots=True)
class CellStart:
    """``||``: where a cell of a table begins, or the last one ends."""

    columns: int  # that the cell spans; 0: no cell begins here
    header: bool = False
    alignment: Alignment = ""
    continued: bool = False  # the row goes on in the next line


@dataclass(frozen=True, slots=True)
class RowStart:
    """``|-``: where a row of a table begins."""

    classes: tuple[str, ...] = ()


Token: TypeAlias = Inline | Outline | Toggle | CellStart | RowStart
_Make: TypeAlias = Callable[[re.Match[str]], Token | tuple[Token, ...]]


class Rule(NamedTuple):
    """A construct: what it looks like, what it means, and what must follow somewhere in its line."""

    pattern: re.Pattern[str]
    make: _Make
    closer: str


def tokens(line: str) -> Iterator[Token]:
    """The tokens of a line."""
    closers: dict[str, int] = {}  # where in the line each closer stands last
    start = position = 0  # of the text that was not yet given; of what is looked at next
    while found := _OPENER.search(line, position):
        opener = found.start()
        escaped = line[opener] == "!"
        construct = _construct(line, opener + escaped, closers)
        if construct is None:
            position = opener + 1
            continue
        rule, match = construct
        position = match.end()
        if opener > start:
            yield line[start:opener]
        if escaped:
            yield match[0]
        elif isinstance(meaning := rule.make(match), tuple):
            yield from meaning
        else:
            yield meaning
        start = position
    if start < len(line):
        yield line[start:]


def _construct(line: str, start: int, closers: dict[str, int]) -> tuple[Rule, re.Match[str]] | None:
    """The construct that begins at `start`."""
    for rule in _RULES.get(line[start : start + 1], _UNLISTED):
        closer = rule.closer
        if closer not in closers:
            closers[closer] = line.rfind(closer)
        if closers[closer] >= start and (match := rule.pattern.match(line, start)):
            return rule, match
    return None


def _link(realm: str) -> _Make:
    return lambda match: Link(realm, match[1], match[0], match[0])


def _shorthand(realm: str) -> _Make:
    """``#42``, and with the prefix of another project ``#T42``."""

    def make(match: re.Match[str]) -> Token:
        if match["project"]:
            return interproject(match["project"], f"{realm}:{match['target']}", match[0])
        return Link(realm, match["target"], match[0], match[0])

    return make


def _typed_link(match: re.Match[str]) -> Token:
    return Link(match["realm"], unquoted(match["target"]), match[0], match[0])


def _angled_link(match: re.Match[str]) -> tuple[Token, ...]:
    source = match[0][1:-1]
    return "<", Link(match["realm"], unquoted(match["target"]), source, source), ">"


def _bracketed_link(match: re.Match[str]) -> Token:
    return bracketed(match["relative"], match["realm"], match["target"], match["label"], match[0])


def _page_link(match: re.Match[str]) -> Token:
    page = unquoted(match["page"])
    return Link("wiki", page, unquoted((match["label"] or "").strip()) or label_of(page), match[0])


def _anchor(match: re.Match[str]) -> Token:
    return Anchor(match["name"], [match["label"]] if match["label"] else [])


def _row(match: re.Match[str]) -> Token:
    return RowStart(classes(parameters(match[0])))


def _cell(match: re.Match[str]) -> Token:
    separator, last = match["separator"], match["last"]
    columns, header = separator.count("|") // 2, separator.endswith("=")
    if last is None:
        return CellStart(columns, header, _alignment(match.string, match.end()))
    return CellStart(columns - 1, header, continued=last.endswith("\\"))


MAX_LOOK = 2_000  # characters of a cell that has an alignment
_NEXT_CELL = re.compile(r"([^!])=?\|\|")


def _alignment(line: str, start: int) -> Alignment:
    """The alignment of the cell whose text begins at `start`: spaces tell at which sides it has room."""
    following = _NEXT_CELL.search(line, start, start + MAX_LOOK)
    left = start < len(line) and line[start] != " "
    right = following is not None and following[1] != " "
    if left != right:
        return "left" if left else "right"
    if not left and following and start + 1 < following.start() - 1:
        return "center" if line[start + 1] == line[following.start() - 1] == " " else ""
    return ""


# The letters of the scripts, from Latin to Armenian, that have capitals.
_CAPITALS = "".join(filter(str.isupper, map(chr, range(0x590))))
_SMALL = "".join(filter(str.islower, map(chr, range(0x590))))

_FRAGMENT = r"#[\w:](?<!\d)(?:[\w:.-]*[\w-])?"
_PAGE = rf"(?:[{_CAPITALS}][{_SMALL}]+/?){{2,}}(?:@[0-9]+)?(?:{_FRAGMENT})?(?=:(?:\Z|\s)|[^:\w]|\Z)"
_TARGET = r"[\w/?!#@](?<!_)(?:(?:[^|<>\s]|\|(?=[^|\s]))*[\w/=](?<!_))?"
_EMAIL = r"[a-zA-Z0-9.'+_-]{1,64}@(?:[a-zA-Z0-9_-]{1,63}\.)+[a-zA-Z](?:[-a-zA-Z\d]{0,62}[a-zA-Z\d])?"
_PROJECT = r"[a-zA-Z.+-]{0,32}?"
_RANGES = "[0-9]+(?:[-:][0-9]+)?(?:,\u200b?[0-9]+(?:[-:][0-9]+)?)*"
_REVISION = r"(?:[0-9]+|[a-fA-F0-9]{8,40})"
_REVISIONS = rf"(?:{_RANGES}|{_REVISION}(?:[:-]{_REVISION})?)"
_WITHIN = r"(?:/[a-zA-Z0-9_/+-]+)?"
_NAME = r"[\w:](?<!\d)[\w:.-]*"


def _rule(pattern: str, make: _Make, closer: str = "") -> Rule:
    return Rule(re.compile(pattern), make, closer)


def _mark(pattern: str) -> Rule:
    return _rule(pattern, lambda match: Toggle(match[0]))


_CELL = _rule(r"(?P<separator>=?(?:\|\|)+=?)(?P<last>\s*\\?$)?", _cell, "||")
_MAIL = _rule(f"({_EMAIL})", _link("mailto"), "@")
_PAGE_NAME = _rule(rf"(?<![\w/])((?:\.{{0,2}}/){{0,9}}+{_PAGE})", _link("wiki"))
_TYPED = _rule(rf"(?P<realm>{SCHEME}):(?P<target>{SCHEME}:(?:{QUOTED})|{QUOTED}|{_TARGET})", _typed_link, ":")

_BRACKETS = [
    _rule(
        rf"\[(?P<project>{_PROJECT}\s*)(?P<target>{_REVISION}(?:[/?#][^\]]*)?)\]",
        _shorthand("changeset"),
        "]",
    ),
    _rule(rf"\[(?P<project>{_PROJECT}\s*)(?P<target>{_REVISIONS}(?:[/?][^\]]*)?)\]", _shorthand("log"), "]"),
    _rule(rf"\[(?P<page>{_PAGE})\s+(?P<label>{LABEL})\]", _page_link, "]"),
    _rule(rf"\[(?P<page>{QUOTED})(?:\s+(?P<label>{LABEL}))?\]", _page_link, "]"),
    _rule(
        rf"\[(?:(?P<relative>{RELATIVE})"
        rf"|(?P<realm>{SCHEME}):(?P<target>{SCHEME}:(?:{QUOTED})|{QUOTED}|[^\]\s\u200b]*))"
        rf"(?:[\s\u200b]+(?P<label>{LABEL})?)?\]",
        _bracketed_link,
        "]",
    ),
    _rule(rf"\[=#(?P<name>{_NAME})(?:\s+(?P<label>[^\]]*))?\]", _anchor, "]"),
    _rule(r"\[\[((?:[^]]|\][^]])+)\]\]", macro, "]]"),
]

_RULES: dict[str, Sequence[Rule]] = {
    **dict.fromkeys(ascii_lowercase, (_MAIL, _TYPED)),
    **dict.fromkeys(ascii_uppercase, (_PAGE_NAME, _MAIL, _TYPED)),
    **dict.fromkeys(digits, (_MAIL,)),
    "r": [
        _rule(rf"\br([0-9]+\b(?!:[0-9]){_WITHIN})", _link("changeset")),
        _rule(rf"\br({_RANGES}\b{_WITHIN})", _link("log")),
        _MAIL,
        _TYPED,
    ],
    "'": [_mark("'''''|'''|''"), _MAIL],
    "*": [_mark(r"\*\*")],
    "/": [_mark("//"), _PAGE_NAME],
    "_": [_mark("__"), _MAIL],
    "~": [_mark("~~")],
    ",": [_mark(",,")],
    "^": [_mark(r"\^")],
    ".": [_PAGE_NAME, _MAIL],
    "{": [
        _rule(r"\{\{\{(.*?)\}\}\}", lambda match: Code(match[1]), "}}}"),
        _rule(rf"\{{(?P<project>{_PROJECT}\s*)(?P<target>[0-9]+)\}}", _shorthand("report"), "}"),
    ],
    "`": [_rule("`(.*?)`", lambda match: Code(match[1]), "`")],
    "\\": [_rule(r"\\\\", lambda match: Break())],
    "<": [_rule(rf"<(?P<realm>{SCHEME}):(?P<target>[^>]+)>", _angled_link, ">")],
    "#": [_rule(rf"(?<!&)#(?P<project>{_PROJECT})(?P<target>{_RANGES})", _shorthand("ticket"))],
    "[": _BRACKETS,
    "=": [_CELL],
    "|": [_rule(rf"\|-+\s*(?:{PARAMETER}\s*)*", _row), _CELL],
}
_UNLISTED = [_PAGE_NAME]  # letters of other alphabets

# Where a construct may begin. Within a run of letters nothing does, where nothing did at its start.
_OPENER = re.compile(
    r"[!'*/_~,^{`\\<\[=|#.]|(?<![a-zA-Z])[a-zA-Z]|(?<![a-zA-Z0-9])[0-9]|(?<!\w)[^\W\d_a-zA-Z]"
)
