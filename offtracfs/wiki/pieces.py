"""Cuts a text into lines, blocks between ``{{{`` and ``}}}``, and citations: lines that begin with ``>``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from offtracfs.wiki.processors import PROCESSOR, parameters

_OPENING = re.compile(rf"\s*\{{\{{\{{(?:{PROCESSOR}|\s*$)")
_PROCESSOR = re.compile(PROCESSOR)


@dataclass(slots=True)
class Fenced:
    """A block between ``{{{`` and ``}}}``: its processor, "" for none, and its lines without their indent."""

    processor: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All the lines."""
        return "".join(f"{line}\n" for line in self.lines)


@dataclass(slots=True)
class Cited:
    """Lines that began with ``>``, and how far the first of them was indented."""

    indent: int
    lines: list[str]


def pieces(lines: Iterable[str]) -> Iterator[str | Fenced | Cited]:
    """What a text consists of. A block that does not end goes on to the end of the text."""
    lines = iter(lines)
    for line in lines:
        following: str | None = line
        if line.lstrip().startswith(">"):
            cited, following = _cited(line, lines)
            yield cited
        if following is not None:
            opening = _opening(following)
            yield _fenced(following, opening, lines) if opening else following


def _opening(line: str) -> re.Match[str] | None:
    return None if "}}}" in line else _OPENING.match(line)


def _cited(first: str, lines: Iterator[str]) -> tuple[Cited, str | None]:
    """A citation, and the line after it, None at the end of the text."""
    cited: list[str] = []
    following = None
    for line in chain([first], lines):
        if not line.lstrip().startswith(">"):
            following = line
            break
        cited.append(line.partition(">")[2])
    if all(not line or line[0] in "> " for line in cited):
        cited = [line.removeprefix(" ") for line in cited]
    return Cited(first.index(">"), cited), following


def _fenced(first: str, opening: re.Match[str], lines: Iterator[str]) -> Fenced:
    """The block that `opening` begins in the line `first`. Blocks within it are a part of its lines."""
    block = Fenced()
    indent = first[: first.index("{")]
    head: re.Match[str] | None = opening if opening["processor"] else None
    depth = 1
    for number, line in enumerate(lines):
        if _opening(line):
            depth += 1
        elif line.strip() == "}}}":
            depth -= 1
            if not depth:
                break
        elif number == 0 and head is None and (head := _PROCESSOR.match(line)):
            indent = head["indent"]
            continue
        block.lines.append(line)
    if head:
        block.processor = head["processor"]
        block.parameters = parameters(head.string[head.end() :])
    if indent and all(not line or line.startswith(indent) for line in block.lines):
        block.lines = [line[len(indent) :] for line in block.lines]
    return block
