"""The roadmap: milestones, those that are due next first, and how far each is."""

from __future__ import annotations

import re
from typing import Any

from offtracfs.index import counts
from offtracfs.index.counts import Progress
from offtracfs.records import SECOND
from offtracfs.web.page import Asked, Data, Page
from offtracfs.web.values import progress_data, time_data

COLUMNS = "name, due, completed, description"


def view(asked: Asked) -> Data:
    """The milestones as they stood: of the records, and what else tickets have for one."""
    progress = counts.progress(asked.reader, "milestone", asked.revision)
    rows = {row[0]: row for row in counts.records(asked.reader, "milestone", COLUMNS, asked.revision)}
    names = {**rows, **dict.fromkeys(progress)}
    none = progress.get("", Progress())
    found = [_milestone(asked, name, rows.get(name), progress.get(name)) for name in names if name]
    return {
        "milestones": sorted((each for each in found if each["known"] and not each["completed"]), key=_due),
        "completed": sorted(
            (each for each in found if each["completed"]), key=lambda each: each["completed"], reverse=True
        ),
        "others": sorted((each for each in found if not each["known"]), key=_due),
        "without": progress_data(none),
    }


def _milestone(asked: Asked, name: str, row: Any, progress: Progress | None) -> Data:
    shown = {"name": name, "known": row is not None, **progress_data(progress or Progress())}
    return shown | dates(asked, row)


def dates(asked: Asked, row: Any) -> Data:
    """What the record of a milestone says, its columns being `COLUMNS`; None is one that has no record.

    It is late where it was due before the last change of the tracker, and is not completed.
    """
    _, due, completed, description = row or ("", 0, 0, "")
    late = bool(due) and not completed and due < asked.revision.committed * SECOND
    return {
        "due": time_data(due),
        "completed": time_data(completed),
        "late": late,
        "description": description or "",
    }


def _due(milestone: Data) -> Any:
    """Those with a date first, in its order; then by name, numbers in it as numbers."""
    parts = re.split(r"([0-9]+)", milestone["name"].casefold())
    natural = [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
    return not milestone["due"], milestone["due"], natural


PAGE = Page("roadmap", "/roadmap", view, "Milestones, and how far each is.", label="Roadmap")
