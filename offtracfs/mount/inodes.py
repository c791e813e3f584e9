"""Inode numbers of what is not stored: directories, links and report files."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator

import pyfuse3

from offtracfs.reports.outputs import Output
from offtracfs.tree import ROOT, Directory, Link

FIRST_NUMBER = 1 << 48  # of what is not stored; below are the file versions, for ever

Numbered = Directory | Link | Output


class InodeTable:
    """The numbers of nodes that have none in the index, for as long as the kernel knows them.

    A number stands for its node as long as the kernel holds a lookup on it, and is never used again after
    that. It says where a directory is, not what is in it: a directory has one number, whatever it shows.
    """

    def __init__(self) -> None:
        self._next = itertools.count(FIRST_NUMBER)
        self._numbers: dict[Numbered, int] = {ROOT: pyfuse3.ROOT_INODE}
        self._nodes: dict[int, Numbered] = {pyfuse3.ROOT_INODE: ROOT}
        self._lookups: dict[int, int] = defaultdict(int)

    def __len__(self) -> int:
        return len(self._nodes)

    def of(self, node: Numbered) -> int:
        """The number of a node, a new one where it has none; counts as one lookup by the kernel."""
        number = self._numbers.get(node)
        if number is None:
            number = self._numbers[node] = next(self._next)
            self._nodes[number] = node
        self._lookups[number] += 1
        return number

    def known(self, node: Directory) -> int:
        """The number of a directory that the kernel already knows. Raises KeyError."""
        return self._numbers[node]

    def node(self, number: int) -> Numbered:
        """What has that number. Raises KeyError."""
        return self._nodes[number]

    def forget(self, number: int, lookups: int) -> Numbered | None:
        """The kernel gives back so many lookups; after the last one the number is never used again.

        Returns the node that the kernel does not know any more; None while it knows it.
        """
        self._lookups[number] -= lookups
        if self._lookups[number] > 0 or number == pyfuse3.ROOT_INODE:
            return None
        del self._lookups[number]
        node = self._nodes.pop(number)
        del self._numbers[node]
        return node

    def directories(self) -> Iterator[tuple[int, Directory]]:
        """The directories that the kernel knows."""
        return ((number, node) for number, node in self._nodes.items() if isinstance(node, Directory))
