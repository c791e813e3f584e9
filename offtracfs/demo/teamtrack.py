"""Databases of a TeamTrack about the garden railway: the same arguments give the same rows for ever.

They are this project's own: their schema is what is known of TeamTrack's, with `teamtrack.provisional` where
nothing is. Moments are whole seconds since 1970, UTC. The rows of history stand in the order of time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Engine, Float, MetaData, String, Table, Text

from offtracfs.demo import railway, workflows
from offtracfs.demo.lives import END, SEED, START, by_day
from offtracfs.demo.troubles import TROUBLES
from offtracfs.demo.workflows import (
    CASE_FIELDS,
    COLUMNS,
    PROJECTS,
    SELECTIONS,
    STATES,
    TRANSITIONS,
    WORKFLOWS,
)
from offtracfs.teamtrack.columns import PREFIX, Epoch
from offtracfs.teamtrack.history import write_history
from offtracfs.teamtrack.provisional import FIELD_TYPES, SUBMIT, TABLES, UPDATE

CASES = 300
UNRESOLVED = 12  # the case that is open in the end: somebody may want to resolve one
BATCH = 1_000  # rows of an INSERT
TEXTS = {
    "NAME": 80, "SNAME": 40, "DBNAME": 32, "LOGINID": 40, "EMAIL": 80, "PREFIX": 8, "VALUE": 40,
    "DEFAULTCHAR": 80,
    "ISSUEID": 24, "TITLE": 254,
}  # fmt: skip
MEMOS = ("DESCRIPTION", "OPTIONS", "KEYWORDS", "PLACES", "PRIORTEXT", "NEWTEXT")
DATES = ("TIME", *(name for name, kind in CASE_FIELDS.items() if kind == "DATETIME"))
FLOATS = ("COSTS", "DEFAULTREAL")
_TRIAGE, _REOPENED, _TALKED = 3, 0.15, 0.5  # days; shares
_NUMBERS = {name: number for number, name in enumerate(workflows.USERS, 1)}
_FIELDS = {name: number for number, name in enumerate(CASE_FIELDS, 1)}


def _selections() -> dict[tuple[str, str], int]:
    pairs = ((name, word) for name, words in SELECTIONS.items() for word in words)
    return {pair: number for number, pair in enumerate(pairs, 1)}


SELECTED = _selections()
"""Field and word → the id in TS_SELECTIONS."""


class Step(NamedTuple):
    """What somebody did to a case: `transition` is its id, SUBMIT or UPDATE; `before` and `after` are its
    fields.
    """

    moment: int
    case: int
    user: str
    transition: int
    before: Mapping[str, Any]
    after: Mapping[str, Any]


@dataclass(slots=True)
class _Story:
    """A case while things happen to it."""

    number: int
    random: Random
    now: datetime
    words: dict[str, str]
    values: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    def wait(self, days: float) -> None:
        self.now += timedelta(days=self.random.expovariate(1 / days), minutes=2)

    def say(self, *texts: str) -> str:
        text = self.random.choice(texts).format_map(self.words)
        return text[:1].upper() + text[1:]

    def do(self, user: str, transition: int = UPDATE, **fields: Any) -> None:
        """A step, with what every step sets."""
        moment = int(by_day(self.now).timestamp())
        after = fields | {"LASTMODIFIER": _NUMBERS[user], "LASTMODIFIEDDATE": moment}
        if transition != UPDATE:
            state = workflows.NEW if transition == SUBMIT else TRANSITIONS[transition].enters
            closed = STATES[state].closed
            after |= {"STATE": state, "LASTSTATECHANGER": _NUMBERS[user], "LASTSTATECHANGEDATE": moment}
            after |= {"ACTIVEINACTIVE": int(closed), "CLOSEDATE": moment if closed else None}
        before = dict(self.values)
        self.values |= after
        self.steps.append(Step(moment, self.number, user, transition, before, dict(self.values)))

    def go(self, user: str, name: str, **fields: Any) -> None:
        """The transition of that name in the case's workflow, its own before an inherited one."""
        workflow = PROJECTS[self.values["PROJECTID"]].workflow
        while True:
            for number, transition in TRANSITIONS.items():
                if transition.name == name and transition.workflow == workflow:
                    self.do(user, number, **fields)
                    return
            workflow = WORKFLOWS[workflow].parent

    def talk(self, user: str, text: str) -> None:
        """Somebody adds a paragraph to the description, as there are no comments."""
        self.do(user, DESCRIPTION=f"{self.values['DESCRIPTION']}\n\n{user}: {text}")


