"""File names ↔ keys, and "@…" ↔ moments."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from urllib.parse import unquote_plus
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtracfs import kinds, names
from offtracfs.kinds import git_path, path_in_git
from offtracfs.names import (
    Back,
    CommitPrefix,
    Period,
    file_name,
    link_name,
    number_of,
    parse_at,
    slug,
    value_name,
    value_of,
)

texts = st.text(st.characters() | st.sampled_from("./%+= \ud83d\ude00\0\n"), max_size=400)
BERLIN, APIA, LORD_HOWE = (
    ZoneInfo(name) for name in ("Europe/Berlin", "Pacific/Apia", "Australia/Lord_Howe")
)

ODD_NAMES = [
    "", ".", "..", "...", "a/b", "/", "%", "%2F", "%252F", " ", "+", "%20", "a b", "a+b", "~", "-rf", "\0",
    "\n", "a\rb", "é", "e\u0301", "\ud800", "\udfff", "\ud83d\ude00", "😀", "=", ".json", "a.json", "A", "a",
    "\u202e", "😀" * 300, "😀" * 299, "a" * 250, "a" * 251, "a" * 300, "a" * 300 + "b", "b" * 10_000,
    "é" * 42, "%" * 90, "x" * 180 + "y" * 100, "x" * 180 + "z" * 100, "x" * 180 + "é" * 20,
    "x" * 181 + "é" * 20, "x" * 182 + "é" * 20,
]  # fmt: skip


def test_odd_names_do_not_collide() -> None:
    """Names that differ have different files, however odd or long they are."""
    assert len({file_name(name) for name in ODD_NAMES}) == len(ODD_NAMES)


@given(texts | st.sampled_from(ODD_NAMES))
def test_file_names_can_stand(name: str) -> None:
    """Any text has a file name: ASCII, one path component of at most 255 bytes, and no escape cut in two."""
    found = file_name(name)
    assert re.fullmatch(r"([A-Za-z0-9_.+~-]|%[0-9A-F]{2})*(=[0-9a-f]{64})?\.json", found)
    assert len(found) <= 255
    assert found not in (".", "..")


@given(texts | st.sampled_from([*ODD_NAMES, "(none)", "-", "x=" + "0" * 64]))
def test_value_names_can_stand(value: str) -> None:
    """Any value has a name: one path component that is not hidden, no option, and shows no controls."""
    name = value_name(value)
    assert 0 < len(name.encode()) <= 255
    assert not re.search("^[.-]|[/\0-\x1f\x7f-\x9f\u202e\ud800-\udfff]", name)
    assert value_of(name) in (value, None)
    assert value_of(name) == value or re.search("=[0-9a-f]{64}$", name)


@given(texts, texts)
def test_value_names_are_injective(one: str, other: str) -> None:
    """Two values share a name only where they are one."""
    assert (value_name(one) == value_name(other)) == (one == other)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("bob", "bob"),
        ("1.5 Crocus", "1.5 Crocus"),
        ("é+ü=😀", "é+ü=😀"),
        ("ui/menu", "ui%2Fmenu"),
        ("100%", "100%25"),
        (".", "%2E"),
        ("..", "%2E."),
        ("-rf", "%2Drf"),
        ("a\nb", "a%0Ab"),
        ("", "(none)"),
        ("(none)", "%28none)"),
        ("😀" * 63, "😀" * 63),
    ],
)
def test_value_names_can_be_read(value: str, name: str) -> None:
    """A value is its own name, but for the few characters that a name cannot have or show."""
    assert value_name(value) == name


@pytest.mark.parametrize(
    ("summary", "name"),
    [
        ("Points at Birdbath: curve & stick", "7-points-at-birdbath-curve-stick.txt"),
        ("", "7.txt"),
        ("!?", "7.txt"),
        ("Can't open foo_bar 1.2.3", "7-cant-open-foo-bar-1-2-3.txt"),
        ("ÉTÉ à Ürümqi", "7-été-à-ürümqi.txt"),
        ("नमस्ते दुनिया", "7-नमस्ते-दुनिया.txt"),
        ("../../etc/passwd\0\n", "7-etc-passwd.txt"),
        ("word " * 30, "7-" + "-".join(["word"] * 12) + ".txt"),
        ("x" * 100, "7-" + "x" * 60 + ".txt"),
    ],
)
def test_link_names(summary: str, name: str) -> None:
    """A link has the ticket's number and the words of its summary, cut behind a word."""
    assert link_name(7, summary) == name


