"""The transport to a TeamTrack's database: all that the interface can do, in SQL.

Tables and columns are taken from the live database. Each method that writes is one transaction. What can be
read of a table costs two short transactions: nothing stays open while a caller looks at records.
"""

from __future__ import annotations

import re
import time
from array import array
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Float, MetaData, Table, Text, inspect, select, update
from sqlalchemy.schema import CreateColumn

from offtracfs.errors import NotATeamTrack, TeamTrackError, TSAPIError
from offtracfs.teamtrack import conditions, workflow
from offtracfs.teamtrack.columns import PREFIX, checked, field_name, record_type
from offtracfs.teamtrack.engines import Engines
from offtracfs.teamtrack.history import write_history
from offtracfs.teamtrack.provisional import FIELD_TYPES, SUBMIT, UPDATE
from offtracfs.teamtrack.transport import TableRow, Values
from offtracfs.teamtrack.whereclause import parsed
from offtracfs.text import quoted

TABLES = "TS_TABLES"
READS: Collection[str] = ("system_tables",)
WRITES: Collection[str] = ("add", "add_field", "delete_record", "submit", "transition", "update")
EXTENSIBLE = (
    "CASES", "TTT_ISSUES", "INCIDENTS", "COMPANIES", "CONTACTS", "MERCHANDISE", "PRODUCTS", "PROBLEMS",
    "RESOLUTIONS", "SERVICEAGREEMENTS",
)  # fmt: skip
"""The tables that a field can be added to, by the document, and the other name of its Cases."""
IN_WORKFLOWS = ("CASES", "TTT_ISSUES", "INCIDENTS")
"""The tables whose records can be submitted and transitioned, likewise."""
COLUMN_TYPES = {"NUMERIC": Float, "TEXT": Text, "MULTIPLE_SELECTION": Text, "MULTIPLE_RELATIONAL": Text}
"""A field's type → its column's; a whole number for all others, dates too."""
_NAME = re.compile("[A-Za-z][A-Za-z0-9_]{0,26}")  # Oracle has names of 30 characters, with the TS_
IDS = 10_000  # that are fetched at a time


