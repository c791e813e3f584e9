"""A TeamTrack's database that changes, fails and forgets on command, as `tests.standin` has it of a Trac.

The database is a real one, in SQLite. What a tracker should make of it comes from the model beside it alone.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import create_engine, event

from offtracfs import records
from offtracfs.demo import workflows
from offtracfs.demo.cases import USER_IDS
from offtracfs.demo.teamtrack import fill
from offtracfs.demo.workflows import CASE_FIELDS, STATES, TRANSITIONS
from offtracfs.teamtrack.engines import opened
from offtracfs.teamtrack.history import write_history
from offtracfs.teamtrack.provisional import SUBMIT, TABLES, UPDATE
from offtracfs.trackers import believed
from offtracfs.trackers.teamtrack.client import TeamTrack
from offtracfs.trackers.teamtrack.database import DatabaseSource

USERS = {number: login for login, number in USER_IDS.items()}
FIELD_IDS = {name: number for number, name in enumerate(CASE_FIELDS, 1)}
STATE_IDS = {"new": workflows.NEW, "assigned": workflows.ASSIGNED, "closed": workflows.CLOSED}
STATE_IDS["reopened"] = workflows.DRYING
TOLD_BY_LOGS = ("LASTMODIFIER", "LASTSTATECHANGER", "LASTSTATECHANGEDATE")
PROPS = {
    "TITLE": "summary", "DESCRIPTION": "description", "ISSUETYPE": "type", "PROJECTID": "component",
    "STATE": "status", "OWNER": "owner", "SUBMITTER": "reporter", "SUBMITDATE": "time",
    "LASTMODIFIEDDATE": "changetime",
}  # fmt: skip
Fault = sqlite3.Error


@dataclass
class Case:
    """A case as the database holds it, and what was done to it: moment, user, transition, changed fields."""

    values: dict[str, Any]
    log: list[tuple[int, int, int, dict[str, tuple[Any, Any]]]] = field(default_factory=list)

    @property
    def changed(self) -> datetime:
        """Its LASTMODIFIEDDATE."""
        return datetime.fromtimestamp(self.values["LASTMODIFIEDDATE"], UTC)


class StandInTeamTrack:
    """The model of a TeamTrack, and the database in `directory` that holds the same."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "teamtrack.db"
        self.file.write_bytes(_without_cases())
        self.url = f"teamtrack+sqlite:///{self.file}"
        self.user = ""
        self.clock = datetime(2020, 1, 1, tzinfo=UTC)
        self.tickets: dict[int, Case] = {}
        self.components = {workflows.PROJECTS[number].name: number for number in (2, 3)}
        self.faults: deque[Fault | None] = deque()  # of the next statements
        self._last = 0

    async def connect(self) -> TeamTrack:
        """A tracker by whose clock it is `clock`."""
        return TeamTrack(_Source(self))

    # What its users do.

    def create(self, summary: str, when: datetime, *, author: str = "", component: str = "") -> int:
        """A new case's id: one more than the highest ever."""
        self._last += 1
        who, moment = _user(author) or 1, int(when.timestamp())
        case = self.tickets[self._last] = Case(dict.fromkeys(CASE_FIELDS))
        numbers = list(self.components.values())
        project = self.components.get(component, numbers[len(component) % len(numbers)])
        case.values |= {
            "ISSUEID": f"{self._last:05}", "TITLE": _text(summary), "DESCRIPTION": "",
            "KEYWORDS": "", "PLACES": "", "PROJECTID": project,
            "STATE": workflows.NEW, "SUBMITTER": who, "SUBMITDATE": moment, "LASTMODIFIER": who,
            "LASTMODIFIEDDATE": moment, "LASTSTATECHANGER": who, "LASTSTATECHANGEDATE": moment,
            "ACTIVEINACTIVE": 0,
        }  # fmt: skip
        with self._database() as database:
            _insert(database, "TTT_ISSUES", {"ID": self._last, **case.values})
            self._tell(database, self._last, who, moment, SUBMIT, {})
        return self._last

    def fill(self, count: int, when: datetime) -> list[int]:
        """The ids of many new cases."""
        return [self.create(f"case {n}", when) for n in range(count)]

    def change(self, number: int, when: datetime, author: str = "", comment: str = "", **fields: str) -> None:
        """A transition to the state `status`, where that is another, else an update.

        `comment` is added to the description, as a TeamTrack has no comments.
        """
        case, who, moment = self.tickets[number], _user(author) or 1, int(when.timestamp())
        new: dict[str, Any] = {"LASTMODIFIER": who, "LASTMODIFIEDDATE": moment}
        if "owner" in fields:
            new["OWNER"] = _user(fields["owner"])
        if comment:
            new["DESCRIPTION"] = f"{case.values['DESCRIPTION']}\n{_text(comment)}"
        transition, state = UPDATE, STATE_IDS.get(fields.get("status", ""), case.values["STATE"])
        if state != case.values["STATE"]:
            transition = next(key for key, of in TRANSITIONS.items() if of.enters == state)
            closed = STATES[state].closed
            new |= {"STATE": state, "LASTSTATECHANGER": who, "LASTSTATECHANGEDATE": moment}
            new |= {"ACTIVEINACTIVE": int(closed), "CLOSEDATE": moment if closed else None}
        with self._database() as database:
            self._tell(database, number, who, moment, transition, new)
            _update(database, number, new)
        case.values |= new

    def delete(self, number: int) -> None:
        """Deletes a case; its history stays, as in a TeamTrack."""
        del self.tickets[number]
        self._execute("DELETE FROM TTT_ISSUES WHERE TS_ID = ?", number)

    def change_silently(self, number: int, value: str) -> None:
        """A change by SQL, which nothing tells of."""
        self.tickets[number].values["KEYWORDS"] = _text(value)
        with self._database() as database:
            _update(database, number, {"KEYWORDS": _text(value)})

    def rename_component(self, old: str, new: str) -> None:
        """A project's new name: tickets and logs follow, without a trace."""
        self.components[new] = self.components.pop(old)
        self._execute("UPDATE TS_PROJECTS SET TS_NAME = ? WHERE TS_ID = ?", new, self.components[new])

    def fail_after(self, honest: int, fault: Fault) -> None:
        """After so many good answers comes a bad one."""
        self.faults.extend([None] * honest + [fault])

    # What must come of it.

    def expected(self) -> dict[str, bytes]:
        """Path and bytes of every ticket and change log."""
        found = {}
        for number, case in self.tickets.items():
            props = {
                PROPS.get(name, name.lower()): self._shown(name, value)
                for name, value in case.values.items()
                if name not in TOLD_BY_LOGS
            }
            record = [number, props["time"], props["changetime"], props]
            found[f"ticket/{number}.json"] = records.dump(record)
            found[f"changelog/{number}.json"] = records.dump(list(self._log(case)))
        return found

    @staticmethod
    def swept(path: str) -> bool:
        """Whether a sweep makes a file what is expected; logs have new names after a full sync."""
        return path.startswith("ticket/")

    def _log(self, case: Case) -> Iterable[list[Any]]:
        before = None
        for moment, who, transition, changed in sorted(case.log, key=lambda action: action[0]):
            about = [_iso(moment), USERS[who]]
            if transition > 0:
                yield [*about, "transition", "", TRANSITIONS[transition].name, 1]
            elif transition == UPDATE and (not changed or before == about):
                yield [*about, "update", "", "", 1]
            for name, values in changed.items():
                old, new = (self._shown(name, value) for value in values)
                yield [*about, PROPS.get(name, name.lower()), old, new, 1]
            before = about

    def _shown(self, name: str, value: Any) -> str:
        if value in (None, ""):
            return ""
        if name == "PROJECTID":
            return next(known for known, number in self.components.items() if number == value)
        if name == "STATE":
            return STATES[value].name
        kind = CASE_FIELDS[name]
        return USERS[value] if kind == "USER" else _iso(value) if kind == "DATETIME" else str(value)

    # How it gets into the database.

    def _tell(
        self,
        database: sqlite3.Connection,
        number: int,
        who: int,
        moment: int,
        transition: int,
        new: Mapping[str, Any],
    ) -> None:
        def insert(table: str, row: dict[str, Any]) -> int:
            return _insert(database, f"TS_{table}", row)

        case = self.tickets[number]
        action = {"TABLEID": TABLES["TTT_ISSUES"], "CASEID": number, "USERID": who, "TIME": moment}
        write_history(insert, action | {"TRANSITIONID": transition}, FIELD_IDS, case.values, new)
        changed = {name: (case.values[name], value) for name, value in new.items()}
        logged = {
            name: pair for name, pair in changed.items() if pair[0] != pair[1] and not name.startswith("LAST")
        }
        case.log.append((moment, who, transition, logged))

    def _execute(self, statement: str, *values: Any) -> None:
        with self._database() as database:
            assert database.execute(statement, values).rowcount == 1

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.file)) as database, database:
            yield database


