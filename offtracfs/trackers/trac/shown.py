"""What Trac's table of tickets shows for a stored value.

The rules are those of ``execute`` and ``_export_csv`` in trac/ticket/query.py, and of ``format_emails`` and
``format_author`` in trac/web/chrome.py, in Trac 1.2 to 1.6. Some depend on what
is not known here, such as the time zone of the Trac user. In doubt, a value counts as the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from offtracfs import records
from offtracfs.kinds.fields import PEOPLE, default
from offtracfs.text import people

QUARTER = 15 * 60  # seconds; every time zone is whole quarters of an hour away from UTC
UNSET = "1970-01-01T00:00:00"  # in a record, Trac's own time that is not set
_CLOCK = re.compile(r"\d{1,2}:([0-5]\d):([0-5]\d)", re.ASCII)

Definition = Mapping[str, Any]
"""The definition of a field, as in ``fields.json``."""


class Alias(NamedTuple):
    """A person in a field, by the name that records have, and another that Trac may show in its place."""

    field: str
    name: str
    other: str


def aliases(
    record: list[Any], shown: Mapping[str, str], fields: Mapping[str, Definition]
) -> set[Alias] | None:
    """The aliases that must be real for `record` and `shown` to agree; None where they differ in any case.

    `shown` and `fields` are keyed by the name of the field. No alias is needed where all is shown as stored.
    """
    _, created, changed, props = record
    values = {**props, "time": created, "changetime": changed}
    used: set[Alias] = set()
    for name, text in shown.items():
        value = str(values.get(name) or "")
        if name in PEOPLE:
            found = _aliases(name, value or ("anonymous" if name == "reporter" else ""), text)
            if found is None:
                return None
            used |= found
        elif not shows(fields[name], value, text):
            return None
    return used


def shows(field: Definition, value: str, text: str) -> bool:
    """Whether `text` is what Trac shows for a value of a field that holds no people."""
    kind = field.get("type")
    if kind == "time":
        return _shows_time(field, value, text)
    unset = "0" if kind == "checkbox" else ""
    if text == (value or unset):
        return True
    if kind == "checkbox" and value not in ("0", "1", ""):
        return text in ("0", "1")  # "yes" is true, but not in every version of Trac
    # Records show the default of a custom field that is not stored, Trac's table does not.
    return bool(field.get("custom")) and text == unset and value == default(field)


def _shows_time(field: Definition, value: str, text: str) -> bool:
    if not text:
        # As in `shows`, the record may hold the field's default. Only Trac knows which time its text means.
        return value in ("", UNSET) or bool(field.get("value"))
    if not value:
        return False
    clock = _CLOCK.search(text)
    with suppress(ValueError):
        second = records.microseconds(value) // records.SECOND
        # Long ago, time zones were no quarters of an hour apart. A text without a clock is a day.
        if clock and second >= 0:
            return second % QUARTER == int(clock[1]) * 60 % QUARTER + int(clock[2])
    return True


def _aliases(field: str, value: str, text: str) -> set[Alias] | None:
    """As `aliases`, for one field that holds a list of people."""
    listed = people(value)
    if text == ", ".join(listed):
        return set()
    if not listed or not text:
        return None
    shown = text.split(", ")
    if len(shown) != len(listed):  # a full name may hold a comma
        return {Alias(field, ", ".join(listed), text)}
    pairs = zip(listed, shown, strict=True)
    return {Alias(field, name, other) for name, other in pairs if other not in (name, _hidden(name))}


def _hidden(person: str) -> str:
    """A person as Trac shows it to users who may not see e-mail addresses."""
    name, at, _ = person.partition("@")
    return f"{name}@…{'>' * person.endswith('>')}" if at else person
