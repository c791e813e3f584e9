"""The tables of a TeamTrack's database, as the live database has them, and rows as values of records."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Select, Table, inspect, select

from offtracfs.errors import NotATeamTrack, TeamTrackError, TSAPIError
from offtracfs.teamtrack.columns import PREFIX, checked, field_name, record_type
from offtracfs.teamtrack.engines import Engines
from offtracfs.teamtrack.transport import TableRow, Values
from offtracfs.text import quoted

TABLES = "TS_TABLES"


class Schema:
    """Which tables there are, by TS_TABLES; each is looked at when it is used first. Raises TSAPIError."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._reflected: dict[str, Table] = {}
        self.tables = self._listed()

    def _listed(self) -> list[TableRow]:
        """What TS_TABLES lists. Raises NotATeamTrack where there is no such table."""
        with self._engines.reading() as connection:
            if TABLES not in self._names:
                raise NotATeamTrack(f"{self._engines.place} is not a TeamTrack's: it has no table {TABLES}.")
            table = self.system(TABLES)
            rows = records(connection, select(table))
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

    def system(self, name: str) -> Table:
        """A table by its name in capital letters. Raises TSAPIError where the database does not have it."""
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
            if not any(field_name(item.name) == "ID" for item in table.columns):
                raise TSAPIError(f"The table {name} has no TS_ID.")
            self._reflected[name] = table
        return self._reflected[name]

    def table(self, number: int) -> Table:
        """A table by its id, which is one of `tables`."""
        return self.system(next(table.name for table in self.tables if table.id == number))

    def named(self, name: str) -> Table:
        """A table that a where clause names. Raises TeamTrackError where TS_TABLES does not list it."""
        if name.upper() not in (TABLES, *(table.name for table in self.tables)):
            raise TeamTrackError(f"TS_TABLES lists no table {quoted(name)}.")
        return self.system(name.upper())

    def id_of(self, name: str) -> int:
        """The id of a table by its name, without the TS_. Raises TSAPIError."""
        found = next((table.id for table in self.tables if table.name == PREFIX + name), None)
        if found is None:
            raise TSAPIError(f"TS_TABLES lists no table TS_{name}.")
        return found

    def name_of(self, number: int) -> str:
        """The name of a table, without the TS_, by its id, which is one of `tables`."""
        return next(table.name for table in self.tables if table.id == number).removeprefix(PREFIX)

    def fields(self, number: int) -> list[str]:
        """The fields of a table, by its id."""
        return [field_name(item.name) for item in self.table(number).columns]

    def forget(self, number: int) -> None:
        """A table has changed: look at it again when it is used next."""
        self._reflected.pop(next(table.name for table in self.tables if table.id == number), None)


def _typed(_inspector: Any, _table: Table, described: dict[str, Any]) -> None:
    described["type"] = record_type(described["type"])


def column(table: Table, field: str) -> Column[Any]:
    """The column of a field. Raises TSAPIError where there is none."""
    for item in table.columns:
        if field_name(item.name) == field:
            return item
    raise TSAPIError(f"The table {table.name} has no column TS_{field}.")


def records(connection: Connection, query: Select[Any]) -> list[Values]:
    """The rows of a query as the values of records."""
    result = connection.execute(query)
    names = [field_name(name) for name in result.keys()]  # noqa: SIM118  # no mapping
    return [dict(zip(names, row, strict=True)) for row in result.all()]


def stored(table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by column, checked. What cannot be NULL is 0 instead. Raises TeamTrackError."""
    found = {}
    for name, value in values.items():
        place = column(table, name)
        found[place.name] = checked(place, 0 if value is None and not place.nullable else value)
    return found
