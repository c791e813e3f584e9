"""Who opens a stored file to write it is given another inode: by ESTALE, and by what is looked up then.

A stored inode must not be written: its contents are shared with every ``@…``, and the kernel keeps them.
When open(2) is answered with ESTALE, the kernel looks all names of the path up again, in the same thread. A
name that turns out to be another inode it looks up once more. Both lookups must give a `WorkingCopy`, to this
thread alone. Where the path goes through ``@…``, no lookup does, and the thread comes back with the stored
inode.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import trio

from offtracfs.mount.scratch import WorkingCopy

MAX_TIME = 2.0  # seconds in which a thread comes back; it may have been killed meanwhile


@dataclass(slots=True)
class _Claim:
    held: bytes
    until: float  # by trio's clock
    copy: WorkingCopy | None = None


class Claims:
    """Which threads were refused with ESTALE, and what they are given."""

    def __init__(self) -> None:
        self._claims: dict[tuple[int, int], _Claim] = {}  # by thread and inode

    def make(self, thread: int, inode: int, held: bytes) -> None:
        """A thread is refused to write an inode, which holds `held`."""
        self._claims[thread, inode] = _Claim(held, trio.current_time() + MAX_TIME)

    def failed(self, thread: int, inode: int) -> bool:
        """Whether a thread comes back with the inode that it was refused; its claim ends then."""
        now = trio.current_time()
        self._claims = {key: claim for key, claim in self._claims.items() if claim.until > now}
        return self._claims.pop((thread, inode), None) is not None

    def end(self, thread: int) -> None:
        """A thread has opened what it was given."""
        if self._claims:
            self._claims = {key: claim for key, claim in self._claims.items() if key[0] != thread}

    def given(
        self, thread: int, path: str, inode: Callable[[], int], make: Callable[[bytes, int], WorkingCopy]
    ) -> WorkingCopy | None:
        """What a thread is given that looks up a path; None where it claims nothing there.

        `inode` gives the inode for which the path stands, and `make` a working copy of what that holds.
        """
        mine = [claim for (claimant, _), claim in self._claims.items() if claimant == thread]
        for claim in mine:
            if claim.copy and claim.copy.target == path:
                return claim.copy
        found = self._claims.get((thread, inode())) if mine else None
        if found:
            found.copy = make(found.held, inode())
        return found.copy if found else None
