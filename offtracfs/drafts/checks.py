"""Which values a draft may set: what can be said without asking the tracker. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from offtracfs.drafts.forms import LEFT
from offtracfs.drafts.merging import same
from offtracfs.errors import DraftRefused
from offtracfs.kinds import is_definition
from offtracfs.kinds.ticket import CLOSED
from offtracfs.records import microseconds

MAX_TEXT = (
    262_144  # characters of a description or comment that Trac takes, unless its settings say otherwise
)
MAX_QUOTE = 60  # characters of a value in a message
BY_TRACKER = ("time", "changetime")
_LISTED = ("select", "radio")

Definitions = Mapping[str, Mapping[str, Any]]
"""The tracker's fields by name, as ``fields.json`` defines them."""


def definitions(fields: Any) -> Definitions:
    """What ``fields.json`` defines, whatever it holds."""
    found = fields if isinstance(fields, list) else []
    return {field["name"]: field for field in found if is_definition(field)}


def check_names(names: Iterable[str], base: Mapping[str, str], known: Definitions) -> None:
    """Raises DraftRefused for the name of what is no field; `base` are the ticket's own values."""
    for name in names:
        if name not in known and name not in base:
            raise DraftRefused(
                f"There is no field {name[:MAX_QUOTE]!r}. In a text for people, a line of a description that"
                ' begins with "---- " needs a backslash before it.'
            )


def check_values(changed: Mapping[str, str], known: Definitions) -> None:
    """Raises DraftRefused where one of the values cannot be set."""
    for name, value in changed.items():
        _check_value(name, value, known.get(name, {}))


def _check_value(name: str, value: str, field: Mapping[str, Any]) -> None:
    kind, options = field.get("type", ""), field.get("options") or []
    label = field.get("label") or name
    if name in BY_TRACKER:
        raise DraftRefused(f"{label} is set by the tracker: leave it as it was.")
    if len(value) > MAX_TEXT:
        raise DraftRefused(f"{label} is longer than {MAX_TEXT:,} characters, which is all that Trac takes.")
    if LEFT.search(value):
        raise DraftRefused(
            f"{label} still has both sides of a conflict: leave one of them, without the marks."
        )
    if name == "summary" and not value.strip():
        raise DraftRefused("A ticket needs a summary.")
    if kind in _LISTED and options and value not in options and (value or not field.get("optional")):
        raise DraftRefused(f"{label} cannot be {_quoted(value)}: it is one of {_listed(options)}.")
    if kind == "checkbox" and value not in ("0", "1", ""):
        raise DraftRefused(f"{label} cannot be {_quoted(value)}: it is 0 or 1.")
    if kind == "time":
        _check_time(label, value)
    if "\n" in value and kind not in ("textarea", "") and name != "description":
        raise DraftRefused(f"{label} is longer than a line.")


def _check_time(label: str, value: str) -> None:
    try:
        microseconds(value) if value else None
    except ValueError:
        raise DraftRefused(f"{label} is no time, such as 2011-04-09T21:16:07: {_quoted(value)}.") from None


def check_closing(changed: Mapping[str, str], base: Mapping[str, str], known: Definitions) -> None:
    """Raises DraftRefused where a ticket would be closed without a resolution, or have one and be open."""
    if not changed.keys() & {"status", "resolution"}:
        return
    status, resolution = ({**base, **changed}.get(name, "") for name in ("status", "resolution"))
    if status == CLOSED and not resolution:
        options = known.get("resolution", {}).get("options") or ["fixed"]
        raise DraftRefused(f"A ticket is closed with a resolution: one of {_listed(options)}.")
    if status != CLOSED and resolution and "resolution" in changed:
        raise DraftRefused(f"Only a closed ticket has a resolution: set the status to {CLOSED}, too.")


def check_comment(comment: str) -> None:
    """Raises DraftRefused for one that Trac would not take."""
    if len(comment) > MAX_TEXT:
        raise DraftRefused(
            f"The comment is longer than {MAX_TEXT:,} characters, which is all that Trac takes."
        )


def differing(values: Mapping[str, str], base: Mapping[str, str]) -> dict[str, str]:
    """The values that are not those of the base; a value that is not there is "" ."""
    return {name: value for name, value in values.items() if not same(value, base.get(name, ""))}


def _quoted(value: str) -> str:
    return repr(value[:MAX_QUOTE]) if value else "empty"


def _listed(options: list[str]) -> str:
    return ", ".join(options[:20]) + (" …" if len(options) > 20 else "")
