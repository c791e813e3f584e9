r"""A Python interface to TeamTrack, with the names and meanings of the one that the P4DTI had.

    from offtracfs import teamtrack

    server = teamtrack.connect("joe", "", "sqlite:////srv/teamtrack.db?write=1")
    case = server.read_record(teamtrack.table["CASES"], 2)
    case["DESCRIPTION"] = case["DESCRIPTION"] + "\nAdditional text."
    case.update()

It reaches a TeamTrack through its database or its SOAP service. The protocol of TeamShare's own API is
documented nowhere, and is not spoken here. No real TeamTrack was ever there to try this on: docs/teamtrack.md
says what is confirmed, what is `provisional`, and which rules are this project's own.

    server        servers and records, as the document has them
    transport     what they need of either way to reach a TeamTrack
    sql, soap     … which are these two
    whereclause   the where clauses of queries, checked
    workflow      the workflow's rules, pure
    provisional   whatever of TeamTrack is not known for sure
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from offtracfs.errors import TeamTrackError, TSAPIError
from offtracfs.teamtrack.provisional import FIELD_TYPES, TABLES

if TYPE_CHECKING:
    from offtracfs.teamtrack.server import Server
    from offtracfs.teamtrack.transport import Transport

error = TeamTrackError
tsapi_error = TSAPIError

__all__ = ["connect", "error", "feature", "field_type", "table", "tsapi_error"]

feature: dict[str, int] = {}
"""What the server that was connected last supports: ``feature.get("submit")`` is 1 if it does."""

table: dict[str, int] = dict(TABLES)
"""The tables of the server that was connected last: name, minus the initial ``TS_`` → id."""

field_type: dict[str, int] = dict(FIELD_TYPES)
"""Type of a field → its number."""

_DATABASE = re.compile(r"(sqlite|postgresql|mssql|oracle)(\+\w+)?:")


def connect(userid: str, password: str, hostname: str) -> Server:
    """A server object, connected.

    `hostname` is the address of a database (``sqlite:///…``, ``postgresql://…``, ``mssql+pyodbc://…``,
    ``oracle+oracledb://…``), with ``?write=1`` in the end if it shall be written; or a host with the SOAP
    service, as ``host``, ``host:8080`` or ``https://host`` (the password is sent: ``http://`` must be said).
    `table` and `feature` are then those of this server; `Server.tables` and `Server.features` stay so.

    Raises `error` for an address that is none, `tsapi_error` where there is no TeamTrack or no access.
    """
    if not all(isinstance(text, str) for text in (userid, password, hostname)):
        raise error("userid, password and hostname are texts.")
    from offtracfs.teamtrack.server import Server  # here and below: what is slow to load

    server = Server(_transport(userid, password, hostname))
    for known, new in ((table, server.tables), (feature, server.features)):
        known.update(new)
        for name in known.keys() - new.keys():
            del known[name]
    return server


def _transport(userid: str, password: str, hostname: str) -> Transport:
    if _DATABASE.match(hostname):
        from offtracfs.teamtrack.engines import opened
        from offtracfs.teamtrack.sql import Database

        engines = opened(hostname, userid, password)
        try:
            return Database(engines, userid)
        except BaseException:
            engines.close()
            raise
    from offtracfs.teamtrack.envelope import Service
    from offtracfs.teamtrack.soap import Soap, endpoint

    service = Service(endpoint(hostname), userid, password)
    try:
        return Soap(service)
    except BaseException:
        service.close()
        raise
