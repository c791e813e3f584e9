"""The names of files: which record a name stands for, and what a name like "@2011-04-09" says."""

from __future__ import annotations

import calendar
import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from hashlib import sha256
from urllib.parse import quote, quote_plus, unquote

from offtracfs.text import COMMANDS

SUFFIX = ".json"
NAME_MAX = 255  # bytes in a file name, of Linux' file systems and of FUSE

MAX_SLUG = 60  # characters; and at most so many bytes, since a number and a suffix stand around it
MAX_SLUG_BYTES = 200
NO_VALUE = "(none)"  # the name of the value ""

MAX_NUMBER = 10**18 - 1  # an id in a file name has 18 digits at most, so SQLite can hold it

_ID = re.compile(r"(0|[1-9][0-9]{0,17})\.json", re.ASCII)
_TEXT = re.compile(r"(0|[1-9][0-9]{0,17})\.txt", re.ASCII)
_QUOTED = re.compile(f"[/%{COMMANDS}]")
_CUT = re.compile("=[0-9a-f]{64}$")
_RESULT = re.compile(r"(0|[1-9][0-9]{0,17})\.(csv|txt)", re.ASCII)


def file_name(name: str, room: int = NAME_MAX) -> str:
    """`name` as a file name: ``quote_plus`` and ``.json``, as offtrac had it.

    A name that would be longer than `room` bytes is cut, and ends in ``=`` and its SHA-256. No other name
    has a ``=``, since ``quote_plus`` quotes it.
    """
    quoted = quote_plus(name, errors="surrogatepass")
    if len(quoted) + len(SUFFIX) <= room:
        return quoted + SUFFIX
    digest = "=" + sha256(quoted.encode()).hexdigest()
    kept = quoted[: room - len(digest) - len(SUFFIX)]
    return re.sub("%.?$", "", kept) + digest + SUFFIX


def version_name(moment: datetime, author: str, turn: int = 1) -> str:
    """File name of a version of a file: ``2011-04-09T21-16-07.bob.json``; `turn` 2 gives ``….bob-2.json``."""
    when = f"{moment:%Y-%m-%dT%H-%M-%S}."
    again = f"-{turn}" if turn > 1 else ""
    kept = file_name(author, NAME_MAX - len(when) - len(again))
    return when + kept.removesuffix(SUFFIX) + again + SUFFIX


def number_of(name: str) -> int | None:
    """The id in a file name such as ``42.json``, None where there is none."""
    match = _ID.fullmatch(name)
    return int(match[1]) if match else None


def text_name(number: int) -> str:
    """File name of a ticket's text: ``42.txt``."""
    return f"{number}.txt"


def text_number(name: str) -> int | None:
    """The ticket in a file name such as ``42.txt``, None where there is none."""
    match = _TEXT.fullmatch(name)
    return int(match[1]) if match else None


def result_of(name: str) -> tuple[int, str] | None:
    """The report and the kind of file in a name such as ``1.csv`` or ``1.txt``, None where there are none."""
    match = _RESULT.fullmatch(name)
    return (int(match[1]), match[2]) if match else None


def split(path: str) -> tuple[str, str]:
    """Directory (``""`` for the top) and name of a path."""
    directory, _, name = path.rpartition("/")
    return directory, name


