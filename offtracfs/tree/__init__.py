"""What the mount looks like, as plain Python: nodes, names, "@…". No FUSE in it.

    /                       Directory("", "")         the tracker as it stands        stored.py
    /db.json                File                                                      stored.py
    /ticket/                Directory("", "ticket")                                   stored.py
    /@2011-04-09/ticket/    Directory("@2011-04-09", "ticket")                        stored.py
    /ticket/42.json@/       Directory("", "ticket/42.json@")  each version it had     history.py
    /report/1.csv           ReportFile(commit, 1, "csv")  and as 1.txt for people     reportfiles.py
    /text/                  Directory("", "text")  a text a ticket                    texts.py
    /text/42.txt            File  and as ticket/42.txt                                textfiles.py
    /report/1/              Directory("", "report/1")  links to its tickets           reporttickets.py
    /by/owner/bob/          Directory("", "by/owner/bob")  links to tickets           by.py
    /query/status=new/      Directory("", "query/status=new")  links to tickets       queries.py
    /query/status=new/7.txt Link("../../text/7.txt")                                  selections.py
    /search/crash railway/  Directory("", "search/crash railway")  who has these words  searches.py
    /@/                     Directory("@", "")  the days on which something changed   days.py
    /@/2011-04-09           Link("../@2011-04-09")                                    days.py

Each kind of directory is a module (`kind.py` says what it answers) and a name in the table in `tree.py`,
where `Tree` chooses the revision that a question is about and the kind that answers it. What takes long for
that is computed in a worker thread before (`computed.py`), as all lists of tickets are (`selections.py`).
"""

from __future__ import annotations

from offtracfs.tree.computed import Work
from offtracfs.tree.days import DAYS
from offtracfs.tree.nodes import (
    ROOT,
    UNKNOWN,
    Directory,
    DirectoryEntry,
    File,
    Link,
    Listing,
    Node,
)
from offtracfs.tree.tree import KINDS, Tree

__all__ = [
    "DAYS",
    "KINDS",
    "ROOT",
    "UNKNOWN",
    "Directory",
    "DirectoryEntry",
    "File",
    "Link",
    "Listing",
    "Node",
    "Tree",
    "Work",
]
