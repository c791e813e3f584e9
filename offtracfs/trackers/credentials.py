"""Who logs in to a tracker, and where the password comes from: the first of these that has one.

1. the environment variable ``OFFTRACFS_PASSWORD``
2. ``password_command`` in ``config.toml``: the first line of what that program prints
3. netrc: the entry of the tracker's host. ``default`` is not used: it is for anonymous FTP.
4. the desktop's keyring, if the package keyring is installed: the entry whose service is the tracker's URL

The user is the one in ``config.toml``, else in the address, else in the netrc entry, else nobody logs in. A
password stays in memory: no message, log, file or command line gets it.
"""

from __future__ import annotations

import netrc
import os
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from offtracfs.errors import UsageError

TIMEOUT = 120.0  # seconds for a password command, which may have to ask its user


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are to the tracker; a `password` of None means that none was found."""

    user: str
    password: str | None = field(repr=False)


def find(url: str, user: str, command: str, *, password: str | None, netrc_file: Path) -> Credentials | None:
    """Whom to log in as at `url`; None for nobody.

    `user` and `command` are those of ``config.toml``, and `password` is ``OFFTRACFS_PASSWORD``. Raises
    UsageError where a source is configured but of no use.
    """
    parts = urlsplit(url)
    user = user or unquote(parts.username or "")
    secret = password or (password_from(command, "config.toml: password_command") if command else None)
    if not (user and secret) and (entry := _from_netrc(netrc_file, parts.hostname or "")):
        login, kept = entry
        if login in ("", user) or not user:
            user, secret = user or login, secret or kept
    if not user:
        return None
    return Credentials(user, secret or _from_keyring(url, user))


def password_from(command: str, named: str) -> str:
    """The first line that a command prints; `named` is how messages call the command.

    Its complaints go to our stderr; they are not ours to repeat. Raises UsageError.
    """
    try:
        done = subprocess.run(
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=TIMEOUT,
            check=False,
        )
        lines = done.stdout.decode().splitlines()
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"{named} cannot be used: {_reason(error)}.") from None
    if done.returncode:
        raise UsageError(f"{named} ended with exit code {done.returncode}.")
    if not lines or not lines[0]:
        raise UsageError(f"{named} printed no password.")
    return lines[0]


def _reason(error: Exception) -> str:
    """Why, without what the program printed, which these exceptions may quote."""
    match error:
        case OSError():
            return f"{error.filename}: {error.strerror}"
        case UnicodeDecodeError():
            return "what it prints is not UTF-8"
        case subprocess.TimeoutExpired():
            return f"it took longer than {TIMEOUT:.0f} seconds"
    return "it cannot be split into words as a shell would"


def _from_netrc(file: Path, host: str) -> tuple[str, str] | None:
    """Login and password of a host's entry. Raises UsageError where others can read the passwords."""
    try:
        entry = netrc.netrc(file).hosts.get(host)
        status = file.stat()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {getattr(error, 'strerror', 'it is not text')}.") from None
    except netrc.NetrcParseError as error:  # its own message may quote a password
        raise UsageError(f"{file} has something in line {error.lineno} that netrc does not know.") from None
    login, _, password = entry or ("", "", "")
    if not password:
        return None
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise UsageError(
            f"{file} holds a password and is not yours alone: `chmod 600 {shlex.quote(str(file))}`."
        )
    return login, password


def keyring_name() -> str:
    """The name of the keyring that passwords can be kept in, "" where there is none."""
    try:
        import keyring
    except ImportError:
        return ""
    found = keyring.get_keyring()
    return str(found.name) if found.priority > 0 else ""


def keep(url: str, who: Credentials) -> None:
    """Keep a password in the keyring. Raises UsageError where that does not take it."""
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(url, who.user, who.password or "")
    except KeyringError as error:
        raise UsageError(f"The keyring does not take the password: {error}.") from error


def _from_keyring(url: str, user: str) -> str | None:
    try:
        import keyring  # optional, and slow to import
        from keyring.errors import KeyringError, NoKeyringError
    except ImportError:
        return None
    try:
        found: str | None = keyring.get_password(url, user)
    except NoKeyringError:
        return None
    except KeyringError as error:
        raise UsageError(f"The keyring cannot be read: {error}.") from error
    return found
