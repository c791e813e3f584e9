"""Changes of a Trac's tickets over its RPC plugin; and what a ticket's workflow allows.

`update` and `create` are asked once. The plugins 1.1.9 and 1.2.0 refuse an update with an old ``_ts`` where
it changes something; `create` gives a ticket without an owner the text ``< default >``; both send mail only
where they are asked to (all seen).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from offtracfs.errors import ChangeRejected, TrackerError
from offtracfs.kinds import check_ticket
from offtracfs.trackers import Action, Missing, Seen, Value
from offtracfs.trackers.trac.batches import answered_ticket
from offtracfs.trackers.trac.codec import NOT_IN_XML
from offtracfs.trackers.trac.faults import Fault
from offtracfs.trackers.trac.http import Http
from offtracfs.trackers.trac.rpc import Rpc

NOTIFY = True  # people expect to be mailed about a change, as when it is made in a browser
MAY_CHANGE = re.compile(r"<(textarea|input)\b[^>]*\bname=\"(comment|field_summary)\"")


async def look(rpc: Rpc, number: int) -> Seen | Missing:
    """A ticket, its change log and its actions. One request. Raises TrackerError."""
    methods = ("ticket.get", "ticket.changeLog", "ticket.getActions")
    record, log, actions = await rpc.many([(method, [number]) for method in methods])
    ticket = answered_ticket(number, record, log)
    if isinstance(ticket, Missing):
        return ticket
    return Seen(ticket, _actions(actions))


def _actions(answer: Any) -> list[Action]:
    """The actions of ``ticket.getActions``; none where it failed or cannot be understood."""
    found = []
    for item in answer if isinstance(answer, list) else []:
        match item:
            case [str(name), _, str(hint), list(inputs)]:
                found.append(Action(name, hint, dict(filter(None, map(_input, inputs)))))
    return found


def _input(item: Any) -> tuple[str, tuple[str, list[str]]] | None:
    match item:
        case [str(name), value, list(options)]:
            return name, (str(value), [str(option) for option in options])
    return None


async def update(rpc: Rpc, number: int, comment: str, values: Mapping[str, Value], stamp: str) -> list[Any]:
    """Change a ticket, and give its record then. One request. Raises as `offtracfs.trackers.Writing` says."""
    attributes = _sent(rpc, {**values, "_ts": stamp})
    answer = await rpc.call_once("ticket.update", number, _text(rpc, comment), attributes, NOTIFY)
    return check_ticket(number, answer)


async def create(rpc: Rpc, values: Mapping[str, Value]) -> int:
    """Make a ticket, and give its number. One request. Raises as `offtracfs.trackers.Writing` says."""
    rest = _sent(
        rpc, {name: value for name, value in values.items() if name not in ("summary", "description")}
    )
    summary, description = (_text(rpc, str(values.get(name, ""))) for name in ("summary", "description"))
    answer = await rpc.call_once("ticket.create", summary, description, rest, NOTIFY)
    if type(answer) is not int:
        raise TrackerError("The tracker does not say which number the new ticket has.")
    return answer


def _sent(rpc: Rpc, values: Mapping[str, Value]) -> dict[str, Value]:
    return {name: _text(rpc, value) if isinstance(value, str) else value for name, value in values.items()}


def _text(rpc: Rpc, text: str) -> str:
    """A text that the protocol can carry. Raises ChangeRejected."""
    if not rpc.codec.exact_text and NOT_IN_XML.search(text):
        raise ChangeRejected("There is a control character in this, which cannot be sent over XML-RPC.")
    return text


async def default_owner(rpc: Rpc, values: Mapping[str, str]) -> str:
    """The owner of the component; "" where there is none. Raises TrackerError."""
    if not values.get("component"):
        return ""
    (answer,) = await rpc.many([("ticket.component.get", [values["component"]])])
    match answer:
        case {"owner": str(owner)}:
            return owner
        case Fault() if not answer.gone:
            raise rpc.failed("ticket.component.get", answer)
    return ""


async def may_change(http: Http, number: int) -> bool:
    """Whether a ticket's page has a field to change it by. One request. Raises TrackerError."""
    answer = await http.page(f"ticket/{number}")
    return answer.status == HTTPStatus.OK and MAY_CHANGE.search(answer.text) is not None
