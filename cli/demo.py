"""`offtracfs demo`: a made-up tracker, mounted."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from pathlib import Path

import click
import platformdirs

from offtracfs import demo
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


@click.command()
@shared.mountpoint
def command(mountpoint: Path) -> int:
    r"""Mount a made-up tracker with ten years of history at MOUNTPOINT. No server is needed.

    \b
      offtracfs demo ~/demo
      grep -rl crash ~/demo/ticket
      ls ~/demo/@2015-06-03/ticket
      offtracfs umount ~/demo

    MOUNTPOINT is made if it is not there. The tracker is made at the first call, in a second or two, and
    kept below $XDG_CACHE_HOME, in offtracfs-demo, which may be deleted while it is not mounted.
    """
    directory = demo.database(platformdirs.user_cache_path("offtracfs-demo")).path
    try:
        with suppress(FileExistsError):  # whatever it is, be it a dead mount: for `mount` to judge
            mountpoint.mkdir(parents=True)
    except OSError as error:
        raise MountError(f"{mountpoint} cannot be made: {error.strerror}.") from None
    here = os.getpid()
    code = mount(directory, mountpoint)
    if code == 0 and os.getpid() == here:  # the driver is a fork of this process, and ends here too
        place = shown(shlex.quote(str(mountpoint)))
        for line in TOUR.splitlines():
            click.echo(line.format(place))
    return code