@given(texts, st.integers(0, 10**18 - 1))
def test_link_names_can_stand(summary: str, number: int) -> None:
    """Any summary gives a name that a file system takes, in which nothing but words and "-" stands."""
    name = link_name(number, summary)
    assert len(name.encode()) <= 255
    assert not re.search(r"[\s/\0-,.:-@]", name.removesuffix(".txt"))
    assert len(slug(summary)) <= 60


@given(texts, texts)
def test_file_names_are_injective(one: str, other: str) -> None:
    """Two texts share a file name only where they are one."""
    assert (file_name(one) == file_name(other)) == (one == other)


@given(texts)
def test_short_names_can_be_read_back(name: str) -> None:
    """A file name that is not shortened is the seed's: quote_plus, which anyone can undo."""
    found = file_name(name)
    if "=" not in found:
        assert unquote_plus(found.removesuffix(".json"), errors="surrogatepass") == name


def test_known_names() -> None:
    """Names stay the same from version to version: databases hold them."""
    assert file_name("Release 1.0/é") == "Release+1.0%2F%C3%A9.json"
    assert file_name("") == ".json"
    assert file_name("..") == "...json"
    digest = "5f7daf08611c24b130dfb4dd1673ae932e561c661f8aed594977ad33e681cd90"
    assert file_name("é" * 50) == "%C3%A9" * 30 + f"%C3={digest}.json"
    assert kinds.field_path("component", "a b") == "field/component/a+b.json"


def test_paths_of_numbers() -> None:
    """Tickets, change logs and reports are files named by their numbers."""
    paths = kinds.ticket_path(42), kinds.changelog_path(42), kinds.report_path(3)
    assert paths == ("ticket/42.json", "changelog/42.json", "report/3.json")
    assert names.split("field/component/ui.json") == ("field/component", "ui.json")
    assert names.split("db.json") == ("", "db.json")


@given(st.integers(0, 10**18 - 1))
def test_numbers_and_names(number: int) -> None:
    """A number is found again in its file's name, and git's small trees are undone."""
    small = f"ticket/{number // 1000}/{number // 100 % 10}/{number // 10 % 10}/{number}"
    for path, in_git in (
        (kinds.ticket_path(number), f"{small}.json"),
        (kinds.changelog_path(number), f"{small}.changelog.json"),
    ):
        assert number_of(names.split(path)[1]) == number
        assert git_path(path) == in_git
        assert path_in_git(in_git) == path


@pytest.mark.parametrize(
    "name",
    ["42", "042.json", "42.JSON", "-1.json", "1 .json", "٤٢.json", ".json", "1.json\n", "9" * 19 + ".json"],
)
def test_no_number(name: str) -> None:
    """What is not a number as this program writes it is none: two names would lead to one file."""
    assert number_of(name) is None


PATHS = [
    "db.json",
    "fields.json",
    "report/1.json",
    "field/component/1.json",
    "ticket/042.json",
    "ticket/x.json",
]


@pytest.mark.parametrize("path", PATHS)
def test_other_paths_are_the_same_in_git(path: str) -> None:
    """Only tickets and change logs are spread over small trees."""
    assert git_path(path) == path
    assert path_in_git(path) == path


