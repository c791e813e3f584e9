"""Numbers of what is not stored, for as long as the kernel knows them."""

from __future__ import annotations

import random
from collections import Counter

import pyfuse3
import pytest

from offtracfs.mount.inodes import FIRST_NUMBER, InodeTable
from offtracfs.tree import ROOT, Directory, Link


def test_numbers_are_kept_as_long_as_they_are_looked_up() -> None:
    """A node has one number while the kernel holds a lookup on it, and a new one after that."""
    dice, table = random.Random(1), InodeTable()
    nodes = [Directory("", f"by/{n}") for n in range(40)] + [Link(f"../text/{n}.txt", n) for n in range(200)]
    known: dict[Directory | Link, int] = {}
    lookups: Counter[Directory | Link] = Counter()
    ever: set[int] = set()
    for _ in range(20_000):
        node = dice.choice(nodes)
        if dice.random() < 0.5:
            number = table.of(node)
            assert number >= FIRST_NUMBER
            assert number == known[node] if node in known else number not in ever
            known[node] = number
            ever.add(number)
            lookups[node] += 1
        elif node in known:
            some = dice.randint(1, lookups[node])
            table.forget(known[node], some)
            lookups[node] -= some
            if not lookups[node]:
                with pytest.raises(KeyError):
                    table.node(known.pop(node))
    assert len(table) == 1 + len(known)
    assert all(table.node(number) == node for node, number in known.items())
    directories = {node: number for node, number in known.items() if isinstance(node, Directory)}
    assert {node: number for number, node in table.directories()} == {ROOT: pyfuse3.ROOT_INODE, **directories}
    assert all(table.known(node) == number for node, number in directories.items())


def test_the_root_is_never_forgotten() -> None:
    """However often the kernel gives it back."""
    table = InodeTable()
    assert table.of(ROOT) == table.known(ROOT) == pyfuse3.ROOT_INODE
    table.forget(pyfuse3.ROOT_INODE, 7)
    assert table.node(pyfuse3.ROOT_INODE) == ROOT
