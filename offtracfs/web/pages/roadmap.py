"""The roadmap: milestones, those that are due next first, and how far each is."""

from __future__ import annotations

import re
from operator import itemgetter
from typing import Any

from offtracfs.index import counts
from offtracfs.index.counts import Progress
from offtracfs.records import SECOND
from offtracfs.web.page import Asked, Data, Page
from offtracfs.web.values import progress_data, time_data

MAX_OTHERS = 100  # names that have no record
COLUMNS = "name, due, completed, description"


def view(asked: Asked) -> Data:
    """The milestones as they stood: those of the records, and what else tickets have for one."""
    progress = counts.progress(asked.reader, "milestone", asked.revision)
    rows = {row[0]: row for row in counts.records(asked.reader, "milestone", COLUMNS, asked.revision)}
    found = [
        {"name": name, **progress_data(progress.get(name, Progress())), **dates(asked, rows.get(name))}
        for name in {**rows, **dict.fromkeys(progress)}
        if name
    ]
    groups: dict[str, list[Data]] = {"open": [], "completed": [], "later": [], "others": []}
    for milestone in sorted(found, key=_due):
        groups[_group(milestone, known=milestone["name"] in rows)].append(milestone)
    groups["completed"].sort(key=itemgetter("completed"), reverse=True)
    others = groups["others"]
    return groups | {
        "others": others[:MAX_OTHERS],
        "others_left": len(others[MAX_OTHERS:]),
        "without": progress_data(progress.get("", Progress())),
    }


def _group(milestone: Data, *, known: bool) -> str:
    """Under which heading a milestone stands.

    The past of the records begins with the first sync: so they tell of milestones that were made, and
    completed, after the moment. One that had no ticket yet is among the `later` ones.
    """
    if not known:
        return "others"
    if milestone["is_completed"]:
        return "completed"
    return "later" if milestone["completed"] and not (milestone["open"] or milestone["closed"]) else "open"


def dates(asked: Asked, row: Any) -> Data:
    """What the record of a milestone says, its columns being `COLUMNS`; None is one that has no record.

    `is_completed` says whether it was so at the moment. It is late where it was due before the moment's last
    change, and not completed by then.
    """
    _, due, completed, description = row or ("", 0, 0, "")
    now = asked.revision.committed * SECOND
    is_completed = bool(completed) and completed <= now
    return {
        "due": time_data(due),
        "completed": time_data(completed),
        "is_completed": is_completed,
        "late": bool(due) and not is_completed and due < now,
        "description": description or "",
    }


def _due(milestone: Data) -> Any:
    """Those with a date first, in its order; then by name, numbers in it as numbers."""
    parts = re.split(r"([0-9]+)", milestone["name"].casefold())
    natural = [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
    return not milestone["due"], milestone["due"], natural


PAGE = Page("roadmap", "/roadmap", view, "Milestones, and how far each is.", label="Roadmap")
