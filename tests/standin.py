"""A Trac in memory, with the modern RPC plugin: it changes, fails and forgets on command.

`StandInTrac` is the model; its `transport` is what an HTTP client gets in place of a network. It says
what Trac 1.6 and its plugin 1.2.0 say, and the suite that it passes is passed by the real ones too.
`StandInTrac.faults` takes what answers the next requests in its place, see `tests.faults`.
"""

from __future__ import annotations

import base64
import csv
import html
import io
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

import httpx
import trio

from offtracfs import records
from offtracfs.text import people
from offtracfs.trackers.credentials import Credentials
from offtracfs.trackers.trac import TracTracker, connect
from offtracfs.trackers.trac.codec import JSON
from tests import standinwriting
from tests.standinwriting import RpcError

URL = "https://trac.example.org/project"
COLUMNS = {
    name: name.capitalize()
    for name in (
        *("summary", "reporter", "owner", "description", "type", "status", "priority"),
        *("milestone", "component", "version", "resolution", "keywords", "cc"),
    )
}
ENUMS: dict[str, list[str]] = {
    "type": ["defect", "enhancement", "task"],
    "priority": ["blocker", "critical", "major", "minor", "trivial"],
    "resolution": ["fixed", "invalid", "wontfix", "duplicate", "worksforme"],
    "severity": [],
    "status": ["accepted", "assigned", "closed", "new", "reopened"],
}

Answerer = Callable[[httpx.Request], httpx.Response]


@dataclass
class StoredTicket:
    """A ticket as the tracker holds it; times in UTC."""

    created: datetime
    changed: datetime
    values: dict[str, Any]
    log: list[list[Any]] = field(default_factory=list)


