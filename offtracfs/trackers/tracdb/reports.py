"""Reports, with the text that a Trac's pages give."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from offtracfs.kinds import report_header, report_path
from offtracfs.text import lines
from offtracfs.trackers.tracdb import tables
from offtracfs.trackers.tracdb.queries import saved_query
from offtracfs.trackers.tracdb.tables import text


def reports(connection: Connection, fields: set[str]) -> dict[str, Any]:
    """``report/*.json`` by path; `fields` are those that a saved query may name."""
    report = tables.report.c
    rows = connection.execute(select(report.id, report.title, report.query, report.description))
    return {report_path(number): _report(fields, number, *map(text, texts)) for number, *texts in rows}


def _report(fields: set[str], number: int, title: str, query: str, description: str) -> dict[str, str]:
    description, query = lines(description), lines(query)
    sql = saved_query(query, number, fields)
    record = {
        "title": title,
        "sql": report_header(number, title, description) + query if sql is None else sql,
    }
    return record | {"description": description} if description else record
