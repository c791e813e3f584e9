"""Which directories the kernel may list by itself, from the listing that it keeps.

A listing holds names alone. The kernel gets each name with the file's attributes when we list it, and then
keeps these as long as they are good and it has memory to spare. A listing whose names it does not know any
more is worse than none: one `ls -l` of 10,000 tickets would ask for each of them (LOOKUP), which takes ten
times as long as to list them anew. So it may use a listing only as long as it knows nearly all of the names.
"""

from __future__ import annotations

from typing import NamedTuple

import trio

MAX_MISSED = 100  # names that the kernel may have to ask for, one by one


class _Given(NamedTuple):
    moment: float  # by trio's clock
    missed: int


class Listings:
    """When the kernel was given what directories list; it knows the names for `max_age` seconds from then on.

    `missed` counts the signs that it knows some no more: the inodes that it gives back (FORGET), and the
    names that it asks for (LOOKUP). They do not tell of which directory, so any may have lost them.
    """

    def __init__(self, max_age: float) -> None:
        self._max_age = max_age
        self._given: dict[int, _Given] = {}
        self.missed = 0

    def give(self, directory: int) -> None:
        """The kernel is given what a directory lists, from the beginning on."""
        self._given[directory] = _Given(trio.current_time(), self.missed)

    def are_known(self, directory: int) -> bool:
        """Whether the kernel still knows nearly all names that it was given of a directory."""
        given = self._given.get(directory)
        return (
            given is not None
            and trio.current_time() - given.moment < self._max_age
            and self.missed - given.missed <= MAX_MISSED
        )

    def forget(self, directory: int) -> None:
        """The kernel does not know a directory any more."""
        self._given.pop(directory, None)
