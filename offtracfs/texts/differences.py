"""Long texts, before and after: the lines that went and came, with some that stayed around them."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

from offtracfs.texts.escapes import indented

CONTEXT = 1  # lines that stayed, on each side of those that did not
MAX_PRODUCT = 250_000  # lines before times lines after: difflib's time grows with it (0.1 s here)
SKIPPED = "    …"


def differences(old: str, new: str) -> Iterator[str]:
    """The lines of a comparison, each with ``- ``, ``+ `` or two blanks in front, indented."""
    before, after = (text.replace("\r\n", "\n").split("\n") if text else [] for text in (old, new))
    groups = list(_groups(before, after))
    for place, group in enumerate(groups):
        if place:
            yield SKIPPED
        for tag, a, b, c, d in group:
            if tag == "equal":
                yield from (_line("  ", line) for line in before[a:b])
            else:
                yield from (_line("- ", line) for line in before[a:b])
                yield from (_line("+ ", line) for line in after[c:d])


Change = tuple[str, int, int, int, int]


def _groups(before: list[str], after: list[str]) -> Iterator[list[Change]]:
    """As `difflib.SequenceMatcher.get_grouped_opcodes`, in a bounded time."""
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    if len(before) * len(after) <= MAX_PRODUCT:
        yield from matcher.get_grouped_opcodes(CONTEXT)
        return
    same = next(
        (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b),
        min(len(before), len(after)),
    )
    tails = zip(reversed(before[same:]), reversed(after[same:]), strict=False)
    kept = next((n for n, (a, b) in enumerate(tails) if a != b), min(len(before), len(after)) - same)
    yield [
        ("equal", max(same - CONTEXT, 0), same, 0, 0),
        ("replace", same, len(before) - kept, same, len(after) - kept),
        ("equal", len(before) - kept, min(len(before) - kept + CONTEXT, len(before)), 0, 0),
    ]


def _line(mark: str, line: str) -> str:
    return indented(f"{mark}{line}").rstrip()
