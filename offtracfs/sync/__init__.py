"""Bringing a tracker's news into its database, stage by stage.

fetch      ask the tracker what has changed, and fetch that into the spool
items      kinds of item: what the tracker is asked for one by one; which versions lead to what it gave
versions   makes these versions ready for their commits, and writes their blobs
spool      what has arrived and is not in git yet; puts versions into time order, on disk
replay     pure: a ticket and its change log → every version that it ever had
changelog  which change of a log came first, and which of its rows are new
revisions  from the spool into git, one commit a change
loop       one sync from end to end, and the watch loop of the side process
"""

from offtracfs.sync.loop import LOST, Outcome, once, sync, watch

__all__ = ["LOST", "Outcome", "once", "sync", "watch"]
