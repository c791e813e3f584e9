"""What has changed in a tracker: one change after the other, or all between two moments.

timeline    finds the changes, by the index, and reads the records before and after them
comparison  what is different in a record: fields, comments, whether it is new or gone; no text of it is made
words       the same as lines for people

Whoever shows changes, as the command line does, asks `Timeline` and puts what it finds into words, or into
something else.
"""

from offtracfs.changes.comparison import FieldChange, RecordChange, TicketChange, TicketState
from offtracfs.changes.timeline import Absence, Event, Timeline, opened

__all__ = [
    "Absence",
    "Event",
    "FieldChange",
    "RecordChange",
    "TicketChange",
    "TicketState",
    "Timeline",
    "opened",
]
