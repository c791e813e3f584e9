"""Reports, which Trac's RPC does not know: read from the pages that a browser would show.

A report's SQL is what Trac's ``format=sql`` gives: title and description as SQL comments, then the query.
Trac 1.6 fails at that (500, seen); there the same text is made from the form for editing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from offtracfs.errors import TrackerError
from offtracfs.kinds import report_header, report_path
from offtracfs.text import lines, quoted
from offtracfs.trackers import Metadata
from offtracfs.trackers.trac.faults import Unusable
from offtracfs.trackers.trac.http import Http
from offtracfs.trackers.trac.pages import text_areas
from offtracfs.trackers.trac.site import Answer

WAYS = ("format=sql", "action=edit")
"""How a report's text can be had; they need REPORT_SQL_VIEW and REPORT_MODIFY.

``action=copy`` needs REPORT_MODIFY, too (``_render_editor`` in trac/ticket/report.py of 1.2 and 1.6), so that
REPORT_CREATE is no help.
"""


async def reports(http: Http) -> Metadata:
    """``report/*.json``: one request, and one or two for each report."""
    answer = await http.page("report", params={"asc": "1", "format": "tab"})
    if answer.status != HTTPStatus.OK or answer.html:
        problem = f"The reports cannot be listed ({answer.status}): the user may need REPORT_VIEW."
        return Metadata({}, set(), [problem])
    records: dict[str, Any] = {}
    unread: list[str] = []
    for number, title, description in _listed(answer):
        sql = await _text(http, number, title, description)
        if sql is None:
            unread.append(str(number))
            continue
        record = {"sql": sql, "title": title}
        records[report_path(number)] = record | {"description": description} if description else record
    if not unread:
        return Metadata(records, {"report"})
    problem = (
        f"The SQL of {len(unread)} reports ({quoted(', '.join(unread))}) cannot be read:"
        " the user needs REPORT_SQL_VIEW, or with Trac 1.6 REPORT_MODIFY."
    )
    return Metadata(records, set(), [problem])


def _listed(answer: Answer) -> Iterator[tuple[int, str, str]]:
    """Number, title and description of each report; old Tracs give no descriptions."""
    rows = csv.DictReader(io.StringIO(answer.text, newline=""), delimiter="\t")
    try:
        if not {"report", "title"} <= {*(rows.fieldnames or [])}:
            raise ValueError
        for row in rows:
            yield int(row["report"]), row["title"], lines(row.get("description") or "")
    except (csv.Error, TypeError, ValueError):
        raise TrackerError("The list of reports is not a table with the columns report and title.") from None


async def _text(http: Http, number: int, title: str, description: str) -> str | None:
    """A report's text, None where this user may not see it."""
    for way in WAYS:
        try:
            answer = await http.page(f"report/{number}?{way}", patient=False)
        except Unusable:
            continue
        if answer.status == HTTPStatus.OK:
            if not answer.html:
                return lines(answer.text)
            if (query := text_areas(answer.text).get("query")) is not None:
                saved = query.startswith(("query:", "?"))
                return query if saved else report_header(number, title, description) + query
        elif query := _saved_query(answer, number):
            return query
    return None


def _saved_query(answer: Answer, number: int) -> str | None:
    """The ticket query that a report stands for: Trac answers with a redirection to it."""
    location = urlsplit(answer.headers.get("location", ""))
    if not location.path.endswith("/query"):
        return None
    pairs = parse_qsl(location.query, keep_blank_values=True)
    return "query:?" + urlencode([pair for pair in pairs if pair != ("report", str(number))])
