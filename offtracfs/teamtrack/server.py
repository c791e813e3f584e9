"""A TeamTrack server and its records, as the interface's document has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, overload

from offtracfs.errors import TeamTrackError, TSAPIError
from offtracfs.teamtrack import workflow
from offtracfs.teamtrack.provisional import ISSUE
from offtracfs.teamtrack.transport import CHUNK, TableRow, Transport

CASES = 1  # the id of the case table in a database made before TeamTrack 5.0


class Server:
    """A TeamTrack server. Made by `offtracfs.teamtrack.connect`; a context manager that closes it.

    Every method may raise `teamtrack.error`, where the interface cannot do what it is asked for, and
    `teamtrack.tsapi_error`, where the TeamTrack says no or does not answer.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport  # for what the interface does not have
        self._names = {table.id: table.name for table in transport.tables}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the connections."""
        self.transport.close()

    @property
    def features(self) -> dict[str, int]:
        """What `teamtrack.feature` is for this server."""
        return dict.fromkeys(sorted(self.transport.features), 1)

    @property
    def tables(self) -> dict[str, int]:
        """What `teamtrack.table` is for this server: its tables' names, minus the initial TS_, and their ids.

        ``CASES`` is the case table, whatever its name: so ``table['CASES']`` works with both kinds of
        database. (That is this project's own rule.)
        """
        found = {table.name.removeprefix("TS_"): table.id for table in self.transport.tables}
        case_table = self._case_table()
        return found | ({"CASES": case_table.id} if case_table else {})

    def case_table_id(self) -> int:
        """The id of the table that contains the cases: 1 in older databases, mostly 1000 in later ones."""
        return self._required_case_table().id

    def case_table_name(self) -> str:
        """The name of the table that contains the cases: ``TS_CASES`` or ``TTT_ISSUES``."""
        return self._required_case_table().name

    def delete_record(self, table: int, record_id: int) -> None:
        """Delete a record."""
        self.transport.delete(self._known(table), _whole(record_id, "A record's id"))

    def new_record(self, table: int) -> Record:
        """A record with the fields of a table, none of them set: for `Record.add` or `Record.submit`."""
        names = self.transport.fields(self._known(table))
        return Record(self, table, dict.fromkeys(names), 0)

    def query(self, table: int, where_clause: str = "") -> Records:
        """The records that a where clause asks for; all if it is empty.

        The query is made at once, and its order is fixed. Each record is read when it is looked at, with
        some others, and not kept: so memory does not grow with the number of records, and nothing in the
        database waits.
        """
        return Records(self, self._known(table), self.transport.ids(table, where_clause))

    def read_record(self, table: int, record_id: int) -> Record:
        """One record. Raises `teamtrack.tsapi_error` where there is none with that id."""
        number = _whole(record_id, "A record's id")
        for values in self.transport.rows(self._known(table), [number]):
            return Record(self, table, values, number)
        raise TSAPIError(f"There is no record with the id {number} in {self._names[table]}.")

    def read_state_list(self, workflow_id: int, include_parent: int = 0) -> list[Record]:
        """The states for cases in a workflow; with those of the workflows above it where `include_parent` is
        1.
        """
        number = _whole(workflow_id, "A workflow's id")
        found = workflow.states(self._all("WORKFLOWS"), self._all("STATES"), number, bool(include_parent))
        return self._records("STATES", found)

    def read_transition_list(self, project_id: int) -> list[Record]:
        """The transitions for cases in a project: records of TS_TRANSITIONS."""
        number = _whole(project_id, "A project's id")
        site = workflow.Site(self._all("PROJECTS"), self._all("WORKFLOWS"), [], self._all("TRANSITIONS"))
        return self._records("TRANSITIONS", workflow.transitions(site, number))

    def _all(self, name: str) -> list[workflow.Row]:
        """All records of a system table, which are few."""
        return list(self.query(self._system(name)))

    def _records(self, name: str, rows: Sequence[workflow.Row]) -> list[Record]:
        return [Record(self, self._system(name), dict(row), row["ID"]) for row in rows]

    def _system(self, name: str) -> int:
        if name not in (tables := self.tables):
            raise TSAPIError(f"This TeamTrack has no table TS_{name}.")
        return tables[name]

    def _known(self, table: object) -> int:
        """A table's id. Raises TeamTrackError for anything else."""
        if isinstance(table, bool) or not isinstance(table, int) or table not in self._names:
            raise TeamTrackError(f"There is no table with the id {table!r:.40}: teamtrack.table has the ids.")
        return table

    def _case_table(self) -> TableRow | None:
        """By the document's rule: the table with the id 1, else the one whose records are called Issue."""
        tables = self.transport.tables
        first = next((table for table in tables if table.id == CASES), None)
        return first or next((table for table in tables if table.singular.lower() == ISSUE.lower()), None)

    def _required_case_table(self) -> TableRow:
        if found := self._case_table():
            return found
        raise TSAPIError("This TeamTrack has no table of cases: none has the id 1, and none is called Issue.")


class Records(Sequence["Record"]):
    """What a query found: used like a list that cannot be changed, of any length.

    A record that was deleted since then is left out when all are walked through; to ask for it by its
    place raises `teamtrack.tsapi_error`. Any other is as it stands when it is looked at.
    """

    def __init__(self, server: Server, table: int, ids: Sequence[int]) -> None:
        self._server = server
        self._table = table
        self.ids = ids

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Record]:
        for start in range(0, len(self.ids), CHUNK):
            wanted = self.ids[start : start + CHUNK]
            rows = {row["ID"]: row for row in self._server.transport.rows(self._table, wanted)}
            for number in wanted:
                if number in rows:
                    yield Record(self._server, self._table, rows[number], number)

    @overload
    def __getitem__(self, place: int) -> Record: ...
    @overload
    def __getitem__(self, place: slice) -> Records: ...
    def __getitem__(self, place: int | slice) -> Record | Records:
        if isinstance(place, slice):
            return Records(self._server, self._table, self.ids[place])
        return self._server.read_record(self._table, self.ids[place])

    def __repr__(self) -> str:
        return f"<{len(self)} records of table {self._table}>"


