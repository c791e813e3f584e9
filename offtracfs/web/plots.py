"""Where the marks of a plot stand, in the units of its SVG; pure. ``templates/plots.html`` draws them.

The numbers themselves stand in a table below each plot, for whoever does not see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

WIDTH, HEIGHT = 720, 220  # of a plot with its labels
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 32  # around what is drawn
MAX_LABELS = 6  # below a plot
STEPS = (1, 2, 5, 10, 20)  # between the lines of a scale, times a power of ten


class Label(NamedTuple):
    """A text at a place along an axis."""

    place: float
    text: str


class Mark(NamedTuple):
    """A point of a plot: the middle of its column, the column's width, and the place of each value."""

    x: float
    width: float
    ys: tuple[float, ...]


@dataclass(frozen=True)
class Plot:
    """A plot: its marks, one for each row of values, the lines of its scale, and the names below it.

    `zero` is the place of the value 0.
    """

    marks: Sequence[Mark]
    lines: Sequence[Label]
    names: Sequence[Label]
    zero: float

    @property
    def line(self) -> str:
        """The first value of all marks as an SVG path."""
        return "M" + "L".join(f"{mark.x:.1f} {mark.ys[0]:.1f}" for mark in self.marks)

    @property
    def area(self) -> str:
        """The path of what is between `line` and zero."""
        first, last = self.marks[0], self.marks[-1]
        return f"{self.line}L{last.x:.1f} {self.zero:.1f}L{first.x:.1f} {self.zero:.1f}Z"


def plot(names: Sequence[str], *values: Sequence[int]) -> Plot:
    """A plot of one or more rows of values, each as long as `names`; values below 0 go down."""
    highest, lowest = (limit(0, *(limit(row) for row in values)) for limit in (max, min))
    step = _step(max(highest - lowest, 1))
    top, bottom = -(-highest // step) * step or step, lowest // step * step
    scale = (HEIGHT - TOP - BOTTOM) / (top - bottom)
    width = (WIDTH - LEFT - RIGHT) / len(names)

    def place(value: int) -> float:
        return TOP + (top - value) * scale

    every = -(-len(names) // MAX_LABELS)
    middles = [LEFT + width * (number + 0.5) for number in range(len(names))]
    return Plot(
        [Mark(x, width, tuple(map(place, row))) for x, *row in zip(middles, *values, strict=True)],
        [Label(place(value), f"{abs(value):,}") for value in range(bottom, top + 1, step)],
        [Label(x, name) for x, name in list(zip(middles, names, strict=True))[every // 2 :: every]],
        place(0),
    )


def _step(span: int) -> int:
    """A round number of which four or five make up a span, or a few more."""
    power: int = 10 ** max(len(str(span)) - 2, 0)
    return next(base * power for base in STEPS if base * power * 5 >= span)


def shares(counts: Sequence[int], width: float = 100) -> list[float]:
    """How long a bar is for each count, of a greatest length."""
    most = max(counts, default=0) or 1
    return [round(width * count / most, 2) for count in counts]


def below(counts: Iterable[int]) -> list[int]:
    """Counts that are drawn below zero."""
    return [-count for count in counts]
