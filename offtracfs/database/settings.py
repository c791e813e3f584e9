"""What ``config.toml`` says of a database; for its owner to edit."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from offtracfs.errors import DatabaseDamaged, NotADatabase, UsageError

PASSWORD = re.compile(r"([\w+.-]+://)?[^/?#@]*:[^/?#]+@|.*[?&](ssl)?password=")  # in a URL
INTERVAL = 60.0  # seconds between two syncs
MIN_INTERVAL, MAX_INTERVAL = 1, 31 * 86400  # seconds
MEANINGS = {
    "url": "The tracker's address, without a password.",
    "user": "The name to log in with. Without it, the one that netrc has for the host, else nobody.",
    "password_command": 'A program that prints the password as its first line, such as "pass show trac".',
    "timezone": "The time zone of the dates and times after @.",
    "interval": "The pause between two syncs, in seconds.",
    "write": "Whether tickets can be changed in a mount.",
    "push_after": "Seconds after which a saved change is sent by itself; 0: it waits for `offtracfs push`.",
}  # as the file's comments say it

KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "interval": ((int, float), "a number"),
    "write": ((bool,), "true or false"),
    "push_after": ((int, float), "a number"),
}  # of values, where they are no texts; and how a message calls them


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``config.toml`` says. Raises UsageError for a value that is not allowed."""

    url: str
    user: str = ""
    password_command: str = ""  # its first line of output is the password
    timezone: str = "UTC"  # of the dates in "@…"
    interval: float = INTERVAL  # seconds
    write: bool = False  # whether a mount is one in which tickets can be saved
    push_after: float = 0.0  # seconds that a draft has rested when it is sent by itself; 0: never

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            kinds, what = KINDS.get(item.name, ((str,), "text"))
            if type(value) not in kinds or not _is_unicode(value):
                raise UsageError(f"config.toml: {item.name} is not {what}.")
        if PASSWORD.match(self.url):
            raise UsageError(
                "config.toml: url holds a password: take it out; `offtracfs init --help` says where it goes."
            )
        if not MIN_INTERVAL <= self.interval <= MAX_INTERVAL:
            raise UsageError("config.toml: interval is not between 1 second and a month.")
        if not 0 <= self.push_after <= MAX_INTERVAL:
            raise UsageError("config.toml: push_after is not between 0 seconds and a month.")
        _ = self.zone

    @property
    def zone(self) -> ZoneInfo:
        """The time zone. Raises UsageError where the system knows none of that name."""
        try:
            return ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise UsageError(f"config.toml: no time zone is called {self.timezone!r}.") from None


def read_settings(file: Path) -> Settings:
    """What a file says. Raises NotADatabase where there is none, UsageError, DatabaseDamaged."""
    try:
        found: dict[str, Any] = tomllib.loads(file.read_bytes().decode())
    except (FileNotFoundError, NotADirectoryError):
        raise NotADatabase(
            f"There is no offtracfs database in {file.parent}: `offtracfs init URL` makes one."
        ) from None
    except (OSError, ValueError) as error:
        raise DatabaseDamaged(f"{file} cannot be read: {error}.") from None
    unknown = found.keys() - {item.name for item in fields(Settings)}
    if unknown:
        raise UsageError(f"{file}: there is no setting called {min(unknown)!r}.")
    if "url" not in found:
        raise UsageError(f"{file}: url is missing.")
    return Settings(**found)


def settings_text(settings: Settings) -> str:
    """Settings as the text of a file, those that are as by default in comments."""
    lines = ["# This directory is an offtracfs database, and these are its settings, for its owner to edit."]
    for item in fields(settings):
        lines.append(f"\n# {MEANINGS[item.name]}")
        value = getattr(settings, item.name)
        # JSON's quoting is TOML's, but for DEL.
        quoted = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        text = f"{item.name} = {quoted}"
        lines.append(text if value != item.default else f"# {text}")
    return "\n".join(lines) + "\n"


def _is_unicode(value: object) -> bool:
    """False for what was no UTF-8 on a command line: Python keeps that as surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in str(value))
