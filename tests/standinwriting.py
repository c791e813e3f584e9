"""How the stand-in Trac takes changes: as Trac 1.6 and its RPC plugin 1.2.0 do."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.standin import StandInTrac

USER = "admin"
OPEN = ("new", "accepted", "assigned", "reopened")
RESOLUTIONS = ["fixed", "invalid", "wontfix", "duplicate", "worksforme"]
TICK = timedelta(microseconds=1)
NEXT = "Next status will be '{}'."


class RpcError(Exception):
    """A method's own error: its code and its message."""


def actions(trac: StandInTrac, number: int) -> list[Any]:
    """What the default workflow allows."""
    values = trac.stored(number).values
    owner = f'<span class="trac-author">{values["owner"]}</span>'
    found: list[Any] = [["leave", "leave", f"The owner will remain {owner}.", []]]
    if values["status"] in OPEN:
        hint = f"The resolution will be set. {NEXT.format('closed')}"
        found.append(
            ["resolve", "resolve", hint, [["action_resolve_resolve_resolution", "fixed", RESOLUTIONS]]]
        )
        hint = f"The owner will be changed from {owner} to the specified user. {NEXT.format('assigned')}"
        found.append(["reassign", "reassign", hint, [["action_reassign_reassign_owner", USER, []]]])
        found.append(["accept", "accept", NEXT.format("accepted"), []])
    else:
        hint = f"The resolution will be deleted. {NEXT.format('reopened')}"
        found.append(["reopen", "reopen", hint, []])
    return found


def _effects(action: str, values: dict[str, str]) -> dict[str, str]:
    resolution = values.pop("action_resolve_resolve_resolution", "")
    owner = values.pop("action_reassign_reassign_owner", "")
    values.pop("status", None)
    return {
        "leave": {},
        "resolve": {"status": "closed", "resolution": resolution},
        "reassign": {"status": "assigned", "owner": owner},
        "accept": {"status": "accepted", "owner": USER},
        "reopen": {"status": "reopened", "resolution": ""},
    }[action]


def update(
    trac: StandInTrac, number: int, comment: str, attributes: dict[str, Any], notify: bool = False
) -> Any:
    """``ticket.update``: with an action, and only if nothing has changed since ``_ts``."""
    assert notify
    stored = trac.stored(number)
    values = {name: _stored(name, value) for name, value in attributes.items()}
    stamp, action = values.pop("_ts"), values.pop("action")
    if action not in [known[0] for known in actions(trac, number)]:
        raise RpcError(-32603, f"Rpc: Ticket {number} by {USER} invalid action '{action}'")
    values |= _effects(action, values)
    changed = {name: value for name, value in values.items() if stored.values.get(name, "") != value}
    for field in trac.fields():
        options = field.get("options")
        if options and changed.get(field["name"]) and changed[field["name"]] not in options:
            raise RpcError(-32603, f"The ticket field {field['name']} is invalid")
    if changed or comment:
        if stamp != trac.get(number)[3]["_ts"]:
            raise RpcError(-32603, "Your changes have not been saved because this ticket has been modified.")
        trac.change(number, max(trac.clock, stored.changed + TICK), USER, comment, **changed)
    return trac.get(number)


def create(
    trac: StandInTrac, summary: str, description: str, attributes: dict[str, Any], notify: bool = False
) -> int:
    """``ticket.create``: checks the summary and nothing else."""
    assert notify
    if not summary:
        raise RpcError(-32603, "Tickets must contain a summary.")
    values = {"owner": "< default >"} | {name: _stored(name, value) for name, value in attributes.items()}
    author = values.pop("reporter", USER)
    trac.clock += TICK
    return trac.create(summary, trac.clock, author=author, description=description, **values)


def _stored(name: str, value: str) -> str:
    if name == "cc":
        return ", ".join(filter(None, re.split(r"[;,\s]+", value)))
    return value if name == "description" else value.strip()