def story(number: int, cases: int) -> list[Step]:
    """All that happens to case `number` of so many, until the ten years are over; in order of time."""
    random = Random(f"{SEED}/{number}")  # noqa: S311  # stories, no secrets
    born = START + (END - START) * ((number - 1) / cases)
    years = (born - START) / timedelta(days=365.25)
    components = {name: item for name, item in railway.COMPONENTS.items() if item.since <= years}
    trouble = random.choice([trouble for trouble in TROUBLES if trouble.component in components])
    place, engine = random.choice(railway.PLACES), random.choice(railway.ENGINES)
    told = _Story(number, random, born, {"place": place, "engine": engine, "other": str(max(number - 3, 1))})
    reporter, owner = random.choice(railway.REPORTERS), components[trouble.component].owner
    weather = random.choice(SELECTIONS["WEATHER"])
    defect = trouble.type == "defect"
    told.do(
        reporter,
        SUBMIT,
        TITLE=told.say(trouble.summary),
        DESCRIPTION=told.say(trouble.description),
        ISSUETYPE=SELECTED["ISSUETYPE", trouble.type.capitalize()],
        PROJECTID=workflows.PROJECT_OF[trouble.component],
        SUBMITTER=_NUMBERS[reporter],
        SUBMITDATE=int(by_day(born).timestamp()),
        OWNER=_NUMBERS["triage"],
        PRIORITY=SELECTED["PRIORITY", "Major"],
        SEVERITY=SELECTED["SEVERITY", random.choice(workflows.SEVERITIES)] if defect else None,
        WEATHER=SELECTED["WEATHER", weather] if defect else None,
        PLACES=f",{SELECTED['PLACES', place]},",
        KEYWORDS=trouble.keywords,
        COSTS=None,
    )
    _worked_on(told, reporter, owner, components[trouble.component].cures)
    last = int(END.timestamp())
    return [step for step in told.steps if step.moment <= last]


def _worked_on(told: _Story, reporter: str, owner: str, cures: tuple[str, ...]) -> None:
    random = told.random
    told.wait(_TRIAGE)
    priority = random.choice(SELECTIONS["PRIORITY"])
    told.go("triage", "Assign", OWNER=_NUMBERS[owner], PRIORITY=SELECTED["PRIORITY", priority])
    if random.random() < _TALKED:
        told.wait(10)
        told.talk(reporter, told.say(*railway.ANSWERS))
    if random.random() < _TALKED / 2:
        told.wait(5)
        also = SELECTED["PLACES", random.choice(railway.PLACES)]
        places = told.values["PLACES"]
        told.do(reporter, PLACES=places if f",{also}," in places else f"{places}{also},")
    if told.number == UNRESOLVED:
        return
    workflow = PROJECTS[told.values["PROJECTID"]].workflow
    if workflow == 2 and random.random() < _TALKED:
        told.go(owner, "Wait")
        told.wait(20)
        told.go(owner, "Go on")
    _resolved(told, owner, cures)
    if random.random() < _REOPENED:
        told.wait(150)
        told.go(reporter, "Reopen")
        told.talk(reporter, told.say(*railway.REOPENED))
        _resolved(told, owner, cures)


def _resolved(told: _Story, owner: str, cures: tuple[str, ...]) -> None:
    told.wait(40)
    told.talk(owner, told.say(*cures))
    told.go(owner, "Resolve", COSTS=round(told.random.uniform(0, 90), 2))
    if told.values["STATE"] == workflows.IN_TEST:
        told.wait(5)
        told.go("qa", "Pass")
    told.wait(15)
    told.go("qa", "Close")


