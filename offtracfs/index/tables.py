"""Trac's own tables: how they are seen as they stood at a revision."""

from __future__ import annotations

VIEWS: dict[str, tuple[str, ...]] = {
    "ticket": (
        "id", "type", "time", "changetime", "component", "severity", "priority", "owner", "reporter", "cc",
        "version", "milestone", "status", "resolution", "summary", "description", "keywords",
    ),
    "ticket_change": ("ticket", "time", "author", "field", "oldvalue", "newvalue"),
    "ticket_custom": ("ticket", "name", "value"),
    "enum": ("type", "name", "value", "description"),
    "component": ("name", "owner", "description"),
    "milestone": ("name", "due", "completed", "description"),
    "version": ("name", "time", "description"),
    "report": ("id", "author", "title", "query", "description"),
}  # fmt: skip
"""Trac's tables and their columns, in Trac's order."""


def views(revision: int) -> list[str]:
    """Statements that make a temporary view of each of `VIEWS`, as it stood at a revision.

    They are for a connection to the index, before whatever is to see nothing but these views.
    """

    def stood(row: str) -> str:
        return f"{row}.since <= {revision:d} AND {row}.until > {revision:d}"

    texts = f"SELECT d.description FROM trac_description AS d WHERE d.ticket = t.id AND {stood('d')}"  # noqa: S608
    elsewhere = {("ticket", "description"): f"({texts}) AS description"}
    return [
        f"CREATE TEMP VIEW {name} AS SELECT "  # noqa: S608
        + ", ".join(elsewhere.get((name, column), column) for column in columns)
        + f" FROM trac_{name} AS t WHERE {stood('t')}"
        for name, columns in VIEWS.items()
    ]
