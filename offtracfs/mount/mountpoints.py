"""Mount points, and the records of which processes serve them.

A mount is two processes: the driver, which answers the kernel, and beside it, unless it was mounted
without, one that keeps syncing. The kernel's own list of mounts says where something is mounted and from
which database; a file in DIR/mounts, named by the driver's process id, says which processes belong to it.
"""

from __future__ import annotations

import errno
import json
import os
import re
import select
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from offtracfs.database import write
from offtracfs.errors import DiskFull, MountError

TYPE = "offtracfs"  # in /proc/self/mountinfo, after "fuse."
DEVICE = Path("/dev/fuse")
CONFIGURATION = Path("/etc/fuse.conf")
TIMEOUT = 15.0  # seconds to wait for the processes of a mount that is gone
LINKS = 40  # as many as the kernel follows (path_resolution(7))


class Mounted(NamedTuple):
    """What the kernel says of a mount: its file system type, and its device."""

    type: str
    source: str


def options(directory: Path, *, allow_other: bool, write: bool = False) -> set[str]:
    """What a mount of the database in `directory` is made with; see `database_of` for its source."""
    # Options are a comma-separated list, and pyfuse3 takes ASCII only: hence the quoting.
    made = {"default_permissions", f"subtype={TYPE}", f"fsname={quote(str(directory), safe='/~+@')}"}
    return made | ({"allow_other"} if allow_other else set()) | (set() if write else {"ro"})


def database_of(found: Mounted) -> Path | None:
    """The database that is mounted; None where it is no mount of ours."""
    return Path(unquote(found.source)) if found.type == f"fuse.{TYPE}" else None


def mounted() -> Iterator[tuple[str, Mounted]]:
    """Every place where something is mounted, and what.

    Where a place comes twice, the later mount hides the earlier.
    """
    for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
        before, _, after = line.partition(" - ")  # proc_pid_mountinfo(5)
        kind, source = after.split(" ")[:2]
        _id, _parent, _device, _root, place, *_ = before.split(" ")
        yield _unescaped(place), Mounted(kind, _unescaped(source))


def mounted_at(mountpoint: Path) -> Mounted | None:
    """What is mounted at a path without links, None where nothing is; asks the kernel, not the mount."""
    return dict(mounted()).get(str(mountpoint))


def _without_links(mountpoint: Path) -> Path:
    """The path without symbolic links.

    It asks no mounted file system of ours: if its driver is stopped, that would wait for ever. Raises
    MountError.
    """
    try:
        place = mountpoint.absolute()
        for _ in range(LINKS):
            place = Path(os.path.realpath(place.parent), place.name)
            if mounted_at(place):
                return place
            if not place.is_symlink():
                break
            place = place.parent / place.readlink()
        return Path(os.path.realpath(place))
    except OSError as error:
        raise MountError(f"{mountpoint} cannot be used: {error.strerror}.") from None


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def prepare(mountpoint: Path, *, allow_other: bool) -> Path:
    """The path without links, ready to be mounted at; a dead mount of ours in that place is cleared away.

    Raises MountError.
    """
    _check_system(allow_other=allow_other)
    mountpoint = _without_links(mountpoint)
    while found := mounted_at(mountpoint):
        if found.type == "autofs":  # systemd's automount waits for us
            break
        if not _is_dead(mountpoint, database_of(found)):
            raise MountError(_occupied(mountpoint, found))
        _fusermount("-u", "-z", "--", str(mountpoint))
    try:
        empty = next(os.scandir(mountpoint), None) is None
    except FileNotFoundError:
        raise MountError(
            f"There is no directory {mountpoint}: `mkdir {shlex.quote(str(mountpoint))}` makes it."
        ) from None
    except NotADirectoryError:
        raise MountError(f"{mountpoint} is not a directory: mount at an empty directory.") from None
    except OSError as error:
        raise MountError(f"{mountpoint} cannot be used: {error.strerror}.") from None
    if not empty:
        raise MountError(f"{mountpoint} is not empty: mount at an empty directory.")
    return mountpoint


def _check_system(*, allow_other: bool) -> None:
    if not DEVICE.exists():
        container = f"a container needs --device {DEVICE} and --cap-add SYS_ADMIN"
        raise MountError(f"There is no {DEVICE}: `modprobe fuse` makes it; {container}.")
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        raise MountError(f"{DEVICE} may not be opened by this user: as root, `chmod 666 {DEVICE}` allows it.")
    if shutil.which("fusermount3") is None:
        raise MountError("There is no fusermount3: install the package fuse3.")
    if allow_other and os.getuid() != 0 and not _users_may_allow_other():
        raise MountError(
            f"--allow-other needs the line user_allow_other in {CONFIGURATION}: ask root for it."
        )


def _users_may_allow_other() -> bool:
    try:
        return "user_allow_other" in map(str.strip, CONFIGURATION.read_text().splitlines())
    except OSError:
        return False


def _occupied(mountpoint: Path, found: Mounted) -> str:
    directory = database_of(found)
    if directory is None:
        return f"Something else is mounted at {mountpoint} ({found.type}): mount at an empty directory."
    place = shlex.quote(str(mountpoint))
    return f"{directory} is mounted at {mountpoint} already: `offtracfs umount {place}` ends that."