def steps(cases: int = CASES) -> Iterator[Step]:
    """What happens to all cases, in order of time. It keeps only the cases in mind that are not at their
    end.
    """
    ahead: list[tuple[int, int, int, Step]] = []
    for number in range(1, cases + 1):
        told = story(number, cases)
        while ahead and ahead[0][0] < told[0].moment:
            yield heapq.heappop(ahead)[3]
        for place, step in enumerate(told):
            heapq.heappush(ahead, (step.moment, number, place, step))
    while ahead:
        yield heapq.heappop(ahead)[3]


def fill(
    engine: Engine,
    *,
    cases: int = CASES,
    issues: bool = True,
    native_dates: bool = False,
    schema: str | None = None,
    until: int | None = None,
) -> None:
    """Make the database in an empty one, as it stood at `until`, in seconds since 1970; in one transaction.

    `issues` calls the case table TTT_ISSUES, as TeamTrack 5.0, and not TS_CASES; `native_dates` stores dates
    as such. Raises SQLAlchemyError.
    """
    tables = _tables(schema, issues, native_dates)
    with engine.begin() as connection:
        next(iter(tables.values())).metadata.create_all(connection)
        _Filling(connection, tables, issues).fill(cases, until)


def _tables(schema: str | None, issues: bool, native_dates: bool) -> dict[str, Table]:
    found = MetaData(schema=schema)
    case_table = "TTT_ISSUES" if issues else "CASES"
    columns = {name: text.split() for name, text in COLUMNS.items()}
    columns[case_table] = columns["INCIDENTS"] = ["ID", *CASE_FIELDS]
    return {
        name: Table(
            name if name.startswith("TTT_") else PREFIX + name,
            found,
            *(_column(field, native_dates) for field in fields),
        )
        for name, fields in columns.items()
    }


def _column(name: str, native_dates: bool) -> Column[Any]:
    if name == "ID":
        return Column("TS_ID", BigInteger, primary_key=True, autoincrement=False)
    kind: Any = BigInteger()
    if name in TEXTS:
        kind = String(TEXTS[name])
    elif name in MEMOS:
        kind = Text()
    elif name in FLOATS:
        kind = Float()
    elif name in DATES and native_dates:
        kind = Epoch()
    return Column(PREFIX + name, kind)