def at(*moment: int, zone: tzinfo = UTC) -> int:
    return int(datetime(*moment, tzinfo=zone).timestamp())  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("@2011", at(2011, 1, 1), at(2012, 1, 1)),
        ("@2012", at(2012, 1, 1), at(2013, 1, 1)),
        ("@2011-04", at(2011, 4, 1), at(2011, 5, 1)),
        ("@2012-02", at(2012, 2, 1), at(2012, 3, 1)),
        ("@2011-12", at(2011, 12, 1), at(2012, 1, 1)),
        ("@2011-04-09", at(2011, 4, 9), at(2011, 4, 10)),
        ("@2012-02-29", at(2012, 2, 29), at(2012, 3, 1)),
        ("@2011-04-09T21", at(2011, 4, 9, 21), at(2011, 4, 9, 22)),
        ("@2011-04-09T21:16", at(2011, 4, 9, 21, 16), at(2011, 4, 9, 21, 17)),
        ("@2011-04-09T21-16", at(2011, 4, 9, 21, 16), at(2011, 4, 9, 21, 17)),
        ("@2011-04-09T23:59:59", at(2011, 4, 9, 23, 59, 59), at(2011, 4, 10)),
        ("@2011-04-09T21:16:07", at(2011, 4, 9, 21, 16, 7), at(2011, 4, 9, 21, 16, 8)),
        ("@2011-04-09T21-16-07", at(2011, 4, 9, 21, 16, 7), at(2011, 4, 9, 21, 16, 8)),
        ("@2011-04-09T21:16:07Z", at(2011, 4, 9, 21, 16, 7), at(2011, 4, 9, 21, 16, 8)),
        ("@2011-04-09T21-16-07Z", at(2011, 4, 9, 21, 16, 7), at(2011, 4, 9, 21, 16, 8)),
        ("@2011-04-09T21:16:07+0230", at(2011, 4, 9, 18, 46, 7), at(2011, 4, 9, 18, 46, 8)),
        ("@2011-04-09T21-16-07-0500", at(2011, 4, 10, 2, 16, 7), at(2011, 4, 10, 2, 16, 8)),
        ("@1969-12-31", -86400, 0),
        ("@0001", at(1, 1, 1), at(2, 1, 1)),
    ],
)  # fmt: skip
def test_periods(name: str, start: int, end: int) -> None:
    """A date or time, in full or cut short, is the whole period that it names."""
    assert parse_at(name) == Period(start, end)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("@HEAD", Back(0)),
        ("@HEAD~0", Back(0)),
        ("@HEAD~3", Back(3)),
        ("@1f3a9c0", CommitPrefix("1f3a9c0")),
        ("@" + "0123456789" * 4, CommitPrefix("0123456789" * 4)),
        ("@20110409", CommitPrefix("20110409")),
    ],
)
def test_revisions(name: str, found: object) -> None:
    """HEAD, what is so many before it, and 7 to 40 hex digits name revisions."""
    assert parse_at(name) == found


NOTHING = [
    "", "@", "@@", "2011", "@2011-", "@201", "@02011", "@2011-4", "@2011-13", "@2011-00", "@2011-02-29",
    "@2011-04-31", "@2011-04-09T", "@2011-04-09T24", "@2011-04-09T9", "@2011-04-09 21", "@2011-04-09t21",
    "@2011-04-09T21:60", "@2011-04-09T21:16:60", "@2011-04-09T21:16-07", "@2011-04-09T21-16:07",
    "@2011-04-09T2116", "@2011-04-09T21:16Z", "@2011-04-09T21Z", "@2011-04-09Z", "@2011-04-09+0200",
    "@2011-04-09T21:16+0200", "@2011-04-09T21:16:07z", "@2011-04-09T21:16:07+02",
    "@2011-04-09T21:16:07+02:00", "@2011-04-09T21:16:07+2460", "@2011-04-09T21:16:07+2400",
    "@2011-04-09T21:16:07.5", "@2011-04-09\n", "@٢٠١١", "@2011-04-09/", "@0000", "@9999", "@9999-12-31",
    "@head", "@HEAD~", "@HEAD~-1", "@HEAD~1~1", "@HEAD^", "@HEAD~1234567890", "@HEAD@{1}", "@main",
    "@1f3a9c", "@1F3A9C0", "@" + "a" * 41, "@1f3a9cg", "@yesterday", "@latest", "@.", "@..",
]  # fmt: skip


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_else(name: str) -> None:
    """Whatever is in no form of these stands for nothing."""
    assert parse_at(name) is None


