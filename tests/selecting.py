"""Computed directories without a mount: their work is done at once, in this thread."""

from __future__ import annotations

import random
from collections.abc import Iterator

from offtracfs.tree import ROOT, Directory, Link, Node, Tree

MODES = ("", "", "", "!", "~", "!~", "^", "$")
ORDERS = ("id", "priority", "milestone", "owner", "time", "changetime", "summary", "weather")


def finish(tree: Tree, directory: Directory) -> None:
    """Do what a worker thread of a mount would do."""
    while work := tree.work(tree.open(directory)):
        assert work.report is None
        work.run([], lambda: False)


def found(tree: Tree, path: str) -> Node | None:
    """What stands at a path, whose directories are looked up, too; None where nothing does."""
    node: Node | None = ROOT
    for name in path.split("/"):
        if not isinstance(node, Directory):
            return None
        finish(tree, node)
        node = tree.lookup(node, name)
    return node


def listed(tree: Tree, path: str) -> dict[str, Node]:
    """What the directory at a path lists, in order."""
    directory = found(tree, path)
    assert isinstance(directory, Directory), path
    finish(tree, directory)
    return {entry.name: entry.node for entry in tree.entries(tree.open(directory))}


def numbers(tree: Tree, path: str) -> list[int]:
    """The numbers of the tickets that the directory at a path lists, in order, which its links agree with."""
    up = "../" * len([part for part in path.split("/") if not part.startswith("@")])
    result = []
    for name, link in listed(tree, path).items():
        number = int(name.removesuffix(".txt").partition("-")[0])
        assert isinstance(link, Link)
        assert link.target == f"{up}text/{number}.txt"
        result.append(number)
    return result


def made_up(dice: random.Random, values: dict[str, list[str]]) -> str:
    """A query in Trac's language, of fields and values that there are, with an order of some kind."""
    parts = []
    for turn in range(dice.choice((1, 1, 2))):
        parts += ["or"] * bool(turn)
        for name in dice.sample([*values, "summary", "id"], dice.choice((1, 1, 2, 3))):
            mode = "" if name == "id" else dice.choice(MODES)
            parts.append(f"{name}{mode}={'|'.join(_some(dice, name, mode, values))}")
    for name in ("order", "group"):
        if dice.random() < 0.6:
            parts.append(f"{name}={dice.choice(ORDERS)}")
    parts += [f"{name}=1" for name in ("desc", "groupdesc") if dice.random() < 0.3]
    if dice.random() < 0.2:
        parts.append(f"max={dice.choice((1, 10, 1_000))}")
    return "&".join(parts)


def _some(dice: random.Random, name: str, mode: str, values: dict[str, list[str]]) -> Iterator[str]:
    for _ in range(dice.choice((1, 1, 2))):
        if name == "id":
            yield dice.choice(("1-99", "7", "5,9,200-240"))
        else:
            value = dice.choice(values.get(name) or ["", "points", "Kettle", "slips on"])
            yield value[: dice.randrange(1, 5)] if mode[-1:] in ("~", "^") else value