class _Filling:
    """Rows on their way into the tables, some at a time."""

    def __init__(self, connection: Connection, tables: dict[str, Table], issues: bool) -> None:
        self._connection = connection
        self._tables = tables
        self._case_table = "TTT_ISSUES" if issues else "CASES"
        self._id = TABLES[self._case_table]
        self._last = dict.fromkeys(tables, 0)
        self._waiting: dict[str, list[dict[str, Any]]] = {name: [] for name in tables}

    def insert(self, table: str, row: Mapping[str, Any]) -> int:
        """A row, with the next id unless it has one."""
        number = self._last[table] = row.get("ID") or self._last[table] + 1
        blank = dict.fromkeys(column.name for column in self._tables[table].columns)
        waiting = self._waiting[table]
        waiting.append(blank | {PREFIX + name: value for name, value in row.items()} | {"TS_ID": number})
        if len(waiting) == BATCH:
            self._flush(table)
        return number

    def _flush(self, table: str) -> None:
        if rows := self._waiting[table]:
            self._connection.execute(self._tables[table].insert(), rows)
            rows.clear()

    def fill(self, cases: int, until: int | None) -> None:
        issues = dict.fromkeys(PROJECTS, 0)
        for step in self._cases(cases, until, issues):
            self._tell(step)
        self._site(issues)
        for number, name in enumerate(self._tables, 1):
            last = len(self._tables) if name == "LASTIDS" else self._last[name]
            row = {"ID": number, "NAME": PREFIX + name, "TABLEID": TABLES[name], "LASTID": last}
            self.insert("LASTIDS", row)
        for name in self._tables:
            self._flush(name)

    def _cases(self, cases: int, until: int | None, issues: dict[int, int]) -> Iterator[Step]:
        """The steps up to then; each case is added when it begins, as it stands at the end."""
        for step in steps(cases):
            if until is not None and step.moment > until:
                return
            if step.transition == SUBMIT:
                told = [item for item in story(step.case, cases) if until is None or item.moment <= until]
                sequence = step.after["PROJECTID"]
                while not PROJECTS[sequence].own:
                    sequence = PROJECTS[sequence].parent
                issues[sequence] += 1
                issue = f"{PROJECTS[sequence].prefix}{issues[sequence]:05d}"
                self.insert(self._case_table, {**told[-1].after, "ID": step.case, "ISSUEID": issue})
            yield step

    def _tell(self, step: Step) -> None:
        action = {
            "TABLEID": self._id, "CASEID": step.case, "USERID": _NUMBERS[step.user], "TIME": step.moment,
            "TRANSITIONID": step.transition,
        }  # fmt: skip
        before = step.after if step.transition == SUBMIT else step.before  # a submit has no rows of changes
        write_history(self.insert, action, _FIELDS, before, step.after)

    def _site(self, issues: dict[int, int]) -> None:
        """All but the cases."""
        for name in self._tables:
            title = name.removeprefix("TTT_").capitalize()
            singular = "Issue" if name == "TTT_ISSUES" else title.removesuffix("s")
            whole = name if name.startswith("TTT_") else PREFIX + name
            self.insert("TABLES", {"ID": TABLES[name], "NAME": title, "SNAME": singular, "DBNAME": whole})
        for name, kind in CASE_FIELDS.items():
            own = name in workflows.OWN_FIELDS
            row = {
                "TABLEID": self._id,
                "NAME": name.capitalize(),
                "DBNAME": name,
                "FLDTYPE": FIELD_TYPES[kind],
            }
            self.insert("FIELDS", row | {"ID": _FIELDS[name], "SYSCODE": 0 if own else _FIELDS[name]})
        for sequence, ((name, word), number) in enumerate(SELECTED.items(), 1):
            self.insert(
                "SELECTIONS",
                {"ID": number, "FLDID": _FIELDS[name], "NAME": word, "SEQUENCE": sequence, "STATUS": 0},
            )
        for login, number in _NUMBERS.items():
            mail = f"{login.lower()}@railway.example"
            self.insert(
                "USERS", {"ID": number, "LOGINID": login, "NAME": f"The {login}", "EMAIL": mail, "STATUS": 0}
            )
        self._workflows()
        for number, project in PROJECTS.items():
            row = {
                "ID": number,
                "NAME": project.name,
                "PARENTID": project.parent,
                "WORKFLOWID": project.workflow,
            }
            row |= {"SEQUENCE": number, "PREFIX": project.prefix, "LASTID": issues[number], "ZEROFILLTO": 5}
            self.insert("PROJECTS", row | {"USEPARENTSEQ": int(not project.own), "USEPARENTWORKFLOW": 0})

    def _workflows(self) -> None:
        for number, workflow in WORKFLOWS.items():
            table = self._id if workflow.cases else TABLES["INCIDENTS"]
            row = {"ID": number, "NAME": workflow.name, "PARENTID": workflow.parent, "SEQUENCE": number}
            self.insert("WORKFLOWS", row | {"TABLEID": table})
        for number, state in STATES.items():
            row = {
                "ID": number,
                "NAME": state.name,
                "PROJECTID": state.workflow,
                "OPENCLOSED": int(state.closed),
            }
            self.insert("STATES", row | {"SEQUENCE": number, "STATUS": 0})
        for number, transition in TRANSITIONS.items():
            row = {
                "ID": number,
                "NAME": transition.name,
                "PROJECTID": transition.workflow,
                "SEQUENCE": number,
            }
            self.insert(
                "TRANSITIONS",
                row | {"OLDSTATEID": transition.leaves, "NEWSTATEID": transition.enters, "STATUS": 0},
            )
