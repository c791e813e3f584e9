"""`offtracfs demo`: a made-up tracker, mounted."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from pathlib import Path

import click
import platformdirs

from offtracfs import demo
from offtracfs.database import Database
from offtracfs.errors import MountError

from . import shared
from .mount import mount
from .text import shown

TOUR = """\
A made-up tracker of a garden railway, 2013 to 2023, is mounted at {0}. Try:
  ls {0} {0}/ticket
  cat {0}/ticket/42.json {0}/changelog/42.json
  grep -rl crash {0}/ticket
  ls {0}/@2015-06-03/ticket
  diff {0}/@2015/ticket/42.json {0}/ticket/42.json
  diff -r {0}/@2014-12-31/field {0}/@2016/field
  less {0}/text/42.txt
  ls {0}/by/owner/fitter {0}/search/'crash renamed'
  cat {0}/report/1.txt {0}/@2015-06-03/report/1.txt
  ls {0}/@
And to end it:
  offtracfs umount {0}"""

TEAMTRACK_TOUR = """\
A made-up TeamTrack of a garden railway, 2013 to 2023, is mounted at {0}. Try:
  cat {0}/text/42.txt {0}/ticket/42.json
  ls {0}/by/component {0}/by/status/Assigned
  ls {0}/@2015-06-03/ticket
  diff {0}/@2015/ticket/42.json {0}/ticket/42.json
  offtracfs --db {1} log 42
  offtracfs --db {1} query 'status=Assigned&component=Signal box'
  offtracfs --db {1} teamtrack query CASES --where 'TS_STATE = 2' --fields ID,TITLE
And to end it:
  offtracfs umount {0}"""


@click.command()
@shared.mountpoint
@click.option("--teamtrack", is_flag=True, help="Make up a TeamTrack, and not a Trac.")
def command(mountpoint: Path, teamtrack: bool) -> int:
    r"""Mount a made-up tracker with ten years of history at MOUNTPOINT. No server is needed.

    \b
      offtracfs demo ~/demo
      grep -rl crash ~/demo/ticket
      ls ~/demo/@2015-06-03/ticket
      offtracfs umount ~/demo

    With --teamtrack it is a TeamTrack: its database in SQLite, synced as any other would be.

    MOUNTPOINT is made if it is not there. The tracker is made at the first call, in a second or two, and
    kept below $XDG_CACHE_HOME, in offtracfs-demo, which may be deleted while it is not mounted.
    """
    cache = platformdirs.user_cache_path("offtracfs-demo")
    directory = (_teamtrack(cache / "teamtrack") if teamtrack else demo.database(cache)).path
    try:
        with suppress(FileExistsError):  # whatever it is, be it a dead mount: for `mount` to judge
            mountpoint.mkdir(parents=True)
    except OSError as error:
        raise MountError(f"{mountpoint} cannot be made: {error.strerror}.") from None
    here = os.getpid()
    code = mount(directory, mountpoint)
    if code == 0 and os.getpid() == here:  # the driver is a fork of this process, and ends here too
        place = shown(shlex.quote(str(mountpoint)))
        for line in (TEAMTRACK_TOUR if teamtrack else TOUR).splitlines():
            click.echo(line.format(place, shown(shlex.quote(str(directory)))))
    return code


def _teamtrack(cache: Path) -> Database:
    from offtracfs.demo import mirror  # SQLAlchemy takes 0.2 s to load

    return mirror.database(cache)
