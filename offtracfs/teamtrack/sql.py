"""The transport to a TeamTrack's database: all that the interface can do, in SQL.

Tables and columns are taken from the live database. Each method that writes is one transaction. What can be
read of a table costs two short transactions: nothing stays open while a caller looks at records.
"""

from __future__ import annotations

import re
import time
from array import array
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Float, Table, Text, select, update
from sqlalchemy.schema import CreateColumn
from sqlalchemy.types import TypeEngine

from offtracfs.errors import TeamTrackError, TSAPIError
from offtracfs.teamtrack import conditions, workflow
from offtracfs.teamtrack.columns import PREFIX
from offtracfs.teamtrack.engines import Engines
from offtracfs.teamtrack.history import write_history
from offtracfs.teamtrack.provisional import FIELD_TYPES, SUBMIT, UPDATE
from offtracfs.teamtrack.schema import Schema, column, records, stored
from offtracfs.teamtrack.transport import Values
from offtracfs.teamtrack.whereclause import parsed
from offtracfs.text import quoted

READS: Collection[str] = ("system_tables",)
WRITES: Collection[str] = ("add", "add_field", "delete_record", "submit", "transition", "update")
EXTENSIBLE = (
    "CASES", "TTT_ISSUES", "INCIDENTS", "COMPANIES", "CONTACTS", "MERCHANDISE", "PRODUCTS", "PROBLEMS",
    "RESOLUTIONS", "SERVICEAGREEMENTS",
)  # fmt: skip
"""The tables that a field can be added to, by the document, and the other name of its Cases."""
IN_WORKFLOWS = ("CASES", "TTT_ISSUES", "INCIDENTS")
"""The tables whose records can be submitted and transitioned, likewise."""
_NAME = re.compile("[A-Za-z][A-Za-z0-9_]{0,26}")  # Oracle has names of 30 characters, with the TS_
IDS = 10_000  # that are fetched at a time


