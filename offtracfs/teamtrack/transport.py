"""What a server object needs of whatever reaches a TeamTrack: its database, or its SOAP service."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

Values = dict[str, Any]
"""Field (a column without its TS_) → value: int, float, str, bytes or None. Dates are seconds since 1970,
GMT."""


class TableRow(NamedTuple):
    """A table of the TeamTrack: its id, its name in the database, and the name of one of its records."""

    id: int
    name: str
    singular: str


class Transport(Protocol):
    """One TeamTrack. Every method may raise TeamTrackError, for what it cannot do, and TSAPIError.

    A table is named by its id, which must be one of `tables`.
    """

    @property
    def tables(self) -> Sequence[TableRow]:
        """The tables that there are."""
        ...

    @property
    def features(self) -> Collection[str]:
        """Which of ``add``, ``add_field``, ``delete_record``, ``submit``, ``system_tables``, ``transition``
        and ``update`` it can do; ``system_tables`` are all but those of cases and the like.
        """
        ...

    def fields(self, table: int) -> Sequence[str]:
        """The fields of a table's records, in the table's order."""
        ...

    def ids(self, table: int, where_clause: str) -> Sequence[int]:
        """The ids of the records that a where clause asks for, in its order."""
        ...

    def rows(self, table: int, ids: Sequence[int]) -> list[Values]:
        """Those of these records that are there, in any order; all of their fields. Not more than `CHUNK`
        ids.
        """
        ...

    def add(self, table: int, values: Mapping[str, Any]) -> int:
        """A new record's id."""
        ...

    def add_field(self, values: Mapping[str, Any]) -> int:
        """The id of a new record in TS_FIELDS, whose column has been made."""
        ...

    def delete(self, table: int, number: int) -> None:
        """Delete a record."""
        ...

    def update(self, table: int, number: int, values: Mapping[str, Any]) -> None:
        """Set fields of a record."""
        ...

    def submit(self, login: str, table: int, values: Mapping[str, Any], project: int) -> int:
        """The id of a new record in the workflow."""
        ...

    def transition(
        self,
        login: str,
        table: int,
        number: int,
        values: Mapping[str, Any],
        transition: int,
        project: int | None,
    ) -> None:
        """Do a transition, and set fields with it; `project` is where the record goes, if not where it is."""
        ...

    def close(self) -> None:
        """Give back the connections."""
        ...


CHUNK = 500
"""Records that are read at a time, so that memory does not grow with their number."""
