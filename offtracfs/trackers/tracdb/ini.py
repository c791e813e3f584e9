"""What only an environment's ``conf/trac.ini`` knows: custom fields, default values, statuses."""

from __future__ import annotations

import re
from configparser import Error, RawConfigParser
from pathlib import Path
from typing import Any

from offtracfs.errors import TrackerError

DEFAULTS = {"default_type": "defect", "default_priority": "major", "default_resolution": "fixed"}
"""Trac's own defaults of ``[ticket]``, where they are not empty."""

RESERVED = {"report", "order", "desc", "group", "groupdesc", "col", "row", "format", "max", "page", "verbose"}
RESERVED |= {"comment", "or", "id", "time", "changetime", "owner", "reporter", "cc", "summary", "description"}
RESERVED |= {"keywords"}
"""Names that Trac takes for no custom field."""

NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")
TRUE = ("yes", "true", "enabled", "on")
DEPTH = 20  # files that inherit from one another, before that is taken for a circle

Section = dict[str, str]


class Ini:
    """A ``trac.ini`` with those that it inherits from; an empty one stands for Trac's own defaults."""

    def __init__(self, sections: dict[str, Section]) -> None:
        self._sections = sections

    def section(self, name: str) -> Section:
        """Options and values of a section."""
        return self._sections.get(name, {})

    def default(self, field: str) -> str:
        """What a new ticket has in one of Trac's own fields."""
        option = f"default_{field}"
        return self.section("ticket").get(option, DEFAULTS.get(option, ""))

    def may_be_empty(self) -> list[str]:
        """Fields with options that may be left empty."""
        return items(self.section("ticket").get("allowed_empty_fields", "milestone, version"))

    def statuses(self, schema: int) -> list[str]:
        """All statuses that the workflow knows; none without a workflow."""
        found: set[str] = set()
        for option, value in self.section("ticket-workflow").items():
            olds, arrow, new = value.partition("->")
            if "." not in option and arrow and "->" not in new:
                found.update([*items(olds), new.strip()])
        if found and schema < NEW_SHAPE:
            found.add("new")  # the target of the reset that older Tracs always have
        return sorted(found - {"", "*", "<none>", "< none >"})

    def custom(self, schema: int) -> list[dict[str, Any]]:
        """Definitions of the custom fields as ``ticket.getTicketFields`` has them, in order."""
        section = self.section("ticket-custom")
        fields = (
            _custom(section, name, self.may_be_empty(), schema)
            for name in section
            if NAME.fullmatch(name) and name not in RESERVED
        )
        return sorted((field for field in fields if field), key=lambda field: (field["order"], field["name"]))


NEW_SHAPE = 45  # the database version from which custom fields have max_size and ticketlink_query (Trac 1.6)


def custom_field(name: str, kind: str, section: Section) -> dict[str, Any]:
    """What every custom field's definition has."""
    return {
        "name": name,
        "custom": True,
        "type": kind,
        "order": _int(section.get(f"{name}.order", "")),
        "label": section.get(f"{name}.label") or name.replace("_", " ").strip().capitalize(),
        "value": section.get(f"{name}.value", ""),
    }


def _custom(section: Section, name: str, may_be_empty: list[str], schema: int) -> dict[str, Any] | None:
    field = custom_field(name, section[name], section)
    more: dict[str, Any] = {"format": section.get(f"{name}.format", "plain")}
    new: dict[str, Any] = {"ticketlink_query": section.get(f"{name}.ticketlink_query", "")}
    match field["type"]:
        case "select" | "radio":
            listed = section.get(f"{name}.options", "")
            options = [option.strip() for option in listed.split("|")] if listed else []
            if not options:
                return None
            more = {"options": [option for n, option in enumerate(options) if n != _first_empty(options)]}
            if "" in options or name in may_be_empty:
                more["optional"] = True
        case "checkbox":
            more = {"value": "1" if _true(field["value"]) else "0"}
        case "text":
            size = {"max_size": _int(section.get(f"{name}.max_size", ""))}
            new = size | (new if more["format"] in ("reference", "list") else {})
        case "textarea":
            new = {"max_size": _int(section.get(f"{name}.max_size", ""))}
            more["height"] = _int(section.get(f"{name}.rows", ""))
        case "time":
            more, new = {"format": section.get(f"{name}.format", "datetime")}, {}
        case _:
            more, new = {}, {}
    return field | more | (new if schema >= NEW_SHAPE else {})


def _first_empty(options: list[str]) -> int:
    return options.index("") if "" in options else -1


def items(text: str) -> list[str]:
    """The items of a list with commas, none of them empty."""
    return [item.strip() for item in text.split(",") if item.strip()]


def _int(text: str) -> int:
    try:
        return int(text or 0)
    except ValueError:
        return 0


def _true(text: str) -> bool:
    try:
        return bool(float(text))
    except ValueError:
        return text.strip().lower() in TRUE


def read(path: Path) -> Ini:
    """The ``trac.ini`` at `path`. Raises TrackerError where it cannot be read."""
    return Ini(_read(path, DEPTH))


def _read(path: Path, depth: int) -> dict[str, Section]:
    parser = RawConfigParser(strict=False)
    try:
        parser.read_string(path.read_text("utf-8-sig"))
    except OSError as error:
        raise TrackerError(f"{path} cannot be read: {error.strerror}.") from None
    except (Error, ValueError):
        raise TrackerError(f"{path} cannot be read: it is no configuration of a Trac.") from None
    sections = {name: dict(parser.items(name)) for name in parser.sections()}
    for parent in items(sections.get("inherit", {}).get("file", "")) if depth else []:
        file = path.parent / parent
        for name, inherited in (_read(file, depth - 1) if file.exists() else {}).items():
            sections[name] = {**sections.get(name, {}), **_without(inherited, sections.get(name, {}))}
    return sections


def _without(inherited: Section, own: Section) -> Section:
    """What is inherited and not set anew; it comes after our own, as in Trac."""
    return {option: value for option, value in inherited.items() if option not in own}
