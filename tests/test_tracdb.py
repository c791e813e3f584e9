"""A Trac's own database gives what its RPC plugin gives; real Tracs of both generations say what that is."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from offtracfs import records
from offtracfs.database import Database, Settings
from offtracfs.sync import sync
from offtracfs.sync.replay import replay
from offtracfs.trackers import Missing, Ticket
from offtracfs.trackers.tracdb.client import TracDatabase
from offtracfs.trackers.tracrules import TracRules
from tests.program import offtracfs
from tests.tracclient import DAY, SPRING, connected, fetch, outdated, stored, ticket
from tests.tracdbs import (
    IN_SECONDS,
    UNDECLARED,
    address,
    as_rpc,
    copied,
    everything,
    filled,
    opened,
)
from tests.tracservers import RealTrac, TracServer


@pytest.fixture(scope="module")
def modern(modern_trac: TracServer) -> RealTrac:
    """A real Trac 1.6 with something of everything, not to be changed."""
    return filled(modern_trac)


@pytest.fixture(scope="module")
def legacy(legacy_trac: TracServer) -> RealTrac:
    """A real Trac 1.2 with something of everything, not to be changed."""
    return filled(legacy_trac)


@pytest.fixture(params=["modern", "legacy"])
def trac(request: pytest.FixtureRequest) -> RealTrac:
    """Each of them."""
    site: RealTrac = request.getfixturevalue(request.param)
    return site


def _same_query(one: str, other: str) -> bool:
    return sorted(re.split("[?&]", one)) == sorted(re.split("[?&]", other))


def _by_old_trac(path: str, data: bytes, precise: bytes) -> bytes:
    """A record of an old Trac, which cuts times to seconds and shuffles the arguments of a query."""
    record, other = records.load(data), records.load(precise)
    if path.startswith("report/") and _same_query(record["sql"], other["sql"]):
        record["sql"] = other["sql"]
    return records.dump(records.merge(other, record))


async def test_same_as_rpc(trac: RealTrac) -> None:
    """Every record is that of the RPC plugin, byte for byte, but for what that leaves out."""
    async with connected(trac) as rpc, opened(address(trac)) as database:
        expected, all_found = await everything(rpc), await everything(database)
        assert await database.ids() == await rpc.ids()
        assert database.problems == []
    found = {path: as_rpc(path, data) for path, data in all_found.items()}
    assert [path for path in found if found[path] != all_found[path]] == [
        "ticket/1.json",
        "ticket/2.json",
        "fields.json",
    ]
    if not trac.modern:
        expected = {path: _by_old_trac(path, data, found[path]) for path, data in expected.items()}
    assert found.keys() == expected.keys()
    assert [(found[path], data) for path, data in expected.items() if found[path] != data] == []


async def _undeclared(database: TracDatabase) -> tuple[list[Any], list[dict[str, str]]]:
    """The definitions of the fields that the configuration does not know, and the values of each ticket."""
    tickets = await fetch(database, await database.ids())
    props = [found.record[3] for found in tickets.values() if isinstance(found, Ticket)]
    fields = (await database.metadata()).records["fields.json"]
    values = [{name: each[name] for name in sorted(UNDECLARED & each.keys())} for each in props]
    return [field for field in fields if field["name"] in UNDECLARED], values


async def test_values_that_nothing_declares(trac: RealTrac) -> None:
    """Values of undeclared custom fields, and of Trac's own fields without options, are kept as texts."""
    async with opened(address(trac)) as database:
        fields, values = await _undeclared(database)
    assert [(field["name"], field["type"], field.get("custom", False)) for field in fields] == [
        ("severity", "text", False),
        ("gone", "text", True),
        ("none", "text", True),
    ]
    assert [field["label"] for field in fields] == ["Severity", "Gone", "None"]
    assert values[:3] == [{"gone": "x", "none": "once an option"}, {"severity": "bad"}, {}]
    assert not any(values[3:])


