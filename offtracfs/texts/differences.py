"""Long texts, before and after: the lines that went and came, with some that stayed around them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from difflib import SequenceMatcher

from offtracfs.texts.escapes import indented

CONTEXT = 1  # lines that stayed, on each side of those that did not
MAX_PRODUCT = 250_000  # changed lines before times those after; of more, all are shown
STAYED, WENT, CAME = "      ", "    - ", "    + "
SKIPPED = "    …"


def differences(old: str, new: str) -> Iterator[str]:
    """The lines of a comparison, some at a time, each with ``- ``, ``+ `` or two blanks in front, indented.

    Line ends are not compared, the last one included. The time is in proportion to the length of the texts,
    whatever they hold.
    """
    before, after = (_whole_lines(text.replace("\r\n", "\n")) for text in (old, new))
    start, end = _same_ends(before, after)
    above = before[:start].rsplit("\n", CONTEXT + 1)[-1 - CONTEXT : -1]
    below = before[len(before) - end :].split("\n", CONTEXT)[:-1]
    went, came = before[start : len(before) - end], after[start : len(after) - end]
    if went.count("\n") * came.count("\n") <= MAX_PRODUCT:
        yield from _compared(*([*above, *_lines(text), *below] for text in (went, came)))
    else:
        for mark, lines in ((STAYED, above), (WENT, _lines(went)), (CAME, _lines(came)), (STAYED, below)):
            yield from _marked(mark, lines)


def _compared(before: list[str], after: list[str]) -> Iterator[str]:
    # difflib's time may grow with the cube of the length; that it passes over lines which come very often,
    # in long texts, bounds it: the worst case of this product takes 0.2 s.
    matcher = SequenceMatcher(None, before, after, autojunk=True)
    for place, group in enumerate(matcher.get_grouped_opcodes(CONTEXT)):
        if place:
            yield SKIPPED
        for tag, a, b, c, d in group:
            if tag == "equal":
                yield from _marked(STAYED, before[a:b])
            else:
                yield from _marked(WENT, before[a:b])
                yield from _marked(CAME, after[c:d])


def _whole_lines(text: str) -> str:
    return text if not text or text[-1] == "\n" else f"{text}\n"


def _lines(text: str) -> list[str]:
    return text.split("\n")[:-1]


def _marked(mark: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield indented("\n".join(lines), mark)


def _same_ends(before: str, after: str) -> tuple[int, int]:
    """How many characters two texts share at their beginnings, and behind that at their ends: whole lines."""
    shortest = min(len(before), len(after))
    start = before.rfind("\n", 0, _most(shortest, lambda n: before.startswith(after[:n]))) + 1
    end = _most(shortest - start, lambda n: before.endswith(after[len(after) - n :]))
    if end and not all(_is_line(text, len(text) - end, start) for text in (before, after)):
        end = len(before) - before.index("\n", len(before) - end) - 1
    return start, end


def _is_line(text: str, place: int, start: int) -> bool:
    """Whether a line begins at a place; one does at `start`."""
    return place == start or text[place - 1] == "\n"


def _most(limit: int, holds: Callable[[int], bool]) -> int:
    """The greatest number up to `limit` for which something holds that holds for 0 and all up to that."""
    return bisect_left(range(limit), True, key=lambda number: not holds(number + 1))
