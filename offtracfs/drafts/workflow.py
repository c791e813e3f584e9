"""Which of a workflow's actions brings a ticket to what somebody wants. Pure.

Status and resolution change by actions alone. Which status an action leads to stands only in its hint, in the
tracker's language: the name of a status in quotes, as in ``Next status will be 'closed'``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from offtracfs.errors import DraftRefused
from offtracfs.trackers import Action

STAY = "leave"  # the action that changes nothing, in every workflow of Trac's
_TAG = re.compile(r"<[^<>]*>")
_BEFORE, _AFTER = "'\"‘“«‹„‚「『", "'\"’”»›“‘」』"  # quotation marks of many languages
_BY_ACTION = ("status", "resolution")
_INPUTS = ("resolution", "owner")


def leads_to(action: Action, statuses: Collection[str]) -> str:
    """The status that an action brings; "" where its hint names none, as for one that changes no status."""
    hint = _TAG.sub("", action.hint)
    found = {status: _last_quoted(status, hint) for status in statuses}
    last = max(found, key=lambda status: found[status], default="")
    return last if found.get(last, -1) >= 0 else ""


def _last_quoted(status: str, hint: str) -> int:
    """Where a status stands in quotes for the last time; -1 where it does not."""
    places = re.finditer(rf"[{_BEFORE}]\s*{re.escape(status)}\s*[{_AFTER}]", hint)
    return max((place.start() for place in places), default=-1)


def planned(
    values: Mapping[str, str],
    now: Mapping[str, str],
    actions: Sequence[Action],
    action: str,
    statuses: Collection[str],
) -> dict[str, str]:
    """What to send to a tracker: the values of fields, and an action with its inputs.

    `values` are those to set, `now` are all that the ticket has. `action` is the one that the user named, or
    "". Raises DraftRefused where the workflow has no way.
    """
    wanted = {**now, **values}
    chosen = _named(action, actions) if action else _found(values, now, actions, statuses)
    send = {name: value for name, value in values.items() if name not in _BY_ACTION}
    for name, (default, options) in chosen.inputs.items():
        field = next((field for field in _INPUTS if name.endswith(f"_{field}")), "")
        value = values.get(field, "") or (default if field != "owner" else wanted["owner"] or default)
        if field == "resolution":
            value = values.get(field, "") or _only(options)
            _check_resolution(value, options, chosen)
        send[name] = value
        if field == "owner":
            send.pop("owner", None)  # the action sets it
    if action and "resolution" in values and not any(name.endswith("_resolution") for name in chosen.inputs):
        raise DraftRefused(f"The action {action} takes no resolution.")
    return {"action": chosen.name, **send}


def _named(name: str, actions: Sequence[Action]) -> Action:
    for action in actions:
        if action.name == name:
            return action
    raise DraftRefused(f"The workflow has no action {name!r} for this ticket now: {_listed(actions)}.")


def _found(
    values: Mapping[str, str], now: Mapping[str, str], actions: Sequence[Action], statuses: Collection[str]
) -> Action:
    """The action for what is wanted: of several, the one that asks for what is to be set, else the first."""
    if not values.keys() & set(_BY_ACTION):
        return next((action for action in actions if action.name == STAY), Action(STAY))
    status = values.get("status", now.get("status", ""))
    fitting = [action for action in actions if (leads_to(action, statuses) or now.get("status")) == status]
    if values.get("resolution"):
        fitting = [action for action in fitting if _asks(action, "resolution")]
    if not fitting:
        raise DraftRefused(
            f"The workflow does not lead from {now.get('status', '')} to {status}"
            f"{' with a resolution' if values.get('resolution') else ''} now: {_listed(actions)}."
        )
    return max(fitting, key=lambda action: _asks(action, "owner") == ("owner" in values))


def _asks(action: Action, field: str) -> bool:
    return any(name.endswith(f"_{field}") for name in action.inputs)


def _only(options: Collection[str]) -> str:
    """The one value that there is to choose; "" where there are several, since nobody has chosen."""
    return next(iter(options)) if len(options) == 1 else ""


def _check_resolution(value: str, options: Collection[str], action: Action) -> None:
    if not value:
        raise DraftRefused(
            f"The action {action.name} needs a resolution: {', '.join(options) or 'any text'}."
        )
    if options and value not in options:
        raise DraftRefused(f"The action {action.name} takes no resolution {value!r}: {', '.join(options)}.")


def _listed(actions: Sequence[Action]) -> str:
    return f"it has {', '.join(action.name for action in actions)}" if actions else "it has no actions"