async def test_all_options_deleted(modern: RealTrac, tmp_path: Path) -> None:
    """Where every list of options was emptied, no ticket loses a value, now or in its past."""
    gone = ["DELETE FROM enum", "DELETE FROM version", "DELETE FROM component", "DELETE FROM milestone"]
    cleared = f"INSERT INTO ticket_change VALUES (2, {9 * 10**15}, 'ann', 'version', '1.9', '')"
    clash = "INSERT INTO ticket_custom VALUES (2, 'version', 'of a plugin'), (3, 'version', 'of a plugin')"
    url = copied(modern, tmp_path / "env", *gone, cleared, clash)
    names = ("type", "component", "priority", "resolution", "version")
    async with opened(address(modern)) as full, opened(url) as database:
        before, after = await fetch(full, await full.ids()), await fetch(database, await database.ids())
        fields = {
            field["name"]: field["type"] for field in (await database.metadata()).records["fields.json"]
        }
    for number, found in after.items():
        known = before[number]
        assert isinstance(found, Ticket)
        assert isinstance(known, Ticket)
        values = [found.record[3].get(name, "") for name in names]
        assert values == [known.record[3].get(name, "") for name in names]
    assert {name: fields.get(name) for name in names} == dict.fromkeys(names, "text")
    found = after[2]
    assert isinstance(found, Ticket)
    past = [
        version.record[3]["version"]
        for version in replay(found.record, records.rows(found.changelog), TracRules())
    ]
    assert (past[0], past[-1]) == ("1.9", "")


async def test_reports_show_what_nothing_declares(modern: RealTrac, tmp_path: Path) -> None:
    """A report on such fields shows after a sync what it shows in the Trac, and a query may name them."""
    new = Database.create(tmp_path / "db", Settings(address(modern)))
    async with opened(address(modern)) as tracker:
        await sync(new, tracker)
    select = (
        "SELECT t.id, severity, c.name, c.value FROM ticket t JOIN ticket_custom c ON c.ticket = t.id "
        "WHERE c.name IN ('gone', 'none') AND c.value != '' ORDER BY t.id, c.name"
    )
    asked = ["--db", "db", "sql", select, "--format", "tsv"]
    done = offtracfs(tmp_path, *asked)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == ["1\t\tgone\tx", "1\t\tnone\tonce an option"]
    query = offtracfs(tmp_path, "--db", "db", "query", "severity=bad&or&gone=x&col=id", "--format", "csv")
    assert (query.stderr, query.stdout.split()) == ("", ["id", "1", "2"])


@pytest.mark.parametrize(
    "late", [timedelta(), timedelta(microseconds=1), timedelta(microseconds=987_655), DAY * 3]
)
async def test_changed_since(trac: RealTrac, late: timedelta) -> None:
    """The tickets changed since a moment are those that the RPC plugin tells, to the microsecond."""
    async with connected(trac) as rpc, opened(address(trac)) as database:
        assert await database.changed_since(SPRING + late) == await rpc.changed_since(SPRING + late)


async def test_attached_since(modern: RealTrac) -> None:
    """A new attachment is found by its own time, however long ago that is."""
    at = SPRING + DAY + timedelta(microseconds=1)
    async with opened(address(modern)) as database:
        assert await database.attached_since(at) == [1]
        assert await database.attached_since(at + timedelta(microseconds=1)) == []


async def test_attachments_of_no_ticket(modern: RealTrac, tmp_path: Path) -> None:
    """An attachment whose ticket's number is none, or has more than 18 digits, is nobody's."""
    change = "UPDATE attachment SET id = '18446744073709551616' WHERE id = '1' AND type = 'ticket'"
    async with opened(copied(modern, tmp_path / "odd", change)) as database:
        assert await database.attached_since(SPRING) == []


async def test_outdated(trac: RealTrac, tmp_path: Path) -> None:
    """Whatever differs in a ticket's record is noticed, and nothing else."""
    late = "changetime = changetime + 1"
    for place, column in enumerate(("owner = 'x'", "cc = 'x'", "description = 'x'", "time = 0", late)):
        url = copied(trac, tmp_path / str(place), f"UPDATE ticket SET {column} WHERE id = 2")
        async with opened(address(trac)) as database, opened(url) as other:
            known = await stored(database)
            assert await outdated(database, known) == []
            assert await outdated(other, known) == [2]
    custom = "INSERT OR REPLACE INTO ticket_custom VALUES (3, 'risk', 'high')"
    async with opened(copied(trac, tmp_path / "custom", custom)) as other:
        assert await outdated(other, known) == [3]


