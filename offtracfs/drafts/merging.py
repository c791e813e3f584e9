"""Two changes of one ticket, put together field by field. Pure, but that git merges long texts by lines."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from offtracfs.drafts.forms import TRACKER, YOURS, Conflict
from offtracfs.records import LOST_IN_XML
from offtracfs.text import lines

LISTS = {"cc", "keywords"}  # whose members come and go one by one, whatever a tracker calls them

_APART = re.compile(r"[;,\s]+")


@dataclass(frozen=True, slots=True)
class Merged:
    """What is to be sent, and what somebody has to decide.

    `shown` are the values that the ticket has with both changes: that of the tracker where there is a
    conflict, or both sides between marks in a long text.
    """

    send: dict[str, str] = field(default_factory=dict)
    conflicts: dict[str, Conflict] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)


def same(one: str, other: str) -> bool:
    """Whether Trac stores two texts as one: line ends, and what is white at the ends, make no difference."""
    return one == other or normal(one) == normal(other)


def normal(text: str) -> str:
    """A text as it comes back from a Trac, over whichever protocol."""
    return LOST_IN_XML.sub("\ufffd", lines(text)).strip()


def members(text: str) -> list[str]:
    """The members of a list such as a ticket's cc or keywords, each once."""
    return list(dict.fromkeys(filter(None, _APART.split(text))))


def merge(
    base: Mapping[str, str],
    mine: Mapping[str, str],
    theirs: Mapping[str, str],
    *,
    lists: Collection[str] = (),
    long: Collection[str] = (),
) -> Merged:
    """What becomes of the values in `mine`, which were made from `base`, on top of `theirs`.

    What both have is left out; what only one has changed is as that one has it. Of `lists`, members are added
    and taken away on their own, and of texts in `long`, lines are. Anything else is a conflict.
    """
    merged = Merged()
    for name, value in mine.items():
        old, now = base.get(name, ""), theirs.get(name, "")
        if same_value(value, now, listed=name in lists) or same_value(value, old, listed=name in lists):
            continue
        if same_value(old, now, listed=name in lists):
            wanted = value
        elif name in lists:
            wanted = merged_list(old, value, now)
        elif name in long:
            wanted, clean = merged_lines(old, value, now)
            if not clean:
                merged.conflicts[name] = Conflict(now, value)
                merged.shown[name] = wanted
                continue
        else:
            merged.conflicts[name] = Conflict(now, value)
            continue
        if not same(wanted, now):
            merged.send[name] = merged.shown[name] = wanted
    return merged


def same_value(one: str, other: str, *, listed: bool) -> bool:
    """Whether two values of a field say the same; of a list, members are compared."""
    return same(one, other) or (listed and members(one) == members(other))


def merged_list(base: str, mine: str, theirs: str) -> str:
    """The members of `theirs`, without those that `mine` took from `base`, and with those that it added."""
    before, after, now = members(base), members(mine), members(theirs)
    kept = [name for name in now if name in after or name not in before]
    added = [name for name in after if name not in before and name not in kept]
    comma = "," in mine + theirs or not (kept and " " in theirs.strip())
    return (", " if comma else " ").join(kept + added)


def merged_lines(base: str, mine: str, theirs: str) -> tuple[str, bool]:
    """The lines of both, and whether they could be put together; else git's marks are around those of each.

    The lines end as those of `theirs` do.
    """
    crlf = "\r\n" in theirs
    with TemporaryDirectory(prefix="offtracfs-") as directory:
        files = [Path(directory, name) for name in ("mine", "base", "theirs")]
        for file, text in zip(files, (mine, base, theirs), strict=True):
            file.write_bytes(f"{lines(text).rstrip()}\n".encode(errors="surrogatepass"))
        labels = [part for label in (YOURS, "base", TRACKER) for part in ("-L", label)]
        done = subprocess.run(
            ["git", "merge-file", "--stdout", *labels, *map(str, files)], capture_output=True, check=False
        )
    text = done.stdout.decode(errors="surrogatepass").removesuffix("\n")
    return text.replace("\n", "\r\n") if crlf else text, done.returncode == 0
