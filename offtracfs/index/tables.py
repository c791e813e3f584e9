"""Trac's own tables as reports see them: as they stood at a revision."""

from __future__ import annotations

from offtracfs.kinds import TABLES, Table


def _tickets_first(name: str) -> tuple[bool, str]:
    """Sorts the tables of tickets by name, and leaves the others in their order behind them."""
    return (False, name) if name.startswith("ticket") else (True, "")


VIEWS: dict[str, tuple[str, ...]] = {
    name: TABLES[name].seen
    for name in sorted(TABLES, key=_tickets_first)
    if TABLES[name].seen and not TABLES[name].ours
}
"""Trac's tables and their columns, in Trac's order; messages list them so."""

OURS = tuple(name for name, table in TABLES.items() if table.ours)
"""The views that foreign SQL must not see."""


def views(revision: int) -> list[str]:
    """Statements that make a temporary view of each of `VIEWS` and `OURS`, as it stood at a revision.

    They must be run before the connection is restricted to these views.
    """
    return [_view(TABLES[name], revision) for name in (*VIEWS, *OURS)]


def _view(table: Table, revision: int) -> str:
    def valid(row: str) -> str:
        return f"{row}.since <= {revision:d} AND {row}.until > {revision:d}"

    def column(name: str) -> str:
        if not table.apart or name not in table.apart:
            return name
        other = TABLES[table.apart[name]]
        same = f"d.{next(iter(other.columns))} = t.{next(iter(table.columns))}"
        return f"(SELECT d.{name} FROM offtracfs_{other.name} AS d WHERE {same} AND {valid('d')}) AS {name}"  # noqa: S608

    select = f"SELECT {', '.join(map(column, table.seen))} FROM offtracfs_{table.name} AS t"  # noqa: S608
    return f"CREATE TEMP VIEW {table.name} AS {select} WHERE {valid('t')}"