class Database:
    """A TeamTrack's database; `Transport` describes its methods. `userid` is who updates records."""

    def __init__(self, engines: Engines, userid: str) -> None:
        self._engines = engines
        self._userid = userid
        self._schema = Schema(engines)
        self.tables = self._schema.tables

    @property
    def features(self) -> Collection[str]:
        """What it can do: only reading, unless the address says ``?write=1``."""
        return (*READS, *WRITES) if self._engines.writable else READS

    def close(self) -> None:
        """End the connections."""
        self._engines.close()

    def fields(self, table: int) -> Sequence[str]:
        """The fields of a table."""
        return self._schema.fields(table)

    def ids(self, table: int, where_clause: str) -> Sequence[int]:
        """The ids that a where clause asks for: 8 bytes for each."""
        query = conditions.ids(self._schema.named, self._schema.table(table), parsed(where_clause))
        found = array("q")
        with self._engines.reading() as connection:
            result = connection.execution_options(yield_per=IDS).execute(query)
            for part in result.scalars().partitions():
                found.extend(part)
        return found

    def rows(self, table: int, ids: Sequence[int]) -> list[Values]:
        """The records with these ids."""
        with self._engines.reading() as connection:
            target = self._schema.table(table)
            query = select(target).where(column(target, "ID").in_(list(ids)))
            return records(connection, query)

    def add(self, table: int, values: Mapping[str, Any]) -> int:
        """A new record."""
        with self._engines.writing() as connection:
            return self._insert(connection, table, values)

    def delete(self, table: int, number: int) -> None:
        """Delete a record. Raises TSAPIError where there is none."""
        target = self._schema.table(table)
        with self._engines.writing() as connection:
            deleted = connection.execute(target.delete().where(column(target, "ID") == number))
            if not deleted.rowcount:
                raise TSAPIError(f"There is no record with the id {number} in {target.name}.")

    def update(self, table: int, number: int, values: Mapping[str, Any]) -> None:
        """Set fields. A case also gets who modified it and when, where that is not set, and its history."""
        if not values:
            return
        with self._engines.writing() as connection:
            before = self._locked(connection, table, number)
            if not self._is_case(table):
                self._write(connection, table, before, values)
                return
            user, now = self._user(connection, self._userid), int(time.time())
            who = {"LASTMODIFIER": user} if user else {}
            values = {**self._existing(table, {"LASTMODIFIEDDATE": now, **who}), **values}
            self._write(connection, table, before, values)
            self._note(connection, _action(table, number, user, now, UPDATE), before, values)

    def submit(self, login: str, table: int, values: Mapping[str, Any], project: int) -> int:
        """A new record in the workflow, by the rules in `workflow`."""
        self._check_in_workflow(table, values)
        with self._engines.writing() as connection:
            user, now = self._required_user(connection, login), int(time.time())
            site = self._site(connection)
            ruled = workflow.submitted(site, table, values, project, user, now)
            issue = {"ISSUEID": self._issue_id(connection, site, project)}
            ruled = self._existing(table, ruled | issue)
            number = self._insert(connection, table, {**values, **ruled})
            self._note(connection, _action(table, number, user, now, SUBMIT), {}, {})
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
        self._check_in_workflow(table, values)
        with self._engines.writing() as connection:
            user, now = self._required_user(connection, login), int(time.time())
            before = self._locked(connection, table, number)
            to = before["PROJECTID"] if project is None else project
            ruled = workflow.transitioned(self._site(connection), table, before, transition, to, user, now)
            changes = {**values, **self._existing(table, ruled)}
            self._write(connection, table, before, changes)
            self._note(connection, _action(table, number, user, now, transition), before, changes)

    def add_field(self, values: Mapping[str, Any]) -> int:
        """A new field with its column."""
        table, name = self._new_field(values)
        target = self._schema.table(table)
        capitals = column(target, "ID").name.isupper()
        (kind,) = (kind for kind, number in FIELD_TYPES.items() if number == values["FLDTYPE"])
        made: Column[Any] = Column(PREFIX + name if capitals else (PREFIX + name).lower(), _column_type(kind))
        with self._engines.writing() as connection:
            number = self._insert(connection, self._schema.id_of("FIELDS"), {**values, "DBNAME": name})
            dialect = connection.dialect
            where, what = dialect.identifier_preparer.format_table(target), CreateColumn(made)
            connection.exec_driver_sql(f"ALTER TABLE {where} ADD {what.compile(dialect=dialect)}")
        self._schema.forget(table)
        return number

    def _new_field(self, values: Mapping[str, Any]) -> tuple[int, str]:
        """The table and the name of a field that may be added. Raises TeamTrackError."""
        name, number, kind = values.get("DBNAME"), values.get("TABLEID"), values.get("FLDTYPE")
        found = [table.id for table in self.tables if table.id == number]
        if not found or self._schema.name_of(found[0]) not in EXTENSIBLE:
            raise TeamTrackError("No field can be added to that table: TABLEID is that of cases or the like.")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise TeamTrackError("DBNAME is up to 27 letters, digits and _, and begins with a letter.")
        if isinstance(kind, bool) or kind not in FIELD_TYPES.values():
            raise TeamTrackError("FLDTYPE is none of teamtrack.field_type.")
        if name.upper() in self._schema.fields(found[0]):
            raise TeamTrackError(f"There is a field {name.upper()} already.")
        return found[0], name.upper()

    def _insert(self, connection: Connection, number: int, values: Mapping[str, Any]) -> int:
        """A row with a new TS_ID, which it returns."""
        table = self._schema.table(number)
        new = self._next_id(connection, number)
        if connection.scalar(select(column(table, "ID")).where(column(table, "ID") == new)):
            raise TSAPIError(f"TS_LASTIDS is behind: {table.name} has a record {new} already.")
        connection.execute(table.insert().values(stored(table, {**values, "ID": new})))
        return new

    def _next_id(self, connection: Connection, number: int) -> int:
        """A new TS_ID for a table.

        The UPDATE locks the row of TS_LASTIDS until the transaction ends, so that whoever else wants an id
        waits, and gets the next one.
        """
        return self._counted(connection, self._schema.system("TS_LASTIDS"), "TABLEID", number)

    def _counted(self, connection: Connection, table: Table, key: str, value: int) -> int:
        last, which = column(table, "LASTID"), column(table, key) == value
        counted = connection.execute(update(table).where(which).values({last: last + 1}))
        if counted.rowcount != 1 or (found := connection.scalar(select(last).where(which))) is None:
            raise TSAPIError(
                f"{table.name} does not tell the last id of {value}: it has no such row, or several."
            )
        return int(found)

    def _issue_id(self, connection: Connection, site: workflow.Site, project: int) -> str:
        """The next ISSUEID of a project, by its own sequence or (USEPARENTSEQ) that of the one above it."""
        rows = {row["ID"]: row for row in site.projects}
        above = (rows[number] for number in workflow.chain(site.projects, project))
        row = next((row for row in above if not row.get("USEPARENTSEQ")), rows[project])
        number = self._counted(connection, self._schema.system("TS_PROJECTS"), "ID", row["ID"])
        return f"{row.get('PREFIX') or ''}{number:0{row.get('ZEROFILLTO') or 5}d}"

    def _locked(self, connection: Connection, table: int, number: int) -> Values:
        """A record as it stands, which nobody else changes until the transaction ends."""
        target = self._schema.table(table)
        query = select(target).where(column(target, "ID") == number).with_for_update()
        query = query.with_hint(target, "WITH (UPDLOCK)", "mssql")  # which has no FOR UPDATE
        if found := records(connection, query):
            return found[0]
        raise TSAPIError(f"There is no record with the id {number} in {target.name}.")

    def _write(self, connection: Connection, table: int, before: Values, values: Mapping[str, Any]) -> None:
        target = self._schema.table(table)
        if values:
            which = column(target, "ID") == before["ID"]
            connection.execute(update(target).where(which).values(stored(target, values)))

    def _note(
        self, connection: Connection, action: Values, before: Mapping[str, Any], after: Mapping[str, Any]
    ) -> None:
        """Write the history of an action on a record."""

        def insert(name: str, row: Values) -> int:
            return self._insert(connection, self._schema.id_of(name), row)

        table = self._schema.system("TS_FIELDS")
        query = select(table).where(column(table, "TABLEID") == action["TABLEID"])
        fields = {row["DBNAME"]: row["ID"] for row in records(connection, query)}
        write_history(insert, action, fields, before, after)

    def _site(self, connection: Connection) -> workflow.Site:
        names = ("TS_PROJECTS", "TS_WORKFLOWS", "TS_STATES", "TS_TRANSITIONS")
        queries = (select(self._schema.system(name)) for name in names)
        return workflow.Site(*(records(connection, query) for query in queries))

    def _user(self, connection: Connection, login: str) -> int:
        """The id of a user; 0 where there is none of that name."""
        table = self._schema.system("TS_USERS")
        which = column(table, "LOGINID") == login
        return connection.scalar(select(column(table, "ID")).where(which)) or 0

    def _required_user(self, connection: Connection, login: str) -> int:
        if found := self._user(connection, login):
            return found
        raise TeamTrackError(f"There is no user {quoted(login)!r} in TS_USERS.")

    def _is_case(self, table: int) -> bool:
        return self._schema.name_of(table) in IN_WORKFLOWS

    def _check_in_workflow(self, table: int, values: Mapping[str, Any]) -> None:
        """Raises TeamTrackError for another table, or a value that does not go with its column."""
        if not self._is_case(table):
            raise TeamTrackError("Only cases and incidents go through a workflow.")
        stored(self._schema.table(table), values)

    def _existing(self, table: int, values: Values) -> Values:
        """Those of the values that a rule sets for which this schema has a field."""
        fields = self._schema.fields(table)
        return {name: value for name, value in values.items() if name in fields}


def _action(table: int, case: int, user: int, now: int, what: int) -> Values:
    """A row of TS_CHANGEACTIONS: `what` is a transition's id, SUBMIT or UPDATE."""
    return {"TABLEID": table, "CASEID": case, "USERID": user, "TIME": now, "TRANSITIONID": what}


def _column_type(kind: str) -> TypeEngine[Any]:
    """The type of a new field's column."""
    if kind == "NUMERIC":
        return Float()
    return Text() if kind == "TEXT" or kind.startswith("MULTIPLE") else BigInteger()
