"""The transport to the SOAP service ``urn:sbmappservices72`` of a live server.

The service knows items: records of the table of cases and of others that hold what users submit. The tables
that describe the site itself (states, projects, users and so on) cannot be queried over it. It was never
tried on a real server. Its operations and their elements are those that generated clients of it show; what
values stand in them (how a date is written in an extended field, whether firstRecord counts from 0) is not
confirmed.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, NoReturn
from xml.etree.ElementTree import Element  # no more than the type

import httpx

from offtracfs.errors import TeamTrackError, TSAPIError
from offtracfs.teamtrack.columns import PREFIX, field_name
from offtracfs.teamtrack.envelope import Content, Service, nodes, number, text
from offtracfs.teamtrack.transport import TableRow, Values
from offtracfs.teamtrack.whereclause import parsed, spoken
from offtracfs.text import quoted

ENDPOINT = "/gsoap/gsoap_ssl.dll?sbmappservices72"
FEATURES: Collection[str] = ("delete_record", "submit", "transition", "update")
PAGE = 1_000  # ids that are asked for at once
ITEMS = 100  # whole items that are asked for at once
PLAIN_UPDATE = 0  # the id of the transition that is none
SYSTEM_TABLE = "SYSTEM-TABLE"
_BARE = re.compile(r"([\w.-]+|\[[0-9a-f:]+\])(:\d{1,5})?", re.IGNORECASE | re.ASCII)

PARTS = {
    "ID": "id/id", "ISSUEID": "id/issueId", "TITLE": "title", "DESCRIPTION": "description", "PROJECTID":
    "project/id",
    "SUBMITTER": "createdBy/id", "SUBMITDATE": "createDate", "LASTMODIFIER": "modifiedBy/id",
    "LASTMODIFIEDDATE": "modifiedDate", "ACTIVEINACTIVE": "activeInactive", "STATE": "state/id", "OWNER":
    "owner/id",
}  # fmt: skip
"""The fields that have elements of their own in an item; all others are extended fields."""
ACTIVITY = {"active": 0, "inactive": 1}  # words of activeInactive, and what the database has


class _Table(NamedTuple):
    """A table as GetTables describes it; `fields` are names and types."""

    id: int
    name: str
    singular: str
    is_system: bool
    fields: dict[str, str]


class Soap:
    """A TeamTrack's SOAP service; `Transport` describes its methods."""

    features = FEATURES

    def __init__(self, service: Service) -> None:
        self.service = service
        service.call("GetVersion", {})  # whether there is one at all, before it gets a password
        self._tables = {table.id: table for table in self._described()}
        self.tables = [TableRow(table.id, table.name, table.singular) for table in self._tables.values()]

    def close(self) -> None:
        """End the connections."""
        self.service.close()

    def _described(self) -> Iterator[_Table]:
        answer = self.service.call("GetTables", {"tableType": "NOT-SPECIFIED"})
        for node in nodes(answer, "return"):
            fields = {
                field_name(text(item, "field/dbName")): text(item, "fieldType")
                for item in nodes(node, "field")
            }
            key, name = number(node, "table/id"), text(node, "table/dbName").upper()
            if key is not None and name:
                singular, kind = text(node, "table/displayName"), text(node, "type")
                yield _Table(key, name, singular, kind == SYSTEM_TABLE, {"ID": "FLDTYPE-NUMERIC", **fields})

    def _items(self, table: int) -> _Table:
        """A table of items. Raises TeamTrackError for another."""
        found = self._tables[table]
        if found.is_system:
            raise TeamTrackError(f"SOAP gives no records of {found.name}, a system table: the database does.")
        return found

    def fields(self, table: int) -> Sequence[str]:
        """The fields of a table."""
        return list(self._items(table).fields)

    def ids(self, table: int, where_clause: str) -> Sequence[int]:
        """The ids that a where clause asks for, page by page."""
        clause = parsed(where_clause)
        arguments: dict[str, Content] = {
            "table": {"id": self._items(table).id},
            "queryWhereClause": spoken(clause.where) if clause.where is not None else "1 = 1",
            "orderByClause": ", ".join([*map(spoken, clause.order), f"{PREFIX}ID"]),
        }
        found, seen = array("q"), set[int]()
        while True:
            # What was there already is passed over: so it does not matter whether firstRecord counts from 0.
            place: dict[str, Content] = {"firstRecord": len(found), "maxReturnSize": PAGE}
            options: Content = {"sections": "SECTIONS-NONE"}
            answer = self.service.call("GetItemsByQuery", {**arguments, **place, "options": options})
            keys = [number(item, "id/id") for item in nodes(answer, "return/item")]
            new = [key for key in keys if key is not None and key not in seen]
            found.extend(new)
            seen.update(new)
            if not new or len(found) >= (number(answer, "return/totalCount") or 0):
                return found

    def rows(self, table: int, ids: Sequence[int]) -> list[Values]:
        """The items with these ids."""
        described = self._items(table)
        return [values(described.name, described.fields, item) for item in self.items(table, ids)]

    def types(self, table: int) -> dict[str, str]:
        """The types of a table's fields, such as FLDTYPE-SELECTION, by their names."""
        return self._items(table).fields

    def items(self, table: int, ids: Sequence[int]) -> Iterator[Element]:
        """The items with these ids as the server sends them, TTItems, some at a time."""
        for start in range(0, len(ids), ITEMS):
            wanted: Content = [_item_id(table, key) for key in ids[start : start + ITEMS]]
            options: Content = {"sections": "SECTIONS-ALL", "multiOption": "CONTINUE-ON-FAILURE"}
            answer = self.service.call("GetItems", {"itemId": wanted, "options": options})
            yield from nodes(answer, "return/item")

    def delete(self, table: int, number: int) -> None:
        """Delete an item."""
        arguments: dict[str, Content] = {"itemId": _item_id(self._items(table).id, number)}
        answer = self.service.call(
            "DeleteItems", {**arguments, "options": {"multiOption": "STOP-ON-FAILURE"}}
        )
        _check(answer, "return")

    def update(self, table: int, number: int, values: Mapping[str, Any]) -> None:
        """Set fields: a transition that is none."""
        self.transition("", table, number, values, PLAIN_UPDATE, None)

    def submit(self, login: str, table: int, values: Mapping[str, Any], project: int) -> int:
        """Submit an item."""
        item = _item(self._items(table), values)
        answer = self.service.call("CreatePrimaryItem", {"project": {"id": project}, "item": item}, login)
        _check(answer, "return/status")
        if (made := number(answer, "return/item/id/id")) is None:
            raise TSAPIError("The TeamTrack does not tell the id of what was submitted.")
        return made

    def transition(
        self,
        login: str,
        table: int,
        number: int,
        values: Mapping[str, Any],
        transition: int,
        project: int | None,
    ) -> None:
        """A transition."""
        where: dict[str, Content] = {} if project is None else {"project": {"id": project}}
        item = {"id": _item_id(table, number), **where, **_item(self._items(table), values)}
        arguments: dict[str, Content] = {"item": item, "transition": {"id": transition}, "breakLock": False}
        _check(self.service.call("TransitionItem", arguments, login), "return/status")

    def add(self, table: int, values: Mapping[str, Any]) -> NoReturn:
        """Not to be had."""
        raise TeamTrackError("SOAP adds no record outside of the workflow: submit it, or use the database.")

    def add_field(self, values: Mapping[str, Any]) -> NoReturn:
        """Not to be had."""
        raise TeamTrackError("SOAP adds no field: the database does.")


