"""Tickets as texts for people: to read, to find things in, to compare, and to edit.

A text is three parts, one behind the other. Each depends on one thing alone, so that its size can be known
without the others:

    #42 Points stick when it rains            the ticket's record                   (ticket)

    Type:       defect
    Status:     closed

    ---- Description
    Since Monday …

    ==== 2011-04-09 21:16:07 fitter, comment:1    a change; all of them: its change log   (log)
    Status: new → closed

        Oiled.

    ==== https://trac.example.org/ticket/42       where the tracker has it              (address)

A line that begins with ``---- `` or ``==== `` is one of ours: where a description has such a line, a
backslash stands before it. What would command a terminal, or is no line of text, is an escape (`escapes`).
Times are UTC. The first part can be read back into the record (`ticket.parse`).
"""

from offtracfs.texts.escapes import on_a_line
from offtracfs.texts.labels import Labels
from offtracfs.texts.log import Entry, LogSize, entries, log_part
from offtracfs.texts.ticket import Parsed, TicketSize, parse, record_of, ticket_part

__all__ = [
    "SIZES",
    "Entry",
    "Labels",
    "Parsed",
    "address_part",
    "entries",
    "log_part",
    "parse",
    "record_of",
    "ticket_part",
]


SIZES: dict[str, type[TicketSize | LogSize]] = {"ticket": TicketSize, "changelog": LogSize}
"""What measures the part of each version of a record in turn, by the record's directory.

It is made with the ticket's number.
"""


def address_part(address: str) -> str:
    """The end of a text: where the tracker has the ticket; "" where that is not known."""
    return f"\n==== {on_a_line(address)}\n" if address else ""