class Record(Mapping[str, Any]):
    """A record: its fields by name, without the TS_. Made by the methods of a server.

    Numbers are int or float, dates are seconds since 1970 (GMT), texts are str; a field that is not set is ""
    or None. Every method that writes is done completely or not at all, and on failure leaves this object as
    it was. Only where it cannot be read again afterwards, what was written stands.
    """

    __slots__ = ("_changed", "_id", "_server", "_table", "_values")

    def __init__(self, server: Server, table: int, values: dict[str, Any], number: int) -> None:
        self._server = server
        self._table = table
        self._values = values
        self._id = number  # 0: not in the TeamTrack yet
        self._changed: frozenset[str] = frozenset()

    def __getitem__(self, field: str) -> Any:
        return self._values[field]

    def __setitem__(self, field: str, value: Any) -> None:
        if field not in self._values:
            raise KeyError(field)
        if field == "ID":
            raise TeamTrackError("The TeamTrack gives a record its ID.")
        self._values[field] = value
        self._changed |= {field}

    def __contains__(self, field: object) -> bool:
        return field in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return (self._table, self._values) == (other._table, other._values)

    __hash__ = None  # type: ignore[assignment]  # it can change

    def __repr__(self) -> str:
        return f"<record {self._id or 'to be'} of table {self._table}>"

    def has_key(self, field: str) -> bool:
        """Whether there is a field of that name."""
        return field in self

    def keys(self) -> list[str]:  # type: ignore[override]  # as the document has it
        """The names of the fields."""
        return list(self._values)

    def table(self) -> int:
        """The id of the table that it belongs to."""
        return self._table

    def add(self) -> Record:
        """Add it to its table, with a new ID. Returns this record, as it is there now."""
        return self._read(self._transport.add(self._table, self._set()))

    def add_field(self) -> Record:
        """Add a field to the schema: this record of TS_FIELDS, and the column that it describes.

        TABLEID is the table, DBNAME the field's name and FLDTYPE its type.
        """
        if self._server.tables.get("FIELDS") != self._table:
            raise TeamTrackError("A field is added by a record of the table FIELDS.")
        return self._read(self._transport.add_field(self._set()))

    def submit(self, login_id: str, project_id: int | None = None, folder_id: int = 0) -> int:
        """Submit it into the workflow on behalf of a user; the new record's id.

        This record object stays as it is. `project_id` is PROJECTID unless it is given. `folder_id` is not
        understood (by the document neither): only 0 is accepted.
        """
        project = self._values.get("PROJECTID") if project_id is None else project_id
        if not project:
            raise TeamTrackError("A record is submitted to a project: set its PROJECTID.")
        if folder_id != 0 or isinstance(folder_id, bool):
            raise TeamTrackError("What a folder is to a submit is not known: folder_id must be 0.")
        number = _whole(project, "A project's id")
        return self._transport.submit(_login(login_id), self._table, self._set(), number)

    def transition(self, login_id: str, transition: int, project_id: int | None = None) -> Record:
        """Do a transition on behalf of a user; fields that were set are written with it.

        Returns this record, as it is after it. `project_id` is the project that it shall belong to, if
        another.
        """
        number = _whole(transition, "A transition's id")
        project = None if project_id is None else _whole(project_id, "A project's id")
        self._transport.transition(
            _login(login_id), self._table, self._required_id(), self._set(), number, project
        )
        return self._read(self._id)

    def update(self) -> Record:
        """Write the fields that were set. Returns this record, as it is there now.

        Raises `teamtrack.error` where that fails, for whatever reason, as the document has it.
        """
        try:
            self._transport.update(self._table, self._required_id(), self._set())
            return self._read(self._id)
        except TSAPIError as failure:
            raise TeamTrackError(str(failure)) from failure

    @property
    def _transport(self) -> Transport:
        return self._server.transport

    def _set(self) -> dict[str, Any]:
        return {name: self._values[name] for name in self._values if name in self._changed}

    def _required_id(self) -> int:
        if not self._id:
            raise TeamTrackError("This record is not in the TeamTrack yet: add or submit it.")
        return self._id

    def _read(self, number: int) -> Record:
        read = self._server.read_record(self._table, number)
        self._values, self._id = read._values, number
        self._changed = frozenset()
        return self


def _whole(value: object, what: str) -> int:
    """A whole number. Raises TeamTrackError."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TeamTrackError(f"{what} is a whole number: {value!r:.40} is none.")
    return value


def _login(value: object) -> str:
    """A user's name. Raises TeamTrackError."""
    if not isinstance(value, str) or not value:
        raise TeamTrackError("A login is the name of a user, a text.")
    return value
