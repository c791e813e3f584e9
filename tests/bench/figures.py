"""What was measured, beside what it is measured by; and the table of it."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

MB = 1e6
UNITS = {  # digits; what follows a number
    "s": (2, "s"),
    "ms": (1, "ms"),
    "µs": (0, "µs"),
    "MB": (0, "MB"),
    "/s": (0, "/s"),
    "times": (2, ""),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement. With a `reference`, `most` is how many times that it may be; else what it may be.

    `growth` in place of both: how many times the same figure at the smallest size it may be, sizes below
    `base` not counted. `least` is what it must be, whatever the reference.
    """

    tickets: int
    what: str
    value: float
    unit: str  # one of UNITS, or "" for a count
    against: str = ""  # what the reference is
    reference: float | None = None
    most: float | None = None
    growth: float | None = None
    base: int = 0  # tickets
    least: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times the reference it is."""
        return self.value / self.reference if self.reference else None

    @property
    def met(self) -> bool | None:
        """Whether it is what it should be; None where nothing is asked of it."""
        if self.least is not None:
            return self.value >= self.least
        compared = self.value if self.reference is None else self.ratio
        return None if self.most is None or compared is None else compared <= self.most


def against_smallest(figures: Iterable[Figure]) -> Iterator[Figure]:
    """The figures, those with a `growth` beside the same at the smallest number of tickets."""
    smallest: dict[str, Figure] = {}
    for figure in figures:
        first = smallest.setdefault(figure.what, figure) if figure.tickets >= figure.base else figure
        if figure.growth and first is not figure:
            figure = replace(
                figure,
                against=f"the same at {first.tickets:,} tickets",
                reference=first.value,
                most=figure.growth,
            )
        yield figure


def table(figures: Iterable[Figure]) -> str:
    """A Markdown table, what was measured of one thing together."""
    groups: dict[str, list[Figure]] = {}
    for figure in figures:
        groups.setdefault(figure.what, []).append(figure)
    lines = ["| What | Tickets | Measured | Reference | Ratio | Wanted | |", "|---|--:|--:|---|--:|--:|---|"]
    lines += [line(figure) for group in groups.values() for figure in group]
    return "\n".join(lines) + "\n"


def line(figure: Figure) -> str:
    """A row of the table."""
    ratio, reference = "", ""
    wanted = "" if figure.most is None else f"≤ {_number(figure.most, figure.unit)}"
    if figure.reference is not None:
        ratio = _number(figure.ratio, "times")
        reference = f"{_number(figure.reference, figure.unit)} {figure.against}"
        wanted = "" if figure.most is None else f"≤ × {figure.most:g}"
    if figure.least is not None:
        wanted = f"≥ {_number(figure.least, figure.unit)}"
    verdict = {True: "met", False: "**missed**", None: ""}[figure.met]
    measured = _number(figure.value, figure.unit)
    cells = (figure.what, f"{figure.tickets:,}", measured, reference, ratio, wanted, verdict)
    return f"| {' | '.join(cells)} |"


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    digits, shown = UNITS.get(unit, (0, ""))
    return f"{value:,.{digits}f} {shown}".strip()


def machine() -> list[str]:
    """What the figures come from, in a few lines."""
    described = (line.split(":") for line in Path("/proc/cpuinfo").read_text().splitlines())
    model = dict(pair for pair in described if len(pair) == 2).get("model name\t", platform.machine()).strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    fuse = subprocess.run(["fusermount3", "--version"], capture_output=True, text=True, check=True)
    return [
        f"{model}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GB",
        f"{platform.freedesktop_os_release().get('PRETTY_NAME', 'Linux')}, kernel {platform.release()}",
        f"Python {platform.python_version()}, git {git}, libfuse {fuse.stdout.split()[-1]},"
        f" pyfuse3 {version('pyfuse3')}, pygit2 {version('pygit2')}",
    ]
