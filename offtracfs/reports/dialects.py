"""What is no SQLite: SQL written for PostgreSQL or MySQL, in SQLite's words where they say the same."""

from __future__ import annotations


def translated(sql: str) -> str | None:
    """`sql` for SQLite; None where it is no other database's SQL either. Raises QueryRefused."""
    return None
