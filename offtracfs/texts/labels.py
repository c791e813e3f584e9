"""What fields are called in a text, and in which order they stand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from offtracfs.kinds.fields import is_definition, of_every_trac

CREATED, MODIFIED = "Created", "Modified"  # the times of the record itself
APART = ("summary", "description")  # which have a place of their own in a text
_PLAIN = re.compile(r"\w(?:[^:\\\x00-\x1f\x7f-\x9f\u2028\u2029]*\w)?\??")
_ODD = re.compile(r"[^\w.-]|\\")


class Labels:
    """The fields of a tracker as its texts name them: by their labels where these are clear, else by name.

    `fields` is what ``fields.json`` holds, or anything else: then the fields that every Trac has.
    """

    def __init__(self, fields: Any) -> None:
        known = [field for field in fields if is_definition(field)] if isinstance(fields, list) else []
        definitions = {field["name"]: field for field in known or of_every_trac()}
        self._places = {name: place for place, name in enumerate(definitions)}
        self.lists = {name for name, field in definitions.items() if field.get("format") == "list"}
        self.long = {name for name, field in definitions.items() if field.get("type") == "textarea"}
        labels = {name: field.get("label") or name for name, field in definitions.items()}
        taken = Counter(label.casefold() for label in labels.values())
        taken.update(name.casefold() for name in definitions if labels[name].casefold() != name.casefold())
        taken.update({CREATED.casefold(): 1, MODIFIED.casefold(): 1})
        self._labels = {
            name: label
            for name, label in labels.items()
            if _PLAIN.fullmatch(label) and taken[label.casefold()] == 1
        }
        self._names = {label: name for name, label in self._labels.items()}

    def label(self, name: str) -> str:
        """What a field is called."""
        found = self._labels.get(name)
        return _ODD.sub(lambda match: f"\\u{ord(match[0]):04x}", name) if found is None else found

    def name(self, label: str) -> str:
        """The field that is called so."""
        found = self._names.get(label)
        return re.sub(r"\\u([0-9a-f]{4,6})", lambda m: chr(int(m[1], 16)), label) if found is None else found

    def ordered(self, names: Iterable[str]) -> list[str]:
        """Names of fields as they follow each other in a text: those that are not defined come last."""
        last = len(self._places)
        return sorted(names, key=lambda name: (self._places.get(name, last), name))