class Database:
    """A TeamTrack's database; `Transport` describes its methods. `userid` is who updates records."""

    def __init__(self, engines: Engines, userid: str) -> None:
        self._engines = engines
        self._userid = userid
        self._reflected: dict[str, Table] = {}
        self.tables = self._listed()

    @property
    def features(self) -> Collection[str]:
        """What it can do: only reading, unless the address says ``?write=1``."""
        return (*READS, *WRITES) if self._engines.writable else READS

    def close(self) -> None:
        """End the connections."""
        self._engines.close()

    def _listed(self) -> list[TableRow]:
        """What TS_TABLES lists. Raises NotATeamTrack where there is no such table."""
        with self._engines.reading() as connection:
            if TABLES not in self._names:
                raise NotATeamTrack(f"{self._engines.place} is not a TeamTrack's: it has no table {TABLES}.")
            table = self._reflect(TABLES)
            rows = [_values(row) for row in connection.execute(select(table)).mappings()]
        return [
            TableRow(row["ID"], row["DBNAME"].upper(), row.get("SNAME") or "")
            for row in rows
            if isinstance(row.get("ID"), int) and isinstance(row.get("DBNAME"), str)
        ]

    @cached_property
    def _names(self) -> dict[str, str]:
        """The tables that the database has: upper-case name → the name there."""
        with self._engines.reading() as connection:
            found = inspect(connection)
            schema = self._engines.schema
            return {
                name.upper(): name for name in (*found.get_table_names(schema), *found.get_view_names(schema))
            }

    def _reflect(self, name: str) -> Table:
        """A table with its columns, as the database has it. Raises TSAPIError where it is not there."""
        if name not in self._reflected:
            if name not in self._names:
                raise TSAPIError(f"{self._engines.place} has no table {quoted(name)}.")
            with self._engines.reading() as connection:
                table = Table(
                    self._names[name],
                    MetaData(),
                    schema=self._engines.schema,
                    autoload_with=connection,
                    resolve_fks=False,
                    listeners=[("column_reflect", _typed)],
                )
            if not any(field_name(column.name) == "ID" for column in table.columns):
                raise TSAPIError(f"The table {name} has no TS_ID.")
            self._reflected[name] = table
        return self._reflected[name]

    def _table(self, number: int) -> Table:
        return self._reflect(next(table.name for table in self.tables if table.id == number))

    def _named(self, name: str) -> Table:
        """A table that a where clause names. Raises TeamTrackError where TS_TABLES does not list it."""
        if name.upper() not in (TABLES, *(table.name for table in self.tables)):
            raise TeamTrackError(f"TS_TABLES lists no table {quoted(name)}.")
        return self._reflect(name.upper())

    def fields(self, table: int) -> Sequence[str]:
        """The fields of a table."""
        return [field_name(column.name) for column in self._table(table).columns]

    def ids(self, table: int, where_clause: str) -> Sequence[int]:
        """The ids that a where clause asks for: 8 bytes for each."""
        query = conditions.ids(self._named, self._table(table), parsed(where_clause))
        found = array("q")
        with self._engines.reading() as connection:
            result = connection.execution_options(yield_per=IDS).execute(query)
            for part in result.scalars().partitions():
                found.extend(part)
        return found

    def rows(self, table: int, ids: Sequence[int]) -> list[Values]:
        """The records with these ids."""
        with self._engines.reading() as connection:
            return _rows(connection, self._table(table), ids)

    def add(self, table: int, values: Mapping[str, Any]) -> int:
        """A new record."""
        with self._engines.writing() as connection:
            return self._insert(connection, table, values)

    def delete(self, table: int, number: int) -> None:
        """Delete a record. Raises TSAPIError where there is none."""
        target = self._table(table)
        with self._engines.writing() as connection:
            deleted = connection.execute(target.delete().where(_column(target, "ID") == number))
            if not deleted.rowcount:
                raise TSAPIError(f"There is no record with the id {number} in {target.name}.")

    def update(self, table: int, number: int, values: Mapping[str, Any]) -> None:
        """Set fields. For a case, also who modified it and when, unless that is set; and its history is
        written.
        """
        with self._engines.writing() as connection:
            before = self._locked(connection, table, number)
            user, now = self._user(connection, self._userid), int(time.time())
            if self._is_case(table):
                who = {"LASTMODIFIER": user} if user else {}
                values = {"LASTMODIFIEDDATE": now, **who, **values}
            self._write(connection, table, before, values)
            if self._is_case(table):
                self._note(connection, table, before, values, UPDATE, user, now)

    def submit(self, login: str, table: int, values: Mapping[str, Any], project: int, folder: int) -> int:
        """A new record in the workflow, by the rules in `workflow`."""
        self._check_in_workflow(table)
        with self._engines.writing() as connection:
            user, now = self._required_user(connection, login), int(time.time())
            site = self._site(connection)
            ruled = workflow.submitted(site, table, values, project, user, now)
            issue = {"ISSUEID": self._issue_id(connection, site, project)}
            ruled = self._existing(table, ruled | issue)
            number = self._insert(connection, table, {**values, **ruled})
            self._note(connection, table, {"ID": number}, {}, SUBMIT, user, now)
            return number

    def transition(
        self,
        login: str,
        table: int,
        number: int,
        values: Mapping[str, Any],
        transition: int,
        project: int | None,
    ) -> None:
        """A transition, by the rules in `workflow`."""
        self._check_in_workflow(table)
        with self._engines.writing() as connection:
            user, now = self._required_user(connection, login), int(time.time())
            before = self._locked(connection, table, number)
            to = before["PROJECTID"] if project is None else project
            ruled = workflow.transitioned(self._site(connection), table, before, transition, to, user, now)
            changes = {**values, **self._existing(table, ruled)}
            self._write(connection, table, before, changes)
            self._note(connection, table, before, changes, transition, user, now)

    def add_field(self, values: Mapping[str, Any]) -> int:
        """A new field with its column."""
        name, number = values.get("DBNAME"), values.get("TABLEID")
        kinds = {type_: kind for kind, type_ in FIELD_TYPES.items()}
        table = next((item for item in self.tables if item.id == number), None)
        if table is None or table.name.removeprefix(PREFIX) not in EXTENSIBLE:
            raise TeamTrackError(
                "A field cannot be added to that table: TABLEID is one of cases or the like."
            )
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise TeamTrackError(
                "The DBNAME of a field is letters, digits and _, at most 27, and begins with a letter."
            )
        if (kind := kinds.get(values.get("FLDTYPE", 0))) is None:
            raise TeamTrackError("FLDTYPE is none of teamtrack.field_type.")
        if name.upper() in self.fields(table.id):
            raise TeamTrackError(f"{table.name} has a field {name.upper()} already.")
        target = self._table(table.id)
        own = next(column.name for column in target.columns if field_name(column.name) == "ID")
        prefix = PREFIX if own.isupper() else PREFIX.lower()
        column: Column[Any] = Column(
            prefix + (name.upper() if own.isupper() else name.lower()), COLUMN_TYPES.get(kind, BigInteger)()
        )
        with self._engines.writing() as connection:
            made = self._insert(connection, self._id_of("FIELDS"), {**values, "DBNAME": name.upper()})
            dialect = connection.dialect
            what = CreateColumn(column).compile(dialect=dialect)
            connection.exec_driver_sql(
                f"ALTER TABLE {dialect.identifier_preparer.format_table(target)} ADD {what}"
            )
        self._reflected.pop(table.name, None)
        return made

    def _insert(self, connection: Connection, number: int, values: Mapping[str, Any]) -> int:
        """A row with a new TS_ID, which it returns."""
        table = self._table(number)
        new = self._next_id(connection, number)
        if connection.scalar(select(_column(table, "ID")).where(_column(table, "ID") == new)):
            raise TSAPIError(f"TS_LASTIDS is behind: {table.name} has a record {new} already.")
        connection.execute(table.insert().values(_stored(table, {**values, "ID": new})))
        return new

    def _next_id(self, connection: Connection, number: int) -> int:
        """A new TS_ID for a table.

        The UPDATE locks the row of TS_LASTIDS until the transaction ends, so that whoever else wants an id
        waits, and gets the next one.
        """
        return self._counted(connection, self._reflect("TS_LASTIDS"), "TABLEID", number)

    def _counted(self, connection: Connection, table: Table, key: str, value: int) -> int:
        last, which = _column(table, "LASTID"), _column(table, key) == value
        counted = connection.execute(update(table).where(which).values({last: last + 1}))
        if counted.rowcount != 1 or (found := connection.scalar(select(last).where(which))) is None:
            raise TSAPIError(
                f"{table.name} does not tell the last id of {value}: it has no such row, or several."
            )
        return int(found)

    def _issue_id(self, connection: Connection, site: workflow.Site, project: int) -> str:
        """The next ISSUEID of a project, or of the one above it where it uses that one's sequence
        (USEPARENTSEQ).
        """
        rows = {row["ID"]: row for row in site.projects}
        above = (rows[number] for number in workflow.chain(site.projects, project))
        row = next((row for row in above if not row.get("USEPARENTSEQ")), rows[project])
        number = self._counted(connection, self._reflect("TS_PROJECTS"), "ID", row["ID"])
        return f"{row.get('PREFIX') or ''}{number:0{row.get('ZEROFILLTO') or 5}d}"

    def _locked(self, connection: Connection, table: int, number: int) -> Values:
        """A record as it stands, which nobody else changes until the transaction ends."""
        target = self._table(table)
        query = select(target).where(_column(target, "ID") == number).with_for_update()
        if (row := connection.execute(query).mappings().first()) is None:
            raise TSAPIError(f"There is no record with the id {number} in {target.name}.")
        return _values(row)

    def _write(self, connection: Connection, table: int, before: Values, values: Mapping[str, Any]) -> None:
        target = self._table(table)
        if values:
            which = _column(target, "ID") == before["ID"]
            connection.execute(update(target).where(which).values(_stored(target, values)))

    def _note(
        self,
        connection: Connection,
        table: int,
        before: Values,
        values: Mapping[str, Any],
        what: int,
        user: int,
        now: int,
    ) -> None:
        """Write the history of what was done to a record."""

        def insert(name: str, row: Values) -> int:
            return self._insert(connection, self._id_of(name), row)

        rows = connection.execute(select(self._reflect("TS_FIELDS"))).mappings()
        fields = {row["DBNAME"]: row["ID"] for row in map(_values, rows) if row["TABLEID"] == table}
        action = {"TABLEID": table, "CASEID": before["ID"], "USERID": user, "TIME": now, "TRANSITIONID": what}
        write_history(insert, action, fields, before, values)

    def _site(self, connection: Connection) -> workflow.Site:
        names = ("TS_PROJECTS", "TS_WORKFLOWS", "TS_STATES", "TS_TRANSITIONS")
        return workflow.Site(
            *([*map(_values, connection.execute(select(self._reflect(name))).mappings())] for name in names)
        )

    def _user(self, connection: Connection, login: str) -> int:
        """The id of a user; 0 where there is none of that name."""
        table = self._reflect("TS_USERS")
        which = _column(table, "LOGINID") == login
        return connection.scalar(select(_column(table, "ID")).where(which)) or 0

    def _required_user(self, connection: Connection, login: str) -> int:
        if found := self._user(connection, login):
            return found
        raise TeamTrackError(f"There is no user {quoted(login)!r} in TS_USERS.")

    def _id_of(self, name: str) -> int:
        """The id of a table by its name, without the TS_."""
        found = next((table.id for table in self.tables if table.name == PREFIX + name), None)
        if found is None:
            raise TSAPIError(f"TS_TABLES lists no table TS_{name}.")
        return found

    def _is_case(self, table: int) -> bool:
        return (
            next(item.name for item in self.tables if item.id == table).removeprefix(PREFIX) in IN_WORKFLOWS
        )

    def _check_in_workflow(self, table: int) -> None:
        if not self._is_case(table):
            raise TeamTrackError("Only cases and incidents go through a workflow.")

    def _existing(self, table: int, values: Values) -> Values:
        """Those of the values that a rule sets for which this schema has a field."""
        fields = self.fields(table)
        return {name: value for name, value in values.items() if name in fields}


def _typed(_inspector: Any, _table: Table, column: dict[str, Any]) -> None:
    column["type"] = record_type(column["type"])


def _column(table: Table, field: str) -> Column[Any]:
    """The column of a field. Raises TSAPIError where there is none."""
    for column in table.columns:
        if field_name(column.name) == field:
            return column
    raise TSAPIError(f"The table {table.name} has no column TS_{field}.")


def _values(row: Mapping[Any, Any]) -> Values:
    return {field_name(name): value for name, value in row.items()}


def _rows(connection: Connection, table: Table, ids: Sequence[int]) -> list[Values]:
    query = select(table).where(_column(table, "ID").in_(list(ids)))
    return [_values(row) for row in connection.execute(query).mappings()]


def _stored(table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by column, checked. Raises TeamTrackError."""
    columns = {name: _column(table, name) for name in values}
    return {
        columns[name].name: checked(
            columns[name], 0 if value is None and not columns[name].nullable else value
        )
        for name, value in values.items()
    }