def _is_dead(mountpoint: Path, directory: Path | None) -> bool:
    """Whether the driver of a FUSE mount is gone."""
    if directory and _records_at(mountpoint, directory):
        return False  # not dead; and if it is stopped, statvfs would wait for ever
    try:
        os.statvfs(mountpoint)  # unlike stat, it is never answered from the kernel's cache
    except OSError as error:
        return error.errno == errno.ENOTCONN
    return False


def _records_at(mountpoint: Path, directory: Path) -> list[Mount]:
    return [record for record in mounts(directory) if record.mountpoint == str(mountpoint)]


def _fusermount(*arguments: str) -> None:
    """Raises MountError with what fusermount3 says, on one line."""
    command = ["fusermount3", *arguments]
    environment = os.environ | {"LC_ALL": "C"}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise MountError("There is no fusermount3: install the package fuse3.") from None
    if done.returncode:
        raise MountError(" ".join(done.stderr.split()).rstrip(".") + ".")


def unmount(mountpoint: Path) -> Path:
    """Take a mount of ours away, and come back when its processes have ended; the database that it showed.

    Raises MountError.
    """
    mountpoint = _without_links(mountpoint)
    found = mounted_at(mountpoint)
    directory = database_of(found) if found else None
    if directory is None:
        raise MountError(f"No offtracfs is mounted at {mountpoint}: `offtracfs status` lists what is.")
    ours = _records_at(mountpoint, directory)
    pids = [pid for record in ours for pid in (record.pid, record.sync.pid) if pid]
    processes = {pid: watched for pid in pids if (watched := _pidfd(pid)) is not None}
    try:
        _fusermount("-u", "--", str(mountpoint))
    except MountError as error:
        if "busy" not in str(error):
            raise
        raise MountError(f"{mountpoint} is in use{_by_whom(mountpoint)}: try again when it is not.") from None
    _wait(processes)
    return directory


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def _wait(processes: Mapping[int, int]) -> None:
    deadline = time.monotonic() + TIMEOUT
    for pid, process in processes.items():
        ended, _, _ = select.select([process], [], [], max(deadline - time.monotonic(), 0))
        os.close(process)
        if not ended:
            raise MountError(
                f"It is unmounted, but process {pid} has not ended: `kill -9 {pid}` ends it without loss."
            )


def _by_whom(mountpoint: Path) -> str:
    """`` by bash (process 4711)``, as far as this user may see."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            places = [link.readlink() for link in (process / "cwd", *(process / "fd").iterdir())]
            if any(place.is_relative_to(mountpoint) for place in places):
                return f" by {(process / 'comm').read_text().strip()} (process {process.name})"
        except OSError:
            continue  # another user's, or it has ended
    return ""


@dataclass(slots=True)
class Sync:
    """The side process; moments are ISO text in UTC."""

    pid: int = 0  # 0 while it does not run
    restarts: int = 0
    ended: str = ""  # how and when the last side process ended, "" if none has
    next: str = ""  # when it is started again, "" while it runs


@dataclass(slots=True)
class Mount:
    """A mount's processes."""

    mountpoint: str
    pid: int  # of the driver
    started: int  # when the driver started, in ticks since boot: another process may get its id later
    since: str  # ISO text in UTC
    sync: Sync

    def save(self, directory: Path) -> None:
        """Keep it in a database's directory. Raises DiskFull, DatabaseError."""
        folder = directory / "mounts"
        folder.mkdir(mode=0o700, exist_ok=True)
        write(folder / f"{self.pid}.json", json.dumps(asdict(self), indent=1).encode() + b"\n")


def mounts(directory: Path) -> list[Mount]:
    """The mounts of a database that are alive; the records of others are removed."""
    found = []
    for file in sorted((directory / "mounts").glob("*.json")):
        try:
            known = json.loads(file.read_bytes())
            record = Mount(**known | {"sync": Sync(**known["sync"])})
        except (OSError, ValueError, TypeError, KeyError):
            continue
        if _start_time(record.pid) == record.started:
            found.append(record)
        else:
            file.unlink(missing_ok=True)
    return found


@contextmanager
def recorded(directory: Path, mountpoint: Path) -> Iterator[Mount]:
    """Record that this process is a mount's driver, until the block ends. Raises DatabaseError."""
    pid = os.getpid()
    record = Mount(str(mountpoint), pid, _start_time(pid) or 0, timestamp(datetime.now(UTC)), Sync())
    with suppress(DiskFull):  # a mount without a record is better than no mount
        record.save(directory)
    try:
        yield record
    finally:
        (directory / "mounts" / f"{pid}.json").unlink(missing_ok=True)


def _start_time(pid: int) -> int | None:
    """When a process was started, in ticks since boot; None where it has ended, also as a zombie."""
    try:
        # proc_pid_stat(5) from field 3 on; field 2 is a name in brackets that may hold anything
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(rest[18]) if state not in "ZX" else None


def timestamp(moment: datetime) -> str:
    """A moment as ISO text with a Z: ``2011-04-09T21:16:07Z``."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