class _Source(DatabaseSource):
    """The database, read by its own clock, each statement of which may fail."""

    def __init__(self, teamtrack: StandInTeamTrack) -> None:
        self._teamtrack = teamtrack
        engines = opened(f"sqlite:///{teamtrack.file}", "", "")
        event.listen(engines._reader, "before_cursor_execute", self._failing)
        super().__init__(engines)

    def now(self) -> datetime:
        return believed(self._teamtrack.clock)

    def _failing(self, *_: Any) -> None:
        if self._teamtrack.faults and (fault := self._teamtrack.faults.popleft()):
            raise fault


@cache
def _without_cases() -> bytes:
    with TemporaryDirectory() as directory:
        file = Path(directory) / "empty.db"
        engine = create_engine(f"sqlite:///{file}")
        fill(engine, cases=0)
        engine.dispose()
        return file.read_bytes()


def _insert(database: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> int:
    """A row's id: one more than the last, unless it has one."""
    (last,) = database.execute(f"SELECT coalesce(max(TS_ID), 0) FROM {table}").fetchone()
    found = {"ID": last + 1, **row}
    names = ", ".join(f"TS_{name}" for name in found)
    database.execute(
        f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(found))})", [*found.values()]
    )
    return int(found["ID"])


def _update(database: sqlite3.Connection, number: int, values: Mapping[str, Any]) -> None:
    names = ", ".join(f"TS_{name} = ?" for name in values)
    database.execute(f"UPDATE TTT_ISSUES SET {names} WHERE TS_ID = ?", [*values.values(), number])


def _user(word: str) -> int | None:
    """The id of a user; any word stands for one, and none for none."""
    return USER_IDS.get(word, 1 + len(word) % len(USERS)) if word else None


def _text(text: str) -> str:
    """A text as SQLite can hold it."""
    return text.encode("utf-8", "replace").decode()


def _iso(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S}"
