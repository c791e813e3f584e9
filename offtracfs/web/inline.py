"""What has changed within the lines of a comparison, word by word; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby, zip_longest
from typing import NamedTuple

MAX_WORDS = 400  # of a line that is compared word by word: difflib's time may grow with their square
MIN_ALIKE = 0.4  # of two lines that are one line, changed; less alike, they are two
WORD = re.compile(r"\w+|\s+|.", re.DOTALL)


class Piece(NamedTuple):
    """A part of a line, and whether only this side has it."""

    text: str
    changed: bool


class Line(NamedTuple):
    """A line and what became of it: ``+`` it came, ``-`` it went, a blank: it stayed."""

    mark: str
    pieces: Sequence[Piece]


def inline(lines: Iterable[str]) -> Iterator[Line]:
    """Lines with "- ", "+ " or two blanks in front, as lines that show which words have changed.

    A line that went is compared with the one that came in its place: the first with the first, and so on.
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
    pairs = [_pieces(old, new) for old, new in zip_longest(went, came)]
    yield from (Line("-", old) for old, _ in pairs[: len(went)])
    yield from (Line("+", new) for _, new in pairs[: len(came)])


def _pieces(old: str | None, new: str | None) -> tuple[list[Piece], list[Piece]]:
    """Two lines in pieces. One that has nothing to be compared with is one piece, which has not changed."""
    if old is not None and new is not None:
        words = WORD.findall(old), WORD.findall(new)
        if max(map(len, words)) <= MAX_WORDS:
            matcher = SequenceMatcher(None, *words, autojunk=False)
            if matcher.ratio() >= MIN_ALIKE:
                found = matcher.get_opcodes()
                return (
                    [Piece("".join(words[0][a:b]), tag != "equal") for tag, a, b, _, _ in found if a < b],
                    [Piece("".join(words[1][c:d]), tag != "equal") for tag, _, _, c, d in found if c < d],
                )
    return [Piece(old or "", changed=False)], [Piece(new or "", changed=False)]
