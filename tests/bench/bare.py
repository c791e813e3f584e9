"""The reference of a full sync: the same questions to the tracker, and nothing kept.

``python -m tests.bench.bare URL USER``, with the password in OFFTRACFS_PASSWORD, prints the seconds.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import aclosing

import click
import trio

from offtracfs.trackers.credentials import Credentials
from offtracfs.trackers.trac import connect


async def fetch(url: str, user: str) -> float:
    """Seconds to fetch every ticket and the rest of a Trac."""
    async with aclosing(await connect(url, Credentials(user, os.environ["OFFTRACFS_PASSWORD"]))) as tracker:
        began = time.monotonic()
        async with tracker.tickets(await tracker.ids()) as stream:
            async for _ in stream:
                pass
        await tracker.metadata()
        return time.monotonic() - began


if __name__ == "__main__":
    click.echo(trio.run(fetch, sys.argv[1], sys.argv[2]))
