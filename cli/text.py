"""Texts that are safe to print, and numbers as people read them."""

from __future__ import annotations

import re
import shlex

from offtracfs.text import shown

__all__ = ["count", "said", "shown", "size", "waits"]

given_database = ""  # what --db said on the command line of this process, "" where it was not there

_REMEDY = re.compile(r"`offtracfs (?=[a-z])(?!umount )")  # umount needs no database


def said(sentence: str) -> str:
    """A sentence of ours, fit to be printed; the commands that it names are for the database of `--db`.

    ``Try `offtracfs sync`.`` becomes ``Try `offtracfs --db DIR sync`.`` where --db was given.
    """
    if given_database:
        program = f"`offtracfs --db {shlex.quote(given_database)} "
        sentence = _REMEDY.sub(lambda _: program, sentence)
    return shown(sentence)


def count(number: int, thing: str) -> str:
    """``1 ticket``, ``7,852 tickets``."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def size(bytes_: int) -> str:
    """A number of bytes, as ``ls -h`` would say it: ``931 B``, ``2.4 MB``."""
    value, units = float(bytes_), ["B", "kB", "MB", "GB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} {units[0]}" if units[0] == "B" or value >= 100 else f"{value:.1f} {units[0]}"


def waits(tickets: int) -> str:
    """What is said at the end of a mount where that many tickets have drafts."""
    return f"Changes of {count(tickets, 'ticket')} are not in the tracker yet: `offtracfs push` sends them."
