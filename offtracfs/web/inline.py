"""What has changed within the lines of a comparison, word by word; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby, takewhile
from typing import NamedTuple

MAX_WORDS = 60  # between what two lines share at their ends; difflib's time may grow with their square
MAX_LINES = 3  # among which the one that was changed into another is looked for
MAX_PAIRS = 50  # of lines in one comparison; further ones are shown whole
MIN_ALIKE = 0.4  # of two lines that are one line, changed; less alike, they are two
INDENT = "    "  # before each line of a comparison in a ticket's text
SKIPPED = "…"  # stands for lines that stayed
WORD = re.compile(r"\w+|\s+|.", re.DOTALL)


class Piece(NamedTuple):
    """A part of a line, and whether only this side has it."""

    text: str
    changed: bool


class Line(NamedTuple):
    """A line and what became of it: ``+`` it came, ``-`` it went, a blank: it stayed."""

    mark: str
    pieces: Sequence[Piece]


def unindented(lines: Iterable[str]) -> list[str]:
    """The lines of a comparison (`offtracfs.texts.differences`) as `inline` takes them."""
    found = (line.removeprefix(INDENT) for line in lines)
    return [f"  {line}" if line == SKIPPED else line for line in found]


def inline(lines: Iterable[str]) -> Iterator[Line]:
    """Lines with "- ", "+ " or two blanks in front, as lines that show which words have changed.

    A line that came is compared with the one that went in its place, where there is one that is alike.
    """
    went: list[str] = []
    for mark, group in groupby(lines, lambda line: line[:1]):
        texts = [line[2:] for line in group]
        if mark == "-":
            went = texts
            continue
        yield from _changed(went, texts if mark == "+" else [])
        went = []
        if mark != "+":
            yield from (Line(" ", [Piece(text, changed=False)]) for text in texts)
    yield from _changed(went, [])


def _changed(went: Sequence[str], came: Sequence[str]) -> Iterator[Line]:
    old: dict[int, list[Piece]] = {}
    new: dict[int, list[Piece]] = {}
    for place, other in _pairs(went, came):
        old[place], new[other] = _pieces(went[place], came[other])
    yield from (Line("-", old.get(place, [Piece(text, changed=False)])) for place, text in enumerate(went))
    yield from (Line("+", new.get(place, [Piece(text, changed=False)])) for place, text in enumerate(came))


def _pairs(went: Sequence[str], came: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Which line came in which one's place: the first that is alike, behind those that are paired already."""
    start = 0
    for place, text in enumerate(came[:MAX_PAIRS]):
        for other in range(start, min(len(went), start + MAX_LINES)):
            matcher = SequenceMatcher(None, WORD.findall(went[other]), WORD.findall(text))
            if matcher.quick_ratio() >= MIN_ALIKE:
                yield other, place
                start = other + 1
                break


def _pieces(old: str, new: str) -> tuple[list[Piece], list[Piece]]:
    """Two lines in pieces."""
    before, after = WORD.findall(old), WORD.findall(new)
    begin = _same(before, after)
    end = _same(before[begin:][::-1], after[begin:][::-1])
    middles = before[begin : len(before) - end], after[begin : len(after) - end]
    found: Sequence[tuple[str, int, int, int, int]] = [("replace", 0, len(middles[0]), 0, len(middles[1]))]
    if max(map(len, middles)) <= MAX_WORDS:
        found = SequenceMatcher(None, *middles, autojunk=False).get_opcodes()
    first, last = before[:begin], before[len(before) - end :]
    went = [(first, False), *((middles[0][a:b], tag != "equal") for tag, a, b, _, _ in found), (last, False)]
    came = [(first, False), *((middles[1][c:d], tag != "equal") for tag, _, _, c, d in found), (last, False)]
    return _joined(went), _joined(came)


def _same(before: Sequence[str], after: Sequence[str]) -> int:
    """How many words two lines share at their beginnings."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))


def _joined(pieces: Iterable[tuple[Sequence[str], bool]]) -> list[Piece]:
    return [Piece("".join(words), changed) for words, changed in pieces if words]
