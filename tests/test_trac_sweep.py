"""What real Tracs show of their tickets, held against records: silent changes show, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from offtracfs.trackers.trac import shown
from tests.tracclient import DAY, SPRING, connected, stored
from tests.tracdbs import CUSTOM, configure, fill
from tests.tracservers import RealTrac

on_real_servers = pytest.mark.parametrize(
    "trac", ["modern", "legacy", "modern-xml", "legacy-xml"], indirect=True
)
NAMES = {"bob": "Jones, Bob", "carl": "Carl M. Smith", "dora": ""}
"""Users, and the full names that they gave."""


def prepare(trac: RealTrac) -> None:
    """Every kind of custom field, people with full names and addresses, and whatever may be unset."""
    configure(trac)
    fill(trac)
    people = [
        {"owner": "bob", "cc": "dora; <eve@example.org> ,bob", "keywords": "one, two"},
        {"owner": "bob", "author": "frank@example.org", "cc": "carl"},
        {"owner": "carl", "author": "anonymous", "cc": "someone, bob, Else <else@example.org>"},
        {"owner": "grace@example.org", "author": "bob"},
        {"owner": "dora"},
    ]
    for place, fields in enumerate(people):
        trac.create(f"people {place}", SPRING + DAY, **fields)
    sessions = [f"INSERT INTO session VALUES ('{user}', 1, 0)" for user in NAMES]
    names = [f"INSERT INTO session_attribute VALUES ('{u}', 1, 'name', '{n}')" for u, n in NAMES.items() if n]
    unset = "UPDATE ticket SET reporter = '', owner = NULL, cc = ' , ' WHERE id = 4"
    times = "DELETE FROM ticket_custom WHERE name = 'seen' AND value LIKE '%T%'"  # Trac shows no table then
    trac.run_sql(*sessions, *names, unset, times)
    trac.reload()


@on_real_servers
@pytest.mark.parametrize("user", ["admin", "reader"])
async def test_nothing_changed(trac: RealTrac, user: str) -> None:
    """No record of an unchanged tracker is out of date, whether whoever asks may see addresses or not."""
    prepare(trac)
    async with connected(trac, user) as tracker:
        known = await stored(tracker)
        assert len(known) == 11
        assert await tracker.outdated(known.get) == []
        requests = tracker.requests
        assert await tracker.outdated(known.get) == []
        assert tracker.requests <= requests + 3


CHANGES = [
    "UPDATE ticket_custom SET value = '1' WHERE ticket = 1 AND name = 'flag'",
    "INSERT OR REPLACE INTO ticket_custom VALUES (2, 'team_name', 'others')",
    "INSERT OR REPLACE INTO ticket_custom VALUES (3, 'deadline', '001302383768000000')",
    "UPDATE ticket SET reporter = 'bob' WHERE id = 4",
    "UPDATE ticket SET time = time + 1000000 WHERE id = 5",
    "INSERT OR REPLACE INTO ticket_custom VALUES (6, 'choice', 'a')",
    "UPDATE ticket SET keywords = 'one two' WHERE id = 7",
    "UPDATE ticket SET owner = 'carl' WHERE id = 8",
    "UPDATE ticket SET cc = 'someone, dora, Else <else@example.org>' WHERE id = 9",
    "UPDATE ticket SET owner = 'heidi' WHERE id = 10",
    "INSERT OR REPLACE INTO ticket_custom VALUES (11, 'risk', 'high')",
]
"""What no change log tells of, in one ticket each."""


@on_real_servers
@pytest.mark.parametrize("user", ["admin", "reader"])
async def test_silent_changes(trac: RealTrac, user: str) -> None:
    """A record is out of date that does not say what Trac shows now; fetched again, it is not any more."""
    prepare(trac)
    async with connected(trac, user) as tracker:
        known = await stored(tracker)
        trac.run_sql(*CHANGES[::2])
        assert await tracker.changed_since(SPRING + DAY * 3) == []
        assert await tracker.outdated(known.get) == [1, 3, 5, 7, 9, 11]
        trac.run_sql(*CHANGES[1::2])
        assert await tracker.outdated(known.get) == [*range(1, 12)]
        known = await stored(tracker)
        assert await tracker.outdated(known.get) == []


@on_real_servers
async def test_user_renamed(trac: RealTrac) -> None:
    """Where bob becomes robert in all tickets, robert is not taken for bob's full name."""
    prepare(trac)
    async with connected(trac) as tracker:
        known = await stored(tracker)
        trac.run_sql("UPDATE ticket SET owner = 'robert' WHERE owner = 'bob'")
        assert await tracker.outdated(known.get) == [7, 8]


