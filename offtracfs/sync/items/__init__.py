"""Kinds of item: what a sync asks the tracker for one by one, keeps in its spool, and commits.

A kind is a module and its line in `ITEM_KINDS`. The modules fetch, versions, spool, revisions and loop treat
all kinds alike; only `loop.Outcome`, which is told to people, counts tickets apart. What is no item, such as
the definitions of fields, comes as a whole and without its past (`offtracfs.trackers.Metadata`).
"""

from offtracfs.sync.items.item import Files, Item, ItemKind, Version
from offtracfs.sync.items.ticket import Tickets

__all__ = ["ITEM_KINDS", "Files", "Item", "ItemKind", "Tickets", "Version"]

ITEM_KINDS: tuple[type[ItemKind], ...] = (Tickets,)
