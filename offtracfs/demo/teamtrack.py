"""Databases of a TeamTrack about the garden railway: the same arguments give the same rows for ever.

They are this project's own: their schema is what is known of TeamTrack's, with `teamtrack.provisional` where
nothing is. The rows of history stand in the order of time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Engine, Float, Index, MetaData, String, Table, Text

from offtracfs.demo import workflows
from offtracfs.demo.cases import CASES, SELECTED, USER_IDS, Step, steps, story
from offtracfs.demo.workflows import CASE_FIELDS, COLUMNS, PROJECTS, STATES, TRANSITIONS, WORKFLOWS
from offtracfs.teamtrack.columns import PREFIX, Epoch
from offtracfs.teamtrack.history import write_history
from offtracfs.teamtrack.provisional import FIELD_TYPES, SUBMIT, TABLES

BATCH = 1_000  # rows of an INSERT
TEXTS = {
    "NAME": 80, "SNAME": 40, "DBNAME": 32, "LOGINID": 40, "EMAIL": 80, "PREFIX": 8, "VALUE": 40,
    "DEFAULTCHAR": 80,
    "ISSUEID": 24, "TITLE": 254,
}  # fmt: skip
MEMOS = ("DESCRIPTION", "OPTIONS", "KEYWORDS", "PLACES", "PRIORTEXT", "NEWTEXT")
DATES = ("TIME", *(name for name, kind in CASE_FIELDS.items() if kind == "DATETIME"))
FLOATS = ("COSTS", "DEFAULTREAL")
_FIELD_IDS = {name: number for number, name in enumerate(CASE_FIELDS, 1)}


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
            *([Index(f"{PREFIX}{name}_CASEID", "TS_CASEID")] if "CASEID" in fields else []),
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
        self._blank = {name: dict.fromkeys(table.columns.keys()) for name, table in tables.items()}

    def insert(self, table: str, row: Mapping[str, Any]) -> int:
        """A row, with the next id unless it has one."""
        number: int = row.get("ID") or self._last[table] + 1
        self._last[table] = max(number, self._last[table])
        waiting = self._waiting[table]
        named = {PREFIX + name: value for name, value in row.items()}
        waiting.append({**self._blank[table], **named, "TS_ID": number})
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
            "TABLEID": self._id, "CASEID": step.case, "USERID": USER_IDS[step.user], "TIME": step.moment,
            "TRANSITIONID": step.transition,
        }  # fmt: skip
        before = step.after if step.transition == SUBMIT else step.before  # a submit has no rows of changes
        write_history(self.insert, action, _FIELD_IDS, before, step.after)

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
                "NAME": workflows.FIELD_NAMES.get(name, name.capitalize()),
                "DBNAME": name,
                "FLDTYPE": FIELD_TYPES[kind],
            }
            self.insert("FIELDS", row | {"ID": _FIELD_IDS[name], "SYSCODE": 0 if own else _FIELD_IDS[name]})
        for sequence, ((name, word), number) in enumerate(SELECTED.items(), 1):
            self.insert(
                "SELECTIONS",
                {"ID": number, "FLDID": _FIELD_IDS[name], "NAME": word, "SEQUENCE": sequence, "STATUS": 0},
            )
        for login, number in USER_IDS.items():
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
