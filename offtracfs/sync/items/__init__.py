"""Kinds of item: what a sync asks the tracker for one by one, keeps in its spool, and commits.

A kind is a module and its line in `ITEM_KINDS`. Looking, deciding, spooling and committing (fetch, spool,
revisions, loop) know no kinds. What is no item, such as the definitions of fields, has no past that the
tracker tells: it comes as a whole (`offtracfs.trackers.Metadata`).
"""

from offtracfs.sync.items.item import Files, Item, ItemKind, Version
from offtracfs.sync.items.ticket import Tickets

__all__ = ["ITEM_KINDS", "Files", "Item", "ItemKind", "Tickets", "Version"]

ITEM_KINDS: tuple[type[ItemKind], ...] = (Tickets,)
