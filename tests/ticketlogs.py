"""Tickets and change logs for the tests of replay, and what must hold of every replay."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from offtracfs.records import Row, dump, microseconds
from offtracfs.sync import replay
from offtracfs.sync.replay import TicketVersion
from offtracfs.trackers.tracrules import TracRules

DAY = "2011-04-09T"
T0, T1, T2, T3, T4 = (f"{DAY}10:0{n}:00.{n}00001" for n in range(5))
RULES = TracRules()
SECOND = f"{DAY}10:00:01"  # as a source gives it that cuts times


def ticket(changed: str, *, created: str = T0, ts: str | None = "", **fields: Any) -> list[Any]:
    """A record as ticket.get gives it; `ts` None leaves out ``_ts``."""
    props = {"summary": "A", "reporter": "ann", "status": "new", "time": created, "changetime": changed}
    if ts is not None:
        props["_ts"] = ts or str(microseconds(changed))
    return [42, created, changed, props | fields]


def row(
    time: str, author: str | None, name: str, old: str | None, new: str | None, permanent: int = 1
) -> Row:
    return Row(time, author, name, old, new, permanent)


def played(record: list[Any], log: list[Row]) -> list[TicketVersion]:
    """What replay gives, after what must hold of it always."""
    before = dump([record, log])
    versions = list(replay.replay(record, log, RULES))
    hold(versions, record, log)
    assert dump([record, log]) == before
    return versions


def hold(versions: list[TicketVersion], record: list[Any], log: list[Row]) -> None:
    """The last version is the arguments; none is like the one before; moments do not descend."""
    assert (versions[-1].record, versions[-1].changelog) == (record, log)
    states = [(v.record, v.changelog) for v in versions]
    assert all(a != b for a, b in pairwise(states))
    assert all(v.moment is not None for v in versions[:-1])
    moments = [v.moment for v in versions if v.moment is not None]
    assert moments == sorted(moments)


def since(
    record: list[Any], log: list[Row], old_record: list[Any] | None, old_log: list[Row] | None
) -> list[TicketVersion]:
    """What replay.since gives for a Trac's ticket."""
    return list(replay.since(record, log, old_record, old_log, RULES))


def told(versions: list[TicketVersion]) -> list[tuple[str, str]]:
    """Author and subject of each version."""
    return [(v.author, v.subject) for v in versions]


def values(versions: list[TicketVersion], name: str) -> list[Any]:
    """What one field was in each version, None where there was none."""
    return [v.record[3].get(name) for v in versions]