class StandInTrac:
    """The model of a tracker, for one user who may do everything but `lacks` these permissions."""

    def __init__(self) -> None:
        self.url = URL
        self.user = "admin"
        self.clock = datetime(2020, 1, 1, tzinfo=UTC)
        self.tickets: dict[int, StoredTicket] = {}
        self.components = {"component1": "", "component2": ""}
        self.reports: dict[int, tuple[str, str, str]] = {}
        self.lacks: set[str] = set()
        self.definitions: list[Any] = []  # of more fields
        self.broken: set[int] = set()
        self.misshapen: set[int] = set()
        self.faults: deque[Answerer] = deque()
        self.always: Answerer | None = None
        self.requests: list[httpx.Request] = []
        self.transport = _Transport(self)
        self._last = 0

    async def connect(self) -> TracTracker:
        """A tracker of its administrator's."""
        return await connect(self.url, self.login(), transport=self.transport)

    # What its users do.

    def login(self, user: str = "admin", password: str = "secret") -> Credentials:
        """Credentials; only those of admin with the password secret are right."""
        return Credentials(user, password)

    def create(self, summary: str, when: datetime, *, author: str = "admin", **fields: Any) -> int:
        """A new ticket's id: one more than the highest ever."""
        self._last += 1
        defaults = dict.fromkeys(COLUMNS, "") | {"type": "defect", "status": "new", "priority": "major"}
        values = defaults | {"summary": summary, "reporter": author} | fields
        self.tickets[self._last] = StoredTicket(when, when, values)
        return self._last

    def fill(self, count: int, when: datetime) -> list[int]:
        """The ids of many new tickets."""
        return [self.create(f"ticket {n}", when) for n in range(count)]

    def change(
        self, number: int, when: datetime, author: str = "admin", comment: str = "", **fields: Any
    ) -> None:
        """A change to a ticket: a row for each field that differs, and the comment."""
        ticket = self.tickets[number]
        changed = {name: value for name, value in fields.items() if ticket.values.get(name, "") != value}
        count = sum(row[2] == "comment" and row[5] for row in ticket.log) + 1
        ticket.log.append([when, author, "comment", str(count), comment, 1])
        ticket.log += [
            [when, author, name, ticket.values.get(name, ""), new, 1] for name, new in changed.items()
        ]
        ticket.values |= changed
        ticket.changed = when

    def delete(self, number: int) -> None:
        """Forgets a ticket with its past."""
        del self.tickets[number]

    def attach(self, number: int, name: str, description: str = "") -> None:
        """An attachment, now: no ticket's time of change tells of it."""
        rows = [("attachment", name), ("comment", description)]
        self.tickets[number].log += [[self.clock, "admin", kind, None, text, 0] for kind, text in rows]

    def rename_component(self, old: str, new: str) -> None:
        """A rename: tickets follow, without a trace."""
        self.components[new] = self.components.pop(old)
        for ticket in self.tickets.values():
            if ticket.values["component"] == old:
                ticket.values["component"] = new

    def set_report(self, number: int, title: str, sql: str, description: str = "") -> None:
        """Makes or replaces a report."""
        self.reports[number] = (title, sql, description)

    def call(self, method: str, *params: Any) -> Any:
        """What an RPC method returns, as JSON-RPC gives it. Raises Fault."""
        answer = self._call({"method": method, "params": params})
        return JSON.decode(json.dumps(answer, default=_class_hint).encode())

    def change_silently(self, number: int, value: str) -> None:
        """An admin's SQL statement changes a ticket."""
        self.tickets[number].values["keywords"] = value

    def fail_after(self, honest: int, fault: Answerer) -> None:
        """After so many good answers comes a bad one."""
        self.faults.extend([self.honest] * honest + [fault])

    # What must come of it.

    def expected(self) -> dict[str, bytes]:
        """Path and bytes of every ticket and change log, made from the model alone."""
        found: dict[str, bytes] = {}
        for number, ticket in self.tickets.items():
            created, changed = _iso(ticket.created), _iso(ticket.changed)
            token = str((ticket.changed - records.EPOCH) // timedelta(microseconds=1))
            times = {"time": created, "changetime": changed, "_ts": token}
            found[f"ticket/{number}.json"] = records.dump([number, created, changed, ticket.values | times])
            rows = sorted(ticket.log, key=lambda row: row[0])
            log = [[_iso(row[0]), *("" if item is None else item for item in row[1:])] for row in rows]
            found[f"changelog/{number}.json"] = records.dump(log)
        return found

    @staticmethod
    def swept(_path: str) -> bool:
        """Whether a sweep makes a file what is expected."""
        return True

    # What it answers.

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The answer to one request."""
        self.requests.append(request)
        if self.faults:
            return self.faults.popleft()(request)
        if self.always:
            return self.always(request)
        return self.honest(request)

    def honest(self, request: httpx.Request) -> httpx.Response:
        """The answer where nothing goes wrong."""
        path = request.url.path.removeprefix("/project")
        known = self._knows(request)
        if path.startswith("/login") and not known:
            return self.reply(401, headers={"WWW-Authenticate": 'Basic realm="trac"'})
        if path == "/login":
            return self.reply(302, headers={"Location": URL, "Set-Cookie": "trac_auth=1; Path=/project"})
        if path in ("/login/rpc", "/rpc"):
            return self._rpc(request, known)
        pages = {"/query": self._query, "/timeline": self._timeline, "/report": self._reports}
        signed_in = "trac_auth=1" in request.headers.get("cookie", "")
        page = pages.get(path) or (self._report if path.startswith("/report/") else None)
        return page(request) if page and signed_in else self.error_page(404 if signed_in else 403)

    def reply(self, status: int, content: str = "", kind: str = "text/plain", **more: Any) -> httpx.Response:
        """An answer with the server's clock."""
        headers = {"Date": format_datetime(self.clock, usegmt=True), "Content-Type": f"{kind};charset=utf-8"}
        return httpx.Response(
            status, content=content.encode("utf-8", "replace"), headers=headers | more.get("headers", {})
        )

    def error_page(self, status: int) -> httpx.Response:
        """A page for people."""
        return self.reply(status, "<html><title>Error</title></html>", "text/html")

    @staticmethod
    def _knows(request: httpx.Request) -> bool:
        token = base64.b64encode(b"admin:secret").decode()
        return bool(request.headers.get("authorization") == f"Basic {token}")

    def _rpc(self, request: httpx.Request, known: bool) -> httpx.Response:
        if request.headers["content-type"] != "application/json":
            return self.reply(415, "No protocol matching Content-Type")
        if not known or "XML_RPC" in self.lacks:
            result = _error(403, "XML_RPC privileges are required to perform this operation.")
        else:
            call = json.loads(request.content)
            if call["method"] == "system.multicall":
                result = {"result": [self._call(one) for one in call["params"]], "error": None}
            else:
                result = self._call(call)
        return self.reply(200, json.dumps(result, default=_class_hint), "application/json")

    def _call(self, call: dict[str, Any]) -> dict[str, Any]:
        method = self._methods().get(call["method"])
        if method is None:
            return _error(-32601, f'RPC method "{call["method"]}" not found')
        silent = ("system.listMethods", "ticket.query", "ticket.getRecentChanges")
        if "TICKET_VIEW" in self.lacks and call["method"] not in silent:
            return _error(403, "TICKET_VIEW privileges are required to perform this operation.")
        try:
            return {"result": method(*call.get("params", [])), "error": None}
        except RpcError as error:
            return _error(*error.args)

    def _methods(self) -> dict[str, Callable[..., Any]]:
        methods: dict[str, Callable[..., Any]] = {
            "system.listMethods": lambda: [*self._methods()],
            "system.multicall": list,
            "ticket.query": lambda _: [] if "TICKET_VIEW" in self.lacks else [*self.tickets],
            "ticket.getRecentChanges": self._recent,
            "ticket.get": self.get,
            "ticket.changeLog": lambda number: sorted(self.stored(number).log, key=lambda row: row[0]),
            "ticket.getTicketFields": self.fields,
            "ticket.component.getAll": lambda: [*self.components],
            "ticket.component.get": self._component,
        }
        for enum, values in ENUMS.items():
            methods[f"ticket.{enum}.getAll"] = values.copy
            methods[f"ticket.{enum}.get"] = lambda name, values=values: str(values.index(name) + 1)
        writing = {
            "ticket.getActions": partial(standinwriting.actions, self),
            "ticket.update": partial(standinwriting.update, self),
            "ticket.create": partial(standinwriting.create, self),
        }
        return methods | writing | {"ticket.status.get": lambda _: "0"}

    def _component(self, name: str) -> dict[str, str]:
        if name not in self.components:
            raise RpcError(404, f"Component {name} does not exist.")
        return {"name": name, "owner": self.components[name], "description": ""}

    def stored(self, number: int) -> StoredTicket:
        """A ticket. Raises RpcError."""
        if number in self.broken:
            raise RpcError(-32603, "'NoneType' object has no attribute 'x'")
        if number not in self.tickets:
            raise RpcError(404, f"Ticket {number} does not exist.")
        return self.tickets[number]

    def _recent(self, since: dict[str, list[str]]) -> list[int]:
        moment = datetime.fromisoformat(since["__jsonclass__"][1]).replace(tzinfo=UTC)
        found = [number for number, ticket in self.tickets.items() if ticket.changed >= moment]
        return [] if "TICKET_VIEW" in self.lacks else found

    def get(self, number: int) -> Any:
        """A ticket as ``ticket.get`` gives it. Raises RpcError."""
        ticket = self.stored(number)
        if number in self.misshapen:
            return [number, "never", ticket.values]
        token = str((ticket.changed - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))
        times = {"time": ticket.created, "changetime": ticket.changed, "_ts": token}
        return [number, ticket.created, ticket.changed, ticket.values | times]

    def fields(self) -> list[dict[str, Any]]:
        """The definitions of its fields."""
        options = {**ENUMS, "component": [*self.components], "milestone": [], "version": []}
        listed: list[dict[str, Any]] = []
        for name, label in COLUMNS.items():
            kind = "select" if name in options else "textarea" if name == "description" else "text"
            more = {"options": options[name]} if name in options else {}
            listed.append({"name": name, "label": label, "type": kind, **more})
        times = {"time": "Created", "changetime": "Modified"}
        listed += [{"name": name, "label": label, "type": "time"} for name, label in times.items()]
        return listed + self.definitions

    def _query(self, request: httpx.Request) -> httpx.Response:
        columns = request.url.params.get_list("col")
        titles = {"id": "id", "time": "Created", "changetime": "Modified", **COLUMNS}
        rows = [[titles[name] for name in columns]]
        for number, ticket in self.tickets.items():
            created, changed = (f"{time:%m/%d/%y %H:%M:%S}" for time in (ticket.created, ticket.changed))
            values = ticket.values | {"id": number, "time": created, "changetime": changed}
            values["reporter"] = values["reporter"] or "anonymous"
            values |= {name: ", ".join(people(values[name])) for name in ("cc", "owner", "reporter")}
            rows.append([str(values[name]) for name in columns])
        return self.reply(200, _table(rows, ","), "text/csv")

    def _timeline(self, _: httpx.Request) -> httpx.Response:
        if "TIMELINE_VIEW" in self.lacks:
            return self.error_page(403)
        items = [
            f"<item><category>attachment</category><link>{URL}/attachment/ticket/{number}/{html.escape(row[4])}</link>"
            f"<pubDate>{format_datetime(row[0], usegmt=True)}</pubDate></item>"
            for number, ticket in self.tickets.items()
            for row in ticket.log
            if row[2] == "attachment" and row[0] > self.clock - timedelta(days=90)
        ]
        feed = f"<rss version='2.0'><channel>{''.join(items)}</channel></rss>"
        return self.reply(200, feed, "application/rss+xml")

    def _reports(self, _: httpx.Request) -> httpx.Response:
        if "REPORT_VIEW" in self.lacks:
            return self.error_page(403)
        rows = [[str(number), title, text] for number, (title, _, text) in self.reports.items()]
        return self.reply(200, _table([["report", "title", "description"], *rows], "\t"), "text/plain")

    def _report(self, request: httpx.Request) -> httpx.Response:
        number = int(request.url.path.rpartition("/")[2])
        _, sql, description = self.reports[number]
        if sql.startswith("query:?"):
            return self.reply(302, headers={"Location": f"{URL}/query?{sql[7:]}&report={number}"})
        if "format" in request.url.params:
            return self.error_page(500)  # Trac 1.6 is broken there
        if "REPORT_MODIFY" in self.lacks:
            return self.error_page(403)
        areas = "".join(
            f'<textarea name="{name}">\n{html.escape(text)}</textarea>'
            for name, text in (("description", description), ("query", sql))
        )
        return self.reply(200, f"<html><form><input name=title>{areas}</form></html>", "text/html")


class _Transport(httpx.AsyncBaseTransport):
    def __init__(self, trac: StandInTrac) -> None:
        self.trac = trac

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        await trio.lowlevel.checkpoint()
        return self.trac.answer(request)


def _error(code: int, message: str) -> dict[str, Any]:
    return {"result": None, "error": {"name": "JSONRPCError", "code": code, "message": message}}


def _iso(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat()


def _class_hint(value: datetime) -> dict[str, list[str]]:
    text = value.replace(tzinfo=None).isoformat()
    return {"__jsonclass__": ["datetime", text]}


def _table(rows: list[list[str]], separator: str) -> str:
    output = io.StringIO(newline="")
    csv.writer(output, delimiter=separator).writerows(rows)
    return "\ufeff" + output.getvalue()