async def test_seconds(modern: RealTrac, tmp_path: Path) -> None:
    """A database from before Trac 0.12, with times in seconds, gives the same without fractions."""
    async with opened(address(modern)) as new, opened(copied(modern, tmp_path / "old", *IN_SECONDS)) as old:
        found, expected = (await ticket(old, 3)).record, (await ticket(new, 3)).record
        since = await old.changed_since(SPRING + timedelta(microseconds=1)), await old.changed_since(SPRING)
        milestone = (await old.metadata()).records["field/milestone/m9.json"]
    assert expected[1] == "2011-04-09T21:16:07.987654"
    assert found[1:3] == ["2011-04-09T21:16:07"] * 2
    assert found[3]["_ts"] == "1302383767000000"
    assert found[3] | {"time": "", "changetime": "", "_ts": ""} == expected[3] | {
        "time": "",
        "changetime": "",
        "_ts": "",
    }
    assert since == ([1], [1, 3, 4, 5, 6])
    assert milestone["due"] == "2011-04-09T21:16:07"


async def test_without_ini(modern: RealTrac, tmp_path: Path) -> None:
    """Without a trac.ini, custom fields and statuses are those in use, and a problem says so."""
    url = copied(modern, tmp_path / "bare")
    (tmp_path / "bare/conf/trac.ini").unlink()
    async with opened(url) as database:
        found = await ticket(database, 1)
        metadata = await database.metadata()
        assert [re.findall("conf/trac.ini is not there", problem) for problem in database.problems] == [
            ["conf/trac.ini is not there"]
        ]
    custom = [field["name"] for field in metadata.records["fields.json"] if field.get("custom")]
    assert custom == sorted(custom)
    assert {"gone", "risk", "team_name"} <= {*custom}
    assert found.record[3]["risk"] == "low"
    assert found.record[3]["gone"] == "x"
    statuses = [path for path in metadata.records if path.startswith("field/status/")]
    assert statuses == ["field/status/closed.json", "field/status/new.json"]


async def test_ini_elsewhere(modern: RealTrac, tmp_path: Path) -> None:
    """A trac.ini in another place can be named in the address."""
    url = copied(modern, tmp_path / "env")
    (tmp_path / "env/conf").rename(tmp_path / "config")
    async with opened(f"{url}?trac_ini={tmp_path}/config/trac.ini") as database:
        found = await everything(database)
        assert database.problems == []
    async with opened(address(modern)) as database:
        assert found == await everything(database)


async def test_gone(modern: RealTrac) -> None:
    """A ticket that is not there is reported as gone, and its neighbours arrive."""
    async with opened(address(modern)) as database:
        found = await fetch(database, [1, 999, 2])
    assert [isinstance(found[number], Ticket) for number in (1, 999, 2)] == [True, False, True]
    assert found[999] == Missing(999, "Ticket 999 does not exist.", gone=True)


@pytest.mark.parametrize("time", ["9223372036854775807", "'soon'"])
async def test_impossible_time(modern: RealTrac, tmp_path: Path, time: str) -> None:
    """A ticket with a time that is none is reported and not gone, and the others arrive."""
    url = copied(modern, tmp_path / "env", f"UPDATE ticket SET time = {time} WHERE id = 2")
    async with opened(url) as database:
        found = await fetch(database, [1, 2, 3])
    assert found[2] == Missing(2, "Ticket 2 has a time that cannot be read.")
    assert all(isinstance(found[number], Ticket) for number in (1, 3))


async def test_no_text(modern: RealTrac, tmp_path: Path) -> None:
    """Bytes that are no UTF-8 lose nothing and stop nothing."""
    texts = "summary = CAST(x'41FF42' AS TEXT), owner = x'C3A9'"
    async with opened(
        copied(modern, tmp_path / "env", f"UPDATE ticket SET {texts} WHERE id = 2")
    ) as database:
        record = (await ticket(database, 2)).record
    assert record[3]["summary"] == "A\udcffB"
    assert record[3]["owner"] == "é"
    assert records.load(records.dump(record)) == record
