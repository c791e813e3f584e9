"""Drafts: changes of tickets that were saved here, and that the tracker does not have yet.

store     ``drafts.db``: every text that was saved, and what became of it
forms     the two forms of a ticket that can be saved, the record and the text
checks    what can be refused without asking the tracker
merging   two changes of one ticket put together, field by field
drafts    `Drafts`: what is saved, and what a mount shows of it
"""

from offtracfs.drafts.drafts import Drafts, Shown, Standing, opened
from offtracfs.drafts.store import Draft, State

__all__ = ["Draft", "Drafts", "Shown", "Standing", "State", "opened"]