@on_real_servers
async def test_custom_field_that_trac_cannot_show(trac: RealTrac) -> None:
    """Where Trac fails at a custom field, which holds a time that is none, all others are compared."""
    prepare(trac)
    trac.run_sql("INSERT OR REPLACE INTO ticket_custom VALUES (3, 'deadline', 'soon')")
    async with connected(trac) as tracker:
        known = await stored(tracker)
        assert await tracker.outdated(known.get) == []
        trac.run_sql("UPDATE ticket SET owner = 'heidi' WHERE id = 2")
        assert await tracker.outdated(known.get) == [2]


def test_custom_fields() -> None:
    """There is a custom field of each kind that Trac knows."""
    assert {"text", "textarea", "select", "radio", "checkbox", "time"} <= {*CUSTOM.values()}


FLAG = {"type": "checkbox", "custom": True, "value": "0"}
RISK = {"type": "select", "custom": True, "value": "1", "options": ["high", "low"]}
TIME = {"type": "time", "custom": True, "value": ""}


@pytest.mark.parametrize(
    ("field", "value", "text", "same"),
    [
        ({"type": "text"}, "", "", True),
        ({"type": "text"}, "a, b", "a,b", False),
        ({"type": "unheard of"}, "a", "a", True),
        (RISK, "low", "", True),  # the default
        (RISK, "high", "", False),
        (RISK | {"custom": False}, "low", "", False),
        (RISK | {"value": "9"}, "9", "", True),
        ({"type": "textarea", "custom": True, "value": " a\n"}, " a\n", "", True),
        (FLAG, "", "0", True),
        (FLAG, "1", "0", False),
        (FLAG | {"value": "1"}, "1", "0", True),
        (FLAG, "yes", "1", True),
        (FLAG, "yes", "0", True),  # to Trac 1.0
        (TIME, "", "", True),
        (TIME, "1970-01-01T00:00:00", "", True),
        (TIME, "2011-04-09T21:16:07", "", False),
        (TIME | {"value": "now"}, "2011-04-09T21:16:07", "", True),
        (TIME, "", "04/09/11 21:16:07", False),
        (TIME, "2011-04-09T21:16:07", "04/09/11 21:16:07", True),
        (TIME, "2011-04-09T21:16:07.999999", "10.04.2011 02:46:07", True),  # another time zone
        (TIME, "2011-04-09T21:16:07", "Apr 9, 2011, 9:16:08 PM", False),
        (TIME, "2011-04-09T21:16:07", "2011-04-09", True),  # cannot be told
        (TIME, "1899-12-31T23:59:59", "12/31/99 23:19:31", True),  # local mean time
        (TIME, "in spring", "04/09/11 21:16:07", True),
    ],
)
def test_shows(field: dict[str, Any], value: str, text: str, same: bool) -> None:
    """What Trac shows for a value is that value, or the way in which Trac shows it."""
    assert shown.shows(field, value, text) is same


@pytest.mark.parametrize(
    ("value", "text", "names"),
    [
        ("", "", set()),
        ("b;a ,", "b, a", set()),
        ("a@b.org, <c@d.org>", "a@…, <c@…>", set()),
        ("bob, a@b.org", "Bob Jones, a@…", {("bob", "Bob Jones")}),
        ("bob", "Jones, Bob", {("bob", "Jones, Bob")}),
        ("bob,ann", "Jones, Bob, ann", {("bob, ann", "Jones, Bob, ann")}),
        ("bob", "", None),
        ("", "bob", None),
    ],
)
def test_aliases(value: str, text: str, names: set[tuple[str, str]] | None) -> None:
    """A list of people is what is shown, is so if Trac calls somebody by a full name, or is not."""
    record = [1, "", "", {"cc": value}]
    expected = None if names is None else {("cc", *pair) for pair in names}
    assert shown.aliases(record, {"cc": text}, {}) == expected