def endpoint(hostname: str) -> str:
    """The address of the service at ``host``, ``host:8080`` or ``https://host``; ``http://`` must be said.

    Raises TeamTrackError for what is no address. It is not repeated: there may be a password in it.
    """
    address = f"https://{hostname}" if _BARE.fullmatch(hostname) else hostname
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL()
    if url.scheme not in ("https", "http") or not url.host or url.userinfo or url.fragment:
        raise TeamTrackError(
            "That is neither a host, such as teamtrack.example.org:8080, nor the address of a database; and"
            " neither holds a user or a password."
        )
    host = f"{url.scheme}://{url.netloc.decode()}"
    return address if url.path.strip("/") or url.query else host + ENDPOINT


def _item_id(table: int, number: int) -> Content:
    return {"id": number, "tableId": table}


def _check(answer: Element, path: str) -> None:
    """Raises TSAPIError where a status in an answer is an error."""
    for status in nodes(answer, path):
        if text(status, "status") == "IS-ERROR":
            raise TSAPIError(f"The TeamTrack says: {quoted(text(status, 'message')).rstrip('.')}.")


def _item(table: _Table, values: Mapping[str, Any]) -> dict[str, Content]:
    """Fields as the elements of an item. Raises TeamTrackError where a value does not go with its field."""
    own: dict[str, Content] = dict.fromkeys(("title", "description"))  # in the schema's order
    others: list[Content] = []
    for name, value in values.items():
        read = _reading(table.fields[name])
        wanted: Any = str if read is str else (int, float) if read is _number else int
        if value is not None and (not isinstance(value, wanted) or isinstance(value, bool)):
            raise TeamTrackError(f"{name} of {table.name} cannot be {value!r:.60}.")
        said = "" if value is None else str(value)
        if name in ("TITLE", "DESCRIPTION"):
            own[PARTS[name]] = said
        else:
            told = said.strip(",").split(",") if _is_multiple(table.fields[name]) else [said]
            by: dict[str, Content] = {"setValueBy": "INTERNAL-VALUE", "setValueMethod": "REPLACE-VALUES"}
            others.append({"id": {"dbName": name}, **by, "value": [{"internalValue": one} for one in told]})
    return {**own, "extendedField": others}


def values(table: str, types: Mapping[str, str], item: Element) -> Values:
    """All fields of an item of a table. Raises TSAPIError where a value does not go with its field's type."""
    extended = {
        field_name(text(node, "id/dbName")): [text(value, "internalValue") for value in nodes(node, "value")]
        for node in nodes(item, "extendedField")
    }
    found: Values = {}
    for name, kind in types.items():
        told = [text(item, PARTS[name])] if name in PARTS else extended.get(name, [""])
        said = ",".join(told)
        if said and _is_multiple(kind):
            said = f",{said.strip(',')},"
        try:
            found[name] = _reading(kind)(said)
        except ValueError:
            raise TSAPIError(f"The TeamTrack sends {quoted(said)!r} as {name} of {table}.") from None
    return found


def _is_multiple(kind: str) -> bool:
    return kind.startswith("FLDTYPE-MULTIPLE")


def _reading(kind: str) -> Callable[[str], Any]:
    """What reads the values of a type."""
    if kind == "FLDTYPE-TEXT" or _is_multiple(kind):
        return str
    return {"FLDTYPE-NUMERIC": _number, "FLDTYPE-DATETIME": _date}.get(kind, _whole)


def _number(said: str) -> float | None:
    return (float(said) if set(said) & set(".eE") else int(said)) if said else None


def _whole(said: str) -> int | None:
    return ACTIVITY[said.lower()] if said.lower() in ACTIVITY else int(said) if said else None


def _date(said: str) -> int | None:
    """Seconds since 1970, from such a number or from an xsd:dateTime."""
    if not said or said.lstrip("-").isdecimal():
        return int(said) if said else None
    moment = datetime.fromisoformat(said)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() // 1)