@pytest.mark.parametrize(
    ("name", "zone", "start", "end"),
    [
        ("@2011-07-01", BERLIN, at(2011, 6, 30, 22), at(2011, 7, 1, 22)),
        ("@2011-07-01T12:00:00Z", BERLIN, at(2011, 7, 1, 12), at(2011, 7, 1, 12, 0, 1)),
        ("@2011-03-27", BERLIN, at(2011, 3, 26, 23), at(2011, 3, 27, 22)),
        ("@2011-10-30", BERLIN, at(2011, 10, 29, 22), at(2011, 10, 30, 23)),
        # the hour that the clock shows twice
        ("@2011-10-30T01", BERLIN, at(2011, 10, 29, 23), at(2011, 10, 30, 0)),
        ("@2011-10-30T02", BERLIN, at(2011, 10, 30, 0), at(2011, 10, 30, 2)),
        ("@2011-10-30T02:30:00", BERLIN, at(2011, 10, 30, 0, 30), at(2011, 10, 30, 1, 30, 1)),
        ("@2011-04-03T01:40", LORD_HOWE, at(2011, 4, 2, 14, 40), at(2011, 4, 2, 15, 11)),
    ],
)
def test_local_time(name: str, zone: tzinfo, start: int, end: int) -> None:
    """Times are the zone's unless they bring their own; of two readings in autumn the end is the later."""
    assert parse_at(name, zone) == Period(start, end)


@pytest.mark.parametrize(
    ("name", "zone", "jump"),
    [
        ("@2011-03-27T02", BERLIN, at(2011, 3, 27, 1)),
        ("@2011-03-27T02:00", BERLIN, at(2011, 3, 27, 1)),
        ("@2011-03-27T02:59:59", BERLIN, at(2011, 3, 27, 1)),
        ("@2011-12-30", APIA, at(2011, 12, 30, 10)),
        ("@2011-12-30T12", APIA, at(2011, 12, 30, 10)),
        ("@2011-10-02T02:15", LORD_HOWE, at(2011, 10, 1, 15, 30)),
    ],
)
def test_skipped_time(name: str, zone: tzinfo, jump: int) -> None:
    """A time that the clock jumped over ends with the jump, and never shows what came an hour after it."""
    found = parse_at(name, zone)
    assert isinstance(found, Period)
    assert found.end == jump
    assert found.start < jump


def near(day: date) -> st.SearchStrategy[datetime]:
    start = datetime.combine(day, datetime.min.time())
    return st.integers(0, 3 * 86400).map(lambda seconds: start + timedelta(seconds=seconds))


FORMS = [
    f"@{form}" for form in ("%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")
]
walls = st.datetimes(datetime(1900, 1, 1), datetime(2900, 1, 1)) | st.sampled_from(  # noqa: DTZ001
    [date(2011, 3, 26), date(2011, 10, 29), date(2011, 12, 29), date(2011, 4, 2), date(2011, 10, 1)]
).flatmap(near)
zones = st.sampled_from([UTC, BERLIN, APIA, LORD_HOWE])


@given(zones, st.sampled_from(FORMS), walls, walls)
def test_later_names_show_later_states(zone: tzinfo, form: str, one: datetime, other: datetime) -> None:
    """Of two names in one form, the one that sorts later never ends earlier."""
    ends = []
    for name in sorted(wall.strftime(form) for wall in (one, other)):
        found = parse_at(name, zone)
        assert isinstance(found, Period)
        ends.append(found.end)
    assert ends[0] <= ends[1]


@given(zones, walls)
def test_a_period_contains_its_parts(zone: tzinfo, wall: datetime) -> None:
    """A longer period contains every shorter one in it, and begins no later."""
    found = [parse_at(wall.strftime(form), zone) for form in FORMS]
    periods = [period for period in found if isinstance(period, Period)]
    assert len(periods) == len(FORMS)
    for longer, shorter in pairwise(periods):
        assert longer.start <= shorter.start < shorter.end <= longer.end


@given(zones, st.integers(-(10**9), 4 * 10**9))
def test_a_period_contains_all_of_it(zone: tzinfo, moment: int) -> None:
    """What happened in a period, by the zone's clock, is within what the period's name stands for."""
    shown = datetime.fromtimestamp(moment, zone)
    for form in FORMS:
        found = parse_at(shown.strftime(form), zone)
        assert isinstance(found, Period)
        assert found.start <= moment < found.end