@dataclass(frozen=True, slots=True)
class Period:
    """``@2011-04``: from `start` until before `end`, in seconds since 1970 UTC."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Back:
    """``@HEAD~3``: so many revisions before the newest."""

    revisions: int


@dataclass(frozen=True, slots=True)
class CommitPrefix:
    """``@1f3a9c0``: 7 to 40 hex digits."""

    prefix: str


_PERIOD = re.compile(
    r"@(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d)(?:(?P<sep>[:-])(?P<minute>\d\d)"
    r"(?:(?P=sep)(?P<second>\d\d)(?P<zone>Z|[+-]\d{4})?)?)?)?)?)?",
    re.ASCII,
)
_HEAD = re.compile(r"@HEAD(?:~(\d{1,9}))?", re.ASCII)
_COMMIT = re.compile(r"@([0-9a-f]{7,40})", re.ASCII)


def parse_at(name: str, zone: tzinfo = UTC) -> Period | Back | CommitPrefix | None:
    """What a name such as ``@2011-04-09`` stands for; None where it stands for nothing.

    Dates and times are in `zone` unless the name has a zone of its own. A name that could be both a date and
    the digits of a commit is a date.
    """
    if match := _PERIOD.fullmatch(name):
        return _period({key: value for key, value in match.groupdict().items() if value}, zone)
    if match := _HEAD.fullmatch(name):
        return Back(int(match[1] or 0))
    if match := _COMMIT.fullmatch(name):
        return CommitPrefix(match[1])
    return None


def _period(parts: dict[str, str], zone: tzinfo) -> Period | None:
    parts.pop("sep", None)
    offset = parts.pop("zone", None)
    numbers = {unit: int(text) for unit, text in parts.items()}
    try:
        if offset:
            zone = datetime.strptime(offset, "%z").tzinfo or UTC
        first = datetime(**{"month": 1, "day": 1} | numbers)  # type: ignore[arg-type]  # noqa: DTZ001
        return period(first, next(reversed(numbers)), zone)
    except (ValueError, OverflowError):
        return None


def period(first: datetime, unit: str, zone: tzinfo) -> Period:
    """The year, month, week, day, hour, minute or second that begins at `first`, local time in `zone`.

    Raises ValueError or OverflowError for a date that Python's calendar does not have.
    """
    last = first + _length(first, unit) - timedelta(seconds=1)
    return Period(min(_readings(first, zone)), _last_reading(last, zone) + 1)


def _length(first: datetime, unit: str) -> timedelta:
    if unit == "year":
        return timedelta(days=365 + calendar.isleap(first.year))
    if unit == "month":
        _, days = calendar.monthrange(first.year, first.month)
        return timedelta(days=days)
    return timedelta(**{f"{unit}s": 1})


def _readings(wall: datetime, zone: tzinfo) -> list[int]:
    """The two moments that a local time may mean, in seconds since 1970 UTC; mostly they are one.

    In autumn a clock shows some times twice. In spring it skips some.
    """
    return [int(wall.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1)]


def _last_reading(wall: datetime, zone: tzinfo) -> int:
    """The last second, since 1970 UTC, at which a clock in `zone` shows `wall` or an earlier time."""
    early, late = _readings(wall, zone)
    if early <= late:
        return late
    # The clock skipped this time: Python reads it as an hour earlier or later. The jump is in between.
    skipped = bisect_right(
        range(late, early), wall, key=lambda at: datetime.fromtimestamp(at, zone).replace(tzinfo=None)
    )
    return late + skipped - 1


class _Words(dict[int, str | None]):
    """For `str.translate`: keeps what words are made of, and makes the rest blanks.

    Words are made of letters, digits, and marks such as the vowel signs of Indian languages. Apostrophes are
    left out, so that "can't" stays one word.
    """

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        found = None if char in "'’" else char if unicodedata.category(char)[0] in "LMN" else " "
        self[code] = found
        return found


_WORDS = _Words()


def slug(text: str) -> str:
    """The words of a text for a file name, lower case, with "-" between them; cut behind a word."""
    joined = "-".join(text[: 10 * MAX_SLUG].lower().translate(_WORDS).split())
    if len(joined) > MAX_SLUG:
        joined = joined[: MAX_SLUG + 1].rpartition("-")[0] or joined[:MAX_SLUG]
    if joined.isascii():  # then it has not more bytes than characters
        return joined
    return joined.encode()[:MAX_SLUG_BYTES].decode(errors="ignore").rstrip("-")


def link_name(number: int, summary: str) -> str:
    """The name of a link to a ticket's text: ``3022-points-at-birdbath-curve-stick.txt``."""
    words = slug(summary)
    return f"{number}-{words}.txt" if words else f"{number}.txt"


def value_name(value: str, room: int = NAME_MAX) -> str:
    """A field's value as a file name that people can read; `value_of` is the inverse.

    ``%XX`` stands for bytes that cannot be in a name, or would be taken for something else: ``/``, ``%``,
    control and direction marks, a "." or "-" at the beginning. "" is ``(none)``. A name that would be too
    long, of more than `room` bytes, is cut, and ends in ``=`` and its SHA-256.
    """
    if not value:
        return NO_VALUE
    quoted = _QUOTED.sub(lambda match: quote(match[0], safe="", errors="surrogatepass"), value)
    quoted = re.sub(r"^[.-]", lambda match: f"%{ord(match[0]):02X}", quoted)
    if quoted == NO_VALUE:
        quoted = f"%28{quoted[1:]}"
    if len(quoted.encode()) <= room:
        return quoted
    digest = "=" + sha256(quoted.encode()).hexdigest()
    kept = quoted.encode()[: room - len(digest)].decode(errors="ignore")
    return re.sub("%.?$", "", kept) + digest


def value_of(name: str) -> str | None:
    """The value of which a name is the `value_name`; None where the name may have been cut."""
    if name == NO_VALUE:
        return ""
    return None if _CUT.search(name) else unquote(name, errors="surrogatepass")
