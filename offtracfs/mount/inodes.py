"""Inode numbers of what is not stored: directories, links and report files."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pyfuse3

from offtracfs.mount.scratch import MemoryFile, Scratch
from offtracfs.reports.outputs import Output
from offtracfs.tree import ROOT, Directory, Link

FIRST_NUMBER = 1 << 48  # of what is not stored; below are the file versions, for ever

SHARDS = 64
"""Into so many tables each one is divided.

A table that grows is made anew, now and then. With all of 100,000 links in it that takes 4 ms, in which
nobody is answered.
"""

Numbered = Directory | Link | Output | Scratch | MemoryFile


class InodeTable:
    """The numbers of nodes that have none in the index, for as long as the kernel knows them.

    A number stands for its node as long as the kernel holds a lookup on it, and is never used again after
    that. It says where a directory is, not what is in it: a directory has one number, whatever it shows.
    """

    def __init__(self) -> None:
        self._next = itertools.count(FIRST_NUMBER, SHARDS)  # to which a node's shard is added
        self._numbers: list[dict[Numbered, int]] = [{} for _ in range(SHARDS)]  # by the nodes' hashes
        self._nodes: list[dict[int, Numbered]] = [{} for _ in range(SHARDS)]
        # Lookups besides the first, which each node has; most have no others.
        self._others: list[dict[int, int]] = [{} for _ in range(SHARDS)]
        self._numbers[hash(ROOT) % SHARDS][ROOT] = pyfuse3.ROOT_INODE
        self._nodes[pyfuse3.ROOT_INODE % SHARDS][pyfuse3.ROOT_INODE] = ROOT

    def __len__(self) -> int:
        return sum(map(len, self._nodes))

    def __contains__(self, node: Numbered) -> bool:
        return node in self._numbers[hash(node) % SHARDS]

    def of(self, node: Numbered) -> int:
        """The number of a node, a new one where it has none; counts as one lookup by the kernel."""
        shard = hash(node) % SHARDS
        number = self._numbers[shard].get(node)
        if number is None:
            number = self._numbers[shard][node] = next(self._next) + shard
            self._nodes[shard][number] = node
        else:
            others = self._others[number % SHARDS]
            others[number] = others.get(number, 0) + 1
        return number

    def known(self, node: Numbered) -> int:
        """The number of a node that the kernel already knows. Raises KeyError."""
        return self._numbers[hash(node) % SHARDS][node]

    def node(self, number: int) -> Numbered:
        """What has that number. Raises KeyError."""
        return self._nodes[number % SHARDS][number]

    def get(self, number: int) -> Numbered | None:
        """What has that number, None where nothing has."""
        return self._nodes[number % SHARDS].get(number)

    def forget(self, number: int, lookups: int) -> Numbered | None:
        """The kernel gives back so many lookups; after the last one the number is never used again.

        Returns the node that the kernel does not know any more; None while it knows it.
        """
        shard = number % SHARDS
        left = 1 + self._others[shard].pop(number, 0) - lookups
        if left > 1:
            self._others[shard][number] = left - 1
        if left > 0 or number == pyfuse3.ROOT_INODE:
            return None
        node = self._nodes[shard].pop(number)
        del self._numbers[hash(node) % SHARDS][node]
        return node

    def directories(self) -> Iterator[tuple[int, Directory]]:
        """The directories that the kernel knows."""
        nodes = itertools.chain.from_iterable(shard.items() for shard in self._nodes)
        return ((number, node) for number, node in nodes if isinstance(node, Directory))
