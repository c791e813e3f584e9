"""The tree of exceptions.

    OfftracfsError                  exit 70, EIO     raised itself only for a bug
    ├── UsageError                  exit 64, EINVAL  the user asked for something that cannot be
    │   ├── NotADatabase            exit 66, ENOENT  there is no database in that directory
    │   ├── QueryRefused            exit 64, EINVAL  SQL, a report or a query that cannot run here
    │   ├── DraftRefused            exit 64, EINVAL  a saved text that cannot become a change of a ticket
    │   └── TeamTrackError          exit 64, EINVAL  `teamtrack.error`: the interface cannot do that
    ├── DatabaseError               exit 74, EIO     the database's own files
    │   ├── DatabaseBusy            exit 75, EAGAIN  another process is writing it
    │   ├── DatabaseDamaged         exit 65, EIO     an object or a file does not hold what it should
    │   │   └── DatabaseTooOld      exit 65, EIO     made by an earlier version of this program
    │   ├── DatabaseTooNew          exit 78, EIO     made by a later version of this program
    │   └── DiskFull                exit 73, ENOSPC  no room for what should be written
    ├── TrackerError                exit 76, EIO     what the tracker said cannot be used
    │   ├── Unreachable             exit 69, EIO     no answer, or not in time; trying again may help
    │   ├── NotATracker             exit 68, EIO     something answers, but not a tracker's RPC
    │   ├── LoginRefused            exit 77, EACCES  wrong user name or password
    │   ├── PermissionMissing       exit 77, EACCES  logged in, but not allowed
    │   ├── ChangeRejected          exit 76, EIO     the tracker does not take a change, in its own words
    │   ├── Suspicious              exit 65, EIO     so much is gone that the answer is not believed
    │   └── TSAPIError              exit 76, EIO     `teamtrack.tsapi_error`: a TeamTrack's database or server
    │       ├── TSAPIUnreachable    exit 69, EIO     … which does not answer (an Unreachable, too)
    │       ├── TSAPILoginRefused   exit 77, EACCES  … which does not let us in (a LoginRefused, too)
    │       └── NotATeamTrack       exit 68, EIO     … and is none (a NotATracker, too)
    └── MountError                  exit 71, EIO     the mount point, /dev/fuse or fusermount3

The exit codes are those of BSD's sysexits.h. A message is one sentence and a remedy, fit to be shown
to a user as it is; it never holds a credential.
"""

from __future__ import annotations

import errno
from pathlib import Path


class OfftracfsError(Exception):
    """The root: every error that this project raises on purpose."""

    exit_code = 70
    errno = errno.EIO


class UsageError(OfftracfsError):
    exit_code = 64
    errno = errno.EINVAL


class NotADatabase(UsageError):
    exit_code = 66
    errno = errno.ENOENT


class QueryRefused(UsageError):
    pass


class DraftRefused(UsageError):
    pass


class TeamTrackError(UsageError):
    pass


class DatabaseError(OfftracfsError):
    exit_code = 74


class DatabaseBusy(DatabaseError):
    exit_code = 75
    errno = errno.EAGAIN


class DatabaseDamaged(DatabaseError):
    exit_code = 65


class DatabaseTooOld(DatabaseDamaged):
    pass


class DatabaseTooNew(DatabaseError):
    exit_code = 78


class DiskFull(DatabaseError):
    exit_code = 73
    errno = errno.ENOSPC


class TrackerError(OfftracfsError):
    exit_code = 76


class Unreachable(TrackerError):
    exit_code = 69


class NotATracker(TrackerError):
    exit_code = 68


class LoginRefused(TrackerError):
    exit_code = 77
    errno = errno.EACCES


class PermissionMissing(TrackerError):
    exit_code = 77
    errno = errno.EACCES


class ChangeRejected(TrackerError):
    pass


class Suspicious(TrackerError):
    exit_code = 65


class TSAPIError(TrackerError):
    pass


class TSAPIUnreachable(TSAPIError, Unreachable):
    exit_code = Unreachable.exit_code


class TSAPILoginRefused(TSAPIError, LoginRefused):
    exit_code = LoginRefused.exit_code
    errno = LoginRefused.errno


class NotATeamTrack(TSAPIError, NotATracker):
    exit_code = NotATracker.exit_code


class MountError(OfftracfsError):
    exit_code = 71


def cannot_write(path: Path, error: OSError) -> DatabaseError:
    """What an error while writing means to a user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"The disk is full: {path} could not be written.")
    return DatabaseError(f"{path} could not be written: {error.strerror}.")
