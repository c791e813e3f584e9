"""One directory, one tracker. What is in it, and the module here that knows it:

config.toml     the tracker's address and other settings; for its owner to edit (settings)
git/            every state that the tracker had (offtracfs.store)
index.db        derived from git (offtracfs.index)
spool.db        what a sync has fetched and not yet brought into git (offtracfs.sync.spool)
drafts.db       what was typed and is not in the tracker yet (offtracfs.drafts.store)
state.json      how the last sync ended (state)
fetch.lock      held, and signed, by the one process that asks the tracker (lock)
push.lock       held, and signed, by the one process that sends drafts (lock)
lock            held, and signed, by the one process that writes git and the index (lock)
mounts/         a file a mount: where, and which processes (offtracfs.mount.mountpoints)
log/            what the processes of a mount had to say

`Database` puts them together; `Snapshot` is the records in it as they stood at a revision.
"""

from offtracfs.database.database import Database
from offtracfs.database.files import write
from offtracfs.database.settings import MAX_INTERVAL, MIN_INTERVAL, Settings
from offtracfs.database.snapshot import Snapshot
from offtracfs.database.state import State

__all__ = ["MAX_INTERVAL", "MIN_INTERVAL", "Database", "Settings", "Snapshot", "State", "write"]
