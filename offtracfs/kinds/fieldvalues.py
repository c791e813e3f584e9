"""``field/{field}/{name}.json``: a value that a field can have.

A component, milestone or version is an object with its name; the value of any other field is an enum's: the
number that Trac sorts it by, as text.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus

from offtracfs.errors import TrackerError
from offtracfs.kinds.kind import Kind, Rows, Table, is_scalar, misshapen, whole
from offtracfs.kinds.values import date, text, verbatim
from offtracfs.names import SUFFIX, file_name, split


def field_path(field: str, name: str) -> str:
    """Path of one value of a field; `field` is a Trac identifier (``component``), `name` any text."""
    return f"field/{field}/{file_name(name)}"


def _check_named(path: str, value: Any) -> None:
    match value:
        case {"name": str(name)} if all(map(is_scalar, value.values())):
            _, expected = split(path)
            if file_name(name) != expected:
                raise TrackerError(f"its name is {name!r}.")
        case _:
            raise misshapen()


def _check_enum(path: str, value: Any) -> None:
    """An enum's value is a text or a number. Another field may have objects with a name."""
    if not isinstance(value, str | int):
        _check_named(path, value)


def _component(path: str, record: Any) -> Rows:
    owner, description = text(record.get("owner")), text(record.get("description"))
    return [("component", (path, text(record["name"]), owner, description))]


def _milestone(path: str, record: Any) -> Rows:
    due, completed = date(record.get("due")), date(record.get("completed"))
    return [("milestone", (path, text(record["name"]), due, completed, verbatim(record.get("description"))))]


def _version(path: str, record: Any) -> Rows:
    description = text(record.get("description"))
    return [("version", (path, text(record["name"]), date(record.get("time")), description))]


def _enum(path: str, record: Any) -> Rows:
    """The name is taken from the file's name: a name too long for a file name is cut there, and so here."""
    _, field, file = path.split("/")
    name = whole(unquote_plus(file.removesuffix(SUFFIX), errors="surrogatepass"))
    enum = "ticket_type" if field == "type" else field
    return [("enum", (path, enum, name, text(record)))]


_COMPONENT = Table("component", {"path": str, "name": str, "owner": str, "description": str})
_MILESTONE = Table("milestone", {"path": str, "name": str, "due": int, "completed": int, "description": str})
_VERSION = Table("version", {"path": str, "name": str, "time": int, "description": str})
# Without the column `description` that Trac 1.4 added: in reports written for 1.2, a description without its
# table's name would then be ambiguous in a join.
_ENUM = Table("enum", {"path": str, "type": str, "name": str, "value": str})

KINDS = (
    Kind("field/component/{name}.json", _check_named, tables=(_COMPONENT,), rows=_component),
    Kind("field/milestone/{name}.json", _check_named, tables=(_MILESTONE,), rows=_milestone),
    Kind("field/version/{name}.json", _check_named, tables=(_VERSION,), rows=_version),
    Kind("field/status/{name}.json", _check_enum),  # Trac has no table for these: a workflow defines them
    Kind("field/{field}/{name}.json", _check_enum, tables=(_ENUM,), rows=_enum),
)
