"""Drafts: changes of tickets that were saved here, and that the tracker does not have yet.

store      ``drafts.db``: every text that was saved, and what became of it
rows       … its rows and its schema
forms      the two forms of a ticket that can be saved, the record and the text
checks     what can be refused without asking the tracker
merging    two changes of one ticket put together, field by field
known      what is known of the tracker without asking it
earlier    what was sent, and may stand in a text that is saved later
examining  what a saved text changes, or why it is refused
drafts     `Drafts`: what is saved, and what a mount shows of it
workflow   which of a workflow's actions leads to what is wanted
evidence   what the tracker's records say of a change that was sent
pushing    sends drafts to the tracker, each exactly once
words      drafts as lines for people, and as JSON data
"""

from offtracfs.drafts.drafts import Drafts, Shown, Standing, opened
from offtracfs.drafts.rows import Draft, State

__all__ = ["Draft", "Drafts", "Shown", "Standing", "State", "opened"]
